"""Baselines that rank movies: each module has a dict `BASELINES` of `RankingBaseline` by name."""
