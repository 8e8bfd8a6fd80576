"""How good a model is on ratings it has not learnt from, with simple predictors beside it.

Predictions and lists are taken over the whole part and measured at the end, so no figure depends on how many users or
ratings are worked on at once.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int32

from movierec_jax.config import EvalConfig
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID, Ratings
from movierec_jax.errors import InputError
from movierec_jax.evaluation import metrics
from movierec_jax.evaluation.baselines import rating_baselines
from movierec_jax.model.two_tower import Members, encode
from movierec_jax.recommend.top_k import Rated, TopK, order_of, predict_ratings, top_k_blocks
from movierec_jax.runs.run import Run, user_index_and_movie_row

# Percentages of ratings that intervals around predictions should hold.
INTERVAL_LEVELS = (50, 80, 95)

# Rows of users, what they have seen and k -> their lists, block after block: `top_k_blocks` of one model.
TopKBlocks = Callable[[Int32[np.ndarray, " users"], Rated, int], Iterator[tuple[slice, TopK]]]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Figures of a part of the ratings, and the predictions they come from.

    rating: predictor ("model" or a baseline) -> rows ("all", "warm", "cold") -> rating metrics. Cold rows are those of
        users or movies without a rating in train.
    ranking: recommender ("model", "popularity") -> ranking metrics, means over users with a relevant movie.
    intervals: how often a rating lies within the interval that should hold it so often, "coverage@80" for 80% of the
        time, and what the intervals are made of; empty without a validation part.
    counts: rows, warm and cold rows, cold users and movies, users ranked for.
    predicted: the model's stars for each row of the part.
    """

    rating: dict[str, dict[str, dict[str, float]]]
    ranking: dict[str, dict[str, float]]
    intervals: dict[str, float]
    counts: dict[str, int]
    predicted: Float32[np.ndarray, " ratings"]

    def figures(self) -> dict[str, float]:
        """The model's figures over all rows, in one flat table."""
        return {**self.rating["model"]["all"], **self.ranking["model"]}


def evaluate(run: Run, params: Members, held_out: pd.DataFrame, config: EvalConfig) -> Evaluation:
    """Measures a model on held-out ratings in original ids, against the train and validation part of its run.

    Lists rank every movie of the catalogue that the user has not rated in train or validation.
    """
    ratings = run.by_row(held_out)
    users, movies = encode(params, run.interactions, model=run.model)

    def stars_of(part: Ratings) -> tuple[np.ndarray, np.ndarray]:
        rows = part.user_row, part.movie_row
        return predict_ratings(run.model, params, users, movies, *rows, run.rating_scale, part.time_features)

    predicted, spread = stars_of(ratings)
    if not np.isfinite(predicted).all():
        raise InputError("training diverged: the model predicts values that are no numbers; lower --learning_rate")
    predictions = {"model": predicted.astype(np.float64)}
    for name, predict in rating_baselines(run.train, run.users.unknown, run.movies.unknown).items():
        predictions[name] = np.clip(predict(ratings), *run.rating_scale)
    is_warm = run.users.is_in_train(ratings.user_row) & run.movies.is_in_train(ratings.movie_row)
    ranking, num_ranked = rank(
        run,
        functools.partial(top_k_blocks, run.model, order_of(run.setup), params, users, movies),
        held_out,
        ratings,
        config,
    )
    return Evaluation(
        rating={name: rating_figures(stars, ratings.rating, is_warm) for name, stars in predictions.items()},
        ranking=ranking,
        intervals=intervals(run, stars_of, predicted, spread, ratings.rating),
        counts={
            "rows": len(ratings),
            "warm_rows": int(is_warm.sum()),
            "cold_rows": int((~is_warm).sum()),
            "cold_users": held_out[USER_ID][~run.users.is_in_train(ratings.user_row)].nunique(),
            "cold_movies": held_out[MOVIE_ID][~run.movies.is_in_train(ratings.movie_row)].nunique(),
            "ranked_users": num_ranked,
        },
        predicted=predicted,
    )


def rating_figures(
    predicted: np.ndarray, rating: np.ndarray, is_warm: Bool[np.ndarray, " ratings"]
) -> dict[str, dict[str, float]]:
    """Rating metrics on all, warm and cold rows; nan where there are no such rows."""
    rows = {"all": np.ones_like(is_warm), "warm": is_warm, "cold": ~is_warm}
    return {name: metrics.rating_metrics(predicted[mask], rating[mask]) for name, mask in rows.items()}


