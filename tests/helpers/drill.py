"""Breaks runs in every way that runs break, at moments that a seed decides, and compares their ends with unbroken ones.

    python tests/helpers/drill.py 20

breaks each of the forms below so many times, one after another, and each time lets the same command go on. Their ends
must have the bits of the unbroken run, or its figures within a tolerance where the number of devices changes.
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
# More than a run gets through before it is broken.
EPOCHS_PER_BREAK = 6
# Longest epoch lines that a run waits for, and seconds more, until it is broken: while ratings are split, files of the
# run written, programs compiled, steps taken or a checkpoint written.
MOST_EPOCHS, MOST_SECONDS = 2, 0.3
# How far figures may be apart on other numbers of devices.
TOLERANCE = 1e-3
# Bytes of a file when the disk is taken to be full.
FULL = 2**14


@dataclasses.dataclass(frozen=True)
class Hosts:
    """So many processes that train as one, each with so many devices."""

    processes: int = 1
    devices: int = 1

    def start(self, workdir: pathlib.Path, epochs: int) -> list[subprocess.Popen]:
        """All of them, the first of which can be listened to."""
        arguments = [sys.executable, "-u", str(SCRIPT), f"--workdir={workdir}", f"--epochs={epochs}", *SMALL.split()]
        environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={self.devices}"}
        started = []
        address = f"localhost:{free_port()}"
        for number in range(self.processes):
            place = [f"--coordinator_address={address}", f"--num_processes={self.processes}", f"--process_id={number}"]
            with (workdir.parent / f"{workdir.name}.{number}.err").open("w") as errors:
                started.append(
                    subprocess.Popen(
                        [*arguments, *(place if self.processes > 1 else [])],
                        env=environment,
                        stdout=subprocess.PIPE if number == 0 else subprocess.DEVNULL,
                        stderr=errors,
                        text=True,
                    )
                )
        return started

    def finish(self, workdir: pathlib.Path, epochs: int) -> str:
        """Lets a run go on to its end and returns what it prints."""
        started = self.start(workdir, epochs)
        printed, _ = started[0].communicate()
        statuses = [process.wait() for process in started]
        assert statuses == [0] * self.processes, (statuses, errors_of(workdir))
        return printed


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def errors_of(workdir: pathlib.Path) -> str:
    """What all processes of a run have said on standard error."""
    return "".join(path.read_text() for path in sorted(workdir.parent.glob(f"{workdir.name}.*.err")))


# Ways to break: each gets the processes, one of them chosen by chance, the workdir, and the chance.


def kill(started, chosen, workdir, chance) -> None:
    """Ends one without a word; the others must notice."""
    chosen.send_signal(signal.SIGKILL)
    assert all(process.wait(timeout=60) != 0 for process in started)


def terminate(started, chosen, workdir, chance) -> None:
    """Asks one to end, after which all must have saved."""
    chosen.send_signal(signal.SIGTERM)
    assert {process.wait(timeout=60) for process in started} == {128 + signal.SIGTERM}, errors_of(workdir)


def fill_disk(started, chosen, workdir, chance) -> None:
    """Leaves no room for files; a run must say so in one message and keep what it has saved."""
    for process in started:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FULL, FULL))
    started[0].stdout.read()
    assert all(process.wait(timeout=60) != 0 for process in started)
    assert "error: " in errors_of(workdir)
    assert "Traceback" not in errors_of(workdir)


def damage(started, chosen, workdir, chance) -> None:
    """Kills, and then cuts, flips a bit of, or removes a file of the newest checkpoint, the largest more often."""
    kill(started, chosen, workdir, chance)
    steps = steps_in(workdir)
    if len(steps) < 2:
        # A run with no other checkpoint to go back to refuses to go on.
        return
    newest = max(steps)
    files = sorted(path for path in (workdir / "checkpoints" / str(newest)).rglob("*") if path.is_file())
    path = max(files, key=lambda path: path.stat().st_size) if chance.random() < 0.5 else chance.choice(files)
    content = bytearray(path.read_bytes())
    how = chance.integers(3)
    if how == 0 or not content:
        path.unlink()
        return
    place = chance.integers(len(content))
    if how == 1:
        del content[place:]
    else:
        content[place] ^= 1 << chance.integers(8)
    path.write_bytes(bytes(content))


def steps_in(workdir: pathlib.Path) -> list[int]:
    """The steps of all whole checkpoints."""
    return [int(path.name) for path in (workdir / "checkpoints").glob("*") if path.name.isdecimal()]


@dataclasses.dataclass(frozen=True)
class Form:
    """How a run is broken, and what it goes on with, in turns."""

    how: Callable[..., None]
    hosts: tuple[Hosts, ...] = (Hosts(),)


FORMS = {
    "killed": Form(kill),
    "asked to end": Form(terminate),
    "disk full": Form(fill_disk),
    "checkpoint damaged": Form(damage),
    "one of two processes killed": Form(kill, (Hosts(2, 2),)),
    "one of two processes asked to end": Form(terminate, (Hosts(2, 2),)),
    "killed on changing devices": Form(kill, (Hosts(), Hosts(1, 4), Hosts(2, 1))),
}


def unbroken(hosts: Hosts, folder: pathlib.Path, epochs: int) -> pathlib.Path:
    """The workdir of an unbroken run in the folder, which forms that begin on the same hosts share."""
    workdir = folder / f"whole-{hosts.processes}-{hosts.devices}-{epochs}"
    if not workdir.exists():
        hosts.finish(workdir, epochs)
    return workdir


def drill(name: str, folder: pathlib.Path, num_breaks: int, seed: int = 0) -> dict[str, int]:
    """Breaks a run so many times, lets it go on each time, and compares its end with that of an unbroken one.

    Returns how often it went on within an epoch, and how many checkpoints it stepped over. Both runs are in the folder.
    """
    form, chance = FORMS[name], np.random.default_rng(seed)
    broken, epochs = folder / name.replace(" ", "-"), EPOCHS_PER_BREAK * num_breaks
    whole = unbroken(form.hosts[0], folder, epochs)
    told = ""
    for turn in range(num_breaks):
        started = form.hosts[turn % len(form.hosts)].start(broken, epochs)
        lines = iter(started[0].stdout.readline, "")
        told += next(lines)
        wanted = chance.integers(MOST_EPOCHS + 1)
        while wanted:
            line = next(lines)
            told += line
            wanted -= line.startswith("epoch ")
        time.sleep(chance.uniform(0, MOST_SECONDS))
        form.how(started, started[chance.integers(len(started))], broken, chance)
        told += started[0].stdout.read()
        started[0].stdout.close()
    told += form.hosts[num_breaks % len(form.hosts)].finish(broken, epochs)
    require_same_end(broken, whole, is_exact=len(form.hosts) == 1)
    return {"within an epoch": told.count("going on after step"), "stepped over": told.count("cannot be read")}


def require_same_end(broken: pathlib.Path, whole: pathlib.Path, *, is_exact: bool) -> None:
    """The same state, records and report."""

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
