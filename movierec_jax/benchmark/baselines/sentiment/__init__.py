"""Baselines that classify reviews: each module has a dict `BASELINES` of `SentimentBaseline` by name."""
