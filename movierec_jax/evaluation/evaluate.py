"""How good a model is on ratings that it was not trained on, with baselines beside it.

Predictions and lists are made for the whole part and measured at the end, so no figure depends on how many users or
ratings are worked on at once. The figures of lists are those of the tables in `metrics`.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32

from movierec_jax.config import EvalConfig
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID, Ratings
from movierec_jax.data.values.weights import rated_rows
from movierec_jax.errors import InputError
from movierec_jax.evaluation import metrics
from movierec_jax.evaluation.baselines import popular_lists, rating_baselines
from movierec_jax.model.two_tower import Members
from movierec_jax.recommend.block_scorer import BlockScorer, scorer_of_run
from movierec_jax.recommend.lists import ListRequest, SeenMovies
from movierec_jax.recommend.scoring import AnyScorer, predict_ratings
from movierec_jax.recommend.top_k import top_k_lists
from movierec_jax.runs.run import Run, user_index_and_movie_row

# Percentages of ratings that intervals around predictions should cover.
INTERVAL_LEVELS = (50, 80, 95)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Figures of a part of the ratings, and the predictions they come from.

    Movies watched but not rated count in lists alone: relevant where the part has no ratings at all, seen in train and
    validation.

    rating: predictor ("model" or a baseline) -> rows ("all", "warm", "cold") -> rating metrics. Cold rows are of users
        or movies without a rating in train.
    ranking: recommender ("model", "popularity", and "recent popularity" where lists follow trends) -> ranking metrics,
        means over users with a relevant movie.
    intervals: the fraction of ratings that each interval covers, "coverage@80" for the one that should cover 80%, and
        the deviations that intervals are made of; empty without a validation part.
    counts: rows, how many of them are rated, warm and cold rows, cold users and movies, users with lists.
    predicted: the model's rating for each row of the part; NaN where the model has learnt from no ratings.
    """

    rating: dict[str, dict[str, dict[str, float]]]
    ranking: dict[str, dict[str, float]]
    intervals: dict[str, float]
    counts: dict[str, int]
    predicted: Float32[np.ndarray, " ratings"]

    def figures(self) -> dict[str, float]:
        """Returns the model's figures over all rows in one flat table."""
        return {**self.rating["model"]["all"], **self.ranking["model"]}


def evaluate(
    run: Run, params: Members, held_out: pd.DataFrame, config: EvalConfig, scorer: BlockScorer | None = None
) -> Evaluation:
    """Measures a model, and baselines fitted on train, on held-out ratings in original ids.

    Lists rank every movie of the catalogue that the user has not rated in train or validation. Raises InputError for
    predictions that are not finite.
    scorer: that of the run with these parameters, if there is one.
    """
    ratings = run.by_row(held_out)
    is_rated = run.has_ratings & ~np.isnan(ratings.rating)
    weight = None if ratings.weight is None else ratings.weight[is_rated]
    scorer = scorer or scorer_of_run(run, params)

    def predict(part: Ratings) -> tuple[np.ndarray, np.ndarray]:
        return predict_ratings(scorer, part.user_row, part.movie_row, run.rating_scale, part.time_features)

    predicted, spread = predict(ratings)
    if run.has_ratings and not np.isfinite(predicted).all():
        raise InputError("training diverged: the model predicts values that are not finite; lower --learning_rate")
    predictions = {"model": predicted.astype(np.float64)}
    rating = ratings.rating[is_rated]
    for name, baseline in rating_baselines(run.train, run.users.unknown, run.movies.unknown).items():
        predictions[name] = np.clip(baseline(ratings), *run.rating_scale)
    is_warm = run.users.is_in_train(ratings.user_row) & run.movies.is_in_train(ratings.movie_row)
    ranking, num_ranked = rank_held_out(run, scorer, held_out, ratings, config)
    return Evaluation(
        rating={
            name: rating_figures(values[is_rated], rating, is_warm[is_rated], weight)
            for name, values in predictions.items()
        },
        ranking=ranking,
        intervals=interval_figures(run, predict, predicted[is_rated], spread[is_rated], rating),
        counts={
            "rows": len(ratings),
            "rated_rows": int(is_rated.sum()),
            "warm_rows": int(is_warm.sum()),
            "cold_rows": int((~is_warm).sum()),
            "cold_users": held_out[USER_ID][~run.users.is_in_train(ratings.user_row)].nunique(),
            "cold_movies": held_out[MOVIE_ID][~run.movies.is_in_train(ratings.movie_row)].nunique(),
            "ranked_users": num_ranked,
        },
        predicted=predicted,
    )


