"""The training states of a workdir, each with how training had gone by then.

checkpoints/STEP/state/     the state after so many steps (Orbax)
checkpoints/STEP/about/     the progress, how many rows tables have, and by what to tell that nothing is damaged
"""

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
import orbax.checkpoint as ocp
from jaxtyping import Array, UInt32

from movierec_jax.data.files import first_line
from movierec_jax.errors import InputError
from movierec_jax.runs import distributed
from movierec_jax.training.progress import EpochRecord, ErrorTotals, Progress
from movierec_jax.training.state import TrainingSetup, TrainState, new_state, state_shapes

HANDLERS = {"state": ocp.StandardCheckpointHandler, "about": ocp.JsonCheckpointHandler}


class Checkpoints:
    """The training states of a workdir, by step: that of the best epoch by validation and the latest two.

    Saving copies the state and goes on; files are written in the background, under another name until they are whole.
    All processes save together, each what its devices have. They read apart, and agree on what can be read.
    """

    def __init__(self, workdir: pathlib.Path, *, read_only: bool = False, on_saved: Callable[[], None] = lambda: None):
        # Orbax takes absolute paths alone.
        self.folder = (workdir / "checkpoints").absolute()
        self.read_only = read_only
        self.best_step: int | None = None
        self.writer = None if read_only else self.new_writer(on_saved)
        me = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(me, {me}, barrier_sync_key_prefix=f"reader {me}")
        options = ocp.CheckpointManagerOptions(create=False, multiprocessing_options=alone)
        self.reader = ocp.CheckpointManager(self.folder, options=options, item_handlers=handlers())

    def new_writer(self, on_saved: Callable[[], None]) -> ocp.CheckpointManager:
        """What saves; it calls `on_saved`, in the background, when a checkpoint is whole."""
        options = ocp.CheckpointManagerOptions(
            preservation_policy=self,
            cleanup_tmp_directories=True,
            # Threads that wait for a folder would hold up the end of a process for ten minutes if it cannot be made.
            async_options=ocp.AsyncOptions(
                create_directories_asynchronously=False, post_finalization_callback=on_saved
            ),
        )
        return ocp.CheckpointManager(self.folder, options=options, item_handlers=handlers())

    def save(self, state: TrainState, progress: Progress, setup: TrainingSetup) -> None:
        """Begins to write a state. Raises OSError where the one before went wrong."""
        assert self.writer is not None
        self.best_step = progress.best_step
        about = {
            "progress": dataclasses.asdict(progress),
            "train_rows": train_rows(setup),
            "table_rows": list(setup.model.table_rows),
            "sums_of_bits": [int(total) for total in sums_of_bits(state)],
        }
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), about=ocp.args.JsonSave(about | {"digest": digest(about)})
        )
        with self.errors_named():
            self.writer.save(progress.step, args=items, force=True)

    def should_preserve(self, checkpoints: Sequence, *, context) -> list[bool]:
        """Which checkpoints stay, of all in rising order; Orbax asks at each save.

        Two of the latest do, so that a damaged last one costs what came after the one before.
        """
        latest = [checkpoint.step for checkpoint in checkpoints[-2:]]
        return [checkpoint.step in (*latest, self.best_step) for checkpoint in checkpoints]

    def latest(self, setup: TrainingSetup, warn: Callable[[str], None]) -> tuple[TrainState, Progress] | None:
        """The newest state that can be read whole, with its progress; None where there is no checkpoint.

        Says through `warn` which checkpoints it had to step over, and unless it may only read moves them out of the
        way, to the workdir's unreadable/. Raises InputError where there are checkpoints and none can be read.
        """
        unreadable = []
        self.reader.reload()
        for step in sorted(self.reader.all_steps(), reverse=True):
            newest, reason = None, "another process cannot read it"
            try:
                newest = self.restore(step, setup)
            except (MemoryError, jax.errors.JaxRuntimeError):  # Not the checkpoint's fault.
                raise
            except Exception as error:  # Orbax raises whatever the damaged file happens to break.
                reason = first_line(error)
            if not self.all_processes_agree(newest is not None):
                warn(f"checkpoints/{step} cannot be read and is skipped ({reason})")
                unreadable.append(step)
                continue
            if not self.read_only:
                self.set_aside(unreadable)
            return newest
        if unreadable:
            raise InputError(f"{self.folder}: no checkpoint can be read; restore one, or start anew with --overwrite")
        return None

    def all_processes_agree(self, value: bool) -> bool:
        """Whether all who read together say so; one who may only read does so alone."""
        return value if self.read_only else distributed.all_processes_agree(value)

    def set_aside(self, steps: list[int]) -> None:
        """Moves checkpoints to the workdir's unreadable/, so that their steps can be saved again."""
        assert self.writer is not None
        if distributed.is_primary():
            for step in steps:
                target = self.folder.parent / "unreadable" / f"{step}-{time.time_ns()}"
                target.parent.mkdir(exist_ok=True)
                (self.folder / str(step)).rename(target)
        distributed.barrier("unreadable checkpoints set aside")
        self.writer.reload()
        self.reader.reload()

    def restore(self, step: int, setup: TrainingSetup) -> tuple[TrainState, Progress]:
        """The state after so many steps, on whichever devices it was saved, with the progress up to it.

        Raises InputError for a state of another model, and for one that is not as it was saved.
        """
        about = self.read(step, about=ocp.args.JsonRestore())["about"]
        if about.pop("digest", None) != digest(about):
            raise InputError("what it says of itself is damaged")
        rows = tuple(about["table_rows"])
        # Tables are as long as suits the devices; what is beyond the rows of train is filling, and zero.
        as_saved = jax.eval_shape(
            lambda: new_state(dataclasses.replace(setup, model=setup.model.clone(mesh=None, num_rows=rows)))
        )
        # Orbax would notice only while it reads, and leave readers behind.
        saved = jax.tree.leaves(self.reader.item_metadata(step)["state"])
        shapes = [sorted(leaf.shape for leaf in leaves) for leaves in (saved, jax.tree.leaves(as_saved))]
        if about["train_rows"] != train_rows(setup) or (saved and shapes[0] != shapes[1]):
            raise InputError("its arrays are of other shapes than the settings and ids beside it ask for")
        wanted = state_shapes(setup)
        if setup.model.mesh is None:
            one_device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
            wanted = jax.tree.map(lambda leaf: leaf.update(sharding=one_device), wanted)
        is_as_long = rows == setup.model.table_rows
        state = self.read(step, state=ocp.args.StandardRestore(wanted, strict=is_as_long))["state"]
        if [int(total) for total in sums_of_bits(state)] != about["sums_of_bits"]:
            raise InputError("its arrays are not those that were saved")
        return state, progress_of(about["progress"])

    def read(self, step: int, **items: Any) -> Any:
        """Items of a checkpoint."""
        return self.reader.restore(step, args=ocp.args.Composite(**items))

    def best_params(self, setup: TrainingSetup, warn: Callable[[str], None]) -> optax.Params:
        """The parameters after the best epoch of the newest state that can be read; its own without validation.

        Raises InputError where no checkpoint can be read, or not that of the best epoch.
        """
        newest = self.latest(setup, warn)
        if newest is None:
            raise InputError(f"{self.folder}: no checkpoint; run scripts/train.py on this workdir first")
        state, progress = newest
        best = progress.best_step
        if best == progress.step:
            return state.params
        try:
            return self.restore(best, setup)[0].params
        except Exception as error:  # As above.
            raise InputError(
                f"{self.folder / str(best)}: the checkpoint of the best epoch cannot be read ({first_line(error)}); "
                "restore it, or train anew with --overwrite"
            ) from error

    def wait(self) -> None:
        """Returns once all that was saved is on disk. Raises OSError where it could not be written."""
        if self.writer is not None:
            with self.errors_named():
                self.writer.wait_until_finished()

    @contextlib.contextmanager
    def errors_named(self) -> Iterator[None]:
        """Turns whatever Orbax raises when it cannot write into an OSError that names the folder."""
        try:
            yield
        except Exception as error:
            raise OSError(None, f"checkpoint cannot be written ({first_line(error)})", str(self.folder)) from error

    def close(self) -> None:
        self.reader.close()
        if self.writer is not None:
            self.writer.close()


def handlers() -> dict[str, Any]:
    """What Orbax writes and reads each item of a checkpoint with."""
    return {name: handler() for name, handler in HANDLERS.items()}


def train_rows(setup: TrainingSetup) -> list[int]:
    """How many users and movies train has."""
    return [setup.model.num_users, setup.model.num_movies]


@jax.jit
def sums_of_bits(state: TrainState) -> list[UInt32[Array, ""]]:
    """Of each array the sum of its numbers' bits, modulo 2^32, which tells when one of them was damaged.

    It is the same on all devices, in any order, and whatever zeros fill up a table.
    """
    return [
        jnp.sum(jax.lax.bitcast_convert_type(leaf, jnp.uint32), dtype=jnp.uint32) for leaf in jax.tree.leaves(state)
    ]


def digest(about: dict[str, Any]) -> str:
    """The sha256 of what a checkpoint says of itself."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def progress_of(values: dict[str, Any]) -> Progress:
    """The progress whose fields have these values."""
    records = tuple(EpochRecord(**record) for record in values["records"])
    return Progress(records, ErrorTotals(**values["since"]))
