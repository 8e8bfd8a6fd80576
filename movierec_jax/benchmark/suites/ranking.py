"""Whose lists are best, and at what cost: ours and those of other recommenders on the same rows, top to bottom.

folds -> a task each -> every recommender in a process of its own -> figures by user -> means, bootstrap -> table

Every movie with a rating in train is ranked, but those that the user is known to have rated. A hit is a rating of the
held-out part that is relevant. Figures are means over users with one.
"""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int

from movierec_jax.benchmark.bootstrap import CONFIDENCE, NUM_RESAMPLES, bootstrap_mean, interval
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.environment import machine, versions
from movierec_jax.benchmark.fit import OURS, FitError
from movierec_jax.benchmark.folds import Fold, fold_configs, read_fold
from movierec_jax.benchmark.lists import ListJob, Task, lists_apart
from movierec_jax.benchmark.ranker import find_ranker
from movierec_jax.benchmark.table import Table, as_text, with_interval, with_spread, write_table
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.errors import InputError
from movierec_jax.evaluation import metrics
from movierec_jax.packages import import_extra
from movierec_jax.settings import to_json

# Movies of each list.
K = 100

# Figures by user that are means over users, and how they are made.
BY_USER: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "ndcg@10": lambda is_hit, num_relevant: metrics.ndcg_at_k(is_hit, num_relevant, 10),
    "ndcg@100": lambda is_hit, num_relevant: metrics.ndcg_at_k(is_hit, num_relevant, 100),
    "recall@20": lambda is_hit, num_relevant: metrics.recall_at_k(is_hit, num_relevant, 20),
    "recall@50": lambda is_hit, num_relevant: metrics.recall_at_k(is_hit, num_relevant, 50),
    "map@100": lambda is_hit, num_relevant: metrics.average_precision_at_k(is_hit, num_relevant, 100),
}

# Figures of all lists together.
OF_LISTS = ("coverage@10", "gini@10")

# Figures whose difference to another entrant's is told.
COMPARED = ("ndcg@10", "recall@20")

# For an entrant and a figure of COMPARED: whom it is compared with, the difference to it, and its interval.
Differences = dict[str, dict[str, tuple[str, float, tuple[float, float]]]]

# Of the users whom train does not see: their share, and the share of their ratings that are given afterwards.
NEW_USERS = 0.2

GIVEN = 0.8


@dataclasses.dataclass(frozen=True)
class Entrant:
    """One row of the table. settings: of ours, by flag name, beside those that the flags give."""

    label: str
    recommender: str
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    knows_new_users: bool = True


OUR_ENTRANTS = (
    Entrant("movierec_jax", OURS),
    Entrant("movierec_jax, ids + history", OURS, {"content": ()}),
    Entrant("movierec_jax, by stars alone", OURS, {"implicit_feedback_dim": 0}),
)


@dataclasses.dataclass(frozen=True)
class Case:
    """What is asked of every entrant: a task, and the held-out ratings that are to be found."""

    config: Config
    task: Task
    hidden: pd.DataFrame
    relevant_rating: float


@dataclasses.dataclass(frozen=True)
class Measured:
    """One entrant's lists for one case. by_user: figures of BY_USER; figures: of OF_LISTS, and what the lists took."""

    label: str
    by_user: dict[str, Float64[np.ndarray, " users"]]
    figures: dict[str, float]
    details: dict[str, Any]


# Cases.


def known_users(fold: Fold, seed: int) -> Case:
    """The users with a relevant rating in the test part of the fold, who are known by their train ratings."""
    relevant = fold.config.evaluation.relevant_from(fold.rating_scale)
    users = pd.Index(fold.test[USER_ID][fold.test[RATING] >= relevant].unique()).sort_values()
    return Case(fold.config, Task(fold.train, fold.train[:0], users), fold.test, relevant)


def new_users(fold: Fold, seed: int) -> Case:
    """Users held out whole ("strong generalisation"): some of their ratings are given, the others to be found.

    All ratings of the fold count, its test part too. What is given comes in an order drawn by chance.
    """
    relevant = fold.config.evaluation.relevant_from(fold.rating_scale)
    ratings = pd.concat([fold.train, fold.test], ignore_index=True)
    generator = np.random.default_rng([seed, 2])
    everybody = np.sort(ratings[USER_ID].unique())
    is_new = ratings[USER_ID].isin(generator.choice(everybody, round(NEW_USERS * len(everybody)), replace=False))
    train = ratings[~is_new].reset_index(drop=True)
    own = ratings[is_new & ratings[MOVIE_ID].isin(train[MOVIE_ID])]
    own = own.iloc[generator.permutation(len(own))]
    place, count = own.groupby(USER_ID).cumcount(), own.groupby(USER_ID)[USER_ID].transform("size")
    is_given = place < GIVEN * count
    given, hidden = own[is_given].reset_index(drop=True), own[~is_given].reset_index(drop=True)
    users = pd.Index(hidden[USER_ID][hidden[RATING] >= relevant].unique()).sort_values()
    given = given[given[USER_ID].isin(users)].reset_index(drop=True)
    return Case(fold.config, Task(train, given, users), hidden, relevant)


