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
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import pandas as pd
import pyarrow as pa
from jax.sharding import Mesh
from tensorboardX import SummaryWriter
from tqdm import tqdm

from movierec_jax import hosts
from movierec_jax.checkpoint import Checkpoints
from movierec_jax.cleaning import clean, clean_held_out, describe_dropped
from movierec_jax.config import CACHE_FOLDER, Config, DataConfig, DeviceConfig, as_flag
from movierec_jax.evaluate import evaluate
from movierec_jax.files import read_json, write_json
from movierec_jax.links_file import read_links
from movierec_jax.movielens import read_ratings
from movierec_jax.plots import save_plots
from movierec_jax.prepared import Run, new_run
from movierec_jax.progress import EpochRecord, Progress, best_record, is_finished
from movierec_jax.report import build_report, closing_table, time_note
from movierec_jax.schema import MOVIE_ID, RATING, CleanData, InputError, Interrupted
from movierec_jax.sharding import new_mesh
from movierec_jax.splits import split, without_pairs
from movierec_jax.storage import at_hand, is_url
from movierec_jax.train import begin, go_on
from movierec_jax.workdir import fingerprint, open_workdir

# How much work a kill may cost where no epoch has to be kept for its validation RMSE.
SAVE_SECONDS = 10.0

ALL_DEVICES = DeviceConfig()


def train_run(
    config: Config, workdir: str | os.PathLike, *, overwrite: bool = False, devices: DeviceConfig = ALL_DEVICES
) -> dict:
    """Trains the run of a workdir, or goes on with it, and returns its report, as report.json has it;
    of many processes the first does, which writes it.

    devices: those that do it; a run may have been begun on others.
    Raises InputError for input that cannot be used, with the workdir as it was before, and Interrupted after SIGTERM
    or SIGINT.
    """
    if is_url(workdir) and hosts.are_many():
        raise InputError(
            f"--workdir={workdir}: many processes need one that all can reach as a folder; mount the bucket"
        )
    with at_hand(workdir) as (folder, send):
        return train_in(folder, str(workdir), send, config, overwrite=overwrite, devices=devices)


def train_in(
    folder: pathlib.Path,
    workdir: str,
    send: Callable[[], None],
    config: Config,
    *,
    overwrite: bool,
    devices: DeviceConfig,
) -> dict:
    """The same in a folder that people know by the name of `workdir`; send: called when something is worth keeping."""
    start = time.perf_counter()
    goes_on = f"The same command{', without --overwrite,' if overwrite else ''} goes on: --workdir={workdir}"
    with interruptible(goes_on) as stop, hosts.errors_named(goes_on):
        mesh = new_mesh(devices.mesh)
        run = prepare(config, cache_of(folder), mesh)
        data_seconds = time.perf_counter() - start
        stop.raise_if_asked()
        open_workdir(folder, run, overwrite=overwrite)
        if hosts.first_says((folder / "report.json").exists()):
            print(f"{workdir} holds this run, finished; --overwrite starts it anew")
            return read_json(folder / "report.json")
        send()
        with contextlib.closing(Checkpoints(folder, on_saved=send)) as checkpoints:
            records = train(run, folder, checkpoints, stop)
    train_seconds = time.perf_counter() - start - data_seconds
    if hosts.are_many():
        # What is left is little, and the first does it with its own devices.
        run = dataclasses.replace(run, mesh=new_mesh(devices=jax.local_devices()))
    report: dict[str, Any] = {}
    with hosts.errors_named(goes_on):
        if hosts.is_first():
            report = write_report(folder, run, records, data_seconds, train_seconds)
            seconds = report["seconds"]["total"]
            print(f"{seconds:.1f} s (imports apart); report, plots and checkpoints in {workdir}")
        hosts.wait_for_all("report written")
    return report


def write_report(
    workdir: pathlib.Path, run: Run, records: Sequence[EpochRecord], data_seconds: float, train_seconds: float
) -> dict[str, Any]:
    """Measures the best epoch of a run on its test part; leaves report and plots, and returns the report."""
    start, config = time.perf_counter(), run.config
    with contextlib.closing(Checkpoints(workdir, read_only=True)) as checkpoints:
        params = checkpoints.best_params(run.recipe, warn=print)
    evaluation = evaluate(run, params, run.parts.test, config.evaluation)
    print(f"\ntest part{time_note(config)}: {closing_table(evaluation)}\n")
    movie_row = run.movies.rows(run.parts.test[MOVIE_ID])
    rating = run.parts.test[RATING].to_numpy()
    save_plots(workdir / "plots", records, evaluation.predicted, rating, run.known.movie_count[movie_row])
    seconds = {"data": data_seconds, "train": train_seconds, "evaluate": time.perf_counter() - start}
    seconds["total"] = sum(seconds.values())
    num_parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
    report = build_report(run, records, evaluation, seconds, num_parameters)
    write_json(workdir / "report.json", report)
    return report


def cache_of(workdir: pathlib.Path) -> pathlib.Path:
    """The folder for what was read, of all workdirs side by side; see `read_ratings`."""
    return workdir.parent / CACHE_FOLDER


