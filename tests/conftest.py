"""Fixtures that several files share, and the strictness that all tests run under."""

import os
import pathlib
from collections.abc import Callable

import filelock
import jax
import pandas as pd
import pytest
from helpers import checkerboard
from helpers.film_reviews import REVIEWS

from movierec_jax.compile_cache import FOLDER_VARIABLE, KEEP_ALL
from movierec_jax.config import Config, EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data.splits import Split
from movierec_jax.data_config import DataConfig
from movierec_jax.recommend.recommender import load
from movierec_jax.train import train_run

ROOT = pathlib.Path(__file__).parents[1]
BUNDLED = str(ROOT / "data" / "ml-latest-small")

# Clear compiled programs between files above this many memory maps; Linux allows a process 65,530.
MANY_MAPS = 30_000

# Processes that share the whole suite. Each takes 2 GB.
NUM_PROCESSES = 2

# Tests that take longest.
LONG_FIRST = ("tests/training", "tests/runs", "tests/model", "tests/scripts", "tests/test_train", "tests/serve")

# Most of the tests' time is spent on compiling programs that then run for milliseconds.
QUICK_COMPILE = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
if jax.__version_info__ < (0, 11):
    # Later versions of XLA do not know the flag, and end the process.
    QUICK_COMPILE["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false"

os.environ.update(QUICK_COMPILE)  # For scripts that tests start.
jax.config.update("jax_disable_most_optimizations", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_xdist_auto_num_workers(config):
    """Runs the whole suite in several processes, and files that are named in this one."""
    return 0 if config.option.file_or_dir else NUM_PROCESSES


def pytest_collection_modifyitems(items):
    """Runs files that take long first, so that the processes of a session end together."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG_FIRST))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """The folder that all processes of this session share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def made_once(shared_folder):
    """A function that makes a folder by name in whichever process asks first; the others wait for it."""

    def folder_of(name: str, make: Callable[[pathlib.Path], object]) -> pathlib.Path:
        folder, is_made = shared_folder / name, shared_folder / f"{name}.made"
        with filelock.FileLock(shared_folder / f"{name}.lock"):
            if not is_made.exists():
                make(folder)
                is_made.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session", autouse=True)
def compile_cache(shared_folder):
    """Scripts that tests start share their compiled programs, away from the user's own."""
    folder = shared_folder / "programs"
    folder.mkdir(exist_ok=True)
    os.environ.update({FOLDER_VARIABLE: str(folder), **KEEP_ALL})


@pytest.fixture(scope="module", autouse=True)
def clear_compiled_programs():
    """Clears compiled programs between files where they are many: Linux limits the memory maps of a process."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MANY_MAPS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def board_config(made_once):
    """The config of a small run on the checkerboard, whose test part also has user 5000 and movie 900, both cold."""

    def write_board(folder: pathlib.Path) -> None:
        folder.mkdir()
        board = checkerboard.parts()
        cold = checkerboard.table([5000, 5000, 1000], [500, 501, 900], [5, 1, 5])
        test = pd.concat([board.test, cold], ignore_index=True)
        checkerboard.write(folder, Split.of(board.train, board.valid, test))

    folder = made_once("board", write_board)
    return Config(
        data=DataConfig(
            ratings=str(folder / "ml"),
            valid_ratings=str(folder / "valid.csv"),
            test_ratings=str(folder / "test.csv"),
            rating_scale=(checkerboard.LOW, checkerboard.HIGH),
        ),
        # A rule says which movies the board leaves unseen, and the implicit-feedback score would learn it.
        model=ModelConfig(embedding_dim=4, hidden_dims=(8,), implicit_feedback_dim=0, dropout=0.0),
        train=TrainConfig(epochs=8, batch_size=128, learning_rate=0.05, patience=0),
        evaluation=EvalConfig(eval_k=(1, 5)),
    )


@pytest.fixture(scope="session")
def workdir(board_config, made_once):
    """The finished workdir of that run; tests leave it as it is."""
    return made_once("board_run", lambda folder: train_run(board_config, folder))


@pytest.fixture(scope="session")
def recommender(workdir):
    """The trained recommender of that workdir."""
    return load(workdir)


@pytest.fixture(scope="session")
def films_workdir(made_once):
    """The workdir of a small run on the bundled films, with all parts of the model; tests leave it as it is."""
    config = Config(
        data=DataConfig(ratings=BUNDLED),
        model=ModelConfig(embedding_dim=8, hidden_dims=(8,), implicit_feedback_dim=32),
        train=TrainConfig(epochs=4, batch_size=8192),
        evaluation=EvalConfig(eval_k=(10,)),
    )
    return made_once("films_run", lambda folder: train_run(config, folder))


@pytest.fixture(scope="session")
def films(films_workdir):
    """The trained recommender of that workdir."""
    return load(films_workdir)


@pytest.fixture(scope="session")
def reviewed_workdir(shared_folder, made_once):
    """The workdir of a run of one epoch on the bundled films and reviews of a few; tests leave it as it is."""
    path = shared_folder / "reviews.csv"
    config = Config(
        data=DataConfig(ratings=BUNDLED, reviews=(str(path),)),
        model=ModelConfig(embedding_dim=8, hidden_dims=(), history=(), implicit_feedback_dim=0),
        train=TrainConfig(epochs=1, batch_size=8192),
        evaluation=EvalConfig(eval_k=(10,)),
    )

    def train(folder: pathlib.Path) -> None:
        texts = pd.DataFrame([(movie, text) for movie, texts in REVIEWS.items() for text in texts])
        texts.to_csv(path, header=["movieId", "review"], index=False)
        train_run(config, folder)

    return made_once("reviewed_run", train)


@pytest.fixture(scope="session")
def reviewed(reviewed_workdir):
    """The trained recommender of that workdir."""
    return load(reviewed_workdir)
