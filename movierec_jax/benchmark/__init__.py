"""Our model and other recommenders, measured on the very same rows in the same run.

    config ─stars─> folds ──> fit, a process for each ──┬─ ours: train_run, then load and predict
                                                        └─ peers: a recommender of another library in each file
                                 │
                     stars, seconds, memory ──bootstrap──> rows ──table──> terminal, Markdown and JSON

    config ─ranking─> cases ──> lists, a process for each ──┬─ ours
                                                            └─ rankers: tuned on ratings hidden from train
                                  │
                    figures by user ──bootstrap──> table

    config ─first_ratings─> cases ──> lists after 3, 10 and 30 ratings ──bootstrap──> table

    config ─sentiment─> labelled texts ──> ours, and classifiers of other libraries ──bootstrap──> table

    config ─reviews─> reviews judged apart ──> ours with and without texts ──bootstrap──> table

    config ─speed─> measures: ways that take turns ──> seconds ──> table

`peer` says what a peer is, `ranker` what a ranker, `classifier` what a classifier; `with_surprise`, `with_myfm` and
`with_sklearn` hold what those of one library share.
"""
