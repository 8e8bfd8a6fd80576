"""What texts about movies add to stars and lists: ours without them, with tags read as texts, and with reviews too.

reviews ──sentiment that has not learnt from them──> files without stars ─┐
ratings ──a random test part; movies held out whole──> cases ──ours, each variant──> stars, lists ──bootstrap──> table

A file that is labelled and has a split may be what a sentiment was learnt from. Each of its parts is then judged by one
that is learnt, in this run, from the other.
"""

import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int

from movierec_jax.benchmark import ours
from movierec_jax.benchmark.bootstrap import CONFIDENCE, NUM_RESAMPLES, bootstrap_mean, bootstrap_rmse, interval
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.environment import machine, versions
from movierec_jax.benchmark.suites.cold import HELD_OUT, chosen
from movierec_jax.benchmark.suites.sentiment import read_parts
from movierec_jax.benchmark.table import Table, as_text, with_interval, with_spread, write_table
from movierec_jax.config import Config
from movierec_jax.data.readers.labelled_file import require_both_labels, test_part
from movierec_jax.data.readers.reviews_file import KNOWN_NAMES, find_columns, read_reviews, take_columns
from movierec_jax.data.readers.source_file import local_file
from movierec_jax.data.readers.table_file import read_columns, read_header
from movierec_jax.data.schema import LABEL, MOVIE_ID, RATING, SPLIT, STARS, USER_ID, CleanData
from movierec_jax.data.splits import split
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.evaluation import metrics
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.saved import DEFAULT_SENTIMENT, save_sentiment
from movierec_jax.features.sentiment.train import fit_sentiment
from movierec_jax.runs.prepare import read_clean
from movierec_jax.settings import to_json

WITHOUT, TAGS, REVIEWS = "without texts", "+ tags as texts", "+ reviews"

RANDOM, COLD = "random test part", "cold movies"

# Movies of each list.
K = 10

ALL, REVIEWED = "all", "with reviews"

# The same by how many ratings train has of the movie: from and to.
BY_COUNT = {
    "with reviews, 0 ratings": (0, 0),
    "with reviews, 1 to 5": (1, 5),
    "with reviews, 6 to 20": (6, 20),
    "with reviews, more": (21, np.inf),
}

COLUMNS = ("", "movies", "ours", "test ratings", "RMSE", "NDCG@10", "RMSE - without", "NDCG@10 - without")


@dataclasses.dataclass(frozen=True)
class Judged:
    """Files of reviews without stars, and the sentiments that judge them, as `DataConfig` has both."""

    reviews: tuple[str, ...]
    sentiment: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Case:
    """What is learnt from and held out."""

    name: str
    train: pd.DataFrame
    test: pd.DataFrame


