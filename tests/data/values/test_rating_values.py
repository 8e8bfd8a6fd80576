"""Ratings in any of the usual forms become the numbers that were meant; what is no rating is counted and shown."""

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from movierec_jax.data.values.rating_values import RatingValues, parse_rating_values


def read(ratings) -> RatingValues:
    return parse_rating_values(pd.Series(ratings))


THIRD = 1 / 3


@pytest.mark.parametrize(
    ("written", "rating", "scale"),
    [
        (["4", "3.5", "+2", "-1", " 5 ", "1e1"], [4, 3.5, 2, -1, 5, 10], None),
        (["3,5", "4", "2.5", "−1,0"], [3.5, 4, 2.5, -1], None),
        (["0,125", "7,375"], [0.125, 7.375], None),
        (["4/5", "3.5/5", "1 / 5", "2,5/5"], [4, 3.5, 1, 2.5], (1, 5)),
        (["0/5", "3/5"], [0, 3], (0, 5)),
        (["0.5/5", "3/5"], [0.5, 3], (0.5, 5)),
        (["4/5", "7/10", "2/4"], [8, 7, 5], (1, 10)),
        (["4 of 5", "3.5 out of 5", "1 out of 5 stars", "5.0 out of 5 stars"], [4, 3.5, 1, 5], (1, 5)),
        (["80%", "7.5 %", "0%", "60 percent"], [80, 7.5, 0, 60], (0, 100)),
        (["3.5 stars", "4 star", "1 Star", "5", "4½ stars", "4 points"], [3.5, 4, 1, 5, 4.5, 4], None),
        (["★★★½", "★", "½", "★★ ½", "****", "⭐⭐"], [3.5, 1, 0.5, 2.5, 4, 2], None),
        (["★★★☆☆", "★★★★★", "★★½☆☆"], [3, 5, 2.5], (1, 5)),
        (["A", "B", "C", "D", "F"], [4, 3, 2, 1, 0], (0, 4)),
        (["A-", "b+", "C", "B−"], [4 - THIRD, 3 + THIRD, 2, 3 - THIRD], (0, 4)),
        (["A+", "A", "F"], [4 + THIRD, 4, 0], (0, 4 + THIRD)),
        (["A", "E", "F", "D"], [5, 1, 0, 2], (0, 5)),
        (["True", "False"], [1, 0], (0, 1)),
        ([True, False], [1, 0], (0, 1)),
        (["yes", "No", "Y"], [1, 0, 1], (0, 1)),
        (["like", "dislike", "Liked"], [1, 0, 1], (0, 1)),
        (["thumbs up", "Thumbs_Down", "thumbs-up"], [1, 0, 1], (0, 1)),
        (["up", "down", "👍"], [1, 0, 1], (0, 1)),
        (["Three", "five stars", "one star"], [3, 5, 1], None),
        (["it was amazing", "liked it", "did not like it"], [5, 3, 1], (1, 5)),
    ],
    ids=str,
)
def test_a_form_of_ratings_is_read_as_it_was_meant(written, rating, scale):
    values = read([*written, None, "N/A"] if isinstance(written[0], str) else written)
    np.testing.assert_allclose(values.rating[: len(rating)], rating, rtol=1e-6)
    assert np.isnan(values.rating[len(rating) :]).all()
    assert values.rating.dtype == np.float32
    assert values.scale == scale
    assert (values.num_unreadable, values.unreadable_example) == (0, None)


@pytest.mark.parametrize(
    ("good", "note"),
    [
        ("4", None),
        ("+4", None),
        ("3,5", "'3,5' are read as 3.5"),
        ("4/5", "'4/5' are read as 4 of 5"),
        ("80%", "'80%' are read as 80 of 100"),
        ("3.5 stars", "'3.5 stars' are read as 3.5"),
        ("★★★", "'★★★' are read as 3"),
        ("★★★☆☆", "'★★★☆☆' are read as 3 of 5"),
        ("B+", "'B+' are read as 3.33 of 4"),
        ("yes", "'yes' are read as 1, where 1 is liked and 0 is not"),
        ("it was ok", "'it was ok' are read as 2 of 5"),
    ],
)
def test_what_has_another_form_than_most_is_counted_and_a_form_that_was_inferred_is_noted(good, note):
    for bad in ("see below", "inf", "1e99", "1.234,5", "9/0", "12:30", "1_000"):
        values = read([good, "", bad, good, bad, good])
        assert np.isnan(values.rating).tolist() == [False, True, True, False, True, False]
        assert (values.num_unreadable, values.unreadable_example) == (2, bad)
        assert values.note == (note and f"ratings such as {note}")