def prepare(config: Config, cache: pathlib.Path | None = None, mesh: Mesh | None = None) -> Run:
    """Reads, cleans and splits the ratings for a run on a mesh of devices, printing what was found and left out.

    cache: as for `read_ratings`.
    """
    data = read_clean(config.data, cache)
    ratings = data.ratings
    test, valid = (
        read_held_out(path, ratings, data.rating_scale, cache) if path else None
        for path in (config.data.test_ratings, config.data.valid_ratings)
    )
    if test is not None and valid is not None:
        valid = apart_from(valid, test, "the test part", config.data.valid_ratings)
    parts = split(ratings, config.data, valid=valid, test=test)
    if config.data.extra_ratings and not hosts.have_same(bytes.fromhex(fingerprint(parts))):
        raise InputError(
            f"--extra_ratings={as_flag(config.data.extra_ratings)}: processes have read different ratings; give files "
            "to which nothing is added meanwhile"
        )
    # The parts have rows of their own; of many ratings a second copy takes much of the memory.
    data = dataclasses.replace(data, ratings=ratings.head(0).copy())
    del ratings
    run = new_run(config, data, parts, mesh)
    print(
        f"train {len(parts.train):,}, validation {len(parts.valid):,}, test {len(parts.test):,} ratings; "
        f"{len(run.users):,} users and {len(run.movies):,} movies in train"
    )
    return run


def read_clean(config: DataConfig, cache: pathlib.Path | None = None) -> CleanData:
    """The clean ratings that a run is about, those of --extra_ratings last, printing what was found and left out.

    cache: as for `read_ratings`.
    """
    raw = read_ratings(config.ratings, cache)
    if config.links is not None:
        raw = dataclasses.replace(raw, links=read_links(config.links))
    extra = [read_ratings(path, cache) for path in config.extra_ratings]
    # Arrow keeps what it has parsed text in, as much again as the ratings.
    pa.default_memory_pool().release_unused()
    data = clean(raw, config, extra)
    lowest, highest = data.rating_scale
    is_inferred = not (config.rating_scale or raw.rating_scale)
    print(
        f"{data.source}: {len(data.ratings):,} ratings of {lowest:g} to {highest:g} stars"
        + (" (inferred; --rating_scale states another)" if is_inferred else "")
    )
    for more in extra:
        print(f"  with {len(more.ratings):,} extra ratings of {more.source}")
    print_dropped(data.dropped)
    return data


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


def train(run: Run, workdir: pathlib.Path, checkpoints: Checkpoints, stop: "StopRequest") -> tuple[EpochRecord, ...]:
    """Trains from the newest checkpoint to the end, and returns the records of all epochs.

    Saves the last step, each epoch that has a validation RMSE, as it may be the best, and what comes between every
    SAVE_SECONDS.
    """
    recipe = run.recipe
    newest = checkpoints.latest(recipe, warn=print)
    state, progress = newest or (begin(run.train, run.known, recipe=recipe), Progress())
    if progress.step:
        print(f"going on after {where(progress)} of {recipe.epochs}")
    with contextlib.ExitStack() as stack:
        log = None
        if hosts.is_first():
            log = stack.enter_context(EpochLog(workdir, progress.records, len(run.train), recipe.epochs))
        some_steps = go_on(state, progress, run.train, run.valid, run.known, recipe=recipe)
        is_saved, saved_at = True, time.monotonic()
        patience = recipe.config.patience
        while not (is_finished(progress.records, recipe.epochs, patience) or stop.is_asked_of_any()):
            state, progress = next(some_steps)
            record = progress.records[-1] if progress.is_at_epochs_end else None
            is_due = hosts.first_says(time.monotonic() - saved_at >= SAVE_SECONDS)
            is_saved = is_due or (record is not None and record.valid_rmse is not None)
            if is_saved:
                checkpoints.save(state, progress, recipe)
                saved_at = time.monotonic()
            if log is not None and record is not None:
                log.add(record)
        if not is_saved:
            checkpoints.save(state, progress, recipe)
    checkpoints.wait()
    stop.raise_if_asked()
    records = progress.records
    best = best_record(records)
    if records[-1].epoch < recipe.epochs:
        print(f"no better validation RMSE in {recipe.config.patience} epochs: stopped after epoch {records[-1].epoch}")
    print(f"best epoch {best.epoch}" + (f": validation RMSE {best.valid_rmse:.4f}" if best.valid_rmse else ""))
    return records


def where(progress: Progress) -> str:
    """How far training has come, in words."""
    epochs = f"epoch {len(progress.records)}"
    return epochs if progress.is_at_epochs_end else f"step {progress.since.num_steps} past {epochs}"


class EpochLog:
    """Tells of each epoch: a line, a progress bar on a terminal, metrics.jsonl, and TensorBoard events."""

    def __init__(self, workdir: pathlib.Path, records: Sequence[EpochRecord], num_ratings: int, epochs: int):
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
        self.turn = 0

    @property
    def is_asked(self) -> bool:
        return self.received is not None

    def is_asked_of_any(self) -> bool:
        """Whether it has come to any of the processes; all must ask, time after time, and are told the same."""
        self.turn += 1
        if hosts.are_preempted(self.turn):
            self.received = signal.SIGTERM
        return self.is_asked

    def raise_if_asked(self) -> None:
        """Raises Interrupted once a signal has come; all steps must have been saved."""
        if self.received is not None:
            name = signal.Signals(self.received).name
            raise Interrupted(f"stopped by {name}; all steps so far are saved. {self.goes_on}", self.received)


@contextlib.contextmanager
def interruptible(goes_on: str) -> Iterator[StopRequest]:
    """Within it SIGTERM and SIGINT are kept for later, as a request to stop.

    A second signal of the kind acts at once, as it would have without. Does nothing outside the main thread, nor where
    there are many processes, of which JAX tells all when one is asked.
    """
    stop = StopRequest(goes_on)
    before: dict[int, Any] = {}

    def keep(number: int, frame) -> None:
        stop.received = stop.received or number
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread() and not hosts.are_many():
        before |= {number: signal.signal(number, keep) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
