"""Fixtures that several files share, and the strictness that all tests run under."""

import os
import pathlib

import jax
import pandas as pd
import pytest
from helpers import checkerboard
from helpers.film_reviews import REVIEWS

from movierec_jax.compile_cache import FOLDER_VARIABLE, KEEP_ALL
from movierec_jax.config import Config, DataConfig, EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data.splits import Split
from movierec_jax.recommend.recommender import load
from movierec_jax.train import train_run

ROOT = pathlib.Path(__file__).parents[1]

# Pieces of memory that a process may have mapped before programs are given back; Linux allows 65,530.
MANY_MAPS = 30_000

# Processes that share the whole suite. Each takes 2 GB, and XLA compiles on cores that are left.
NUM_PROCESSES = 2

jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_xdist_auto_num_workers(config):
    """Processes that share the tests: some where all files are run, and none beside this one where some are named."""
    return 0 if config.option.file_or_dir else NUM_PROCESSES


@pytest.fixture(scope="session", autouse=True)
def programs(tmp_path_factory):
    """Scripts that tests start keep their compiled programs for each other, away from the user's own."""
    folder = tmp_path_factory.getbasetemp()
    # That of a process which shares the tests with others is within the one of all.
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "programs"
    folder.mkdir(exist_ok=True)
    os.environ.update({FOLDER_VARIABLE: str(folder), **KEEP_ALL})


@pytest.fixture(scope="module", autouse=True)
def given_back():
    """Gives back programs between files, where they are many: Linux maps so many pieces of memory for a process."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MANY_MAPS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def board_config(tmp_path_factory):
    """The config of a small run on the checkerboard, whose test part also has user 5000 and movie 900, both cold."""
    folder = tmp_path_factory.mktemp("board")
    board = checkerboard.parts()
    cold = checkerboard.table([5000, 5000, 1000], [500, 501, 900], [5, 1, 5])
    test = pd.concat([board.test, cold], ignore_index=True)
    checkerboard.write(folder, Split.of(board.train, board.valid, test))
    return Config(
        data=DataConfig(
            ratings=str(folder / "ml"),
            valid_ratings=str(folder / "valid.csv"),
            test_ratings=str(folder / "test.csv"),
            rating_scale=(checkerboard.LOW, checkerboard.HIGH),
        ),
        # Which of its movies the board leaves unseen follows a rule, by which exposure would tell them all.
        model=ModelConfig(embedding_dim=4, hidden_dims=(8,), implicit_feedback_dim=0, dropout=0.0),
        train=TrainConfig(epochs=8, batch_size=128, learning_rate=0.05, patience=0),
        evaluation=EvalConfig(eval_k=(1, 5)),
    )


@pytest.fixture(scope="session")
def workdir(board_config, tmp_path_factory):
    """The workdir of that run, finished; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "board"
    train_run(board_config, folder)
    return folder


@pytest.fixture(scope="session")
def recommender(workdir):
    """The trained run of that workdir."""
    return load(workdir)


@pytest.fixture(scope="session")
def films_workdir(tmp_path_factory):
    """The workdir of a small run on the bundled films, with all parts of the model; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "films"
    config = Config(
        data=DataConfig(ratings=str(ROOT / "data" / "ml-latest-small")),
        model=ModelConfig(embedding_dim=8, hidden_dims=(8,), implicit_feedback_dim=32),
        train=TrainConfig(epochs=4, batch_size=8192),
        evaluation=EvalConfig(eval_k=(10,)),
    )
    train_run(config, folder)
    return folder


@pytest.fixture(scope="session")
def films(films_workdir):
    """The trained run of that workdir."""
    return load(films_workdir)


@pytest.fixture(scope="session")
def reviewed_workdir(tmp_path_factory):
    """The workdir of a run of one epoch on the bundled films and the reviews of a few; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "reviewed"
    texts = pd.DataFrame([(movie, text) for movie, texts in REVIEWS.items() for text in texts])
    texts.to_csv(path := folder.parent / "reviews.csv", header=["movieId", "review"], index=False)
    config = Config(
        data=DataConfig(ratings=str(ROOT / "data" / "ml-latest-small"), reviews=(str(path),)),
        model=ModelConfig(embedding_dim=8, hidden_dims=(), history=(), implicit_feedback_dim=0),
        train=TrainConfig(epochs=1, batch_size=8192),
        evaluation=EvalConfig(eval_k=(10,)),
    )
    train_run(config, folder)
    return folder


@pytest.fixture(scope="session")
def reviewed(reviewed_workdir):
    """The trained run of that workdir."""
    return load(reviewed_workdir)
