"""Figures of a run: metrics with those of simple baselines, as a report, a table and plots."""
