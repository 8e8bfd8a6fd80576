"""What texts about movies add to ratings and lists: our model without texts, with tags as texts, and with reviews.

reviews ──sentiment that did not learn from them──> files without stars ─┐
ratings ──a random test part; movies held out whole──> cases ──our model, each variant──> ratings, lists ──> table

A file with labels and a split may be what a sentiment was learnt from. Each of its parts is then judged by a sentiment
that is learnt, in this run, from the other part.
"""

import dataclasses
import functools
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int

from movierec_jax.benchmark import our_model
from movierec_jax.benchmark.bootstrap import Difference, bootstrap_mean, bootstrap_rmse, differences_to, interval
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.provenance import bootstrap_note, fits_provenance, machine_note, provenance, seeds_note
from movierec_jax.benchmark.suites.cold import HELD_OUT, draw_held_out
from movierec_jax.benchmark.suites.judged_reviews import JudgedReviews, judge_apart
from movierec_jax.benchmark.table import Table, output_folder, publish, with_spread
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID, CleanData
from movierec_jax.data.splits import split
from movierec_jax.data.values.scale import relevant_from
from movierec_jax.data.values.weights import ratings_of
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.evaluation import metrics
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.runs.prepare import read_clean

WITHOUT, TAGS, REVIEWS = "without texts", "+ tags as texts", "+ reviews"

RANDOM, COLD = "random test part", "cold movies"

# Movies of each list.
K = 10

ALL_MOVIES, REVIEWED = "all", "with reviews"

# Reviewed movies by their number of train ratings: from and to.
BY_COUNT = {
    "with reviews, 0 ratings": (0, 0),
    "with reviews, 1 to 5": (1, 5),
    "with reviews, 6 to 20": (6, 20),
    "with reviews, more": (21, np.inf),
}

COLUMNS = ("", "movies", "variant", "test ratings", "RMSE", "NDCG@10", "RMSE - without", "NDCG@10 - without")


@dataclasses.dataclass(frozen=True)
class ReviewsCase:
    """Ratings to learn from and held-out ratings."""

    name: str
    train: pd.DataFrame
    test: pd.DataFrame


@dataclasses.dataclass(frozen=True)
class ReviewsResult:
    """One fit on those test ratings of a case that are of one kind of movies.

    users: of these ratings, in ascending order, with their sums of squared errors and numbers of ratings. ndcg: by
    user; NaN for users without a relevant movie of this kind, or if no list can contain these movies.
    """

    seed: int
    users: pd.Index
    squared_error: Float64[np.ndarray, " users"]
    num_ratings: Int[np.ndarray, " users"]
    ndcg: Float64[np.ndarray, " users"]

    @property
    def rmse(self) -> float:
        return float(np.sqrt(self.squared_error.sum() / self.num_ratings.sum()))

    @property
    def mean_ndcg(self) -> float:
        return metrics.mean_over_users(self.ndcg)

    def in_words(self) -> str:
        return f"RMSE {self.rmse:.4f}" + ("" if np.isnan(self.mean_ndcg) else f"  NDCG@{K} {self.mean_ndcg:.4f}")


# (case, kind of movies, variant) -> a result for each seed that has such movies.
Results = dict[tuple[str, str, str], list[ReviewsResult]]


def run_suite(
    config: Config, benchmark: BenchmarkConfig, command: str, settings: SentimentConfig | None = None
) -> dict[str, Any]:
    """Fits all variants, and publishes the table.

    settings: of sentiments that are learnt here; None: the defaults. Raises InputError for unusable input.
    """
    if not config.data.reviews:
        raise InputError("--reviews: the suite reviews needs a file of what people wrote; give --reviews=FILE")
    if config.data.test_ratings or config.data.valid_ratings:
        raise InputError("--test_ratings, --valid_ratings: the suite reviews makes its own parts; give --ratings alone")
    data = read_clean(config.data)
    output = output_folder(benchmark.output)
    seeds = benchmark.seeds or (config.train.seed,)
    with tempfile.TemporaryDirectory() as scratch:
        judged = judge_apart(config, settings or SentimentConfig(), pathlib.Path(scratch))
        results = measure_all(config, judged, data, seeds)
    rows = [ReviewsRow(*key, own, results[(*key[:2], WITHOUT)]) for key, own in results.items()]
    rows.sort(key=lambda row: (row.case == COLD, [ALL_MOVIES, REVIEWED, *BY_COUNT].index(row.movies)))
    figures = {
        **provenance(benchmark.suite, command),
        **fits_provenance(seeds, config),
        "rows": [row.as_json() for row in rows],
    }
    publish(output, benchmark.suite, build_table(f"{benchmark.suite}: {data.source}", rows, seeds), figures)
    return figures


