"""One training run from ratings to report, top to bottom.

read -> clean -> split -> (go on from a checkpoint) -> epochs -> evaluate the best -> report
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import jax
import pandas as pd
import pyarrow as pa
from jax.sharding import Mesh
from tensorboardX import SummaryWriter
from tqdm import tqdm

from movierec_jax import checkpoint
from movierec_jax.checkpoint import Checkpoints, Run, new_run
from movierec_jax.cleaning import clean, clean_held_out, describe_dropped
from movierec_jax.config import CACHE_FOLDER, Config, DeviceConfig
from movierec_jax.evaluate import evaluate
from movierec_jax.movielens import read_ratings
from movierec_jax.plots import save_plots
from movierec_jax.report import build_report, closing_table, time_note
from movierec_jax.schema import MOVIE_ID, RATING, InputError, Interrupted
from movierec_jax.sharding import new_mesh
from movierec_jax.splits import split, without_pairs
from movierec_jax.train import EpochRecord, begin, best_record, fit, is_finished

# How much work a kill may cost where no epoch has to be kept for its validation RMSE.
SAVE_SECONDS = 10.0

ALL_DEVICES = DeviceConfig()


def train_run(
    config: Config, workdir: str | os.PathLike, *, overwrite: bool = False, devices: DeviceConfig = ALL_DEVICES
) -> dict:
    """Trains the run of a workdir, or goes on with it, and returns its report, as report.json has it.

    devices: those that do it; a run may have been begun on others.
    Raises InputError for input that cannot be used, with the workdir as it was before, and Interrupted after SIGTERM
    or SIGINT.
    """
    start = time.perf_counter()
    workdir = pathlib.Path(workdir)
    goes_on = f"The same command{', without --overwrite,' if overwrite else ''} goes on: --workdir={workdir}"
    with interruptible(goes_on) as stop:
        mesh = new_mesh(devices.mesh)
        run = prepare(config, cache_of(workdir), mesh)
        data_seconds = time.perf_counter() - start
        stop.raise_if_asked()
        checkpoint.open_workdir(workdir, run, overwrite=overwrite)
        if (workdir / "report.json").exists():
            print(f"{workdir} holds this run, finished; --overwrite starts it anew")
            return checkpoint.read_json(workdir / "report.json")
        with contextlib.closing(Checkpoints(workdir)) as checkpoints:
            records = train(run, workdir, checkpoints, stop)
            params = checkpoints.best_params(run.recipe, warn=print)
    train_seconds = time.perf_counter() - start - data_seconds
    evaluation = evaluate(run, params, run.parts.test, config.evaluation)
    print(f"\ntest part{time_note(config)}: {closing_table(evaluation)}\n")
    movie_row = run.movies.rows(run.parts.test[MOVIE_ID])
    rating = run.parts.test[RATING].to_numpy()
    save_plots(workdir / "plots", records, evaluation.predicted, rating, run.known.movie_count[movie_row])
    total_seconds = time.perf_counter() - start
    seconds = {
        "data": data_seconds,
        "train": train_seconds,
        "evaluate": total_seconds - data_seconds - train_seconds,
        "total": total_seconds,
    }
    num_parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
    report = build_report(run, records, evaluation, seconds, num_parameters)
    checkpoint.write_json(workdir / "report.json", report)
    print(f"{total_seconds:.1f} s (imports apart); report, plots and checkpoints in {workdir}")
    return report


def cache_of(workdir: pathlib.Path) -> pathlib.Path:
    """The folder for what was read, of all workdirs side by side; see `read_ratings`."""
    return workdir.parent / CACHE_FOLDER


def prepare(config: Config, cache: pathlib.Path | None = None, mesh: Mesh | None = None) -> Run:
    """Reads, cleans and splits the ratings for a run on a mesh of devices, printing what was found and left out.

    cache: as for `read_ratings`.
    """
    raw = read_ratings(config.data.ratings, cache)
    # Arrow keeps what it has parsed text in, as much again as the ratings.
    pa.default_memory_pool().release_unused()
    data = clean(raw, config.data)
    ratings, (lowest, highest) = data.ratings, data.rating_scale
    is_inferred = not (config.data.rating_scale or raw.rating_scale)
    print(
        f"{data.source}: {len(ratings):,} ratings of {lowest:g} to {highest:g} stars"
        + (" (inferred; --rating_scale states another)" if is_inferred else "")
    )
    print_dropped(data.dropped)
    test, valid = (
        read_held_out(path, ratings, data.rating_scale, cache) if path else None
        for path in (config.data.test_ratings, config.data.valid_ratings)
    )
    if test is not None and valid is not None:
        valid = apart_from(valid, test, "the test part", config.data.valid_ratings)
    parts = split(ratings, config.data, valid=valid, test=test)
    # The parts have rows of their own; of many ratings a second copy takes much of the memory.
    data = dataclasses.replace(data, ratings=ratings.head(0).copy())
    del raw, ratings
    run = new_run(config, data, parts, mesh)
    print(
        f"train {len(parts.train):,}, validation {len(parts.valid):,}, test {len(parts.test):,} ratings; "
        f"{len(run.users):,} users and {len(run.movies):,} movies in train"
    )
    return run


def read_held_out(
    path: str, known: pd.DataFrame, rating_scale: tuple[float, float], cache: pathlib.Path | None = None
) -> pd.DataFrame:
    """Clean ratings of a file that are not known to the model already, printing what was found and left out.

    known: the ratings that it learns from or that choose its best epoch.
    cache: as for `read_ratings`.
    """
    table, dropped = clean_held_out(read_ratings(path, cache), known, rating_scale)
    print(f"{path}: {len(table):,} ratings")
    print_dropped(dropped)
    return apart_from(table, known, "what the model is trained with", path)


def apart_from(part: pd.DataFrame, known: pd.DataFrame, name: str, path: str | None) -> pd.DataFrame:
    """The rows of a part whose pair of user and movie is not known, printing how many are; `name` says where.

    Raises InputError where none is left.
    """
    rest = without_pairs(part, known)
    if rest.empty:
        raise InputError(f"{path}: each of its {len(part):,} pairs of user and movie is also in {name}")
    print_dropped({f"pair of user and movie also in {name}": len(part) - len(rest)} if len(rest) < len(part) else {})
    return rest


def print_dropped(dropped: dict[str, int]) -> None:
    """Says what was left out, if anything."""
    if dropped:
        print(f"  left out {describe_dropped(dropped)}")


def train(run: Run, workdir: pathlib.Path, checkpoints: Checkpoints, stop: "StopRequest") -> list[EpochRecord]:
    """Trains from the newest checkpoint to the end, and returns the records of all epochs.

    Saves the last epoch, each that has a validation RMSE, as it may be the best, and of others one every SAVE_SECONDS.
    """
    recipe = run.recipe
    state, records = checkpoints.latest(recipe, warn=print) or (begin(run.train, run.known, recipe=recipe), [])
    if records:
        print(f"going on after epoch {records[-1].epoch} of {recipe.epochs}")
    with EpochLog(workdir, records, len(run.train), recipe.epochs) as log:
        epochs = fit(state, run.train, run.valid, run.known, recipe=recipe)
        is_saved, saved_at = True, time.monotonic()
        while not (is_finished(records, recipe) or stop.is_asked):
            state, record = next(epochs)
            records.append(record)
            is_saved = record.valid_rmse is not None or time.monotonic() - saved_at >= SAVE_SECONDS
            if is_saved:
                checkpoints.save(state, records, recipe)
                saved_at = time.monotonic()
            log.add(record)
        if not is_saved:
            checkpoints.save(state, records, recipe)
    checkpoints.wait()
    stop.raise_if_asked()
    best = best_record(records)
    if records[-1].epoch < recipe.epochs:
        print(f"no better validation RMSE in {recipe.config.patience} epochs: stopped after epoch {records[-1].epoch}")
    print(f"best epoch {best.epoch}" + (f": validation RMSE {best.valid_rmse:.4f}" if best.valid_rmse else ""))
    return records


class EpochLog:
    """Tells of each epoch: a line, a progress bar on a terminal, metrics.jsonl, and TensorBoard events."""

    def __init__(self, workdir: pathlib.Path, records: list[EpochRecord], num_ratings: int, epochs: int):
        self.epochs, self.num_ratings, done = epochs, num_ratings, len(records)
        # The records of epochs that a killed run did not save are left out.
        self.lines = (workdir / "metrics.jsonl").open("w", encoding="utf-8")
        self.lines.writelines(map(as_line, records))
        self.events = SummaryWriter(str(workdir / "tensorboard"), purge_step=done + 1)
        self.bar = tqdm(
            total=epochs * num_ratings, initial=done * num_ratings, unit=" examples", unit_scale=True, disable=None
        )

    def add(self, record: EpochRecord) -> None:
        """Tells of one more epoch."""
        valid = "" if record.valid_rmse is None else f"  validation {record.valid_rmse:.4f}"
        rate = self.num_ratings / record.seconds
        self.bar.write(
            f"epoch {record.epoch:>3} of {self.epochs}  RMSE: train {record.train_rmse:.4f}{valid}  "
            f"({record.seconds:.2f} s, {rate:,.0f} examples/s)"
        )
        self.bar.update(self.num_ratings)
        self.lines.write(as_line(record))
        self.lines.flush()
        for name in ("train_rmse", "catalogue_error", "valid_rmse", "seconds"):
            if (value := getattr(record, name)) is not None:
                self.events.add_scalar(name, value, record.epoch)

    def __enter__(self) -> "EpochLog":
        return self

    def __exit__(self, *exception) -> None:
        self.bar.close()
        self.lines.close()
        self.events.close()


def as_line(record: EpochRecord) -> str:
    """A record as a line of metrics.jsonl."""
    return json.dumps(dataclasses.asdict(record)) + "\n"


class StopRequest:
    """Whether SIGTERM or SIGINT has come; goes_on: how to go on after it, for people."""

    def __init__(self, goes_on: str):
        self.goes_on = goes_on
        self.received: int | None = None

    @property
    def is_asked(self) -> bool:
        return self.received is not None

    def raise_if_asked(self) -> None:
        """Raises Interrupted once a signal has come; all epochs must have been saved."""
        if self.received is not None:
            name = signal.Signals(self.received).name
            raise Interrupted(f"stopped by {name}; all epochs so far are saved. {self.goes_on}", self.received)


@contextlib.contextmanager
def interruptible(goes_on: str) -> Iterator[StopRequest]:
    """Within it SIGTERM and SIGINT are kept for later, as a request to stop.

    A second signal of the kind acts at once, as it would have without. Does nothing outside the main thread.
    """
    stop = StopRequest(goes_on)
    before: dict[int, Any] = {}

    def keep(number: int, frame) -> None:
        stop.received = stop.received or number
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        before |= {number: signal.signal(number, keep) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
