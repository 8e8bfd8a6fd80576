"""Figures of a run: metrics beside simple baselines, as a report, a table and plots."""
