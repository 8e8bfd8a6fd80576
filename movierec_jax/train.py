"""One training run, top to bottom: read -> clean -> split -> resume -> train -> evaluate -> report."""

import contextlib
import dataclasses
import functools
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import pandas as pd

from movierec_jax.config import Config, DeviceConfig, flag_values
from movierec_jax.data.files import read_sealed_json, sealed, write_json
from movierec_jax.data.schema import DATA_FRAME
from movierec_jax.data.storage import is_url, unreachable_url_named
from movierec_jax.evaluation.advice import require_learnt
from movierec_jax.evaluation.epoch_ranking import epoch_ranker
from movierec_jax.evaluation.evaluate import evaluate
from movierec_jax.evaluation.report import build_report, closing_table, figures_to_log, time_note
from movierec_jax.evaluation.report_page import save_report_page
from movierec_jax.model.sharding import new_mesh
from movierec_jax.model.two_tower import Encoded, encode_movies
from movierec_jax.recommend.block_scorer import scorer_of_run
from movierec_jax.recommend.recommender import Recommender, load
from movierec_jax.runs import distributed
from movierec_jax.runs.checkpoint import Checkpoints
from movierec_jax.runs.config import LogConfig
from movierec_jax.runs.epoch_log import EpochLog
from movierec_jax.runs.forks import require_not_forked
from movierec_jax.runs.interrupt import StopRequest, interruptible
from movierec_jax.runs.loggers import Logger, Loggers, require_installed
from movierec_jax.runs.memory import UNKNOWN, free_memory, memory_check
from movierec_jax.runs.prepare import cache_folder, prepare
from movierec_jax.runs.replacement import replace_run, training_folder
from movierec_jax.runs.run import Run
from movierec_jax.runs.training_lock import training_lock
from movierec_jax.runs.warm_start import OldRun, begin_from, prepare_warm, require_other_workdir
from movierec_jax.runs.workdir import open_workdir
from movierec_jax.runs.workdir_copy import WorkdirCopy, copied_workdir
from movierec_jax.training.loop import initial_state, put_data, train_from
from movierec_jax.training.progress import EpochRecord, Progress, best_record, is_finished
from movierec_jax.training.strengths import decays_in_use

# After so long the next state is saved even without a validation RMSE; a kill costs little more work than that.
SAVE_SECONDS = 10.0

