"""Breaks runs in every way, at random times from a seed, and compares their ends with those of unbroken runs.

    python tests/helpers/drill.py 20

breaks a run of each form below 20 times, and resumes it each time with the same command. Its end must have the bits of
the unbroken run, or its figures within a tolerance where the number of devices changes.
"""

import dataclasses
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import jax
import numpy as np
from absl import logging

from movierec_jax.runs.checkpoint import Checkpoints
from movierec_jax.runs.workdir import load_run

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "train.py"
SMALL = (
    "--embedding_dim=2 --hidden_dims= --implicit_feedback_dim=2 --batch_size=8192 --ratings_at_once=16384 --eval_k=10"
)
# More epochs than a run completes before it is broken.
EPOCHS_PER_BREAK = 6
# A run is broken after at most this many epoch lines and this many seconds more: while it splits ratings, writes files,
# compiles, trains or saves a checkpoint.
MOST_EPOCHS, MOST_SECONDS = 2, 0.3
# How far figures may differ between numbers of devices.
TOLERANCE = 1e-3
# Seconds after which a process that should have ended is taken to hang.
MOST_WAIT = 300
# Largest file in bytes while the disk counts as full: of logs, of all that a checkpoint has, or of its arrays.
FULL = (2**4, 2**12, 2**14)


@dataclasses.dataclass(frozen=True)
class Processes:
    """Processes that train together: their number, and the number of devices of each."""

    count: int = 1
    devices: int = 1

    def start(self, workdir: pathlib.Path, epochs: int) -> list[subprocess.Popen]:
        """Starts all processes; the output of process 0 can be read."""
        arguments = [sys.executable, "-u", str(SCRIPT), f"--workdir={workdir}", f"--epochs={epochs}", *SMALL.split()]
        environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(self.devices)}
        started = []
        address = f"localhost:{free_port()}"
        for number in range(self.count):
            joining = [f"--coordinator_address={address}", f"--num_processes={self.count}", f"--process_id={number}"]
            with (workdir.parent / f"{workdir.name}.{number}.err").open("w") as errors:
                started.append(
                    subprocess.Popen(
                        [*arguments, *(joining if self.count > 1 else [])],
                        env=environment,
                        stdout=subprocess.PIPE if number == 0 else subprocess.DEVNULL,
                        stderr=errors,
                        text=True,
                    )
                )
        return started

    def finish(self, workdir: pathlib.Path, epochs: int) -> str:
        """Lets a run train to its end and returns what it prints."""
        started = self.start(workdir, epochs)
        printed, _ = started[0].communicate()
        statuses = [process.wait() for process in started]
        assert statuses == [0] * self.count, (statuses, errors_of(workdir))
        return printed


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def errors_of(workdir: pathlib.Path) -> str:
    """What all processes of a run have written to standard error."""
    return "".join(path.read_text() for path in sorted(workdir.parent.glob(f"{workdir.name}.*.err")))


# Ways to break a run: each gets the processes, a random one of them, the workdir, and a random number generator.


def kill(started, chosen, workdir, rng) -> None:
    """Kills one process; the others must notice."""
    chosen.send_signal(signal.SIGKILL)
    assert all(process.wait(timeout=MOST_WAIT) != 0 for process in started)


def terminate(started, chosen, workdir, rng) -> None:
    """Sends SIGTERM to one process, after which all must have saved."""
    chosen.send_signal(signal.SIGTERM)
    assert {process.wait(timeout=MOST_WAIT) for process in started} == {128 + signal.SIGTERM}, errors_of(workdir)


def fill_disk(started, chosen, workdir, rng) -> None:
    """Limits the size of files; a run must say so in one message and keep what it has saved."""
    limit = int(rng.choice(FULL))
    for process in started:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    started[0].stdout.read()
    assert all(process.wait(timeout=MOST_WAIT) != 0 for process in started)
    assert "error: " in errors_of(workdir)
    assert "Traceback" not in errors_of(workdir)


def damage(started, chosen, workdir, rng) -> None:
    """Kills, then cuts, flips a bit of, or removes a file of the newest checkpoint, often the largest."""
    # Without an earlier checkpoint a run refuses to resume.
    end = time.monotonic() + MOST_WAIT
    while len(steps_in(workdir)) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    kill(started, chosen, workdir, rng)
    newest = max(steps_in(workdir))
    files = sorted(path for path in (workdir / "checkpoints" / str(newest)).rglob("*") if path.is_file())
    path = max(files, key=lambda path: path.stat().st_size) if rng.random() < 0.5 else rng.choice(files)
    content = bytearray(path.read_bytes())
    how = rng.integers(3)
    if how == 0 or not content:
        path.unlink()
        return
    position = rng.integers(len(content))
    if how == 1:
        del content[position:]
    else:
        content[position] ^= 1 << rng.integers(8)
    path.write_bytes(bytes(content))


