"""Saves and restores the training states of a workdir, each with the progress of training.

checkpoints/STEP/state/     the state after this many steps (Orbax)
checkpoints/STEP/about/     the run, the progress, the sizes of the tables, and checksums that reveal damage
"""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import optax
import orbax.checkpoint as ocp
from jaxtyping import Array, UInt32

from movierec_jax.data.files import first_line, sealed, unsealed
from movierec_jax.errors import InputError
from movierec_jax.model.tables import IMPLICIT_FEEDBACK
from movierec_jax.runs import distributed
from movierec_jax.runs.workdir import CHECKPOINTS, CONFIG, UNREADABLE, run_identity
from movierec_jax.training.progress import EpochRecord, ErrorTotals, Progress
from movierec_jax.training.state import TrainingSetup, TrainState, new_state, state_shapes


class Checkpoints:
    """The training states of a workdir, by step: the best epoch by validation, and the latest two.

    Saving copies the state and returns; a thread writes the files, under another name until they are complete. All
    processes save together, each the part on its devices. They read separately, and agree on what can be read.
    read_only: neither saves nor changes the folder. is_own: whether each process has a folder of its own. publish:
    called when checkpoints have been written or set aside, mostly from another thread.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        *,
        read_only: bool = False,
        is_own: bool = False,
        publish: Callable[[], None] = lambda: None,
    ):
        # Orbax takes only absolute paths.
        self.folder = (workdir / CHECKPOINTS).absolute()
        self.run = run_identity(workdir) if (workdir / CONFIG).exists() else None
        self.kept = KeptSteps()
        self.is_own, self.publish = is_own, publish
        self.writer = None if read_only else new_writer(self.folder, self.kept, is_own)
        self.reader = new_reader(self.folder)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self.publishing: Future[None] | None = None

    def save(self, state: TrainState, progress: Progress, setup: TrainingSetup) -> None:
        """Begins to write a state. Raises OSError if the one before could not be written."""
        assert self.writer is not None
        self.wait()
        self.kept.best_step = progress.best_step
        about = {
            "run": self.run,
            "progress": dataclasses.asdict(progress),
            "train_rows": train_rows(setup),
            "table_rows": list(setup.model.table_rows),
            "checksums": [int(total) for total in checksums(state)],
        }
        items = ocp.args.Composite(state=ocp.args.PyTreeSave(state), about=ocp.args.JsonSave(sealed(about)))
        with write_errors_named(self.folder):
            self.writer.save(progress.step, args=items, force=True)
        self.publishing = self.thread.submit(self.finish)

    def finish(self) -> None:
        """Waits until the state is on disk, and publishes it."""
        assert self.writer is not None
        with write_errors_named(self.folder):
            self.writer.wait_until_finished()
        self.publish()

    def wait(self) -> None:
        """Waits until everything saved is on disk and published. Raises OSError if it could not be."""
        publishing, self.publishing = self.publishing, None
        if publishing is not None:
            publishing.result()

    def close(self) -> None:
        """Waits as `wait` does, and ends the threads."""
        self.reader.close()
        try:
            self.wait()
        finally:
            self.thread.shutdown()
            if self.writer is not None:
                with write_errors_named(self.folder):
                    self.writer.close()

    def latest(self, setup: TrainingSetup, warn: Callable[[str], None]) -> tuple[TrainState, Progress] | None:
        """Returns the newest readable state and its progress; None without checkpoints.

        Warns of each checkpoint that it skips, and moves it to the workdir's unreadable/. Raises InputError if there
        are checkpoints but none is readable, and read-only already where the newest is not: an older one would give
        other answers.
        """
        unreadable: list[int] = []
        self.reader.reload()
        for step in sorted(self.reader.all_steps(), reverse=True):
            newest, reason = None, "another process cannot read it"
            try:
                newest = self.restore(step, setup)
            except (MemoryError, jax.errors.JaxRuntimeError):  # Not the checkpoint's fault.
                raise
            except Exception as error:  # Orbax raises whatever the damaged file happens to break.
                reason = first_line(error)
            is_readable = newest is not None
            if self.writer is not None:
                is_readable = distributed.all_processes_agree(is_readable)
            if is_readable:
                self.set_aside(unreadable)
                return newest
            if self.writer is None and not (self.folder / str(step)).exists():
                # Training has deleted it meanwhile, since it has saved newer ones.
                return self.latest(setup, warn)
            if self.writer is None:
                raise InputError(
                    f"{self.folder / str(step)}: the newest checkpoint cannot be read ({reason}); restore it, or train "
                    "on from the one before with movierec train"
                )
            warn(f"checkpoints/{step} cannot be read and is skipped ({reason})")
            unreadable.append(step)
        if unreadable:
            raise InputError(f"{self.folder}: no checkpoint can be read; restore one, or start anew with --overwrite")
        return None

    def set_aside(self, steps: list[int]) -> None:
        """Moves checkpoints to the workdir's unreadable/, so that their steps can be saved again."""
        if self.writer is None or not steps:
            return
        if distributed.writes_to_folder(self.is_own):
            for step in steps:
                target = self.folder.parent / UNREADABLE / f"{step}-{time.time_ns()}"
                target.parent.mkdir(exist_ok=True)
                (self.folder / str(step)).rename(target)
        distributed.barrier("unreadable checkpoints set aside")
        self.writer.reload()
        self.reader.reload()
        # At a URL, files of the old state must not mix with those of the state that is saved in its place.
        self.publish()

    def best_params(self, setup: TrainingSetup, warn: Callable[[str], None]) -> optax.Params:
        """Returns the parameters of `best_state`."""
        return self.best_state(setup, warn).params

    def best_state(self, setup: TrainingSetup, warn: Callable[[str], None]) -> TrainState:
        """Returns the state after the best epoch by the newest readable state; without validation, that state.

        The parameters of the implicit-feedback score are the newest: the validation RMSE says nothing of these.
        Raises InputError if no checkpoint, or not that of the best epoch, can be read.
        """
        newest = self.latest(setup, warn)
        if newest is None:
            raise InputError(f"{self.folder}: no checkpoint; run movierec train on this workdir first")
        state, progress = newest
        best = progress.best_step
        if best == progress.step:
            return state
        try:
            found = self.restore(best, setup)[0]
        except Exception as error:  # As in `latest`.
            raise InputError(
                f"{self.folder / str(best)}: the checkpoint of the best epoch cannot be read ({first_line(error)}); "
                "restore it, or train anew with --overwrite"
            ) from error
        newest_score = {name: part for name, part in state.params.items() if name == IMPLICIT_FEEDBACK}
        return dataclasses.replace(found, params={**found.params, **newest_score})

    def restore(self, step: int, setup: TrainingSetup) -> tuple[TrainState, Progress]:
        """Returns the state after a step, whatever devices it was saved on, and the progress up to it.

        Raises InputError for a state of another model or run, and for a damaged one.
        """
        about = unsealed(self.reader.restore(step, args=ocp.args.Composite(about=ocp.args.JsonRestore()))["about"])
        if about is None:
            raise InputError("its about/ is damaged")
        if about.get("run") != self.run:
            raise InputError("it is of another run")
        rows = tuple(about["table_rows"])
        self.require_shapes(step, about["train_rows"], rows, setup)
        wanted = state_shapes(setup)
        if setup.model.mesh is None:
            one_device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
            wanted = jax.tree.map(lambda leaf: leaf.update(sharding=one_device), wanted)
        restore_args = ocp.args.StandardRestore(wanted, strict=rows == setup.model.table_rows)
        state = self.reader.restore(step, args=ocp.args.Composite(state=restore_args))["state"]
        if [int(total) for total in checksums(state)] != about["checksums"]:
            raise InputError("its arrays are not those that were saved")
        return state, progress_from(about["progress"])

    def require_shapes(
        self, step: int, saved_train_rows: list[int], saved_table_rows: tuple[int, ...], setup: TrainingSetup
    ) -> None:
        """Raises InputError if a saved state is of a model of other shapes.

        Tables have as many rows as suits the devices that saved them: rows beyond those of train are zero padding.
        Orbax would notice other shapes only while it reads, and leave threads behind.
        """
        model = setup.model.clone(mesh=None, num_rows=saved_table_rows)
        expected = jax.tree.leaves(jax.eval_shape(lambda: new_state(dataclasses.replace(setup, model=model))))
        saved = jax.tree.leaves(self.reader.item_metadata(step)["state"])
        has_shapes = sorted(leaf.shape for leaf in saved) == sorted(leaf.shape for leaf in expected)
        if saved_train_rows != train_rows(setup) or (saved and not has_shapes):
            raise InputError("its arrays do not have the shapes that the settings and ids of the workdir need")