def test_the_note_shows_a_value_that_is_not_a_plain_number():
    assert "'3,5'" in read(["4", "3,5"]).note
    assert "'4 stars'" in read(["4", "4 stars", "3 stars"]).note


def test_numbers_with_thousands_are_no_ratings():
    values = read(["1,250", "87", "2,400"])
    assert (values.num_unreadable, values.unreadable_example, values.note) == (2, "1,250", None)


def test_a_form_that_half_of_the_values_have_is_not_taken():
    values = read(["yes", "no", "4", "5"])
    assert (values.rating[2:].tolist(), values.num_unreadable, values.scale) == ([4, 5], 2, None)
    assert read(["good", "bad", "4/5"]).num_unreadable == 3


def test_a_rare_denominator_does_not_set_the_scale():
    values = read(["4/5"] * 200 + ["4/500"])
    assert values.scale == (0, 5)
    np.testing.assert_allclose(values.rating[-1], 0.04)


@pytest.mark.parametrize(
    ("values", "rating", "unreadable"),
    [
        (np.array([4, 5]), [4, 5], None),
        (np.array([4, np.nan]), [4, np.nan], None),
        (pd.array([4, None], dtype="Int64"), [4, np.nan], None),
        (np.array([4, np.inf]), [4, np.nan], "inf"),
        (np.array([4, 1e300]), [4, np.nan], "1e+300"),
        (pd.array([True, None], dtype="boolean"), [1, np.nan], None),
        (np.array([], np.float32), [], None),
        (pd.Series([], dtype="str"), [], None),
        (pd.Series([4.0, "5", "five", None], dtype="object"), [4, 5, np.nan, np.nan], "five"),
    ],
)
def test_ratings_of_any_type_become_float32_and_infinite_ones_are_unreadable(values, rating, unreadable):
    found = read(values)
    np.testing.assert_array_equal(found.rating, np.array(rating, np.float32))
    assert (found.num_unreadable, found.unreadable_example) == (int(unreadable is not None), unreadable)


def test_numbers_are_taken_in_their_own_memory():
    values = pd.Series([1, 2], dtype="float32")
    assert np.shares_memory(parse_rating_values(values).rating, values.to_numpy())


FORMS = {
    "plain": lambda half: f"{half / 2:g}",
    "comma": lambda half: f"{half / 2:.1f}".replace(".", ","),
    "fraction": lambda half: f"{half / 2:g}/5",
    "words": lambda half: f"{half / 2:g} out of 5",
    "stars": lambda half: f"{half / 2:g} stars",
    "drawn": lambda half: "★" * (half // 2) + "½" * (half % 2),
}


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(halves=st.lists(st.integers(1, 10), min_size=1, max_size=12), form=st.sampled_from(sorted(FORMS)))
def test_half_stars_written_in_any_form_are_read_back(halves, form):
    values = read([FORMS[form](half) for half in halves])
    assert values.rating.tolist() == [half / 2 for half in halves]
    assert values.num_unreadable == 0


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(words=st.lists(st.text(max_size=6), max_size=12))
def test_any_text_is_a_rating_or_missing_or_counted(words):
    values = read(pd.Series(words, dtype="str"))
    missing = [word for word in words if word.strip().lower() in ("", "na", "n/a", "nan", "null", "<na>")]
    assert np.isfinite(values.rating).sum() + values.num_unreadable + len(missing) == len(words)


def test_the_usual_form_of_the_star_symbol_is_a_star():
    assert parse_rating_values(pd.Series(["⭐️⭐️", "⭐️", "⭐️⭐️⭐️"])).rating.tolist() == [2, 1, 3]