@dataclasses.dataclass(frozen=True)
class Measured:
    """One fit on the rows of a case that are about some movies.

    users: of these rows, in rising order, with the sum of their squared errors and the number of their ratings.
    ndcg: by user; NaN for those without a relevant movie among these, or where no list can hold these movies.
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


# Case, movies and variant -> a fit for each seed in which there are such movies.
Fits = dict[tuple[str, str, str], list[Measured]]


def run_suite(
    config: Config, benchmark: BenchmarkConfig, command: str, settings: SentimentConfig | None = None
) -> dict[str, Any]:
    """Fits all variants, prints the table, writes it as Markdown and JSON, and returns what the latter holds.

    settings: of sentiments that are learnt here; without them the defaults. Raises InputError for input that cannot be
    used.
    """
    if not config.data.reviews:
        raise InputError("--reviews: the suite reviews needs a file of what people wrote; give --reviews=FILE")
    if config.data.test_ratings or config.data.valid_ratings:
        raise InputError("--test_ratings, --valid_ratings: the suite reviews makes its own parts; give --ratings alone")
    data = read_clean(config.data)
    output = pathlib.Path(benchmark.output)
    output.mkdir(parents=True, exist_ok=True)
    seeds = benchmark.seeds or (config.train.seed,)
    fits: Fits = {}
    with tempfile.TemporaryDirectory() as scratch:
        judged = judged_apart(config, settings or SentimentConfig(), pathlib.Path(scratch))
        variants = variants_of(config, judged, has_tags=len(data.tags) > 0)
        for seed in seeds:
            for case in cases(config, data, seed):
                for movies, variant, found in measure(case, variants, data, seed):
                    fits.setdefault((case.name, movies, variant), []).append(found)
                    if movies in (ALL, REVIEWED):
                        told = f"seed {seed}  {case.name}, {movies}  {variant}"
                        ndcg = "" if np.isnan(found.mean_ndcg) else f"  NDCG@{K} {found.mean_ndcg:.4f}"
                        print(f"{told}: RMSE {found.rmse:.4f}{ndcg}", flush=True)
    rows = [row_figures(key, own, fits[(*key[:2], WITHOUT)]) for key, own in fits.items()]
    rows.sort(key=lambda row: (row["case"] == COLD, [ALL, REVIEWED, *BY_COUNT].index(row["movies"])))
    table = build_table(rows, data, seeds, benchmark)
    print(f"\n{as_text(table)}\n")
    figures = {
        "suite": benchmark.suite,
        "command": command,
        "versions": versions(),
        "machine": machine(),
        "seeds": list(seeds),
        "settings": to_json(config),
        "bootstrap": {"over": "users", "draws": NUM_RESAMPLES, "confidence": CONFIDENCE},
        "rows": rows,
    }
    write_table(output, benchmark.suite, table, figures)
    print(f"table and all figures in {output / benchmark.suite}.md and .json")
    return figures


# Reviews.


def judged_apart(config: Config, settings: SentimentConfig, folder: pathlib.Path) -> Judged:
    """The files of --reviews in a folder, without stars, each part of one that is labelled judged by the other's."""
    given = config.data.sentiment or (str(DEFAULT_SENTIMENT),)
    folders = given if len(given) > 1 else given * (len(config.data.reviews) + 1)
    reviews, sentiments = [], []
    for number, path in enumerate(config.data.reviews):
        table = read_reviews(path).table.drop(columns=STARS, errors="ignore")
        is_test = labelled_test_part(path)
        if is_test is None:
            parts = {"whole": (table, folders[number])}
        else:
            other = {name: str(folder / f"{number}-{name}-sentiment") for name in ("train", "test")}
            for name, part in zip(other, read_parts(path), strict=True):
                print(f"{path}: learning from the split {name}, to judge the other")
                require_both_labels(part)
                save_sentiment(pathlib.Path(other[name]), fit_sentiment(part, settings))
            parts = {"train": (table[~is_test], other["test"]), "test": (table[is_test], other["train"])}
        for name, (rows, sentiment) in parts.items():
            file = folder / f"{number}-{name}.parquet"
            rows.to_parquet(file, index=False)
            reviews.append(str(file))
            sentiments.append(sentiment)
    return Judged(tuple(reviews), (*sentiments, folders[-1]))


def labelled_test_part(path: str) -> np.ndarray | None:
    """Whether each row of a file is of the split test; None where the file has no labels and stars, or no split."""
    with local_file(path) as file:
        header = read_header(file, KNOWN_NAMES, "columns of a movie_id or imdb_id, and of text")
        names = find_columns(header, (LABEL, STARS, SPLIT))
        if SPLIT not in names or len(names) == 1:
            return None
        found = read_columns(header, [names[SPLIT]])
        is_test = test_part(take_columns(found, {SPLIT: names[SPLIT]}), found)
    return is_test if is_test.any() else None


# Cases.