# The suite.


def run_suite(
    config: Config, benchmark: BenchmarkConfig, command: str, cases: Callable[[Fold, int], Case]
) -> dict[str, Any]:
    """Makes all lists, prints the table, writes it as Markdown and JSON, and returns what the latter holds.

    A fit that fails takes its entrant out of the table and leaves the others. Raises InputError for input that cannot
    be used, and at the end, with all written, where a fit failed.
    """
    seeds = benchmark.seeds or (config.train.seed,)
    folds = [read_fold(fold_config) for fold_config in fold_configs(config)]
    output = pathlib.Path(benchmark.output)
    output.mkdir(parents=True, exist_ok=True)
    entrants = [*OUR_ENTRANTS, *map(ranker_entrant, benchmark.rankers)]
    if cases is new_users:
        entrants = [entrant for entrant in entrants if entrant.knows_new_users]
    measured: dict[str, list[Measured]] = {entrant.label: [] for entrant in entrants}
    asked, failures = [], {}
    for fold in folds:
        for seed in seeds:
            case = cases(fold, seed)
            asked.append(case)
            for entrant in entrants:
                if entrant.label in failures:
                    continue
                try:
                    found = measure(entrant, case, seed)
                except FitError as error:
                    failures[entrant.label] = str(error)
                    print(f"{fold.name}, seed {seed}  {entrant.label}: failed: {error}", flush=True)
                    continue
                measured[entrant.label].append(found)
                seconds = found.figures["fit_seconds"]
                print(f"{fold.name}, seed {seed}  {entrant.label}: {in_words(found)} in {seconds:.1f} s", flush=True)
    stand = [entrant for entrant in entrants if entrant.label not in failures]
    others = [entrant.label for entrant in stand if entrant.recommender != OURS]
    differences = differences_to_best({entrant.label: measured[entrant.label] for entrant in stand}, others, asked)
    table = build_table(benchmark.suite, stand, measured, differences, asked, folds, seeds, failures)
    print(f"\n{as_text(table)}\n")
    found_figures = {
        **origin(benchmark.suite, command, config, folds, seeds),
        "rows": [row_figures(entrant, measured[entrant.label], differences) for entrant in stand],
        "failures": failures,
    }
    write_table(output, benchmark.suite, table, found_figures)
    print(f"table and all figures in {output / benchmark.suite}.md and .json")
    if failures:
        raise InputError(f"no figures for {', '.join(failures)}; the other rows stand")
    return found_figures


def ranker_entrant(name: str) -> Entrant:
    """The row of a ranker. Raises InputError where its library is not installed."""
    ranker = find_ranker(name)
    if ranker.library:
        import_extra(ranker.library, "bench")
    return Entrant(ranker.label, name, knows_new_users=ranker.knows_new_users)


def measure(entrant: Entrant, case: Case, seed: int) -> Measured:
    """Makes an entrant's lists and measures them. Raises FitError."""
    config = case.config.replace(**entrant.settings)
    job = ListJob(entrant.recommender, case.relevant_rating, K, seed, config)
    with tempfile.TemporaryDirectory() as scratch:
        case.task.save(pathlib.Path(scratch))
        lists = lists_apart(job, pathlib.Path(scratch))
    took = {name: getattr(lists, name) for name in ("fit_seconds", "list_seconds", "peak_memory_mb")}
    by_user, of_lists = figures_of(case, lists.movie_row)
    return Measured(entrant.label, by_user, of_lists | took, lists.details)


def figures_of(
    case: Case, movie_row: Int[np.ndarray, "users k"]
) -> tuple[dict[str, Float64[np.ndarray, " users"]], dict[str, float]]:
    """The figures of BY_USER and of OF_LISTS, from the lists of the case's users in their order."""
    num_movies = len(case.task.movies)
    relevant = case.hidden[case.hidden[RATING] >= case.relevant_rating]
    user, movie = case.task.users.get_indexer(pd.Index(relevant[USER_ID])), case.task.movies.rows(relevant[MOVIE_ID])
    is_hit, num_relevant = metrics.hits(movie_row, user, movie, num_movies)
    of_lists = {
        "coverage@10": metrics.catalogue_coverage(movie_row[:, :10], num_movies),
        "gini@10": metrics.gini(movie_row[:, :10], num_movies),
    }
    return {name: figure(is_hit, num_relevant) for name, figure in BY_USER.items()}, of_lists


def in_words(found: Measured) -> str:
    """The figures of COMPARED, in one line."""
    return "  ".join(f"{name} {metrics.mean_over_users(found.by_user[name]):.4f}" for name in COMPARED)


# Figures.


