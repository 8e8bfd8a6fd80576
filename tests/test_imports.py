"""The real import graph: each folder knows only those before it, and only some know devices, tables or files."""

import ast
import graphlib
import pathlib
import re
import subprocess
import sys

import pytest

import movierec_jax

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "movierec_jax"
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))

# Folders and single files in the order in which they may import: each only from those before it, and from its own.
STAGES = [
    "errors",
    "packages",
    "settings",
    "data_config",
    "config",
    "config_file",
    "data",
    "features",
    "compile_cache",
    "cli",
    "model",
    "training",
    "runs",
    "recommend",
    "evaluation",
    "train",
    "serve",
    "benchmark",
    "commands",
    "__main__",
]

# Every module by its dotted name within the package: "data.vocab"; of a folder "data", of the package itself "".
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

DEVICE_LIBRARIES = {"flax", "jax", "jaxlib", "optax", "orbax"}
# Tables and all that opens files.
TABLE_LIBRARIES = {"gzip", "io", "json", "os", "pandas", "pathlib", "pyarrow", "shutil", "tensorboardX", "zipfile"}

# Of the sentiment model, which has all stages within one folder, these compute on devices.
SENTIMENT_ON_DEVICES = ("features.sentiment.model", "features.sentiment.predict", "features.sentiment.fit")
# They join devices and files: parameters are read and written there.
SENTIMENT_JOINED = ("features.sentiment.saved", "features.sentiment.train")


def stage_of(module: str) -> str:
    return module.split(".")[0]


# Those that never touch a device: `--help` and the reading of data do not wait for JAX, and other recommenders that
# are measured are not charged with it.
HOST = [
    module
    for module in MODULES
    if (
        stage_of(module) in {"", *STAGES[: STAGES.index("model")]}
        and module not in (*SENTIMENT_ON_DEVICES, *SENTIMENT_JOINED)
    )
    or (stage_of(module) == "benchmark" and not module.startswith(("benchmark.speed", "benchmark.capacity")))
    or module.endswith(".config")
    or (module.count(".") < 2 and MODULES[module].name == "__init__.py")
]
# Those that compute on devices, where what they are given is in arrays.
DEVICE = [module for module in MODULES if stage_of(module) in ("model", "training")]
DEVICE += [f"recommend.{name}" for name in ("scoring", "similarity", "top_k", "candidates")] + [*SENTIMENT_ON_DEVICES]


def tree_of(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: pathlib.Path) -> set[str]:
    """Every module that a file imports, also inside functions: "os.path", and "package.name" for names from it."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = [PACKAGE.name] * bool(node.level) + [node.module] * bool(node.module)
            found |= {".".join([*base, alias.name]) for alias in node.names}
    return found


def libraries_of(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports_of(MODULES[module])}


def ours_of(module: str) -> set[str]:
    """The modules of the package that one of them imports."""
    names = [name.split(".")[1:] for name in imports_of(MODULES[module]) if name.split(".")[0] == PACKAGE.name]
    return {module_of(name) for name in names}


def module_of(name: list[str]) -> str:
    """The module that a dotted name starts with."""
    starts = [".".join(name[:length]) for length in range(len(name), -1, -1)]
    return next(start for start in starts if start in MODULES)


GRAPH = {module: ours_of(module) for module in MODULES}


def test_the_graph_is_read_as_it_is_written():
    assert {"data.storage", "evaluation.evaluate", "runs.prepare"} <= GRAPH["train"]
    assert "orbax" in libraries_of("runs.checkpoint")
    assert GRAPH["recommend.export_loader"] == set()


def test_every_folder_and_file_of_the_package_has_its_place_in_the_order():
    assert {stage_of(module) for module in MODULES} - {""} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_only_from_stages_before_it(stage):
    allowed = STAGES[: STAGES.index(stage) + 1]
    edges = [(module, other) for module in MODULES if stage_of(module) == stage for other in GRAPH[module]]
    assert [f"{module} imports {other}" for module, other in edges if stage_of(other) not in allowed] == []


def test_no_modules_import_each_other_in_a_circle():
    circle: list[str] = []
    try:
        graphlib.TopologicalSorter(GRAPH).prepare()
    except graphlib.CycleError as error:
        circle = error.args[1][::-1]
    assert " imports ".join(circle) == ""


@pytest.mark.parametrize("module", HOST)
def test_a_host_module_never_imports_jax(module):
    assert libraries_of(module) & DEVICE_LIBRARIES == set()


@pytest.mark.parametrize("module", DEVICE)
def test_a_device_module_touches_no_table_and_no_file(module):
    assert libraries_of(module) & TABLE_LIBRARIES == set()
    names = {node.id for node in ast.walk(tree_of(MODULES[module])) if isinstance(node, ast.Name)}
    assert "open" not in names


def test_the_command_line_knows_only_the_config_and_its_errors():
    assert GRAPH["cli"] == {"compile_cache", "config", "config_file", "errors", "settings"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_stands_on_the_package_and_under_nothing(script):
    assert any(name.startswith(f"{PACKAGE.name}.") for name in imports_of(script))
    roots = [imports_of(path) for path in (*PACKAGE.rglob("*.py"), *SCRIPTS)]
    assert not any(name.split(".")[0] in ("scripts", script.stem) for names in roots for name in names)


@pytest.mark.parametrize("path", [*PACKAGE.rglob("*.py"), *SCRIPTS], ids=lambda path: path.stem)
def test_nothing_is_pickled(path):
    # Messages and names of files may have the word.
    use = r"import \w*pickle|from \w*pickle|pickle\.|_pickle\(|allow_pickle"
    assert not re.search(use, path.read_text(encoding="utf-8"))


def test_importing_the_package_waits_for_no_library():
    heavy = sorted(DEVICE_LIBRARIES | {"numpy", "pandas", "pyarrow", "matplotlib"})
    code = f"import sys, movierec_jax; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize("name", movierec_jax.__all__)
def test_every_public_name_is_there(name):
    assert getattr(movierec_jax, name).__name__ == name
    assert name in dir(movierec_jax)


def test_a_name_that_is_not_public_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'movierec_jax' has no attribute 'forecast'"):
        _ = movierec_jax.forecast