class KeptSteps:
    """Orbax's preservation policy: keeps the best checkpoint and the latest two.

    Two, so that a damaged newest one costs only the work since the one before.
    """

    best_step: int | None = None

    def should_preserve(self, checkpoints: Sequence, *, context) -> list[bool]:
        """Returns which checkpoints to keep, given in rising order of steps; called at each save."""
        latest = [checkpoint.step for checkpoint in checkpoints[-2:]]
        return [checkpoint.step in (*latest, self.best_step) for checkpoint in checkpoints]


def new_writer(folder: pathlib.Path, kept: KeptSteps, is_own: bool) -> ocp.CheckpointManager:
    """Returns the Orbax manager that saves. is_own: as in Checkpoints."""
    processes = ocp.options.MultiprocessingOptions(primary_host=None if is_own else 0)
    options = ocp.CheckpointManagerOptions(
        preservation_policy=kept,
        cleanup_tmp_directories=True,
        multiprocessing_options=processes,
        # If a folder cannot be made, threads that wait for it would delay the end of the process by ten minutes.
        async_options=ocp.AsyncOptions(create_directories_asynchronously=False),
    )
    # Without the metadata that Orbax writes for all managers of a process alike, whoever their primary host is.
    arrays = ocp.type_handlers.create_type_handler_registry((jax.Array, ocp.type_handlers.ArrayHandler()))
    handlers = {
        "state": ocp.PyTreeCheckpointHandler(
            # OCDBT makes few files, but can join those of several processes only where one sees them all.
            use_ocdbt=not is_own,
            multiprocessing_options=processes,
            type_handler_registry=arrays,
        ),
        "about": ocp.JsonCheckpointHandler(multiprocessing_options=processes),
    }
    return ocp.CheckpointManager(folder, options=options, item_handlers=handlers)


