"""The Python of docs/python.md runs as it stands, and prints what the page says."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# Blocks that begin with the name of a file are programs of their own.
PROGRAMS = {block.split("\n")[0].removeprefix("# "): block for block in BLOCKS if block.startswith("# ")}


@pytest.fixture
def folder(films_workdir, tmp_path):
    """A folder whose runs/default is a run of the bundled data."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "default").symlink_to(films_workdir)
    return tmp_path


def test_the_lines_of_the_page_run_one_after_another(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names: dict = {}
    for block in BLOCKS:
        if block not in PROGRAMS.values():
            exec(block, names)
    printed = capsys.readouterr().out
    shown = re.findall(r"^```\n(user id .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert printed.split("\n", 1)[1] == "".join(shown)
    assert printed.startswith(f"Recommender('{folder}/runs/default', 610 users, ")
    assert (folder / "lists.csv").read_text().startswith("user_id,rank,title,predicted_rating\n1,1,")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "printed"), [("pool.py", "20\n20\n"), ("with_joblib.py", "30\n")])
def test_a_program_of_the_page_runs(folder, name, printed):
    if "joblib" in name:
        pytest.importorskip("joblib")
    (folder / name).write_text(PROGRAMS[name])
    ended = subprocess.run([sys.executable, name], cwd=folder, capture_output=True, text=True, timeout=300)
    assert ended.stdout == printed, ended.stderr