ALL_DEVICES, DEFAULT_LOG = DeviceConfig(), LogConfig()


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    workdir: the path or URL that it was trained in. report: the content of its report.json.
    """

    workdir: str
    report: dict[str, Any] = dataclasses.field(repr=False)

    @functools.cached_property
    def recommender(self) -> Recommender:
        """The trained run, ready to answer; loaded when first asked for."""
        return load(self.workdir)


def train_run(
    config: Config,
    workdir: str | os.PathLike,
    *,
    ratings: pd.DataFrame | str | os.PathLike | None = None,
    warm_start: str | os.PathLike | None = None,
    overwrite: bool = False,
    devices: DeviceConfig = ALL_DEVICES,
    check_memory: bool = True,
    log: LogConfig = DEFAULT_LOG,
    loggers: Sequence[Logger] = (),
) -> TrainedRun:
    """Trains the run of a workdir, or resumes it.

    Of several processes, process 0 writes the report; that of the others is empty.
    ratings: a path, or a table whose columns are known as those of a file are; unset: those that the config names. The
        workdir keeps all that scoring needs; to resume, give the same ratings again.
    warm_start: workdir of an older run, from whose parameters training begins. A run that resumes does not need it.
    devices: those to train on; a run may resume on other devices than it began on.
    check_memory: refuse what needs more memory than is free, before it trains.
    log: what to report of each epoch. loggers: more of them, beside those that `log` names.
    overwrite: train anew beside the run that the workdir holds, and put the new one in its place when it is finished.
    Raises InputError for bad input, for more than the memory holds and for a workdir in which another process trains,
    leaving it as it was, and for a result that is no better than a constant; OSError for a workdir that is moved or
    removed meanwhile; Interrupted after SIGTERM or SIGINT.
    """
    require_not_forked()
    require_installed(log.loggers)
    table = ratings if isinstance(ratings, pd.DataFrame) else None
    if ratings is not None:
        config = config.replace(ratings=DATA_FRAME if isinstance(ratings, pd.DataFrame) else os.fspath(ratings))
    old_workdir = None
    if warm_start is not None:
        old_workdir = os.fspath(warm_start) if is_url(warm_start) else os.path.normpath(warm_start)
        require_other_workdir(old_workdir, os.fspath(workdir))
    with (
        training_lock(workdir) as require_there,
        copied_workdir(workdir) as copy,
        contextlib.closing(Loggers(log.loggers, loggers)) as opened,
    ):
        report = train_in_folder(
            LockedWorkdir(str(workdir), copy, require_there),
            config,
            opened,
            table,
            old_workdir,
            overwrite=overwrite,
            devices=devices,
            check_memory=check_memory,
            ranked_users=log.ranked_users,
        )
    return TrainedRun(str(workdir), report)


@dataclasses.dataclass(frozen=True)
class LockedWorkdir:
    """A workdir that this training alone writes to.

    name: the path or URL in messages. copy: its files on this machine. require_there: raises OSError where it has been
    moved or removed.
    """

    name: str
    copy: WorkdirCopy
    require_there: Callable[[], None]


def train_in_folder(
    workdir: LockedWorkdir,
    config: Config,
    loggers: Loggers,
    table: pd.DataFrame | None,
    old_workdir: str | None,
    *,
    overwrite: bool,
    devices: DeviceConfig,
    check_memory: bool,
    ranked_users: int,
) -> dict[str, Any]:
    """Does the work of `train_run` and returns the report. table: given ratings. old_workdir: of a warm start."""
    start, name, copy = time.perf_counter(), workdir.name, workdir.copy
    advice = f"To resume, repeat the command{' without --overwrite' if overwrite else ''}: --workdir={name}"
    with interruptible(advice) as stop, distributed.lost_process_named(advice), unreachable_url_named(advice):
        folder = training_folder(copy.folder, overwrite=overwrite, is_own=copy.is_own)
        prepare_run = functools.partial(prepare, config, cache_folder(copy.folder), new_mesh(devices.mesh), table)
        run, old = prepare_warm(prepare_run, folder, old_workdir)
        data_seconds = time.perf_counter() - start
        stop.raise_if_received()
        open_workdir(folder, run, is_own=copy.is_own)
        if distributed.broadcast_from_primary((folder / "report.json").exists()):
            finished = read_sealed_json(folder / "report.json")
            put_in_place(copy, folder)
            print(f"{name} holds this run, finished; --overwrite starts it anew")
            require_learnt(finished, config, name)
            return finished
        copy.publish()
        with contextlib.closing(Checkpoints(folder, is_own=copy.is_own, publish=copy.publish)) as checkpoints:
            records, decays = train_and_save(
                run,
                folder,
                checkpoints,
                stop,
                workdir.require_there,
                loggers,
                ranked_users,
                old,
                check_memory=check_memory,
            )
    train_seconds = time.perf_counter() - start - data_seconds
    report: dict[str, Any] = {}
    with distributed.lost_process_named(advice), unreachable_url_named(advice):
        workdir.require_there()
        movies = encode_movies_together(run, folder, copy) if distributed.is_multi_process() else None
        if distributed.is_primary():
            report = write_report(folder, run, records, decays, data_seconds, train_seconds, movies)
            loggers.log(report["epochs"], figures_to_log(report))
            print(
                f"Finished in {report['seconds']['total']:.0f} s; open {name}/report.html for pictures and all figures"
            )
        put_in_place(copy, folder)
        if distributed.is_primary():
            require_learnt(report, config, name)
    return report


def put_in_place(copy: WorkdirCopy, folder: pathlib.Path) -> None:
    """Puts the finished run of a folder in the place of the workdir's, unless it is there, by process 0 for all."""
    distributed.barrier("report written")
    if distributed.is_primary():
        replace_run(copy.folder, folder)
    distributed.barrier("run in place")
    copy.publish()