def rating_figures(
    predicted: np.ndarray, rating: np.ndarray, is_warm: Bool[np.ndarray, " ratings"], weight: np.ndarray | None
) -> dict[str, dict[str, float]]:
    """Returns the rating metrics of all, warm and cold rows; NaN where there are no such rows.

    weight: how much each rating counts; None: all count 1.
    """
    rows = {"all": np.ones_like(is_warm), "warm": is_warm, "cold": ~is_warm}
    weights = {name: None if weight is None else weight[mask] for name, mask in rows.items()}
    return {name: metrics.rating_metrics(predicted[mask], rating[mask], weights[name]) for name, mask in rows.items()}


def interval_figures(
    run: Run,
    predict: Callable[[Ratings], tuple[np.ndarray, np.ndarray]],
    predicted: Float32[np.ndarray, " ratings"],
    spread: Float32[np.ndarray, " ratings"],
    rating: Float32[np.ndarray, " ratings"],
) -> dict[str, float]:
    """Returns how well intervals of the predictions cover the ratings; nothing without these or validation ratings.

    A rating is taken to be normal around its prediction. Its variance is that of the ensemble's members plus the noise
    of ratings themselves, the same for all, as the validation part shows it.
    """
    valid = run.valid.rated()
    if not len(valid) or not len(rating):
        return {}
    noise = noise_of(*predict(valid), valid.rating)
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
    predicted: Float32[np.ndarray, " ratings"],
    spread: Float32[np.ndarray, " ratings"],
    rating: Float32[np.ndarray, " ratings"],
) -> float:
    """Returns the standard deviation of ratings themselves: squared errors less the members' variance, at least 0."""
    return max(0.0, float(np.mean((predicted - rating) ** 2 - spread**2, dtype=np.float64))) ** 0.5


def rank_held_out(
    run: Run,
    scorer: AnyScorer,
    held_out: pd.DataFrame,
    ratings: Ratings,
    config: EvalConfig,
    *,
    diversity: float = 0.0,
    has_baselines: bool = True,
) -> tuple[dict[str, dict[str, float]], int]:
    """Returns ranking metrics of the model and of baselines, and how many users they are means over.

    The baselines are popularity and, where lists follow trends, popularity lately.
    ratings: `held_out` by row.
    """
    ks, num_movies = config.eval_k, len(run.movies)
    is_relevant = relevant_rows(run, held_out, config)
    users = pd.Index(held_out[USER_ID][is_relevant].unique())
    user = users.get_indexer(held_out[USER_ID])[is_relevant].astype(np.int64)
    rated = user_index_and_movie_row(run, users, [run.parts.train, run.parts.valid, run.parts.from_reviews])
    seen = SeenMovies.of(*rated, len(users), num_movies)
    request = ListRequest(run.users.rows(users), seen, max(ks), diversity=diversity)
    num_ratings = run.movie_count[:num_movies]
    lists = {"model": top_k_lists(scorer, request)}
    if has_baselines:
        lists["popularity"] = popular_lists(num_ratings, seen, len(users), max(ks))
        if run.trend is not None:
            lists["recent popularity"] = popular_lists(run.trend, seen, len(users), max(ks))
    catalogue = metrics.ListedCatalogue(num_ratings, len(run.users), run.genres.to_numpy(np.float64))
    figures = {}
    for name, movie_row in lists.items():
        is_hit, num_relevant = metrics.hits(movie_row, user, ratings.movie_row[is_relevant], num_movies)
        figures[name] = metrics.ranking_metrics(is_hit, num_relevant, ks)
        figures[name] |= metrics.list_metrics(movie_row, catalogue, ks)
    return figures, len(users)


def relevant_rows(run: Run, held_out: pd.DataFrame, config: EvalConfig) -> Bool[np.ndarray, " ratings"]:
    """Returns which ratings are relevant; where none of them is a rating, every movie watched is."""
    if rated_rows(held_out).empty:
        return np.ones(len(held_out), bool)
    return held_out[RATING].to_numpy() >= run.relevant_from(config)


def tradeoff(
    run: Run, params: Members, held_out: pd.DataFrame, config: EvalConfig, diversities: Sequence[float]
) -> list[dict[str, float]]:
    """Returns the ranking figures of lists for each diversity."""
    ratings = run.by_row(held_out)
    scorer = scorer_of_run(run, params)
    rows = []
    for diversity in map(float, diversities):
        ranking, _ = rank_held_out(run, scorer, held_out, ratings, config, diversity=diversity, has_baselines=False)
        rows.append({"diversity": diversity, **ranking["model"]})
    return rows