def steps_in(workdir: pathlib.Path) -> list[int]:
    """The steps of all complete checkpoints."""
    return [int(path.name) for path in (workdir / "checkpoints").glob("*") if path.name.isdecimal()]


@dataclasses.dataclass(frozen=True)
class Form:
    """How a run is broken, and the processes that it is resumed with, in rotation."""

    how: Callable[..., None]
    processes: tuple[Processes, ...] = (Processes(),)


FORMS = {
    "killed": Form(kill),
    "asked to end": Form(terminate),
    "disk full": Form(fill_disk),
    "checkpoint damaged": Form(damage),
    "one of two processes killed": Form(kill, (Processes(2, 2),)),
    "one of two processes asked to end": Form(terminate, (Processes(2, 2),)),
    "killed on changing devices": Form(kill, (Processes(), Processes(1, 4), Processes(2, 1))),
}


def unbroken(processes: Processes, folder: pathlib.Path, epochs: int) -> pathlib.Path:
    """The workdir of an unbroken run, which forms that begin with the same processes share."""
    workdir = folder / f"whole-{processes.count}-{processes.devices}-{epochs}"
    if not workdir.exists():
        processes.finish(workdir, epochs)
    return workdir


def drill(name: str, folder: pathlib.Path, num_breaks: int, seed: int = 0) -> dict[str, int]:
    """Breaks a run several times, resumes it each time, and compares its end with that of an unbroken run.

    Returns how often it resumed within an epoch, and how many checkpoints it skipped. Both runs are in the folder.
    """
    form, rng = FORMS[name], np.random.default_rng(seed)
    broken, epochs = folder / name.replace(" ", "-"), EPOCHS_PER_BREAK * num_breaks
    whole = unbroken(form.processes[0], folder, epochs)
    printed = ""
    for index in range(num_breaks):
        started = form.processes[index % len(form.processes)].start(broken, epochs)
        lines = iter(started[0].stdout.readline, "")
        printed += next(lines)
        wanted = rng.integers(MOST_EPOCHS + 1)
        while wanted:
            line = next(lines)
            printed += line
            wanted -= line.startswith("epoch ")
        time.sleep(rng.uniform(0, MOST_SECONDS))
        form.how(started, started[rng.integers(len(started))], broken, rng)
        printed += started[0].stdout.read()
        started[0].stdout.close()
    printed += form.processes[num_breaks % len(form.processes)].finish(broken, epochs)
    require_same_end(broken, whole, is_exact=len(form.processes) == 1)
    assert form.how is not damage or "cannot be read" in printed, "no damage was noticed: damage more"
    return {
        "resumed within an epoch": printed.count("resuming after step"),
        "checkpoints skipped": printed.count("cannot be read"),
    }


def require_same_end(broken: pathlib.Path, whole: pathlib.Path, *, is_exact: bool) -> None:
    """Both runs end with the same state, records and report."""

    def fail(message: str) -> None:
        raise AssertionError(message)

    ends = [Checkpoints(folder, read_only=True).latest(load_run(folder).setup, fail) for folder in (broken, whole)]
    (state, progress), (other_state, other_progress) = ends
    figures = [json.loads((folder / "report.json").read_text())["test"] for folder in (broken, whole)]
    if is_exact:
        jax.tree.map(np.testing.assert_array_equal, state, other_state)
        records, others = (
            [dataclasses.replace(record, seconds=0.0) for record in end.records] for end in (progress, other_progress)
        )
        assert records == others
        assert figures[0] == figures[1]
        return
    assert progress.step == other_progress.step
    for name in ("rmse", "mae"):
        np.testing.assert_allclose(figures[0][name], figures[1][name], rtol=TOLERANCE)


if __name__ == "__main__":
    logging.set_verbosity(logging.ERROR)
    num_breaks = int(sys.argv[1])
    names = sys.argv[2:] or list(FORMS)
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            begun = time.monotonic()
            found = drill(name, pathlib.Path(scratch), num_breaks)
            counts = ", ".join(f"{count} {what}" for what, count in found.items())
            print(f"{name}: {num_breaks} breaks, the same end ({counts}; {time.monotonic() - begun:.0f} s)", flush=True)
