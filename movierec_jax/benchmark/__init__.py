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

    config ─speed─> measures: ways that take turns ──> seconds ──> table

`peer` says what a peer is, `ranker` what a ranker; `with_surprise` and `with_myfm` hold what the peers of one library
share.
"""
