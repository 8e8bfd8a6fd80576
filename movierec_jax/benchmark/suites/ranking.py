"""Which model makes the best lists, and at what cost: our model and baselines on the same rows.

folds -> a task each -> every model in a process of its own -> figures by user -> means, bootstrap -> table

Every movie with a train rating is ranked, except the user's own rated ones. A hit is a relevant held-out rating.
Figures are means over users with such a rating.
"""

import dataclasses
import functools
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int

from movierec_jax.benchmark.baselines import find_baseline
from movierec_jax.benchmark.bootstrap import Difference, bootstrap_mean, differences_to
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_MODEL, Entrant, measure_in_turn, require_no_failures
from movierec_jax.benchmark.folds import Fold, fold_names, read_folds
from movierec_jax.benchmark.provenance import bootstrap_note, fits_provenance, machine_note, provenance, seeds_note
from movierec_jax.benchmark.ranking_job import RankingJob, rank_apart
from movierec_jax.benchmark.ranking_task import RankingTask
from movierec_jax.benchmark.table import Table, output_folder, publish, with_spread
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.data.values.scale import relevant_from
from movierec_jax.data.values.weights import ratings_of
from movierec_jax.evaluation import metrics

# Movies of each list.
K = 100

# Figures by user, which are averaged over users: (is_hit, num_relevant) -> figure.
BY_USER: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "ndcg@10": lambda is_hit, num_relevant: metrics.ndcg_at_k(is_hit, num_relevant, 10),
    "ndcg@100": lambda is_hit, num_relevant: metrics.ndcg_at_k(is_hit, num_relevant, 100),
    "recall@10": lambda is_hit, num_relevant: metrics.recall_at_k(is_hit, num_relevant, 10),
    "recall@20": lambda is_hit, num_relevant: metrics.recall_at_k(is_hit, num_relevant, 20),
    "recall@50": lambda is_hit, num_relevant: metrics.recall_at_k(is_hit, num_relevant, 50),
    "recall@100": lambda is_hit, num_relevant: metrics.recall_at_k(is_hit, num_relevant, 100),
    "map@100": lambda is_hit, num_relevant: metrics.average_precision_at_k(is_hit, num_relevant, 100),
}

# Figures of all lists together.
OF_LISTS = ("coverage@10", "gini@10")

# Figures that entrants are compared by.
COMPARED = ("ndcg@10", "recall@20")

# For each entrant and figure of COMPARED, the difference to a reference.
Differences = dict[str, dict[str, Difference]]

# Fraction of users held out whole, and fraction of their ratings given after training.
NEW_USERS = 0.2

GIVEN = 0.8

OUR_ENTRANTS = (
    Entrant("movierec_jax"),
    Entrant("movierec_jax, ids + history", settings={"content": ()}),
    Entrant("movierec_jax, by predicted rating alone", settings={"implicit_feedback_dim": 0}),
)

# Where the next movie is to be found.
OUR_NEXT_ENTRANTS = tuple(
    Entrant(f"movierec_jax, {target}", settings={"implicit_feedback_target": target}) for target in ("sequence", "next")
)


@dataclasses.dataclass(frozen=True)
class RankingCase:
    """A task for every entrant, and the held-out ratings that its lists should find."""

    config: Config
    task: RankingTask
    held_out: pd.DataFrame


@dataclasses.dataclass(frozen=True)
class RankingResult:
    """One entrant's lists for one case. by_user: figures of BY_USER. figures: of OF_LISTS, and what the lists took."""

    by_user: dict[str, Float64[np.ndarray, " users"]]
    figures: dict[str, float]
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    def in_words(self) -> str:
        """Returns the figures of COMPARED, and the time if it was taken, in one line."""
        words = "  ".join(f"{name} {self.mean(name):.4f}" for name in COMPARED)
        return f"{words} in {self.figures['fit_seconds']:.1f} s" if "fit_seconds" in self.figures else words

    def mean(self, name: str) -> float:
        return metrics.mean_over_users(self.by_user[name]) if name in BY_USER else self.figures[name]


def trained_users(fold: Fold, seed: int) -> RankingCase:
    """Returns a case of users with train ratings: those with a relevant rating in the test part of the fold."""
    relevant = relevant_from(fold.config.evaluation, ratings_of(fold.train), fold.rating_scale)
    users = pd.Index(fold.test[USER_ID][fold.test[RATING] >= relevant].unique()).sort_values()
    return RankingCase(fold.config, RankingTask(fold.train, fold.train[:0], users, relevant), fold.test)


