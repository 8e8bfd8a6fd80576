"""One training run from ratings to report, top to bottom.

read -> clean -> split -> (go on from a checkpoint) -> epochs -> evaluate the best -> report
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
from tensorboardX import SummaryWriter
from tqdm import tqdm

from movierec_jax.config import Config, DeviceConfig
from movierec_jax.data.files import read_json, write_json
from movierec_jax.data.schema import MOVIE_ID, RATING
from movierec_jax.data.storage import is_url, synced_folder
from movierec_jax.errors import InputError
from movierec_jax.evaluation.evaluate import evaluate
from movierec_jax.evaluation.plots import save_plots
from movierec_jax.evaluation.report import build_report, closing_table, time_note
from movierec_jax.model.sharding import new_mesh
from movierec_jax.runs import distributed
from movierec_jax.runs.checkpoint import Checkpoints
from movierec_jax.runs.interrupt import StopRequest, interruptible
from movierec_jax.runs.prepare import cache_of, prepare
from movierec_jax.runs.run import Run
from movierec_jax.runs.workdir import open_workdir
from movierec_jax.training.loop import initial_state, train_from
from movierec_jax.training.progress import EpochRecord, Progress, best_record, is_finished

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
    if is_url(workdir) and distributed.is_multi_process():
        raise InputError(
            f"--workdir={workdir}: many processes need one that all can reach as a folder; mount the bucket"
        )
    with synced_folder(workdir) as (folder, send):
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
    with interruptible(goes_on) as stop, distributed.errors_named(goes_on):
        mesh = new_mesh(devices.mesh)
        run = prepare(config, cache_of(folder), mesh)
        data_seconds = time.perf_counter() - start
        stop.raise_if_asked()
        open_workdir(folder, run, overwrite=overwrite)
        if distributed.broadcast_from_primary((folder / "report.json").exists()):
            print(f"{workdir} holds this run, finished; --overwrite starts it anew")
            return read_json(folder / "report.json")
        send()
        with contextlib.closing(Checkpoints(folder, on_saved=send)) as checkpoints:
            records = train(run, folder, checkpoints, stop)
    train_seconds = time.perf_counter() - start - data_seconds
    if distributed.is_multi_process():
        # What is left is little, and the first does it with its own devices.
        run = dataclasses.replace(run, mesh=new_mesh(devices=jax.local_devices()))
    report: dict[str, Any] = {}
    with distributed.errors_named(goes_on):
        if distributed.is_primary():
            report = write_report(folder, run, records, data_seconds, train_seconds)
            seconds = report["seconds"]["total"]
            print(f"{seconds:.1f} s (imports apart); report, plots and checkpoints in {workdir}")
        distributed.barrier("report written")
    return report


def write_report(
    workdir: pathlib.Path, run: Run, records: Sequence[EpochRecord], data_seconds: float, train_seconds: float
) -> dict[str, Any]:
    """Measures the best epoch of a run on its test part; leaves report and plots, and returns the report."""
    start, config = time.perf_counter(), run.config
    with contextlib.closing(Checkpoints(workdir, read_only=True)) as checkpoints:
        params = checkpoints.best_params(run.setup, warn=print)
    evaluation = evaluate(run, params, run.parts.test, config.evaluation)
    print(f"\ntest part{time_note(config)}: {closing_table(evaluation)}\n")
    movie_row = run.movies.rows(run.parts.test[MOVIE_ID])
    rating = run.parts.test[RATING].to_numpy()
    save_plots(workdir / "plots", records, evaluation.predicted, rating, run.interactions.movie_count[movie_row])
    seconds = {"data": data_seconds, "train": train_seconds, "evaluate": time.perf_counter() - start}
    seconds["total"] = sum(seconds.values())
    num_parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
    report = build_report(run, records, evaluation, seconds, num_parameters)
    write_json(workdir / "report.json", report)
    return report


def train(run: Run, workdir: pathlib.Path, checkpoints: Checkpoints, stop: "StopRequest") -> tuple[EpochRecord, ...]:
    """Trains from the newest checkpoint to the end, and returns the records of all epochs.

    Saves the last step, each epoch that has a validation RMSE, as it may be the best, and what comes between every
    SAVE_SECONDS.
    """
    setup = run.setup
    newest = checkpoints.latest(setup, warn=print)
    state, progress = newest or (initial_state(run.train, run.interactions, setup=setup), Progress())
    if progress.step:
        print(f"going on after {where(progress)} of {setup.config.epochs}")
    with contextlib.ExitStack() as stack:
        log = None
        if distributed.is_primary():
            log = stack.enter_context(EpochLog(workdir, progress.records, len(run.train), setup.config.epochs))
        some_steps = train_from(state, progress, run.train, run.valid, run.interactions, setup=setup)
        is_saved, saved_at = True, time.monotonic()
        patience = setup.config.patience
        while not (is_finished(progress.records, setup.config.epochs, patience) or stop.is_asked_of_any()):
            state, progress = next(some_steps)
            record = progress.records[-1] if progress.is_at_epochs_end else None
            is_due = distributed.broadcast_from_primary(time.monotonic() - saved_at >= SAVE_SECONDS)
            is_saved = is_due or (record is not None and record.valid_rmse is not None)
            if is_saved:
                checkpoints.save(state, progress, setup)
                saved_at = time.monotonic()
            if log is not None and record is not None:
                log.add(record)
        if not is_saved:
            checkpoints.save(state, progress, setup)
    checkpoints.wait()
    stop.raise_if_asked()
    records = progress.records
    best = best_record(records)
    if records[-1].epoch < setup.config.epochs:
        print(f"no better validation RMSE in {setup.config.patience} epochs: stopped after epoch {records[-1].epoch}")
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
