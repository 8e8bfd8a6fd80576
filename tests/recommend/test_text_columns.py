"""Columns of text: what characters take in a terminal, what is cut, and that lines stay aligned."""

import hypothesis
import pandas as pd
import pytest
from hypothesis import strategies as st

from movierec_jax.recommend.text_columns import MIN_COLUMNS, align, cut, fill, line_columns, num_columns, single_line
from movierec_jax.recommend.write_lists import list_lines

# "Spirited Away" in Japanese, seven wide characters; é as a letter and an accent.
WIDE, COMBINED = "千と千尋の神隠し", "Ame\u0301lie"
titles = st.text(st.sampled_from("aé千 \u0301\t\n\x1b한"), max_size=60)


@pytest.mark.parametrize(("text", "columns"), [("Heat", 4), (WIDE, 16), (COMBINED, 6), ("한국", 4), ("", 0)])
def test_wide_characters_take_two_columns_and_combining_ones_none(text, columns):
    assert num_columns(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("Casablanca", 10, "Casablanca"),
        ("Casablanca", 9, "Casablan…"),
        ("Casablanca", 1, "…"),
        ("Gone with the Wind", 6, "Gone…"),
        (WIDE, 16, WIDE),
        (WIDE, 15, "千と千尋の神隠…"),
        (WIDE, 8, "千と千…"),
        (COMBINED, 5, "Ame\u0301l…"),
    ],
)
def test_a_text_is_cut_to_columns(text, columns, expected):
    assert cut(text, columns) == expected


def test_text_with_line_breaks_and_control_characters_is_one_line():
    assert single_line("A\tB\r\n C\x1b[31m\u2028D  千") == "A B C [31m D 千"


@hypothesis.given(st.lists(st.tuples(titles, titles), max_size=5), st.integers(20, 90))
def test_lines_fit_and_second_texts_begin_in_one_column(pairs, columns):
    lines = align([one for one, _ in pairs], [f"|{two}" for _, two in pairs], columns)
    assert all(num_columns(line) <= columns and "\n" not in line for line in lines)
    starts = {num_columns(line.split("|")[0]) for line in lines if "|" in line}
    assert len(starts) <= 1
    assert all("|" in line for line in lines) or columns < MIN_COLUMNS


def test_the_first_text_gives_way_to_the_second():
    assert align(["x" * 50, "y"], ["Drama", "War"], 30) == ["x" * 22 + "…  Drama", "y" + " " * 24 + "War"]


def test_text_is_filled_to_columns():
    assert fill("神", 4) + "|" == "神  |"


@pytest.mark.parametrize(("variable", "columns"), [("40", 40), (None, 200)])
def test_a_line_is_as_wide_as_the_terminal_and_wider_where_there_is_none(monkeypatch, variable, columns):
    monkeypatch.delenv("COLUMNS", raising=False)
    # Where the tests run there may be a terminal.
    monkeypatch.setattr("sys.__stdout__", None)
    if variable:
        monkeypatch.setenv("COLUMNS", variable)
    assert line_columns() == columns


def test_a_list_of_long_and_wide_titles_fits_the_terminal_in_aligned_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    movies = pd.DataFrame(
        {
            "movie_id": [1, 2, 3],
            "predicted_rating": [5.0, 4.5, 4.0],
            "score": [0.5, 0.25, 0.125],
            "title": ["Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb", WIDE, "Up"],
            "year": [1964, 2001, 0],
            "genres": ["Comedy|War", "Animation", ""],
        }
    )
    assert list_lines(movies, "predicted_rating").splitlines() == [
        "  stars   score  movie_id",
        "   5.00   0.500         1  Dr. Strangelove or: Ho… (1964)  Comedy, War",
        f"   4.50   0.250         2  {WIDE} (2001)" + " " * 7 + "  Animation",
        "   4.00   0.125         3  Up",
    ]
