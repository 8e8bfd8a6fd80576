"""Prepared datasets: ratings that are read, cleaned and split once, out of core, and trained on many times."""
