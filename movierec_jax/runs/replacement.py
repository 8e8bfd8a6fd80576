"""Replaces the run of a workdir by another in one step: who reads the workdir finds the old run whole or the new one.

--overwrite trains in next_run/ of the workdir, beside the old run. When that is finished, the folder gets another name,
which is the step, and its files are moved to where those of the old run were. Whoever reads next finishes moves that
were broken off.
"""

import os
import pathlib
import shutil
import time
from collections.abc import Callable
from typing import TypeVar

from movierec_jax.data.files import remove_abandoned, sync, unique_partial
from movierec_jax.data.locks import try_lock
from movierec_jax.errors import InputError
from movierec_jax.runs import distributed
from movierec_jax.runs.workdir import CHECKPOINTS, CONFIG, holds_run, own_files, remove_run, require_own

T = TypeVar("T")

# The folder of a workdir in which its next run trains, and its name once that is finished.
NEXT, FINISHED = "next_run", "next_run.finished"

# Of the finished next run: that the old run's files are gone, so that all that is left belongs to the new one.
OLD_REMOVED = "old_run_removed"

# How long a reader waits for a replacement that goes on.
PATIENCE_SECONDS = 10.0


def training_folder(workdir: pathlib.Path, *, overwrite: bool, is_own: bool = False) -> pathlib.Path:
    """Returns the folder to train in: that of the next run, where one replaces another or has begun to.

    overwrite: begin the next run anew. All processes call it. is_own: whether each has a folder of its own.
    Raises InputError where the workdir holds the files of somebody else.
    """
    if distributed.writes_to_folder(is_own):
        finish_replacement(workdir)
    distributed.barrier("replacement finished")
    following = workdir / NEXT
    if overwrite:
        require_own(workdir)
        is_replaced = holds_run(workdir)
        distributed.barrier("workdir seen")
        if distributed.writes_to_folder(is_own):
            shutil.rmtree(following, ignore_errors=True)
        return following if is_replaced else workdir
    return following if holds_run(following) else workdir


def replace_run(workdir: pathlib.Path, folder: pathlib.Path) -> None:
    """Puts a finished run, in the folder that `training_folder` has returned, in the place of the workdir's."""
    if folder == workdir:
        return
    folder.rename(workdir / FINISHED)
    sync(workdir)
    finish_replacement(workdir)


def finish_replacement(workdir: pathlib.Path) -> None:
    """Moves the files of a finished next run to their places; does nothing where there is none.

    Raises OSError where they cannot be moved.
    """
    finished = workdir / FINISHED
    remove_abandoned(finished)
    try:
        opened = os.open(finished, os.O_RDONLY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        while not try_lock(opened):
            time.sleep(0.01)
        if finished.exists():
            move_files(finished, workdir)
    finally:
        os.close(opened)


def move_files(finished: pathlib.Path, workdir: pathlib.Path) -> None:
    """Moves a run's files to where those of another are, config.json last; can be repeated after being broken off."""
    removed = finished / OLD_REMOVED
    if not removed.exists():
        remove_run(workdir)
        removed.touch()
        sync(finished)
    if (finished / CHECKPOINTS).exists():
        (finished / CHECKPOINTS).rename(workdir / CHECKPOINTS)
    for name in [*(name for name in own_files(finished) if name != CONFIG), CONFIG]:
        (workdir / name).parent.mkdir(exist_ok=True)
        if (finished / name).exists():
            os.replace(finished / name, workdir / name)
    sync(workdir)
    # Under another name, since half of it must not be taken for a finished run.
    emptied = unique_partial(finished)
    finished.rename(emptied)
    shutil.rmtree(emptied)


def consistent(workdir: pathlib.Path, read: Callable[[], T]) -> T:
    """Returns what `read` reads of a workdir's run, all of it from one run.

    Reads again where the run has been replaced meanwhile.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        finish_replacement(workdir)
        before = run_state(workdir)
        try:
            result = read()
        except (InputError, OSError):
            is_changing = run_state(workdir) != before or (workdir / FINISHED).exists()
            if not is_changing or time.monotonic() > end:
                raise
        else:
            if run_state(workdir) == before:
                return result


def run_state(workdir: pathlib.Path) -> tuple[int, int] | None:
    """Returns what changes when another config.json is put in place; None without one."""
    try:
        found = (workdir / CONFIG).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
