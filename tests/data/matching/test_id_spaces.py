"""Movie ids are told apart by the space they are of, and IMDb's and TMDb's are equal where their numbers are."""

import numpy as np
import pandas as pd
import pytest

from movierec_jax.data.matching.id_spaces import find_space, has_imdb_digits, id_numbers, imdb_numbers, space_of_values


@pytest.mark.parametrize(
    "ids",
    [
        pd.Series(["tt0114709", None, "x"], dtype="str"),
        pd.Series(["TT114709", "", "nm0114709"], dtype="str"),
        pd.Series([" tt0114709 ", " ", "tt"], dtype="str"),
        pd.Series(["0114709", "0", "tt"], dtype="str"),
        pd.Series(["114709.0", "114709.5", "-3"], dtype="str"),
        pd.Series([114709, None, 0], dtype="Int64"),
        pd.Series([114709, 0, -1]),
        pd.Series([114709.0, np.nan, 0.5]),
    ],
    ids=str,
)
def test_an_id_of_imdb_is_one_number_however_it_is_written(ids):
    numbers = imdb_numbers(ids)
    assert numbers.dtype == "Int64"
    assert numbers.tolist()[0] == 114709
    assert numbers.isna().tolist() == [False, True, True]


def test_an_id_of_many_digits_is_exact():
    assert imdb_numbers(pd.Series(["tt009007199254740993", None], dtype="str")).tolist()[0] == 2**53 + 1


def test_an_id_of_tmdb_has_no_letters():
    assert id_numbers(pd.Series(["862", "862.0", "tt862"], dtype="str"), "tmdb").tolist() == [862, 862, pd.NA]


@pytest.mark.parametrize(
    ("names", "space"),
    [
        (["userId", "movieId", "rating"], "own"),
        (["imdbId", "movieId", "tmdbId"], "own"),
        (["tmdb_id", "IMDB ID"], "imdb"),
        (["tconst"], "imdb"),
        (["Const"], "imdb"),
        (["imdb_title_id"], "imdb"),
        (["tmdb"], "tmdb"),
        (["title", "rating"], "own"),
        (["title", "imdb_id"], "imdb"),
        (["year", "rating"], None),
    ],
    ids=str,
)
def test_the_names_of_columns_state_the_space(names, space):
    assert find_space(names) == space


def test_of_several_spaces_the_preferred_one_is_found():
    assert find_space(["movieId", "imdbId"], ["imdb", "own"]) == "imdb"
    assert find_space(["movieId"], ["imdb", "own"]) == "own"


@pytest.mark.parametrize(
    ("ids", "space"),
    [
        (["tt0114709", None], "imdb"),
        (["tt0114709", "113497"], "imdb"),
        (["ttoo"], "own"),
        (["tt0114709", "a"], "own"),
        (["0114709"], "own"),
        ([], "own"),
    ],
)
def test_values_with_tt_are_imdb_ids_whatever_their_column_is_called(ids, space):
    assert space_of_values(pd.Series(ids, dtype="str"), "own") == space


def test_seven_digits_filled_up_with_zeros_look_like_imdb_ids():
    assert has_imdb_digits(pd.Series(["0114709", "1234567"], dtype="str"))
    assert not has_imdb_digits(pd.Series(["1234567"], dtype="str"))
    assert not has_imdb_digits(pd.Series(["0114709", "7"], dtype="str"))
    assert not has_imdb_digits(pd.Series([1234567]))
