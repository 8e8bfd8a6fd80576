"""Begins a run from the parameters of an older one: which of them it can take over, by ids and by names of features."""

import contextlib
import dataclasses
import os
import pathlib
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd
from jaxtyping import Int, Int64
from pandas.api.types import is_integer_dtype

from movierec_jax.data.matching.given_ids import example_of
from movierec_jax.data.schema import FeatureBags
from movierec_jax.data.splits import Split
from movierec_jax.data.storage import is_url, synced_folder
from movierec_jax.data.vocab import Vocab, index_of_ids, type_in_words
from movierec_jax.errors import InputError
from movierec_jax.features.rating_time import (
    NUM_TENURE_BINS,
    SECONDS_PER_DAY,
    RatingTimeFeatures,
    user_and_day,
    user_day_key,
)
from movierec_jax.model.sharding import new_mesh
from movierec_jax.runs.checkpoint import Checkpoints
from movierec_jax.runs.replacement import consistent
from movierec_jax.runs.run import Run
from movierec_jax.runs.workdir import CONFIG, load_parts, load_run
from movierec_jax.settings import as_flag
from movierec_jax.training.state import TrainState
from movierec_jax.training.warm_start import OldRows, warm_state

# Settings of the model that decide the shapes of its parameters, besides those of the sequence encoder.
SHAPES = ("embedding_dim", "hidden_dims", "history", "implicit_feedback_dim")

SEQUENCE_SHAPES = ("sequence_dim", "sequence_blocks", "sequence_heads")


@dataclasses.dataclass(frozen=True)
class OldRun:
    """An older run, with its parameters `[members, ...]` and the logarithms of its decays' strengths on the host."""

    workdir: str
    run: Run
    params: Any
    log_strength: np.ndarray


def load_old_run(workdir: str | os.PathLike[str]) -> OldRun:
    """Loads the run of a workdir at its best epoch. Raises InputError where the folder holds none that can be read."""
    with synced_folder(workdir) as (folder, _):
        run, state = consistent(folder, lambda: read_old_run(folder))
    return OldRun(str(workdir), run, *jax.device_get((state.params, state.log_strength)))


def read_old_run(folder: pathlib.Path) -> tuple[Run, TrainState]:
    """Reads the run of a workdir and its state after the best epoch."""
    run = load_run(folder, new_mesh(devices=jax.local_devices()))
    with contextlib.closing(Checkpoints(folder, read_only=True)) as checkpoints:
        return run, checkpoints.best_state(run.setup, warnings.warn)


def prepare_warm(
    prepare: Callable[[Split | None], Run], folder: pathlib.Path, workdir: str | None
) -> tuple[Run, OldRun | None]:
    """Prepares a run that may begin from the older one of a workdir; returns it with that one.

    The older run is None without a workdir, and where the folder's run goes on from a checkpoint of its own: it then
    splits its ratings as it has before, and does not need the older run.

    prepare: prepares a run, given the parts of an older one. folder: of the run.
    Raises InputError where the older run does not fit.
    """
    if workdir is None:
        return prepare(None), None
    is_begun = (folder / CONFIG).exists()
    has_state = is_begun and any(path.name.isdecimal() for path in folder.glob("checkpoints/*"))
    old = None if has_state else load_old_run(workdir)
    run = prepare(old.run.parts if old and not is_begun else load_parts(folder))
    run = dataclasses.replace(run, warm_start=workdir)
    if old is not None:
        require_compatible(old, run)
    return run, old


def require_other_workdir(warm_start: str, workdir: str) -> None:
    """Raises InputError for a warm start from the workdir that it would write to."""
    one, other = (path if is_url(path) else str(pathlib.Path(path).resolve()) for path in (warm_start, workdir))
    if one.rstrip("/") == other.rstrip("/"):
        raise InputError(f"--warm_start={warm_start}: is the workdir itself; give another --workdir")


def begin_from(state: TrainState, old: OldRun, run: Run) -> TrainState:
    """Returns a run's state before its first step with what it takes over from an older run, and prints how much."""
    rows = find_old_rows(old.run, run)
    users, movies = (f"{np.sum(rows[kind] >= 0):,} of {len(rows[kind]):,} {kind}" for kind in ("users", "movies"))
    print(f"warm start from {old.workdir}: {users}, {movies}")
    return warm_state(state, old.params, old.log_strength, rows, run.mesh)


def find_old_rows(old: Run, run: Run) -> OldRows:
    """Returns the older run's row of each user, movie and feature of a run."""
    users, movies = (
        index_of_ids(theirs.ids[: len(theirs)], ours.ids[: len(ours)])
        for theirs, ours in ((old.users, run.users), (old.movies, run.movies))
    )
    rows = {
        "users": users,
        "movies": movies,
        "user_features": index_of_ids(pd.Index(old.user_content.names), pd.Index(run.user_content.names)),
        "movie_features": index_of_ids(pd.Index(old.movie_content.names), pd.Index(run.movie_content.names)),
    }
    if old.rating_time and run.rating_time:
        rows["time_features"] = old_time_features(old.rating_time, run.rating_time, users)
    return rows


