"""The folder of a prepared dataset: written whole or not at all, cut into ranges of rows, of bounded parts."""

import pathlib
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from movierec_jax.data.prepared import pairs, writing
from movierec_jax.data.prepared.manifest import NUMBER, Ranges, read_manifest
from movierec_jax.data.prepared.prepare import prepare_dataset
from movierec_jax.data.prepared.reading import read_part
from movierec_jax.data.prepared.writing import choose_ranges
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def ratings(tmp_path) -> pathlib.Path:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"user": rng.integers(0, 50, 2000), "movie": rng.integers(0, 90, 2000)})
    table.assign(rating=rng.integers(1, 6, 2000)).to_parquet(tmp_path / "ratings.parquet")
    return tmp_path / "ratings.parquet"


@pytest.fixture
def old(ratings, tmp_path) -> pathlib.Path:
    """A prepared dataset that another is to replace."""
    prepare_dataset(DataConfig(ratings=str(ratings)), tmp_path / "prepared")
    return tmp_path / "prepared"


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_error_leaves_the_old_dataset_as_it_was(ratings, old):
    before, beside = read_manifest(old), names(old.parent)
    damaged = DataConfig(ratings=str(ratings), split="time")  # which needs times
    with pytest.raises(InputError, match="--split=time needs a timestamp"):
        prepare_dataset(damaged, old, overwrite=True)
    assert (read_manifest(old), names(old.parent)) == (before, beside)


def test_a_kill_leaves_the_old_dataset_as_it_was_and_the_next_sweeps(ratings, old):
    before, beside = read_manifest(old), names(old.parent)
    command = [sys.executable, "-m", "movierec_jax", "prepare", f"--output={old}", "--overwrite"]
    with subprocess.Popen(command, cwd=ROOT) as process:
        while not list(old.parent.glob("prepared.*.partial/scratch/ratings.duckdb")):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert read_manifest(old) == before
    assert len(names(old.parent)) == len(beside) + 1
    prepare_dataset(DataConfig(ratings=str(ratings), split_seed=1), old, overwrite=True)
    assert names(old.parent) == beside
    assert read_manifest(old) != before


def test_what_is_there_is_kept_without_overwrite(ratings, old):
    config = DataConfig(ratings=str(ratings))
    with pytest.raises(InputError, match="prepared: holds a prepared dataset; --overwrite replaces it"):
        prepare_dataset(config, old)
    with pytest.raises(InputError, match=r"exists, and is no prepared dataset"):
        prepare_dataset(config, ratings, overwrite=True)


def test_preparing_again_gives_the_same_files(ratings, old, tmp_path):
    assert prepare_dataset(DataConfig(ratings=str(ratings)), tmp_path / "again") == read_manifest(old)


def test_ranges_of_rows_read_what_they_hold(ratings, old, tmp_path, monkeypatch):
    whole = read_part(old, read_manifest(old), "train")
    monkeypatch.setattr(writing, "FILE_RATINGS", 200)
    monkeypatch.setattr(writing, "BUFFERED_ROWS", 1000)
    monkeypatch.setattr(pairs, "RANGE_RATINGS", 300)
    manifest = prepare_dataset(DataConfig(ratings=str(ratings)), tmp_path / "cut")
    assert (manifest.user_ranges, manifest.movie_ranges) == (4, 2)
    cut = read_part(tmp_path / "cut", manifest, "train")
    assert all((one == other).all() for one, other in zip(cut[:5], whole[:5], strict=True))
    users, movies = range(7, 33), range(40, 80)
    part = read_part(tmp_path / "cut", manifest, "train", users, movies)
    is_within = np.isin(whole.user_row, users) & np.isin(whole.movie_row, movies)
    assert all((one == other[is_within]).all() for one, other in zip(part[:5], whole[:5], strict=True))
    for name in manifest.files:
        table = pyarrow.parquet.read_table(tmp_path / "cut" / name)
        assert NUMBER not in table.column_names or (np.diff(table.column(NUMBER).to_numpy()) > 0).all()


def test_ranges_are_as_many_as_the_fullest_needs(monkeypatch):
    monkeypatch.setattr(writing, "FILE_RATINGS", 100)
    even = np.full(64, 10)
    assert choose_ranges(even, even) == (Ranges(64, 4), Ranges(64, 2))
    assert choose_ranges(even[:4], even[:4]) == (Ranges(4, 1), Ranges(4, 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"user::movie::rating\n1::2::3\n2::3::4\n", "split by '::'"),
        (b'{"user": 1, "movie": 2, "rating": 3}\n', "neither Parquet nor a table of text"),
        (b'user,movie,rating\n1,"a"b,3\n2,c,4\n', "quotes"),
        (b"user,movie,rating\n1,2,3\n2,3,4\nuser,movie,rating\n", "repeats the header"),
        (b"user,movie,rating\n1,2,3\n2,3,4\n(2 rows affected)\n", "last lines are no rows"),
    ],
)
def test_what_only_the_readers_in_memory_read_is_refused_with_the_way_to_go(tmp_path, content, message):
    path = tmp_path / "ratings.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{message}.*`movierec train` reads this itself"):
        prepare_dataset(DataConfig(ratings=str(path)), tmp_path / "prepared")
    assert names(tmp_path) == ["ratings.csv"]
