"""Runs on prepared datasets: the run that the raw ratings give, from tables in memory and from mapped columns."""

import mmap
import pathlib

import numpy as np
import pandas as pd
import pytest

from movierec_jax.config import Config
from movierec_jax.data.prepared.prepare import prepare_dataset
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError
from movierec_jax.runs import prepared_data
from movierec_jax.runs.prepare import prepare
from movierec_jax.runs.workdir import run_fingerprint


def write_ratings(path: pathlib.Path, *, has_text_ids: bool) -> str:
    rng = np.random.default_rng(0)
    user, movie = rng.integers(40, size=600), rng.integers(25, size=600)
    table = pd.DataFrame(
        {
            "userId": user,
            "movieId": movie,
            "rating": rng.integers(1, 11, 600) / 2,
            "timestamp": rng.integers(1e9, 2e9, 600),
        }
    )
    table = table.drop_duplicates(["userId", "movieId"])
    if has_text_ids:
        table["userId"] = "u" + table["userId"].astype(str)
    table.to_csv(path, index=False)
    return str(path)


def is_mapped(column: np.ndarray) -> bool:
    while isinstance(column, np.ndarray):
        column = column.base
    return isinstance(column, mmap.mmap)


@pytest.mark.parametrize("has_text_ids", [False, True])
def test_mapped_columns_give_the_run_that_raw_ratings_give(tmp_path, monkeypatch, has_text_ids):
    monkeypatch.setattr(prepared_data, "MAPPED_FROM", 0)
    raw = write_ratings(tmp_path / "ratings.csv", has_text_ids=has_text_ids)
    prepare_dataset(DataConfig(ratings=raw), tmp_path / "prepared")
    expected, found = (
        prepare(Config(data=DataConfig(ratings=str(path))), tmp_path / "cache") for path in (raw, tmp_path / "prepared")
    )
    assert all(is_mapped(getattr(found.train, name)) for name in ("user_row", "movie_row", "rating", "timestamp"))
    assert is_mapped(found.parts.train["movie_id"].to_numpy())
    assert run_fingerprint(found) == run_fingerprint(expected)
    for ours, theirs in zip(found.parts.all(), expected.parts.all(), strict=True):
        pd.testing.assert_frame_equal(ours, theirs)
    for name, column in vars(expected.train).items():
        np.testing.assert_array_equal(getattr(found.train, name), column)


def test_a_part_that_has_changed_is_named_unless_its_ratings_are_mapped_already(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared_data, "MAPPED_FROM", 0)
    raw = write_ratings(tmp_path / "ratings.csv", has_text_ids=False)
    prepare_dataset(DataConfig(ratings=raw), tmp_path / "prepared")
    config = Config(data=DataConfig(ratings=str(tmp_path / "prepared")))
    prepare(config, tmp_path / "cache")
    (part,) = (tmp_path / "prepared" / "train").iterdir()
    part.write_bytes(part.read_bytes()[:-1] + b"!")
    prepare(config, tmp_path / "cache")
    with pytest.raises(InputError, match=f"{part}: has changed since it was written"):
        prepare(config, tmp_path / "other_cache")
