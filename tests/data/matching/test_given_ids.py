"""Checks which values mean an id of the data, of either kind, and which are refused."""

import datetime
import re

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from movierec_jax.data.matching.given_ids import as_id, as_ids
from movierec_jax.errors import InputError

INTEGERS = pd.Index([10, 30])
TEXT = pd.Index(["b", "10", " x"])

TEN = [
    10,
    "10",
    " 10\n",
    10.0,
    np.int8(10),
    np.float32(10),
    np.array(10),
    np.str_("10"),
    [10],
    ("10",),
    {10},
    range(10, 11),
    np.array([10], np.uint64),
    np.array(["10"]),
    pd.Series([10], index=[7]),
    pd.Series([10.0]),
    pd.Series([10], dtype="Int64"),
    pd.Series(["10"], dtype="object"),
    pd.Series([10], dtype="category"),
    pd.Index(["10"]),
]


@pytest.mark.parametrize("given", TEN, ids=lambda given: f"{type(given).__name__} {given!r}"[:40])
def test_ten_is_understood_however_it_is_given(given):
    for known, id in ((INTEGERS, 10), (TEXT, "10")):
        assert as_ids(given, known, "user").tolist() == [id]
        assert as_id(given, known, "user") == id


NOTHING = [1.5, True, np.True_, None, np.nan, np.inf, pd.NA, pd.NaT, b"10", (1, 2), "", " ", datetime.date(2024, 1, 1)]


@pytest.mark.parametrize("value", NOTHING, ids=repr)
@pytest.mark.parametrize("known", [INTEGERS, TEXT], ids=["integers", "text"])
def test_a_value_that_is_no_id_is_refused_with_an_example_of_one(known, value):
    kind, good = ("integers, such as 10", 30) if known is INTEGERS else ("text, such as 'b'", "b")
    with pytest.raises(InputError, match=f"^movie id .*: the ids of this data are {kind}$"):
        as_ids([good, value], known, "movie")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("١", "user id '١': the ids of this data are integers, such as 10"),
        ("ten", "user id 'ten': the ids of this data are integers, such as 10"),
        ("1e1", "user id '1e1': the ids of this data are integers, such as 10"),
        ("010", "user id '010': the ids of this data are integers without leading zeros, such as 10"),
        (2**63, f"user id {2**63}: the ids of this data are integers of at most 64 bits, such as 10"),
        (str(-(2**63) - 1), f"user id '{-(2**63) - 1}': the ids of this data are integers of at most 64 bits"),
        ([1 << 20_000], "user id of 20,001 bits: the ids of this data are integers of at most 64 bits"),
        (2.0**53, "user id 9007199254740992.0: the ids"),
        (np.float32(2**24), "user id 16777216.0: the ids"),
    ],
)
def test_what_could_be_another_integer_is_refused_where_ids_are_integers(value, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        as_ids(value, INTEGERS, "user")


@pytest.mark.parametrize("value", [7, 7.0, [10**5000]])
def test_numbers_that_no_text_id_of_the_data_spells_are_refused(value):
    with pytest.raises(InputError, match=r"^user id (7|7\.0|of .* bits): the ids of this data are text, such as 'b'$"):
        as_ids(value, TEXT, "user")


def test_text_ids_lose_outer_spaces_unless_the_data_has_them():
    assert as_ids(["b ", " x", " new\t"], TEXT, "user").tolist() == ["b", " x", "new"]


@pytest.mark.parametrize(
    "given", [{10: 5}, pd.DataFrame({"user_id": [10]}), np.zeros((1, 2), int)], ids=["dict", "table", "matrix"]
)
def test_ids_are_one_column_of_values(given):
    with pytest.raises(InputError, match=f"user ids in a {type(given).__name__}: give a list or one column of ids"):
        as_ids(given, INTEGERS, "user")


@pytest.mark.parametrize("given", [[], [10, 30]])
def test_one_id_is_neither_none_nor_several(given):
    with pytest.raises(InputError, match=f"{len(given)} user ids: give one, such as 10"):
        as_id(given, INTEGERS, "user")


@pytest.mark.parametrize("known", [INTEGERS, TEXT], ids=["integers", "text"])
@pytest.mark.parametrize("given", [[], np.zeros(0), pd.Series([], dtype="str")], ids=["list", "array", "column"])
def test_no_ids_are_of_the_kind_of_the_data(known, given):
    ids = as_ids(given, known, "user")
    assert len(ids) == 0
    assert ids.dtype == known.dtype


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_and_their_text_mean_the_same(ids):
    for given in (ids, list(map(str, ids)), pd.Series(ids, dtype="int64"), [*map(str, ids[:1]), *ids[1:]]):
        assert as_ids(given, INTEGERS, "user").tolist() == ids
