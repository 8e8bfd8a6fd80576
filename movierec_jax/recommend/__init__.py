"""Lists from a trained run.

Run + parameters ──> recommender ──> top_k ──> lists ──write_lists──> Parquet or CSV
                         │             ├─ scoring: scores of all movies, ratings of pairs
                         │             ├─ partial_sort, candidates: fast ways to the same lists
                         │             └─ similarity: similar movies, diverse lists
                         ├─ block_scorer: users encoded a block at a time
                         ├─ fold_in: users who are new
                         ├─ filters: movies that lists may hold
                         └─ attribution: reasons
export: the same lists without this package, through export_loader alone
"""