def variants_of(config: Config, judged: Judged, *, has_tags: bool) -> dict[str, Config]:
    """The settings of each variant, the one without texts first."""
    plain = tuple(group for group in config.data.content if group != "reviews")
    without = config.replace(content=plain, reviews=(), sentiment=())
    as_texts = without.replace(content=(*plain, "reviews"))
    reviews = as_texts.replace(reviews=judged.reviews, sentiment=judged.sentiment)
    tags = as_texts.replace(sentiment=judged.sentiment[-1:])
    return {WITHOUT: without, TAGS: tags, REVIEWS: reviews} if has_tags else {WITHOUT: without, REVIEWS: reviews}


def cases(config: Config, data: CleanData, seed: int) -> Iterator[Case]:
    """The test part that a run would have, the same for any seed, and movies held out whole by the seed."""
    parts = split(data.ratings, config.replace(valid_fraction=0.0).data)
    yield Case(RANDOM, parts.train, parts.test)
    is_cold = chosen(data.ratings[MOVIE_ID], seed)
    yield Case(COLD, data.ratings[~is_cold], data.ratings[is_cold])


def measure(case: Case, variants: dict[str, Config], data: CleanData, seed: int) -> Iterator[tuple[str, str, Measured]]:
    """Every variant on every kind of movies that the test part has, as kind, variant and figures."""
    models = {name: ours.fitted(config.replace(seed=seed), data, case.train) for name, config in variants.items()}
    kinds = kinds_of(case, set(models[REVIEWS].run.reviews[MOVIE_ID]))
    relevant_rating = variants[WITHOUT].evaluation.relevant_from(data.rating_scale)
    is_relevant = case.test[RATING].to_numpy() >= relevant_rating
    users = pd.Index(case.test[USER_ID].unique()).sort_values()
    user = users.get_indexer(pd.Index(case.test[USER_ID]))
    movies = Vocab.of(case.train[MOVIE_ID], "movie")
    movie_row = movies.rows(case.test[MOVIE_ID])
    for name, model in models.items():
        stars = np.clip(model.predict(case.test[USER_ID], case.test[MOVIE_ID]), *data.rating_scale)
        squared = (stars.astype(np.float64) - case.test[RATING].to_numpy(np.float64)) ** 2
        lists = ours.lists_of(model, users, movies, K)
        for kind, which in kinds.items():
            asked = which & is_relevant
            is_hit, num_relevant = metrics.hits(lists, user[asked], movie_row[asked], len(movies))
            ndcg = metrics.ndcg_at_k(is_hit, num_relevant, K)
            can_be_listed = (movie_row[which] < len(movies)).any()
            has_any = np.bincount(user[which], minlength=len(users)) > 0
            yield (
                kind,
                name,
                Measured(
                    seed,
                    users[has_any],
                    np.bincount(user[which], squared[which], len(users))[has_any],
                    np.bincount(user[which], minlength=len(users))[has_any],
                    ndcg[has_any] if can_be_listed else np.full(has_any.sum(), np.nan),
                ),
            )


def kinds_of(case: Case, reviewed: set) -> dict[str, np.ndarray]:
    """Which test ratings are of each kind of movies, those kinds left out of which there are none.

    Of movies held out whole train has no rating, so that they are not told apart by the number.
    """
    is_reviewed = case.test[MOVIE_ID].isin(reviewed).to_numpy()
    kinds = {ALL: np.ones(len(case.test), bool), REVIEWED: is_reviewed}
    if case.name != COLD:
        count = case.test[MOVIE_ID].map(case.train[MOVIE_ID].value_counts()).fillna(0).to_numpy()
        kinds |= {
            name: is_reviewed & (count >= lowest) & (count <= highest) for name, (lowest, highest) in BY_COUNT.items()
        }
    return {name: which for name, which in kinds.items() if which.any()}


# Figures.


