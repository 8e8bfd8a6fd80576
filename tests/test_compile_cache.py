"""Compiled programs are kept in a bounded folder and reused; damaged ones are ignored."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from helpers.checkerboard import parts, write

from movierec_jax.compile_cache import FOLDER_VARIABLE, KEEP_ALL, enable_compile_cache, processor
from movierec_jax.data.bounded_folder import trim

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def home(monkeypatch, tmp_path):
    """An empty cache folder of the user, with JAX's variables unset."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in (FOLDER_VARIABLE, *KEEP_ALL):
        monkeypatch.delenv(name, raising=False)
    # Set first, so that monkeypatch removes whatever the test sets.
    for name in (FOLDER_VARIABLE, *KEEP_ALL):
        monkeypatch.setenv(name, "")
        os.environ.pop(name)
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="XDG_CACHE_HOME moves the cache folder on Linux alone")
def test_programs_are_kept_in_the_users_cache_folder_by_kind_of_processor(home):
    enable_compile_cache()
    folder = pathlib.Path(os.environ[FOLDER_VARIABLE])
    assert folder.is_dir()
    assert folder.parent == home / "movierec_jax" / "programs"
    assert folder.name == processor()


@pytest.mark.parametrize("folder", ["", "/elsewhere"])
def test_the_variable_names_another_folder_or_none(home, monkeypatch, folder):
    monkeypatch.setenv(FOLDER_VARIABLE, folder)
    enable_compile_cache()
    assert os.environ[FOLDER_VARIABLE] == folder
    assert list(home.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="XDG_CACHE_HOME moves the cache folder on Linux alone")
def test_without_a_writable_folder_nothing_is_kept(home):
    (home / "movierec_jax").write_text("in the way")
    enable_compile_cache()
    assert FOLDER_VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("max_bytes", "left"), [(100, ["a", "b", "c"]), (60, ["a", "b", "c"]), (59, ["b", "c"]), (9, [])]
)
def test_the_oldest_files_are_removed_down_to_the_limit(tmp_path, max_bytes, left):
    for age, name in enumerate("cba"):
        (tmp_path / name).write_bytes(bytes(20))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    trim(tmp_path, max_bytes)
    assert sorted(path.name for path in tmp_path.iterdir()) == left


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="XDG_CACHE_HOME moves the cache folder on Linux alone")
def test_a_second_run_compiles_nothing_and_damaged_programs_are_ignored(home, tmp_path):
    write(home, parts(30, 12))
    flags = [
        "--epochs=2",
        "--embedding_dim=2",
        "--hidden_dims=",
        "--implicit_feedback_dim=2",
        "--eval_k=1",
        "--overwrite",
    ]
    command = [sys.executable, "scripts/train.py", f"--ratings={home / 'ml'}", f"--workdir={home / 'run'}", *flags]

    def trained() -> tuple[dict, str]:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return json.loads((home / "run" / "report.json").read_text())["test"], ended.stderr

    first, _ = trained()
    folder = home / "movierec_jax" / "programs" / processor()
    kept = sorted(folder.iterdir())
    assert kept
    assert trained() == (first, "")
    assert sorted(folder.iterdir()) == kept
    for path in kept:
        path.write_bytes(path.read_bytes()[:-100])
    assert trained() == (first, "")