def differences_to_best(
    measured: dict[str, list[Measured]], others: Sequence[str], asked: Sequence[Case]
) -> Differences:
    """How far each entrant is from the best of `others`, some of them; nothing where these are none.

    Means are over all users of all cases; users are drawn, each with their figures in all cases.
    """
    if not others:
        return {}
    users = pd.Index(np.concatenate([case.task.users.to_numpy() for case in asked])).unique()
    place = np.concatenate([users.get_indexer(case.task.users) for case in asked])
    count = np.bincount(place, minlength=len(users))
    labels = list(measured)
    found: Differences = {label: {} for label in labels}
    for name in COMPARED:
        values = [np.concatenate([one.by_user[name] for one in fits]) for fits in measured.values()]
        mean = dict(zip(labels, [float(one.mean()) for one in values], strict=True))
        best = max(others, key=lambda label: mean[label])
        resampled = bootstrap_mean(np.array([np.bincount(place, one, len(users)) for one in values]), count)
        against = resampled - resampled[:, [labels.index(best)]]
        for number, label in enumerate(labels):
            if label != best:
                found[label][name] = best, mean[label] - mean[best], interval(against[:, number])
    return found


def build_table(
    suite: str,
    entrants: Sequence[Entrant],
    measured: dict[str, list[Measured]],
    differences: Differences,
    asked: list[Case],
    folds: list[Fold],
    seeds: Sequence[int],
    failures: dict[str, str],
) -> Table:
    """The table of the suite: one row for each entrant."""
    against = tuple(f"{name} - best other's" for name in COMPARED)
    columns = ("recommender", *BY_USER, *OF_LISTS, "fit s", "RMSE", *against)
    cells = []
    for entrant in entrants:
        fits = measured[entrant.label]
        rmse = [one.details["rmse"] for one in fits if "rmse" in one.details]
        row = [entrant.label, *(with_spread(means(fits, name), 4) for name in (*BY_USER, *OF_LISTS))]
        row += [f"{np.mean(means(fits, 'fit_seconds')):.1f}", f"{np.mean(rmse):.4f}" if rmse else "-"]
        for name in COMPARED:
            found = differences.get(entrant.label, {}).get(name)
            row.append(with_interval(found[1], found[2], 4) if found else "best other")
        cells.append(tuple(row))
    cells += [(label, "failed", *["-"] * (len(columns) - 2)) for label in failures]
    what = "new users, of whom a part of the ratings is given" if suite == "ranking_new_users" else "known users"
    notes = [
        *notes_on(what, asked, seeds),
        "fit s: of one fit, without the search for settings that all but ours had on ratings hidden from train",
        *(f"{label} failed ({why})" for label, why in failures.items()),
    ]
    return Table(title(suite, folds), columns, tuple(cells), tuple(notes))


def title(suite: str, folds: Sequence[Fold]) -> str:
    """What is measured on which data."""
    where = folds[0].name if len(folds) == 1 else f"means over {len(folds)} folds, {folds[0].name} to {folds[-1].name}"
    return f"{suite}: {where}"


def notes_on(what: str, asked: Sequence[Case], seeds: Sequence[int]) -> tuple[str, ...]:
    """Who is asked about and how often, how sure differences are, and the machine."""
    num_users, num_movies = (
        round(np.mean([len(part) for part in parts]))
        for parts in ([case.task.users for case in asked], [case.task.movies for case in asked])
    )
    place = machine()
    return (
        f"{num_users:,} users with a relevant rating to be found ({what}), {num_movies:,} movies; "
        f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}; spread from lowest to highest fit",
        f"in brackets the {CONFIDENCE:.0%} interval of a paired bootstrap over users, {NUM_RESAMPLES:,} draws",
        f"{place['processor']}, {place['cores']} cores, {place['memory_gb']:g} GB; Python {versions()['python']}",
    )


def means(fits: list[Measured], name: str) -> list[float]:
    """A figure of each fit."""
    return [metrics.mean_over_users(one.by_user[name]) if name in BY_USER else one.figures[name] for one in fits]


def origin(suite: str, command: str, config: Config, folds: Sequence[Fold], seeds: Sequence[int]) -> dict[str, Any]:
    """What figures come from, as plain values."""
    return {
        "suite": suite,
        "command": command,
        "versions": versions(),
        "machine": machine(),
        "seeds": list(seeds),
        "folds": [fold.name for fold in folds],
        "settings": to_json(config),
        "bootstrap": {"over": "users", "draws": NUM_RESAMPLES, "confidence": CONFIDENCE},
    }


def row_figures(entrant: Entrant, fits: list[Measured], differences: Differences) -> dict[str, Any]:
    """A row and its fits as plain values."""
    names = (*BY_USER, *fits[0].figures)
    return {
        "label": entrant.label,
        "recommender": entrant.recommender,
        "settings": entrant.settings,
        **{name: float(np.mean(means(fits, name))) for name in names},
        "differences": {
            name: {"to": best, "difference": difference, "interval": list(bounds)}
            for name, (best, difference, bounds) in differences.get(entrant.label, {}).items()
        },
        "fits": [{**{name: means([one], name)[0] for name in names}, **one.details} for one in fits],
    }