def old_time_features(
    old: RatingTimeFeatures, new: RatingTimeFeatures, old_user: Int[np.ndarray, " users"]
) -> Int64[np.ndarray, " features"]:
    """Returns the older number of each rating-time feature, -1 for days of users that are new.

    A bin of dates takes the older bin at its end; dates after all older ones take the last.
    """
    last = np.iinfo(np.int64).max
    dates = np.searchsorted(old.date_end, np.append(new.date_end, last) - 1, side="right")
    tenures = len(old.date_end) + 1 + np.arange(NUM_TENURE_BINS)
    user, day = user_and_day(new.user_days)
    old_user = old_user[user].astype(np.int32)
    key = np.where(old_user < 0, -1, user_day_key(old_user, day * SECONDS_PER_DAY))
    days = pd.Index(old.user_days).get_indexer(pd.Index(key))
    return np.concatenate([dates, tenures, np.where(days < 0, -1, old.num_shared + days)])


def require_compatible(old: OldRun, run: Run) -> None:
    """Raises InputError, naming both values, where an older run's parameters do not fit, or mean something else."""
    for what, ours, theirs in values_compared(old.run, run):
        if ours != theirs:
            raise InputError(
                f"--warm_start={old.workdir}: {what} {as_flag(ours)} here, and {as_flag(theirs)} there; both must be "
                "the same, or train from scratch"
            )
    for ours, theirs in ((run.users, old.run.users), (run.movies, old.run.movies)):
        require_same_ids(ours, theirs, old.workdir)
    for side, bags, old_bags in (
        ("movies", run.movie_content, old.run.movie_content),
        ("users", run.user_content, old.run.user_content),
    ):
        require_old_columns(side, bags, old_bags, old.workdir)


def values_compared(old: Run, run: Run) -> list[tuple[str, Any, Any]]:
    """Returns what must be the same in a run and an older one: in words, and the two values."""
    shapes = (*SHAPES, *SEQUENCE_SHAPES * run.model.reads_sequences)
    return [
        *((f"--{name} is", getattr(run.config.model, name), getattr(old.config.model, name)) for name in shapes),
        ("--ensemble_size is", run.config.train.ensemble_size, old.config.train.ensemble_size),
        ("--implicit_feedback_target is", target_of(run), target_of(old)),
        ("--rating_time is", run.config.data.rating_time, old.config.data.rating_time),
        ("the rating scale is", run.rating_scale, tuple(old.rating_scale)),
        ("the movie ids are of the kind", run.movie_id_space, old.movie_id_space),
        ("train has ratings:", run.has_ratings, old.has_ratings),
    ]


def target_of(run: Run) -> str | None:
    """Returns what a run's implicit-feedback score learns to predict; None where it has no such score."""
    return run.target if run.config.model.implicit_feedback_dim else None


def require_same_ids(ours: Vocab, theirs: Vocab, workdir: str) -> None:
    """Raises InputError where a run shares no id with an older one."""
    here, there = example_of(ours.ids), example_of(theirs.ids)
    if is_integer_dtype(ours.ids) != is_integer_dtype(theirs.ids):
        raise InputError(
            f"--warm_start={workdir}: {ours.name} ids are {type_in_words(ours.ids)} here, such as {here}, and "
            f"{type_in_words(theirs.ids)} there, such as {there}; write them the same way"
        )
    if (index_of_ids(theirs.ids[: len(theirs)], ours.ids[: len(ours)]) < 0).all():
        raise InputError(
            f"--warm_start={workdir}: none of the {len(ours):,} {ours.name}s here, such as {here}, is one of the "
            f"{len(theirs):,} there, such as {there}; is it a run on the same data?"
        )


def require_old_columns(side: str, ours: FeatureBags, theirs: FeatureBags, workdir: str) -> None:
    """Raises InputError where an older run has learnt from features of which a run has none.

    What it has learnt of rows counts with these features.
    """
    our_columns, their_columns = columns_of(ours.names), columns_of(theirs.names)
    if lost := [column for column in their_columns if column not in our_columns]:
        raise InputError(
            f"--warm_start={workdir}: {side} have features of {', '.join(our_columns) or 'nothing'} here, and of "
            f"{', '.join(their_columns)} there; {', '.join(lost)} must be here too: give the same --content, "
            f"--{side[:-1]}_features{' and --reviews' * (side == 'movies')}, or train from scratch"
        )


def columns_of(names: Sequence[str]) -> list[str]:
    """Returns the columns that features are of, by their names, such as "genre" of "genre=Drama"."""
    return sorted({re.split("[=~]", name)[0] for name in names})
