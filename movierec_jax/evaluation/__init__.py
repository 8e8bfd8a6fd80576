"""Figures of a run, and of simple baselines beside it.

held-out ratings ─evaluate (metrics, baselines)─> Evaluation ──report──> report.json, closing table
                                                      └────────plots──> pictures
"""