def intervals(
    run: Run,
    stars_of: Callable[[Ratings], tuple[np.ndarray, np.ndarray]],
    predicted: Float32[np.ndarray, " ratings"],
    spread: Float32[np.ndarray, " ratings"],
    rating: Float32[np.ndarray, " ratings"],
) -> dict[str, float]:
    """How well the spread of predictions says how far they are from the ratings.

    A rating is taken to be normal around its prediction, with the variance of the members and, the same for all, that
    of ratings themselves ("noise"): what the validation part's squared errors have beyond the members' variance.
    """
    if run.parts.valid.empty:
        return {}
    noise = noise_of(*stars_of(run.valid), run.valid.rating)
    deviation = np.hypot(noise, spread)
    return {
        "noise": noise,
        "mean_spread": float(spread.mean(dtype=np.float64)),
        **{
            f"coverage@{level}": metrics.interval_coverage(predicted, deviation, rating, level / 100)
            for level in INTERVAL_LEVELS
        },
    }


def noise_of(
    stars: Float32[np.ndarray, " ratings"],
    spread: Float32[np.ndarray, " ratings"],
    rating: Float32[np.ndarray, " ratings"],
) -> float:
    """The spread of ratings themselves: what squared errors of predictions have beyond the members' variance."""
    return max(0.0, float(np.mean((stars - rating) ** 2 - spread**2, dtype=np.float64))) ** 0.5


def rank(
    run: Run,
    top_k: TopKBlocks,
    held_out: pd.DataFrame,
    ratings: Ratings,
    config: EvalConfig,
    *,
    has_baselines: bool = True,
) -> tuple[dict[str, dict[str, float]], int]:
    """Ranking metrics of the model and, as a baseline, of popularity, and the number of users they are means over."""
    ks = config.eval_k
    is_relevant = held_out[RATING].to_numpy() >= config.relevant_from(run.rating_scale)
    users = pd.Index(held_out[USER_ID][is_relevant].unique())
    place = users.get_indexer(held_out[USER_ID])[is_relevant].astype(np.int64)
    known = user_index_and_movie_row(run, users, [run.parts.train, run.parts.valid, run.parts.from_reviews])
    seen = Rated.of(*known, len(users), len(run.movies))
    count = np.bincount(run.train.movie_row, minlength=len(run.movies))
    lists = {"model": model_lists(run.users.rows(users), len(run.movies), top_k, seen, max(ks))}
    if has_baselines:
        lists["popularity"] = popular_lists(count, seen, len(users), max(ks))
    genres = run.genres.to_numpy(np.float64)
    figures = {}
    for name, movie_row in lists.items():
        is_hit, num_relevant = metrics.hits(movie_row, place, ratings.movie_row[is_relevant], len(run.movies))
        figures[name] = metrics.ranking_metrics(is_hit, num_relevant, ks)
        for k in ks:
            figures[name] |= {
                f"coverage@{k}": metrics.catalogue_coverage(movie_row[:, :k], len(run.movies)),
                f"novelty@{k}": metrics.novelty(movie_row[:, :k], count, len(run.users)),
                f"gini@{k}": metrics.gini(movie_row[:, :k], len(run.movies)),
                f"diversity@{k}": metrics.mean_over_users(metrics.intra_list_diversity(movie_row[:, :k], genres)),
            }
    return figures, len(users)


def tradeoff(
    run: Run, params: Members, held_out: pd.DataFrame, config: EvalConfig, diversities: Sequence[float]
) -> list[dict[str, float]]:
    """The ranking figures of lists made more and more diverse, one after another."""
    ratings = run.by_row(held_out)
    encoded = encode(params, run.interactions, model=run.model)
    found = []
    for diversity in diversities:
        top_k = functools.partial(
            top_k_blocks, run.model, order_of(run.setup), params, *encoded, diversity=float(diversity)
        )
        ranking, _ = rank(run, top_k, held_out, ratings, config, has_baselines=False)
        found.append({"diversity": float(diversity), **ranking["model"]})
    return found


def model_lists(
    user_row: Int32[np.ndarray, " users"], num_movies: int, top_k: TopKBlocks, seen: Rated, k: int
) -> Int32[np.ndarray, "users k"]:
    """The movie rows of each user's list; the number of movies in places that stay empty."""
    lists = np.full((len(user_row), k), num_movies, np.int32)
    depth = min(k, num_movies)
    for place, top in top_k(user_row, seen, depth):
        lists[place, :depth] = top.movie_row
    return lists


def popular_lists(count: np.ndarray, seen: Rated, num_users: int, k: int) -> Int32[np.ndarray, "users k"]:
    """The movies with most ratings that each user has not seen, as `model_lists` gives them."""
    num_movies = len(count)
    by_count = np.argsort(-count, kind="stable").astype(np.int32)
    lists = np.full((num_users, k), num_movies, np.int32)
    for user in range(num_users):
        own = seen.movie_row[seen.start[user] : seen.start[user + 1]]
        best = by_count[: k + len(own)]
        best = best[~np.isin(best, own)][:k]
        lists[user, : len(best)] = best
    return lists