def new_users(fold: Fold, seed: int) -> RankingCase:
    """Returns a case of users held out whole ("strong generalisation"): some ratings are given, the others to be found.

    All ratings of the fold are used, also its test part. The given ratings are in random order.
    """
    relevant = relevant_from(fold.config.evaluation, ratings_of(fold.train), fold.rating_scale)
    ratings = pd.concat([fold.train, fold.test], ignore_index=True)
    generator = np.random.default_rng([seed, 2])
    all_users = np.sort(ratings[USER_ID].unique())
    is_new = ratings[USER_ID].isin(generator.choice(all_users, round(NEW_USERS * len(all_users)), replace=False))
    train = ratings[~is_new].reset_index(drop=True)
    own = ratings[is_new & ratings[MOVIE_ID].isin(train[MOVIE_ID])]
    own = own.iloc[generator.permutation(len(own))]
    position, count = own.groupby(USER_ID).cumcount(), own.groupby(USER_ID)[USER_ID].transform("size")
    is_given = position < GIVEN * count
    given, held_out = own[is_given].reset_index(drop=True), own[~is_given].reset_index(drop=True)
    users = pd.Index(held_out[USER_ID][held_out[RATING] >= relevant].unique()).sort_values()
    given = given[given[USER_ID].isin(users)].reset_index(drop=True)
    return RankingCase(fold.config, RankingTask(train, given, users, relevant), held_out)


# The suite.


def run_suite(
    config: Config, benchmark: BenchmarkConfig, command: str, new_case: Callable[[Fold, int], RankingCase]
) -> dict[str, Any]:
    """Makes all lists, and publishes the table.

    If a fit fails, its entrant is left out of the table. Raises InputError for unusable input, and at the end, with all
    written, if a fit failed.
    """
    seeds = benchmark.seeds or (config.train.seed,)
    folds = read_folds(config)
    ours = OUR_NEXT_ENTRANTS if benchmark.suite == "next" else OUR_ENTRANTS
    entrants = [*ours, *baseline_entrants(benchmark, has_new_users=new_case is new_users)]
    output = output_folder(benchmark.output)
    cases = [(index, seed, new_case(fold, seed)) for index, fold in enumerate(folds) for seed in seeds]
    results, failures = measure_in_turn(turns(entrants, cases, benchmark.rectools_python))
    entrants = [entrant for entrant in entrants if entrant.label not in failures]
    results = {entrant.label: results[entrant.label] for entrant in entrants}
    baselines = [entrant.label for entrant in entrants if entrant.model != OUR_MODEL]
    differences = differences_to_best(results, baselines, [case for *_, case in cases])
    figures = {
        **provenance(benchmark.suite, command),
        **fits_provenance(seeds, config),
        "folds": [fold.name for fold in folds],
        "rows": [row_figures(entrant, results[entrant.label], differences) for entrant in entrants],
        "failures": failures,
    }
    notes = (
        *case_notes(
            "new users, a part of whose ratings is given" if new_case is new_users else "users with train ratings",
            [case for *_, case in cases],
            seeds,
        ),
        "with one rating of each user to be found, recall is the hit rate, and MAP the mean reciprocal rank",
        "fit s: of one fit, without the search for settings that baselines have on masked train ratings",
        *(f"{label} failed ({why})" for label, why in failures.items()),
    )
    title = f"{benchmark.suite}: {fold_names(folds)}"
    publish(output, benchmark.suite, build_table(title, results, differences, failures, notes), figures)
    require_no_failures(failures)
    return figures


def baseline_entrants(benchmark: BenchmarkConfig, *, has_new_users: bool) -> list[Entrant]:
    """Returns the rows of baselines; with new users, only of baselines that can score them.

    Raises InputError if the library of one is not installed.
    """
    baselines = {name: find_baseline("ranking", name) for name in benchmark.baseline_names()}
    return [
        Entrant(baseline.label, name)
        for name, baseline in baselines.items()
        if baseline.can_score_new_users or not has_new_users
    ]


def turns(
    entrants: Sequence[Entrant], cases: Sequence[tuple[int, int, RankingCase]], rectools_python: str | None = None
) -> Iterator[tuple[Entrant, str, Callable[[], RankingResult]]]:
    """Yields every fit to measure. cases: with the index of the fold and the seed."""
    for fold, seed, case in cases:
        for entrant in entrants:
            yield (
                entrant,
                f"fold {fold + 1}, seed {seed}",
                functools.partial(measure, entrant, case, seed, rectools_python),
            )


def measure(entrant: Entrant, case: RankingCase, seed: int, rectools_python: str | None = None) -> RankingResult:
    """Makes an entrant's lists and measures them. Raises FitError."""
    config = case.config.replace(**entrant.settings)
    job = RankingJob(entrant.model, case.task.relevant_rating, K, seed, config, rectools_python)
    with tempfile.TemporaryDirectory() as scratch:
        case.task.save(pathlib.Path(scratch))
        lists, peak_memory_mb = rank_apart(job, pathlib.Path(scratch))
    result = measure_lists(case, lists.movie_row)
    cost = {
        "fit_seconds": lists.fit_seconds,
        "list_seconds": lists.list_seconds,
        "peak_memory_mb": peak_memory_mb,
    }
    return dataclasses.replace(result, figures=result.figures | cost, details=lists.details)


