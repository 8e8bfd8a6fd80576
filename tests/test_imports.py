"""The real import graph: each module knows only those above it, and only some know devices, tables or files."""

import ast
import pathlib
import subprocess
import sys

import pytest

import movierec_jax

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "movierec_jax"
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))

# From top to bottom, one kind of module on each line; a module imports only from modules before it.
LADDER = """
schema config extras bounded_folder table_cache
files storage ratings_log ratings_file table_file links_file movielens features_file cleaning
review_cleaning reviews_file vocab orders recency splits content baselines moments grid known batches blocks progress
aspects reviews sentiment.ngrams
metrics selection
hosts sharding luck pooling exposure model objective optimizer recipe hiding pairs batch_rows train
sentiment.model sentiment.predict sentiment.fit
sentiment.stored sentiment.run
prepared workdir checkpoint recommend likely explain evaluate trained scoring report plots export_loader export
run
serve.titles serve.catalogue serve.people serve.batching serve.loaded serve.recorded serve.problems serve.bodies
serve.service serve.measures serve.guards serve.app serve.reload serve.protocol serve.server
targets costs sizes compiled
tuning
programs cli
benchmark.peer benchmark.with_surprise benchmark.with_myfm
benchmark.peers.biases benchmark.peers.surprise_baseline benchmark.peers.surprise_knn benchmark.peers.surprise_svd
benchmark.peers.surprise_svdpp benchmark.peers.myfm_mf benchmark.peers.myfm_svdpp
benchmark.ranker benchmark.rankers.popularity benchmark.rankers.item_knn benchmark.rankers.ease
benchmark.rankers.implicit_als benchmark.rankers.implicit_bpr
benchmark.ours benchmark.fit benchmark.bootstrap benchmark.environment benchmark.table benchmark.folds benchmark.stars
benchmark.cold benchmark.lists benchmark.ranking benchmark.first_ratings
benchmark.classifier benchmark.with_sklearn benchmark.classifiers.tfidf_logistic
benchmark.classifiers.tfidf_logistic_c10 benchmark.classifiers.vader benchmark.sentiment_suite benchmark.reviews_suite
benchmark.speed.timing benchmark.speed.synthetic benchmark.speed.with_torch benchmark.speed.with_keras
benchmark.speed.limits benchmark.speed.training benchmark.speed.one_size benchmark.speed.sizes benchmark.speed.scoring
benchmark.speed.reading benchmark.speed.start_up benchmark.speed.suite
""".strip().split("\n")
MODULES = " ".join(LADDER).split()
BENCHMARK = [module for module in MODULES if module.startswith("benchmark.")]
HOST = [*" ".join(LADDER[:5]).split(), "programs", "cli", "__init__"]
# All but the suite that times our own programs, so that peers are not charged with JAX.
HOST += [module for module in BENCHMARK if not module.startswith("benchmark.speed.")]
DEVICE = [*" ".join(LADDER[5:7]).split(), "recommend", "likely"]
DEVICE_LIBRARIES = {"flax", "jax", "jaxlib", "optax", "orbax"}
# Tables and all that opens files.
TABLE_LIBRARIES = {"gzip", "io", "json", "os", "pandas", "pathlib", "pyarrow", "shutil", "tensorboardX", "zipfile"}


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


def path_of(module: str) -> pathlib.Path:
    """The file of a module: "benchmark.table" is benchmark/table.py."""
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py")


def libraries_of(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports_of(path_of(module))}


def ours_of(module: str) -> set[str]:
    """The modules of the package that one of them imports."""
    names = [name.split(".")[1:] for name in imports_of(path_of(module)) if name.split(".")[0] == PACKAGE.name]
    return {module_of(name) for name in names}


def module_of(name: list[str]) -> str:
    """The module that a dotted name starts with, its first word where there is none."""
    starts = [".".join(name[:length]) for length in range(len(name), 0, -1)]
    return next((start for start in starts if start in MODULES), name[0])


def test_every_module_has_one_place_in_the_ladder():
    files = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    assert sorted(MODULES) == sorted(".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in files)


def test_the_graph_is_read_as_it_is_written():
    assert {"schema", "movielens", "checkpoint"} <= ours_of("run")
    assert "matplotlib" in libraries_of("plots")
    assert {"config", "benchmark.table"} <= ours_of("benchmark.stars")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_modules_above_it(module):
    above = MODULES[: MODULES.index(module)]
    assert [f"{module} imports {name}" for name in sorted(ours_of(module)) if name not in above] == []


@pytest.mark.parametrize("module", HOST)
def test_a_host_module_never_imports_jax(module):
    assert libraries_of(module) & DEVICE_LIBRARIES == set()


@pytest.mark.parametrize("module", DEVICE)
def test_a_device_module_touches_no_table_and_no_file(module):
    assert libraries_of(module) & TABLE_LIBRARIES == set()
    names = {node.id for node in ast.walk(tree_of(path_of(module))) if isinstance(node, ast.Name)}
    assert "open" not in names


def test_the_command_line_knows_only_the_config_and_its_errors():
    assert ours_of("cli") == {"config", "programs", "schema"}


def test_nothing_but_its_script_knows_the_benchmark():
    assert not [module for module in MODULES if module not in BENCHMARK and ours_of(module) & set(BENCHMARK)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_stands_on_the_package_and_under_nothing(script):
    assert any(name.startswith(f"{PACKAGE.name}.") for name in imports_of(script))
    roots = [imports_of(path) for path in (*PACKAGE.rglob("*.py"), *SCRIPTS)]
    assert not any(name.split(".")[0] in ("scripts", script.stem) for names in roots for name in names)


@pytest.mark.parametrize("path", [*PACKAGE.rglob("*.py"), *SCRIPTS], ids=lambda path: path.stem)
def test_nothing_is_pickled(path):
    assert "pickle" not in path.read_text(encoding="utf-8")


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
