"""The command `movierec` lists the commands, finds the one that is meant, and waits for no library."""

import pathlib
import re
import subprocess
import sys

import pytest

from movierec_jax.__main__ import COMMANDS

ROOT = pathlib.Path(__file__).parents[1]


def movierec(*arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    command = [sys.executable, *options, "-m", "movierec_jax", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_list_of_commands_has_a_line_for_each_and_loads_none():
    ended = movierec("--help", options=("-X", "importtime"))
    lines = re.findall(r"^  (\w+) +([A-Z].+)$", ended.stdout, re.MULTILINE)
    assert [name for name, _ in lines] == list(COMMANDS)
    assert max(len(text) for _, text in lines) < 105
    imported = {line.split("|")[-1].strip() for line in ended.stderr.splitlines()}
    assert not {"jax", "numpy", "pandas", "movierec_jax.commands"} & imported
    assert movierec().stdout == ended.stdout


def test_every_module_of_commands_is_a_command():
    modules = {path.stem for path in (ROOT / "movierec_jax" / "commands").glob("*.py")}
    assert modules == {"__init__", *COMMANDS}


@pytest.mark.parametrize("command", ["train", "data"])
def test_a_command_shows_the_help_of_its_script(command):
    ended = movierec(command, "--help")
    assert ended.returncode == 0
    assert ended.stdout.startswith(("Trains a recommender", "Downloads an edition"))
    assert "\n  --config=unset\n" in ended.stdout


def test_a_misspelt_command_names_the_one_that_is_meant():
    ended = movierec("trian", "--epochs=3")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "error: movierec trian: no such command; did you mean train? `movierec --help` lists them\n"
