"""Figures of a run, and of simple baselines beside it.

held-out ratings ─evaluate (metrics, baselines)─> Evaluation ─report, advice─> report.json, closing table
                                                      └──plots, report_page──> report.html, pictures
validation ratings ─epoch_ranking─> NDCG@10 after each epoch
"""
