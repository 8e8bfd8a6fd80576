"""Processes that train together in a workdir at a URL end as one process does, however they are broken."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pandas as pd
import pytest
from helpers import checkerboard
from helpers.drill import free_port

from movierec_jax.recommend.recommender import load

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "train.py"
SMALL = "--embedding_dim=2 --hidden_dims= --history= --implicit_feedback_dim=2 --batch_size=64 --eval_k=2 --loggers="
URL, AT = "s3://bucket/runs/one", "bucket/runs/one"
# As many as beat a constant, and more than are trained before a signal for one process reaches all.
EPOCHS, MANY_EPOCHS = 10, 500


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder with the ratings."""
    folder = tmp_path_factory.mktemp("data")
    checkerboard.write(folder, checkerboard.parts())
    return folder


@pytest.fixture(scope="module")
def unbroken(folder):
    """The workdir of a run that one process has trained on this machine."""
    train(folder, 1, str(folder / "run"))
    return folder / "run"


def start(folder: pathlib.Path, count: int, workdir: str, epochs: int = EPOCHS, *flags: str) -> list[subprocess.Popen]:
    """Starts processes that train together, with one device each; the output of process 0 can be read."""
    command = [sys.executable, "-u", SCRIPT, f"--ratings={folder / 'ml'}", f"--workdir={workdir}", f"--epochs={epochs}"]
    joining = [f"--coordinator_address=localhost:{free_port()}", f"--num_processes={count}"]
    return [
        subprocess.Popen(
            [*command, *SMALL.split(), *flags, *([*joining, f"--process_id={number}"] if count > 1 else [])],
            env=os.environ | {"JAX_NUM_CPU_DEVICES": "1", "TMPDIR": str(folder)},
            stdout=subprocess.DEVNULL if number else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]


def train(folder: pathlib.Path, count: int, workdir: str, *flags: str) -> str:
    """Trains to the end and returns what is printed."""
    ended = ends(start(folder, count, workdir, EPOCHS, *flags))
    assert [status for status, _, _ in ended] == [0] * count, ended
    return ended[0][1]


def ends(started: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Waits for processes; returns the exit status, the output and the errors of each."""
    texts = [process.communicate(timeout=300) for process in started]
    return [(process.returncode, *text) for process, text in zip(started, texts, strict=True)]


def wait_for(started: list[subprocess.Popen], text: str) -> None:
    """Reads the output up to a line that begins with a text."""
    while not next(started[0].stdout).startswith(text):
        pass


def whole_steps(s3) -> list[int]:
    """The steps of the checkpoints at the URL that are whole."""
    s3.invalidate_cache()
    names = [name.split("/") for name in s3.find(f"{AT}/checkpoints")]
    return sorted(int(parts[-2]) for parts in names if parts[-1] == "_CHECKPOINT_METADATA")


def require_same_end(s3, unbroken: pathlib.Path) -> None:
    """The run at the URL has the figures, the files and the lists of the unbroken one, and nothing else."""
    s3.invalidate_cache()
    found, expected = json.loads(s3.cat_file(f"{AT}/report.json")), json.loads((unbroken / "report.json").read_text())
    assert found["test"]["rmse"] == pytest.approx(expected["test"]["rmse"], rel=1e-6)
    assert found["test"]["ndcg@2"] == pytest.approx(expected["test"]["ndcg@2"], rel=1e-6)
    there = {name.removeprefix(f"{AT}/") for name in s3.find(AT)}
    here = {path.relative_to(unbroken).as_posix() for path in unbroken.rglob("*") if path.is_file()}
    assert {name for name in there ^ here if not name.startswith("checkpoints/")} == set()
    steps = [path.name for path in (unbroken / "checkpoints").iterdir()]
    assert {name.split("/")[1] for name in there if name.startswith("checkpoints/")} == set(steps)
    lists = [load(workdir).recommend([1000, 1001], 3)["movie_id"] for workdir in (unbroken, URL)]
    pd.testing.assert_series_equal(*lists)


@pytest.mark.slow
def test_two_processes_train_to_the_figures_of_one_and_overwrite_its_run(s3, folder, unbroken):
    train(folder, 1, URL)
    assert "holds this run, finished" in train(folder, 2, URL)
    train(folder, 2, URL, "--overwrite")
    require_same_end(s3, unbroken)


@pytest.mark.slow
def test_a_run_of_two_goes_on_from_the_last_whole_checkpoint_also_with_one(s3, folder, unbroken):
    started = start(folder, 2, URL)
    wait_for(started, "epoch   2")
    refused = ends(start(folder, 2, URL))
    assert [status for status, _, _ in refused] == [1, 1]
    assert "trains there since" in refused[0][2]
    started[1].send_signal(signal.SIGKILL)
    assert all(status != 0 for status, _, _ in ends(started))
    assert whole_steps(s3)
    assert not s3.exists(f"{AT}/report.json")
    assert "resuming after" in train(folder, 1, URL)
    require_same_end(s3, unbroken)


@pytest.mark.slow
def test_a_run_of_one_goes_on_with_two_which_save_when_one_is_asked_to_end(s3, folder):
    started = start(folder, 1, URL, MANY_EPOCHS)
    wait_for(started, "epoch   2")
    started[0].send_signal(signal.SIGKILL)
    ends(started)
    begun = whole_steps(s3)
    started = start(folder, 2, URL, MANY_EPOCHS)
    wait_for(started, "resuming after")
    wait_for(started, "epoch ")
    started[1].send_signal(signal.SIGTERM)
    ended = ends(started)
    assert [status for status, _, _ in ended] == [128 + signal.SIGTERM] * 2, ended
    assert f"To resume, repeat the command: --workdir={URL}" in ended[0][2]
    last_epoch = int([line for line in ended[0][1].splitlines() if line.startswith("epoch ")][-1].split()[1])
    assert whole_steps(s3)[-1] == last_epoch * begun[0]
