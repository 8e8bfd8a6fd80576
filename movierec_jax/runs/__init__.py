"""A run: its settings, data and files, and how it starts, stops and resumes.

`prepare` makes a `run` from a config; `workdir` saves its files, `checkpoint` its training states, `epoch_log` its
metrics. `distributed` joins processes, `interrupt` turns signals into a request to stop, `tuning` searches settings.
"""