def measure_all(config: Config, judged: JudgedReviews, data: CleanData, seeds: Sequence[int]) -> Results:
    """Fits and measures every variant on every case, with every seed; prints the main figures."""
    results: Results = {}
    variants = new_variants(config, judged, has_tags=len(data.tags) > 0)
    for seed in seeds:
        for case in new_cases(config, data, seed):
            for movies, variant, result in measure(case, variants, data, seed):
                results.setdefault((case.name, movies, variant), []).append(result)
                if movies in (ALL_MOVIES, REVIEWED):
                    print(f"seed {seed}  {case.name}, {movies}  {variant}: {result.in_words()}", flush=True)
    return results


def new_variants(config: Config, judged: JudgedReviews, *, has_tags: bool) -> dict[str, Config]:
    """Returns the config of each variant, the one without texts first."""
    plain = tuple(group for group in config.data.content if group != "reviews")
    without = config.replace(content=plain, reviews=(), sentiment=())
    as_texts = without.replace(content=(*plain, "reviews"))
    reviews = as_texts.replace(reviews=judged.reviews, sentiment=judged.sentiment)
    tags = as_texts.replace(sentiment=judged.sentiment[-1:])
    return {WITHOUT: without, TAGS: tags, REVIEWS: reviews} if has_tags else {WITHOUT: without, REVIEWS: reviews}


def new_cases(config: Config, data: CleanData, seed: int) -> Iterator[ReviewsCase]:
    """Yields the test part of a run, which is the same for any seed, and movies held out whole, drawn by the seed."""
    parts = split(data.ratings, config.replace(valid_fraction=0.0).data)
    yield ReviewsCase(RANDOM, parts.train, parts.test)
    is_cold = draw_held_out(data.ratings[MOVIE_ID], seed)
    yield ReviewsCase(COLD, data.ratings[~is_cold], data.ratings[is_cold])


def kinds_of_movies(case: ReviewsCase, reviewed: set) -> dict[str, Bool[np.ndarray, " ratings"]]:
    """Returns which test ratings are of each kind of movies, without kinds that have none.

    Movies held out whole have no train ratings, so they are not divided by this number.
    """
    is_reviewed = case.test[MOVIE_ID].isin(reviewed).to_numpy()
    kinds = {ALL_MOVIES: np.ones(len(case.test), bool), REVIEWED: is_reviewed}
    if case.name != COLD:
        count = case.test[MOVIE_ID].map(case.train[MOVIE_ID].value_counts()).fillna(0).to_numpy()
        kinds |= {
            name: is_reviewed & (count >= lowest) & (count <= highest) for name, (lowest, highest) in BY_COUNT.items()
        }
    return {name: is_of_kind for name, is_of_kind in kinds.items() if is_of_kind.any()}


def measure(
    case: ReviewsCase, variants: dict[str, Config], data: CleanData, seed: int
) -> Iterator[tuple[str, str, ReviewsResult]]:
    """Fits every variant; yields the kind of movies, the variant and the result."""
    models = {
        variant: our_model.fit_model(config.replace(seed=seed), data, case.train)
        for variant, config in variants.items()
    }
    kinds = kinds_of_movies(case, set(models[REVIEWS].run.reviews[MOVIE_ID]))
    relevant_rating = relevant_from(variants[WITHOUT].evaluation, ratings_of(data.ratings), data.rating_scale)
    for variant, model in models.items():
        for kind, result in measure_kinds(model, case, kinds, data.rating_scale, relevant_rating, seed):
            yield kind, variant, result


def measure_kinds(
    model: Recommender,
    case: ReviewsCase,
    kinds: dict[str, Bool[np.ndarray, " ratings"]],
    rating_scale: tuple[float, float],
    relevant_rating: float,
    seed: int,
) -> Iterator[tuple[str, ReviewsResult]]:
    """Measures a model on every kind of movies of the test part."""
    rating = case.test[RATING].to_numpy(np.float64)
    users = pd.Index(case.test[USER_ID].unique()).sort_values()
    user = users.get_indexer(pd.Index(case.test[USER_ID]))
    movies = Vocab.of(case.train[MOVIE_ID], "movie")
    movie_row = movies.rows(case.test[MOVIE_ID])
    predicted = np.clip(model.predict(case.test[USER_ID], case.test[MOVIE_ID]), *rating_scale)
    squared = (predicted.astype(np.float64) - rating) ** 2
    lists = our_model.rank_movies(model, users, movies, K)
    for kind, is_of_kind in kinds.items():
        is_relevant = is_of_kind & (case.test[RATING].to_numpy() >= relevant_rating)
        is_hit, num_relevant = metrics.hits(lists, user[is_relevant], movie_row[is_relevant], len(movies))
        ndcg = metrics.ndcg_at_k(is_hit, num_relevant, K)
        can_be_listed = (movie_row[is_of_kind] < len(movies)).any()
        num_ratings = np.bincount(user[is_of_kind], minlength=len(users))
        squared_error = np.bincount(user[is_of_kind], squared[is_of_kind], len(users))
        has_any = num_ratings > 0
        yield (
            kind,
            ReviewsResult(
                seed,
                users[has_any],
                squared_error[has_any],
                num_ratings[has_any],
                ndcg[has_any] if can_be_listed else np.full(has_any.sum(), np.nan),
            ),
        )


