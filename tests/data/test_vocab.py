"""Checks ids to rows and back, and messages about unknown ids."""

import re

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.data.vocab import Vocab, ratings_by_row
from movierec_jax.errors import InputError

INTEGERS = Vocab.of(pd.Series([30, 10, 30, 20]), "user")
STRINGS = Vocab.of(pd.Series(["b", "10", "b"], dtype="str"), "movie")

integer_ids = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30)
string_ids = st.lists(st.text("aAé1 :", max_size=3), min_size=1, max_size=30)
id_columns = integer_ids.map(lambda ids: pd.Series(ids, dtype="int64")) | string_ids.map(
    lambda ids: pd.Series(ids, dtype="str")
)
many = hypothesis.settings(deadline=None, max_examples=60)


@many
@hypothesis.given(id_columns)
def test_every_id_comes_back_from_its_row(ids):
    vocab = Vocab.of(ids, "user")
    assert vocab.ids_of(vocab.require_rows_in_train(ids)).tolist() == ids.tolist()


@many
@hypothesis.given(id_columns)
def test_rows_are_the_positions_of_the_ids_in_ascending_order(ids):
    vocab = Vocab.of(ids, "user")
    assert vocab.rows(sorted(set(ids))).tolist() == list(range(len(vocab)))


@many
@hypothesis.given(id_columns, st.data())
def test_the_order_of_the_ids_does_not_matter(ids, data):
    shuffled = pd.Series(data.draw(st.permutations(ids.tolist())), dtype=ids.dtype)
    assert Vocab.of(shuffled, "user").ids.equals(Vocab.of(ids, "user").ids)


def test_unknown_ids_share_the_row_after_the_last():
    rows = INTEGERS.rows([20, 11, 30, -1])
    assert rows.tolist() == [1, 3, 2, 3]
    assert INTEGERS.unknown == 3
    assert rows.dtype == np.int32


def test_missing_text_is_unknown():
    assert STRINGS.rows(pd.Series(["b", None, "x", "10", "b"], dtype="str")).tolist() == [1, 2, 2, 0, 1]


def test_the_unknown_row_is_not_in_train():
    assert INTEGERS.is_in_train(INTEGERS.rows([20, 11])).tolist() == [True, False]


@pytest.mark.parametrize("vocab", [INTEGERS, STRINGS], ids=["integers", "strings"])
def test_no_ids_have_no_rows(vocab):
    assert vocab.rows([]).tolist() == []


@pytest.mark.parametrize(
    ("vocab", "ids", "message"),
    [
        (INTEGERS, [10, 11], "unknown user id 11: not among the 3 users trained on, such as 10"),
        (INTEGERS, [1, 2, 3, 4, 5], "unknown user id 1, 2, 3, 4, 5: not among"),
        (INTEGERS, [1, 2, 3, 4, 5, 6], "unknown user id 1, 2, 3, 4, 5, ...: not among"),
        (STRINGS, ["a", "b"], "unknown movie id a: not among the 2 movies trained on, such as 10"),
    ],
)
def test_require_rows_in_train_names_the_first_unknown_ids(vocab, ids, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        vocab.require_rows_in_train(ids)


@pytest.mark.parametrize(
    ("vocab", "ids", "message"),
    [
        (INTEGERS, ["10"], "user ids such as '10' are strings, but those trained on, such as 10, are integers"),
        (STRINGS, [10], "movie ids such as 10 are integers, but those trained on, such as '10', are strings"),
        (INTEGERS, [10, "b"], "user ids such as 10 are"),
    ],
)
def test_ids_of_another_kind_are_refused_rather_than_unknown(vocab, ids, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        vocab.rows(ids)


@pytest.mark.parametrize(("vocab", "typed", "id"), [(INTEGERS, "-7", -7), (STRINGS, "10", "10")])
def test_a_typed_id_is_read_as_the_kind_of_the_data(vocab, typed, id):
    assert vocab.parse(typed) == id


def test_a_typed_id_that_is_no_integer_is_refused_where_ids_are_integers():
    with pytest.raises(InputError, match=re.escape("user id 'b': the ids of this data are integers, such as 10")):
        INTEGERS.parse("b")


def test_a_table_by_row_keeps_its_order_and_gives_unknown_ids_the_unknown_row():
    table = pd.DataFrame(
        {USER_ID: [20, 99], MOVIE_ID: ["c", "10"], RATING: np.array([4.5, 1.0], np.float32), TIMESTAMP: [7, 8]}
    )
    ratings = ratings_by_row(table, INTEGERS, STRINGS)
    assert ratings.user_row.tolist() == [1, 3]
    assert ratings.movie_row.tolist() == [2, 0]
    assert ratings.rating.tolist() == [4.5, 1.0]
    assert ratings.timestamp.tolist() == [7, 8]


# Ids of others than train.

WITH_OTHERS = Vocab.of(pd.Series([30, 10]), "movie", others=pd.Series([40, 10, 5, 40]))


@many
@hypothesis.given(integer_ids, st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30))
def test_other_ids_have_rows_after_train_and_are_not_in_train(ids, others):
    train = pd.Series(ids, dtype="int64")
    vocab, alone = Vocab.of(train, "user", others=pd.Series(others, dtype="int64")), Vocab.of(train, "user")
    assert len(vocab) == len(alone)
    assert vocab.ids[: len(alone)].equals(alone.ids)
    assert vocab.ids[len(alone) :].tolist() == sorted(set(others) - set(ids))
    assert vocab.is_in_train(vocab.rows(vocab.ids)).tolist() == [True] * len(alone) + [False] * vocab.num_others
    assert vocab.unknown == len(set(others) | set(ids))


def test_ids_of_neither_train_nor_others_share_the_row_after_the_last():
    assert WITH_OTHERS.ids.tolist() == [10, 30, 5, 40]
    assert WITH_OTHERS.rows([30, 40, 7, 5]).tolist() == [1, 3, 4, 2]
    assert WITH_OTHERS.ids_of(np.int32([3, 0])).tolist() == [40, 10]


def test_require_rows_in_train_refuses_an_id_with_a_row_that_train_lacks():
    with pytest.raises(InputError, match=r"^unknown movie id 40: not among the 2 movies trained on, such as 10"):
        WITH_OTHERS.require_rows_in_train([10, 40])


def test_other_ids_of_text_stand_beside_text():
    vocab = Vocab.of(pd.Series(["b"], dtype="str"), "user", others=pd.Series(["a", "b"], dtype="str"))
    assert (vocab.ids.tolist(), len(vocab), vocab.num_others) == (["b", "a"], 1, 1)


@pytest.mark.parametrize("dtype", ["int64", "object"])
def test_an_empty_column_of_other_ids_changes_nothing_whatever_its_type(dtype):
    vocab = Vocab.of(pd.Series(["b", "a"], dtype="str"), "user", others=pd.Series([], dtype=dtype))
    assert (vocab.ids.tolist(), vocab.num_others) == (["a", "b"], 0)
