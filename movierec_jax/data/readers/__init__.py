"""One file per kind of input.

`movielens` reads every MovieLens edition, `ratings_file` one table of ratings, and `ratings_log` ratings that the
service has recorded; `features_file`, `reviews_file` and `links_file` read the tables beside them, by `table_file`.
`table_cache` keeps what was parsed of large files.
"""
