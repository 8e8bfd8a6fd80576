"""Readers of input files.

`ratings.read_ratings` is the entrance for ratings of any kind: `movielens` and `movielens_tables` read the editions,
`ratings_file` one file, `ratings_log` what the service has recorded. `features_file`, `links_file`, `reviews_file` and
`labelled_file` read other tables, all through `table_file`.

All share `source_file` (opening), `delimited` (rules of text files) and `columns` (names and types of columns).
`table_cache` keeps the parsed content of large files.
"""
