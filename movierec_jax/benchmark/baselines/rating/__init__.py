"""Baselines that predict ratings: each module has a dict `BASELINES` of `RatingBaseline` by name."""
