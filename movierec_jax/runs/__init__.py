"""A run: its settings, data and files, and how it starts, stops and goes on.

`prepare` makes a `run` of a config, `workdir` keeps its files and `checkpoint` its states; `distributed` joins
processes that train as one, `interrupt` turns signals into a request to stop, and `tuning` finds settings by trial.
"""
