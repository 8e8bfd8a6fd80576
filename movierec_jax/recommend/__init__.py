"""Lists from a trained run.

Run + parameters ─recommender─> top_k (candidates, partial_sort) ─> lists ─write_lists─> Parquet or CSV
                                                                     ├─ filters, attribution
                                                                     └─ export (read by export_loader alone)
"""
