"""Our model and baselines of other libraries, measured on the same rows in the same run.

    config ─rating─> folds ──> rating_job, a process for each fit ──┬─ our_model: train_run, then load and predict
                                                                    └─ baselines.rating
                                     │
                     figures by user ──bootstrap──> rows ──table──> terminal, Markdown and JSON

    config ─ranking─> cases ──> ranking_job, a process for each fit ──┬─ our_model
                                                                      └─ baselines.ranking, by baseline_lists

    config ─cold, first_ratings, reviews─> cases ──> our_model with other settings or other ratings

    config ─sentiment─> labelled texts ──> our sentiment, and baselines.sentiment

    config ─speed─> measures: ways that take turns ──> seconds

`suites` has a module for each, `baselines` says how to add one, `capacity` compiles for machines that are not here.
"""
