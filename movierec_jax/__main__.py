"""The command `movierec`, also `python -m movierec_jax`: lists the commands, or runs one of them."""

import ast
import difflib
import importlib
import pathlib
import re
import sys

from movierec_jax import cli
from movierec_jax.errors import InputError
from movierec_jax.packages import installed_version

# Modules of `commands`, in the order in which people meet them.
COMMANDS = (
    "data",
    "prepare",
    "train",
    "evaluate",
    "score",
    "serve",
    "export",
    "tune",
    "train_sentiment",
    "benchmark",
    "compile_for",
)


def main() -> None:
    """Runs the command that the first argument names, with the others as its flags; ends the process."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        sys.argv = [f"movierec {name}", *arguments]
        importlib.import_module(f"movierec_jax.commands.{name}").run()
    sys.exit(cli.exit_status(lambda: print(answer(name))))


def answer(word: str) -> str:
    """Returns what a first argument that is no command asks for. Raises InputError for any other word."""
    if word in ("-h", "-help", "--help", "help"):
        return overview()
    if word == "--version":
        return f"movierec {installed_version('movierec-jax')}"
    near = difflib.get_close_matches(word, COMMANDS, n=1)
    advice = f"did you mean {near[0]}? " if near else ""
    raise InputError(f"movierec {word}: no such command; {advice}`movierec --help` lists them")


def overview() -> str:
    """Returns the help of `movierec`: a line for each command."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {first_sentence(name)}" for name in COMMANDS]
    end = "`movierec COMMAND --help` shows what a command does, and its flags."
    return "\n".join(["A movie recommender. Usage: movierec COMMAND --flag=value ...", "", *lines, "", end])


def first_sentence(command: str) -> str:
    """Returns what the first line of a command's docstring says up to its colon, without loading the command."""
    source = (pathlib.Path(__file__).parent / "commands" / f"{command}.py").read_text(encoding="utf-8")
    return re.split(r"[:.\n]", ast.get_docstring(ast.parse(source)) or "")[0]


if __name__ == "__main__":
    main()