def train_and_save(
    run: Run,
    workdir: pathlib.Path,
    checkpoints: Checkpoints,
    stop: StopRequest,
    require_there: Callable[[], None],
    loggers: Loggers,
    ranked_users: int,
    old: OldRun | None = None,
    *,
    check_memory: bool,
) -> tuple[tuple[EpochRecord, ...], dict[str, float]]:
    """Trains from the newest checkpoint to the end; returns the records of all epochs, and the decays by flag.

    Saves the last step, every epoch with a validation RMSE (it may be the best), and otherwise every SAVE_SECONDS.
    Of a warm start also the state before the first step, so that resuming does not need the older run.
    """
    setup, config = run.setup, run.setup.config
    check = memory_check(setup, free_memory() if check_memory else UNKNOWN)
    found = checkpoints.latest(setup, warn=print)
    state, progress = found or (initial_state(run.train, run.interactions, setup=setup, check=check), Progress())
    if found is None and old is not None:
        state = begin_from(state, old, run)
        checkpoints.save(state, progress, setup)
    if setup.follows_trends:
        print(f"lists follow trends: ratings count half after {setup.config.half_life_days:.3g} days")
    if progress.step:
        print(f"resuming after {describe_progress(progress)} of {config.epochs}")
    with contextlib.ExitStack() as stack:
        log = None
        if distributed.is_primary():
            loggers.open(workdir, flag_values(run.config), epochs_done=len(progress.records))
            log = stack.enter_context(EpochLog(workdir, progress.records, len(run.train), config.epochs, loggers))
        rank = epoch_ranker(run, ranked_users)
        states = train_from(state, progress, run.train, run.valid, run.interactions, setup=setup, rank=rank)
        is_saved, saved_at = True, time.monotonic()
        while not (is_finished(progress.records, config.epochs, config.patience) or stop.poll()):
            state, progress = next(states)
            record = progress.records[-1] if progress.is_at_epochs_end else None
            is_due = distributed.broadcast_from_primary(time.monotonic() - saved_at >= SAVE_SECONDS)
            is_saved = is_due or (record is not None and record.valid_rmse is not None)
            if is_saved:
                require_there()
                checkpoints.save(state, progress, setup)
                saved_at = time.monotonic()
            if log is not None:
                log.show(progress)
        if not is_saved:
            require_there()
            checkpoints.save(state, progress, setup)
    checkpoints.wait()
    stop.raise_if_received()
    print_best(progress.records, config.epochs, config.patience)
    decays = decays_in_use(state, setup)
    if len(setup.held_out):
        print("decays learnt: " + ", ".join(f"{flag} {value:.1f}" for flag, value in decays.items()))
    return progress.records, decays


def describe_progress(progress: Progress) -> str:
    """Describes how far training has come, such as "step 3 past epoch 2"."""
    epochs = f"epoch {len(progress.records)}"
    return epochs if progress.is_at_epochs_end else f"step {progress.since.num_steps} past {epochs}"


def print_best(records: Sequence[EpochRecord], epochs: int, patience: int) -> None:
    """Prints the best epoch, and whether training stopped early."""
    if records[-1].epoch < epochs:
        print(f"no better validation RMSE in {patience} epochs: stopped after epoch {records[-1].epoch}")
    best = best_record(records)
    print(f"best epoch {best.epoch}" + (f": validation RMSE {best.valid_rmse:.4f}" if best.valid_rmse else ""))


def encode_movies_together(run: Run, workdir: pathlib.Path, copy: WorkdirCopy) -> Encoded:
    """Returns the encoded movies of the best epoch, for which each of several processes adds up its own ratings."""
    copy.fetch()
    with contextlib.closing(Checkpoints(workdir, read_only=True)) as checkpoints:
        params = checkpoints.best_params(run.setup, warn=print)
    interactions, _ = put_data(run.interactions, None, run.mesh)
    return jax.device_get(encode_movies(params, interactions, model=run.model))


def write_report(
    workdir: pathlib.Path,
    run: Run,
    records: Sequence[EpochRecord],
    decays: dict[str, float],
    data_seconds: float,
    train_seconds: float,
    movies: Encoded | None = None,
) -> dict[str, Any]:
    """Evaluates the best epoch on the test part, writes report and plots, prints what to change, returns the report.

    movies: encoded by all of several processes; process 0 does the rest on its own devices.
    """
    if movies is not None:
        run = dataclasses.replace(run, mesh=new_mesh(devices=jax.local_devices()))
    start, config = time.perf_counter(), run.config
    with contextlib.closing(Checkpoints(workdir, read_only=True)) as checkpoints:
        params = checkpoints.best_params(run.setup, warn=print)
    scorer = scorer_of_run(run, params, movies=movies)
    evaluation = evaluate(run, params, run.parts.test, config.evaluation, scorer)
    print(f"\ntest part{time_note(config)}: {closing_table(evaluation)}\n")
    seconds = {"data": data_seconds, "train": train_seconds, "evaluate": time.perf_counter() - start}
    seconds["total"] = sum(seconds.values())
    num_parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
    report = build_report(run, records, decays, evaluation, seconds, num_parameters)
    save_report_page(workdir, Recommender(run, scorer, run.users, run.parts), records, report, evaluation.predicted)
    write_json(workdir / "report.json", sealed(report))
    for advice in report["advice"]:
        print(f"advice: {advice}")
    return report