def measure_lists(case: RankingCase, movie_row: Int[np.ndarray, "users k"]) -> RankingResult:
    """Returns the figures of BY_USER and OF_LISTS, from lists in the order of the case's users."""
    num_movies = len(case.task.movies)
    relevant = case.held_out[case.held_out[RATING] >= case.task.relevant_rating]
    user, movie = case.task.users.get_indexer(pd.Index(relevant[USER_ID])), case.task.movies.rows(relevant[MOVIE_ID])
    is_hit, num_relevant = metrics.hits(movie_row, user, movie, num_movies)
    of_lists = {
        "coverage@10": metrics.catalogue_coverage(movie_row[:, :10], num_movies),
        "gini@10": metrics.gini(movie_row[:, :10], num_movies),
    }
    return RankingResult({name: figure(is_hit, num_relevant) for name, figure in BY_USER.items()}, of_lists)


def differences_to_best(
    results: dict[str, list[RankingResult]],
    references: Sequence[str],
    cases: Sequence[RankingCase],
    names: Sequence[str] = COMPARED,
) -> Differences:
    """Returns how far each entrant is from the best of `references`, some of the entrants; empty if there are none.

    Means are over all users of all cases; users are resampled, each with their figures in all cases. names: of figures
    by user.
    """
    differences: Differences = {label: {} for label in results}
    users = pd.Index(np.concatenate([case.task.users.to_numpy() for case in cases])).unique()
    user = np.concatenate([users.get_indexer(case.task.users) for case in cases])
    for name in names if references else ():
        values = {label: np.concatenate([one.by_user[name] for one in fits]) for label, fits in results.items()}
        mean = {label: float(one.mean()) for label, one in values.items()}
        best = max(references, key=lambda label: mean[label])
        total = np.array([np.bincount(user, one, len(users)) for one in values.values()])
        resampled = bootstrap_mean(total, np.bincount(user, minlength=len(users)))
        for label, difference in differences_to(best, mean, resampled).items():
            differences[label][name] = difference
    return differences


def means(fits: Sequence[RankingResult], name: str) -> list[float]:
    """Returns a figure of each fit."""
    return [fit.mean(name) for fit in fits]


def row_figures(entrant: Entrant, fits: Sequence[RankingResult], differences: Differences) -> dict[str, Any]:
    """Returns a row and its fits as plain values."""
    names = (*BY_USER, *fits[0].figures)
    return {
        "label": entrant.label,
        "model": entrant.model,
        "settings": entrant.settings,
        **{name: float(np.mean(means(fits, name))) for name in names},
        "differences": {name: found.as_json() for name, found in differences[entrant.label].items()},
        "fits": [{**{name: fit.mean(name) for name in names}, **fit.details} for fit in fits],
    }


def build_table(
    title: str,
    results: dict[str, list[RankingResult]],
    differences: Differences,
    failures: dict[str, str],
    notes: tuple[str, ...],
) -> Table:
    """Returns a row for each entrant."""
    columns = ("model", *BY_USER, *OF_LISTS, "fit s", "RMSE", *(f"{name} - best baseline's" for name in COMPARED))
    cells = []
    for label, fits in results.items():
        rmse = [one.details["rmse"] for one in fits if "rmse" in one.details]
        row = [label, *(with_spread(means(fits, name), 4) for name in (*BY_USER, *OF_LISTS))]
        row += [f"{np.mean(means(fits, 'fit_seconds')):.1f}", f"{np.mean(rmse):.4f}" if rmse else "-"]
        found = [differences[label].get(name) for name in COMPARED]
        row += [one.in_words() if one else "best baseline" if any(differences.values()) else "-" for one in found]
        cells.append(tuple(row))
    cells += [(label, "failed", *["-"] * (len(columns) - 2)) for label in failures]
    return Table(title, columns, tuple(cells), notes)


def case_notes(who: str, cases: Sequence[RankingCase], seeds: Sequence[int]) -> tuple[str, ...]:
    """Returns notes on the users of the cases, the seeds, the intervals and the machine."""
    num_users = round(np.mean([len(case.task.users) for case in cases]))
    num_movies = round(np.mean([len(case.task.movies) for case in cases]))
    return (
        f"{num_users:,} users with a relevant rating to be found ({who}), {num_movies:,} movies; {seeds_note(seeds)}",
        bootstrap_note(),
        machine_note(),
    )