def new_reader(folder: pathlib.Path) -> ocp.CheckpointManager:
    """Returns the Orbax manager with which each process reads alone."""
    process = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(process, {process}, barrier_sync_key_prefix=f"reader {process}")
    options = ocp.CheckpointManagerOptions(create=False, multiprocessing_options=alone)
    handlers = {"state": ocp.StandardCheckpointHandler(), "about": ocp.JsonCheckpointHandler()}
    return ocp.CheckpointManager(folder, options=options, item_handlers=handlers)


@contextlib.contextmanager
def write_errors_named(folder: pathlib.Path) -> Iterator[None]:
    """Turns whatever Orbax raises when it cannot write into an OSError that names the folder."""
    try:
        yield
    except Exception as error:
        raise OSError(None, f"checkpoint cannot be written ({first_line(error)})", str(folder)) from error


def train_rows(setup: TrainingSetup) -> list[int]:
    """Returns the numbers of users and movies in train."""
    return [setup.model.num_users, setup.model.num_movies]


@jax.jit
def checksums(state: Any) -> list[UInt32[Array, ""]]:
    """Sums the bits of each array of a tree modulo 2^32.

    Changing any one number changes a sum; the order of devices, and zeros that pad a table, do not.
    """
    return [
        jnp.sum(jax.lax.bitcast_convert_type(leaf, jnp.uint32), dtype=jnp.uint32) for leaf in jax.tree.leaves(state)
    ]


def progress_from(values: dict[str, Any]) -> Progress:
    """Returns the progress from its JSON values."""
    records = tuple(EpochRecord(**record) for record in values["records"])
    return Progress(records, ErrorTotals(**values["since"]))