def row_figures(key: tuple[str, str, str], fits: Sequence[Measured], without: Sequence[Measured]) -> dict[str, Any]:
    """A row as plain values: figures by seed and, unless it is the one without texts, how far they are from that."""
    case, movies, variant = key
    row: dict[str, Any] = {
        "case": case,
        "movies": movies,
        "variant": variant,
        "seeds": [one.seed for one in fits],
        "num_ratings": [int(one.num_ratings.sum()) for one in fits],
        "rmse": [one.rmse for one in fits],
        "ndcg@10": [one.mean_ndcg for one in fits if not np.isnan(one.mean_ndcg)],
    }
    if variant != WITHOUT:
        row["differences"] = {
            "rmse": rmse_difference(fits, without),
            "ndcg@10": ndcg_difference(fits, without) if row["ndcg@10"] else None,
        }
    return row


def rmse_difference(fits: Sequence[Measured], without: Sequence[Measured]) -> dict[str, Any]:
    """The difference of the mean RMSE over seeds, and its interval; users are drawn, with their ratings in all fits."""
    users = pd.Index(np.concatenate([one.users for one in fits])).unique()
    squared_error, num_ratings = np.zeros((2, len(fits), len(users))), np.zeros((len(fits), len(users)), np.int64)
    for number, pair in enumerate(zip(without, fits, strict=True)):
        place = users.get_indexer(pair[0].users)
        squared_error[:, number, place] = [one.squared_error for one in pair]
        num_ratings[number, place] = pair[0].num_ratings
    resampled = bootstrap_rmse(squared_error, num_ratings)
    difference = np.mean([one.rmse for one in fits]) - np.mean([one.rmse for one in without])
    return {"difference": float(difference), "interval": list(interval(resampled[:, 1] - resampled[:, 0]))}


def ndcg_difference(fits: Sequence[Measured], without: Sequence[Measured]) -> dict[str, Any]:
    """The same of NDCG, whose mean is over all users of all fits who have something to be found."""
    pairs = pd.concat(
        pd.DataFrame({USER_ID: one.users, WITHOUT: other.ndcg, REVIEWS: one.ndcg})
        for one, other in zip(fits, without, strict=True)
    ).dropna()
    by_user = pairs.groupby(USER_ID)
    total = by_user[[WITHOUT, REVIEWS]].sum().to_numpy().T
    resampled = bootstrap_mean(total, by_user.size().to_numpy())
    difference = float((pairs[REVIEWS] - pairs[WITHOUT]).mean())
    return {"difference": difference, "interval": list(interval(resampled[:, 1] - resampled[:, 0]))}


def build_table(
    rows: Sequence[dict[str, Any]], data: CleanData, seeds: Sequence[int], benchmark: BenchmarkConfig
) -> Table:
    """A row for each case, kind of movies and variant."""
    cells = []
    for row in rows:
        differences = row.get("differences", {})
        against = [differences.get(name) for name in ("rmse", "ndcg@10")]
        cells.append(
            (
                row["case"],
                row["movies"],
                row["variant"],
                f"{np.mean(row['num_ratings']):,.0f}",
                with_spread(row["rmse"], 4),
                with_spread(row["ndcg@10"], 4) if row["ndcg@10"] else "-",
                *(with_interval(one["difference"], tuple(one["interval"]), 4) if one else "-" for one in against),
            )
        )
    place = machine()
    notes = (
        f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}; spread from lowest to highest fit",
        f"cold movies: {HELD_OUT:.0%} of the movies held out whole, drawn by the seed; no list holds them, so "
        "that they are told by their stars alone",
        f"NDCG@{K}: of lists over all movies of train that the user has not rated; hits are relevant test ratings of "
        "the movies named, means over users with one",
        "by ratings: those of the movie in train; with reviews: of movies with a text in --reviews",
        "texts are judged by a sentiment that has not learnt from them where their file has labels and a split; stars "
        "beside texts are not looked at",
        f"in brackets the {CONFIDENCE:.0%} interval of a paired bootstrap over users, {NUM_RESAMPLES:,} draws",
        f"{place['processor']}, {place['cores']} cores, {place['memory_gb']:g} GB; Python {versions()['python']}",
    )
    return Table(f"reviews: {data.source}", COLUMNS, tuple(cells), notes)
