"""One person's ratings in the ids and on the scale of the data."""

import numpy as np
import pandas as pd
import pytest
from helpers.input_files import rows, write_file

from movierec_jax.data.matching.match_movies import MovieIndex
from movierec_jax.data.matching.own_ratings import match_ratings, rescale
from movierec_jax.data.readers.personal_file import read_personal
from movierec_jax.data.schema import no_links

MOVIES = pd.DataFrame(
    [(1, "Heat", 1995), (2, "Matrix, The", 1999), (3, "Alien", 1979)], columns=["movie_id", "title", "year"]
)


def matched(folder, content, scale=(0.5, 5.0)):
    file = read_personal(write_file(folder, content))
    return match_ratings(file, MovieIndex(MOVIES, no_links()), MOVIES["movie_id"], scale)


def test_the_ends_of_a_scale_meet_the_ends_of_another():
    ten = np.arange(1.0, 11.0)
    np.testing.assert_array_equal(rescale(ten, (1.0, 10.0), (0.5, 5.0)), ten / 2)
    np.testing.assert_array_equal(rescale(ten / 2, (0.5, 5.0), (1.0, 10.0)), ten)
    np.testing.assert_array_equal(rescale(np.array([1.0, 5.5, 10.0]), (1.0, 10.0), (1.0, 5.0)), [1, 3, 5])


def test_stated_and_inferred_scales_are_put_on_that_of_the_data(tmp_path):
    imdb = matched(tmp_path, "Const,Your Rating,Title,Year\ntt1,8,Heat,1995\ntt2,1,Alien,1979\n", (1.0, 5.0))
    assert rows(imdb.ratings[["movie_id", "rating"]]) == [(1, np.float32(1 + 7 * 4 / 9)), (3, 1.0)]
    table = matched(tmp_path, "movieId,rating\n1,90\n2,40\n3,10\n")
    assert table.file_scale == (0.0, 100.0)
    assert table.ratings["rating"].tolist() == pytest.approx([4.55, 2.3, 0.95])
    assert "its ratings of 0 to 100 (inferred from its ratings) count as 0.5 to 5" in table.lines()[1]
    # Nothing contradicts the scale of the data.
    assert matched(tmp_path, "movieId,rating\n1,4.5\n2,3\n").ratings["rating"].tolist() == [4.5, 3.0]


def test_of_several_rows_of_a_movie_the_latest_rating_counts(tmp_path):
    header = "Date,Name,Year,Letterboxd URI,Rating\n"
    dated = [("03", "Heat,1995", "2"), ("05", "Heat,1995", "4"), ("04", "HEAT,1995", "1"), ("06", "Heat,1995", "")]
    content = header + "".join(f"2024-03-{day},{movie},x,{rating}\n" for day, movie, rating in dated)
    own = matched(tmp_path, content)
    assert own.ratings["rating"].tolist() == [4.0]
    assert (own.num_movies, own.num_repeated, len(own.watched)) == (1, 3, 0)
    assert "3 rows of a film that a later one names again" in own.lines()[1]


def test_lines_say_what_was_found_by_what_and_what_was_not(tmp_path):
    rated = "2024-03-01,The Matrix,1999,x,4\n2024-03-01,Nothing,2001,x,3\n2024-03-01,Heat,1995,x,\n"
    own = matched(tmp_path, f"Date,Name,Year,Letterboxd URI,Rating\n{rated}")
    assert own.lines() == [
        "read 3 films of a Letterboxd export; 2 matched (2 by title and year); not found: Nothing (2001)",
        "  1 film without a rating: counted as watched, not as stars",
    ]
    assert rows(own.watched[["movie_id", "matched_by"]]) == [(1, "title and year")]
    assert rows(own.weighted()[["movie_id", "weight"]]) == [(2, 1), (1, 0)]


def test_many_movies_that_were_not_found_are_counted(tmp_path):
    own = matched(tmp_path, "title,rating\n" + "".join(f"Film number {n},3\n" for n in range(25)))
    assert own.lines()[0].endswith("Film number 19 and 5 more")
    assert len(own.not_found) == 25


def test_an_id_stands_in_for_a_title_that_the_file_lacks(tmp_path):
    own = matched(tmp_path, "imdbId,tmdbId,rating\ntt0000009,,3\n,12,4\n")
    assert own.not_found["title"].tolist() == ["imdb_id 9", "tmdb_id 12"]


def test_ratings_outside_an_inferred_scale_are_counted(tmp_path):
    content = "movieId,rating\n" + "".join(f"{1 + n % 2},{1 + n % 5}\n" for n in range(200)) + "3,99\n"
    own = matched(tmp_path, content)
    assert sorted(own.ratings["movie_id"]) == [1, 2]
    assert own.left_out == {"rating outside 0.5 to 5": 1}
