"""What `movierec benchmark` measures: a suite in each file, with `run_suite`.

Each takes the config, the benchmark's config and the command; it prints a table, writes it as Markdown with all figures
as JSON, and returns what the JSON file holds.
"""
