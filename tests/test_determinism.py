"""The same command gives the same bits in another process, with and without kept programs, by blocks of any size."""

import os
import pathlib
import subprocess
import sys

import jax
import pytest
from helpers.checkerboard import parts, write

import movierec_jax
from movierec_jax.compile_cache import FOLDER_VARIABLE

ROOT = pathlib.Path(__file__).parents[1]
FLAGS = ["--epochs=2", "--embedding_dim=4", "--hidden_dims=4", "--implicit_feedback_dim=2", "--eval_k=1", "--loggers="]


def run_script(name: str, *arguments: str, cache: pathlib.Path | None) -> None:
    """Runs a script, which keeps its compiled programs in a folder; None: nowhere."""
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *arguments]
    environment = os.environ | {FOLDER_VARIABLE: str(cache or "")}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
def test_the_same_command_gives_the_same_parameters_and_the_same_file_of_lists(tmp_path):
    write(tmp_path, parts(60, 12))
    programs = tmp_path / "programs"
    cases = {"first": (programs, 256), "programs kept": (programs, 7), "no programs kept": (None, 1)}
    params, files = [], []
    for name, (cache, block_users) in cases.items():
        workdir, output = tmp_path / name, tmp_path / f"{name}.parquet"
        run_script("train", f"--ratings={tmp_path / 'ml'}", f"--workdir={workdir}", *FLAGS, cache=cache)
        run_script("score", f"--workdir={workdir}", f"--output={output}", f"--block_users={block_users}", cache=cache)
        params.append([leaf.tobytes() for leaf in jax.tree.leaves(movierec_jax.load(workdir).on_host[0])])
        files.append(output.read_bytes())
    assert [*programs.iterdir()]
    assert files[1:] == files[:1] * 2
    assert params[1:] == params[:1] * 2
