"""Columns in files that are mapped into memory: what was written, whoever writes them, and whole or not at all."""

import concurrent.futures

import numpy as np
import pytest

from movierec_jax.data.mapped_columns import map_columns

DTYPES = {"user_row": np.int32, "rating": np.float32}


def blocks():
    yield np.array([3, 0]), {"user_row": np.int32([30, 0]), "rating": np.float32([1.5, 2])}
    yield np.array([1, 2]), {"user_row": np.int32([10, 20]), "rating": np.float32([np.nan, 4])}


def broken():
    yield next(blocks())
    raise RuntimeError("a part is damaged")


def test_rows_stand_at_their_positions_and_cannot_be_changed(tmp_path):
    for _ in range(2):
        found = map_columns(tmp_path / "columns", 4, DTYPES, blocks())
        assert found["user_row"].tolist() == [0, 10, 20, 30]
        np.testing.assert_array_equal(found["rating"], np.float32([2, np.nan, 4, 1.5]))
        assert {name: column.dtype for name, column in found.items()} == DTYPES
        with pytest.raises(ValueError, match="read-only"):
            found["rating"][0] = 1


def test_what_is_there_is_not_made_again(tmp_path):
    map_columns(tmp_path / "columns", 4, DTYPES, blocks())
    assert map_columns(tmp_path / "columns", 4, DTYPES, broken())["user_row"].tolist() == [0, 10, 20, 30]


def test_columns_that_have_changed_are_made_again(tmp_path):
    map_columns(tmp_path / "columns", 4, DTYPES, blocks())
    path = tmp_path / "columns" / "rating.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert map_columns(tmp_path / "columns", 4, DTYPES, blocks())["rating"][3] == np.float32(1.5)


def test_columns_that_are_not_finished_leave_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="a part is damaged"):
        map_columns(tmp_path / "columns", 4, DTYPES, broken())
    assert not list(tmp_path.iterdir())


def test_many_at_once_get_the_same_columns(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: map_columns(tmp_path / "columns", 4, DTYPES, blocks()), range(8)))
    assert {tuple(columns["user_row"].tolist()) for columns in made} == {(0, 10, 20, 30)}
    assert [path.name for path in tmp_path.iterdir()] == ["columns"]