@dataclasses.dataclass(frozen=True)
class ReviewsRow:
    """A variant on one kind of movies of a case. fits: one for each seed; without: the same without texts."""

    case: str
    movies: str
    variant: str
    fits: Sequence[ReviewsResult]
    without: Sequence[ReviewsResult]

    @property
    def rmse(self) -> list[float]:
        return [one.rmse for one in self.fits]

    @property
    def ndcg(self) -> list[float]:
        return [one.mean_ndcg for one in self.fits if not np.isnan(one.mean_ndcg)]

    @property
    def num_ratings(self) -> list[int]:
        return [int(one.num_ratings.sum()) for one in self.fits]

    @functools.cached_property
    def differences(self) -> dict[str, Difference]:
        """Differences to the variant without texts, by figure."""
        if self.variant == WITHOUT:
            return {}
        rmse = {"rmse": rmse_difference(self.fits, self.without)}
        return rmse | {"ndcg@10": ndcg_difference(self.fits, self.without)} if self.ndcg else rmse

    def as_json(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "movies": self.movies,
            "variant": self.variant,
            "seeds": [one.seed for one in self.fits],
            "num_ratings": self.num_ratings,
            "rmse": self.rmse,
            "ndcg@10": self.ndcg,
            "differences": {name: found.as_json() for name, found in self.differences.items()},
        }


def rmse_difference(fits: Sequence[ReviewsResult], without: Sequence[ReviewsResult]) -> Difference:
    """Returns the difference of the mean RMSE over seeds; users are resampled, with their ratings in all fits."""
    users = pd.Index(np.concatenate([one.users for one in fits])).unique()
    squared_error, num_ratings = np.zeros((2, len(fits), len(users))), np.zeros((len(fits), len(users)), np.int64)
    for index, pair in enumerate(zip(without, fits, strict=True)):
        user = users.get_indexer(pair[0].users)
        squared_error[:, index, user] = [one.squared_error for one in pair]
        num_ratings[index, user] = pair[0].num_ratings
    rmse = {name: float(np.mean([one.rmse for one in own])) for name, own in ((WITHOUT, without), (REVIEWS, fits))}
    return differences_to(WITHOUT, rmse, bootstrap_rmse(squared_error, num_ratings))[REVIEWS]


def ndcg_difference(fits: Sequence[ReviewsResult], without: Sequence[ReviewsResult]) -> Difference:
    """Returns the difference of NDCG over the users of all fits who have a relevant movie; users are resampled."""
    pairs = pd.concat(
        pd.DataFrame({USER_ID: one.users, WITHOUT: other.ndcg, REVIEWS: one.ndcg})
        for one, other in zip(fits, without, strict=True)
    ).dropna()
    by_user = pairs.groupby(USER_ID)
    total = by_user[[WITHOUT, REVIEWS]].sum().to_numpy().T
    resampled = bootstrap_mean(total, by_user.size().to_numpy())
    # The mean of differences, exact where all users differ alike.
    value = float((pairs[REVIEWS] - pairs[WITHOUT]).mean())
    return Difference(WITHOUT, value, interval(resampled[:, 1] - resampled[:, 0]))


def build_table(title: str, rows: Sequence[ReviewsRow], seeds: Sequence[int]) -> Table:
    """Returns a row for each case, kind of movies and variant."""
    cells = []
    for row in rows:
        differences = [row.differences.get(name) for name in ("rmse", "ndcg@10")]
        cells.append(
            (
                row.case,
                row.movies,
                row.variant,
                f"{np.mean(row.num_ratings):,.0f}",
                with_spread(row.rmse, 4),
                with_spread(row.ndcg, 4) if row.ndcg else "-",
                *(one.in_words() if one else "-" for one in differences),
            )
        )
    notes = (
        seeds_note(seeds),
        f"cold movies: {HELD_OUT:.0%} of the movies held out whole, drawn by the seed; no list contains them, so only "
        "their predicted ratings are measured",
        f"NDCG@{K}: of lists over all movies of train that the user has not rated; hits are relevant test ratings of "
        "the movies named, means over users with one",
        "with reviews: movies with a text in --reviews, by their number of train ratings",
        "each text is judged by a sentiment that has not learnt from it if its file has labels and a split; stars "
        "beside texts are not used",
        bootstrap_note(),
        machine_note(),
    )
    return Table(title, COLUMNS, tuple(cells), notes)
