"""Fills in what the documentation takes from the code: tables of flags, and a page of the API for each stage.

MkDocs calls the two functions named `on_...` while it builds. A line `{{ flags data_config.DataConfig }}` becomes the
table of that section's flags, `{{ flags commands/train.py }}` that of the flags which the command alone has,
`{{ problem types }}` the table of the API's problems, and `{{ public names }}` the reference of all that the package
exports.
"""

import ast
import dataclasses
import importlib
import pathlib
import re
import sys
from collections.abc import Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "movierec_jax"

# Stages that have a page of the API; each is a folder or a file of the package.
STAGES = (
    "config",
    "data",
    "features",
    "model",
    "training",
    "runs",
    "recommend",
    "evaluation",
    "train",
    "serve",
    "benchmark",
)

MARK = re.compile(r"^\{\{ flags (\S+) \}\}$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page of the API for each stage."""
    # MkDocs restores the path after it has loaded this file.
    sys.path.insert(0, str(ROOT))
    for stage in STAGES:
        files.append(File.generated(config, f"api/{stage}.md", content=api_page(stage)))
    return files


def on_page_markdown(markdown: str, **_) -> str:
    """Returns the page with tables, and the docstrings of public names, in place of their marks."""
    filled = MARK.sub(lambda mark: flag_table(mark[1]), markdown)
    return filled.replace("{{ problem types }}", problem_table()).replace("{{ public names }}", public_names())


def problem_table() -> str:
    """Returns the Markdown table of the types of problems of the API."""
    module = importlib.import_module("movierec_jax.serve.problem_types")
    rows = [f"| `{module.PREFIX}{name}` | {one.status} | {one.title} |" for name, one in module.PROBLEM_TYPES.items()]
    return "\n".join(["| type | status | meaning |", "|---|---|---|", *rows])


def public_names() -> str:
    """Returns what mkdocstrings reads for each name that the package exports."""
    modules = importlib.import_module("movierec_jax").PUBLIC
    return "\n\n".join(f"::: movierec_jax.{module}.{name}" for name, module in modules.items())


def api_page(stage: str) -> str:
    """Returns the page of a stage: every module with its docstrings."""
    paths = sorted((PACKAGE / stage).rglob("*.py")) or [PACKAGE / f"{stage}.py"]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    options = "    options:\n      show_root_full_path: true"
    return "\n\n".join([f"# {stage}", *(f"::: {name}\n{options}" for name in sorted(names))])


def flag_table(source: str) -> str:
    """Returns Markdown tables of the flags of a config section (`config.DataConfig`) or of a command itself."""
    is_command = source.endswith(".py")
    lines: list[str] = []
    for heading, flag, default, text in flags_of_command(PACKAGE / source) if is_command else flags_of_section(source):
        if heading or not lines:
            lines += ["", f"### {heading}"] if heading else []
            lines += ["", "| flag | default | meaning |", "|---|---|---|"]
        lines.append(f"| {flag} | {default_text(default)} | {escape(text)} |")
    return "\n".join(lines)


def flags_of_section(source: str) -> Iterator[tuple[str, str, object, str]]:
    """Yields heading (of the first flag of a group), flag, default and help of each field; common flags are bold."""
    module, name = source.rsplit(".", 1)
    section = getattr(importlib.import_module(f"movierec_jax.{module}"), name)
    for field in dataclasses.fields(section):
        flag = f"`--{field.name}`"
        flag = f"**{flag}**" if field.metadata["is_common"] else flag
        yield field.metadata["heading"], flag, field.default, field.metadata["help"]


def flags_of_command(path: pathlib.Path) -> Iterator[tuple[str, str, object, str]]:
    """Yields no heading, flag, default and help of each flag that a command defines itself, without importing it."""
    names = vars(importlib.import_module("movierec_jax.config"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("flags.DEFINE_"):
            # The choices of an enum stand before its help.
            name, default, *_, text = (eval(ast.unparse(argument), dict(names)) for argument in node.args)
            yield "", f"**`--{name}`**", default, text


def default_text(default: object) -> str:
    """Returns a default as it is written on the command line."""
    from movierec_jax.settings import as_flag

    text = "" if default is None or default == [] else as_flag(default)
    # Long lists break at their commas.
    return f"`{text}`".replace(",", "`,<wbr>`") if text else "none"


def escape(text: str) -> str:
    """Returns help text as one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
