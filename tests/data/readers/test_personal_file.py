"""One person's ratings as sites export them."""

import codecs
import json

import numpy as np
import pytest
from helpers import exports
from helpers.input_files import refusal_by, write_file, write_zip

from movierec_jax.data.readers.personal_file import is_personal, read_personal
from movierec_jax.data.schema import NO_TIMESTAMP

FILMS = exports.films()
MARCH = 1709251200  # 2024-03-01

LETTERBOXD = "Date,Name,Year,Letterboxd URI,Rating\n2024-03-01,Amélie,2001,https://boxd.it/1,4.5\n"


def read(folder, content, name="ratings.csv"):
    return read_personal(write_file(folder, content, name))


@pytest.mark.parametrize(
    ("name", "kind", "scale", "num_left_out"),
    [
        ("letterboxd", "a Letterboxd export", (0.5, 5.0), 0),
        ("imdb", "an IMDb export", (1.0, 10.0), 2),
        ("trakt", "a Trakt export", (1.0, 10.0), 0),
        ("trakt_json", "a Trakt export", (1.0, 10.0), 1),
        ("tmdb", "a TMDb export", (1.0, 10.0), 0),
        ("movielens", "a MovieLens export", (0.5, 5.0), 0),
        ("own_ids", "a table of ratings", None, 0),
    ],
)
def test_an_export_is_known_by_its_columns(tmp_path, name, kind, scale, num_left_out):
    path = exports.write_export(tmp_path, name)
    assert is_personal(path)
    found = read_personal(path)
    assert (found.kind, found.rating_scale, len(found)) == (kind, scale, len(FILMS))
    assert sum(found.left_out.values()) == num_left_out
    factor = 2 if scale == (1.0, 10.0) else 1
    assert found.movies["rating"].tolist() == [factor * rating for rating in FILMS["rating"]]
    if name not in ("own_ids", "movielens"):
        assert found.movies["year"].tolist() == [int(year) for year in FILMS["year"]]
        assert (found.movies["timestamp"] // 86400 == MARCH // 86400).all()
    if name not in ("own_ids", "letterboxd"):
        assert found.movies["imdb_id"].tolist() == [int(number) for number in FILMS["imdbId"]]
    if name not in ("own_ids", "letterboxd", "imdb"):
        assert found.movies["tmdb_id"].tolist() == [int(number) for number in FILMS["tmdbId"]]


def test_what_is_no_movie_is_left_out_and_counted_with_an_example(tmp_path):
    found = read_personal(exports.write_export(tmp_path, "imdb"))
    assert found.left_out == {
        "TV Episode, no movie, such as 'Ozymandias' in line 32": 1,
        "tvSeries, no movie, such as 'Breaking Bad' in line 33": 1,
    }


def test_ratings_that_cannot_be_used_are_left_out_and_counted(tmp_path):
    rows = ["tt0000001,11,One", "tt0000002,0,Two", "tt0000003,good,Three", "tt0000004,,Four", ",7,", "tt0000005,8,Five"]
    found = read(tmp_path, "\n".join(["Const,Your Rating,Title", *rows, ""]))
    assert found.movies["imdb_id"].tolist() == [5]
    assert found.line.tolist() == [7]
    assert found.left_out == {
        "no id or title of a movie, such as 'no title' in line 6": 1,
        "rating is not a number, such as 'good' in line 4": 1,
        "no rating, such as 'Four' in line 5": 1,
        "rating outside 1 to 10, such as '11' in line 2": 2,
    }


@pytest.mark.parametrize(
    ("header", "end"), [("", ""), (",Rating", ","), (",Rating,Rewatch,Tags,Watched Date", ",,Yes,,2024-03-01")]
)
def test_a_movie_without_a_rating_is_watched_on_letterboxd(tmp_path, header, end):
    found = read(
        tmp_path, f"Date,Name,Year,Letterboxd URI{header}\n2024-03-01,Heat,1995,https://boxd.it/1{end}\n", "my.csv"
    )
    assert found.movies["rating"].isna().tolist() == [True]
    assert found.left_out == {}


def test_a_watched_date_comes_before_the_date_of_the_entry(tmp_path):
    found = read(tmp_path, exports.letterboxd_diary(FILMS.head(1)))
    assert found.movies["timestamp"].tolist() == [1672876800, 1707177600]  # 2023-01-05, 2024-02-06


def test_a_watchlist_is_refused(tmp_path):
    path = write_file(tmp_path, exports.letterboxd_watched(FILMS), "watchlist.csv")
    assert refusal_by(read_personal, path).startswith("watchlist.csv: movies not watched yet")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_file_may_have_any_usual_encoding_and_separator(tmp_path, encoding, separator):
    found = read(tmp_path, LETTERBOXD.replace(",", separator).encode(encoding))
    assert found.movies["title"].tolist() == ["Amélie"]
    assert found.movies["rating"].tolist() == [4.5]


def test_decimal_commas_are_read(tmp_path):
    found = read(tmp_path, LETTERBOXD.replace(",", ";").replace("4.5", "4,5"))
    assert found.movies["rating"].tolist() == [4.5]


def test_an_archive_is_read_for_its_ratings_and_what_was_watched_without_one(tmp_path):
    found = read_personal(exports.write_letterboxd_zip(tmp_path / "letterboxd.zip", FILMS.head(20), FILMS))
    assert found.movies["title"].tolist() == FILMS["title"].tolist()
    assert found.movies["rating"].head(20).tolist() == FILMS["rating"].head(20).tolist()
    assert found.movies["rating"].tail(10).isna().all()


def test_a_folder_is_read_as_its_archive(tmp_path):
    (tmp_path / "ratings.csv").write_text(exports.letterboxd(FILMS))
    (tmp_path / "watched.csv").write_text(exports.letterboxd_watched(FILMS))
    assert is_personal(tmp_path)
    assert len(read_personal(tmp_path)) == len(FILMS)


def test_an_archive_without_ratings_is_refused_with_what_it_holds(tmp_path):
    path = write_zip(tmp_path / "mine.zip", {"profile.csv": b"a,b\n1,2\n", "photo.jpg": b"", "lists.csv": b"a\n1\n"})
    assert not is_personal(path)
    assert refusal_by(read_personal, path) == (
        "mine.zip: no file of one person's ratings, such as ratings.csv; found profile.csv, photo.jpg, lists.csv"
    )


def test_any_table_of_movies_and_ratings_is_read(tmp_path):
    found = read(tmp_path, "film;my rating\nHeat (1995);4\nAlien;3,5\n")
    assert found.movies["title"].tolist() == ["Heat", "Alien"]
    assert found.movies["year"].tolist() == [1995, 0]
    assert found.movies["rating"].tolist() == [4.0, 3.5]
    assert (found.movies["timestamp"] == NO_TIMESTAMP).all()
    assert found.rating_scale is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("userId,movieId,rating\n1,2,3\n2,2,4\n", "ratings of 2 users; give those of one"),
        ("movieId,title,genres\n1,Heat,Crime\n", "columns movieId, title, genres; expected a Letterboxd export"),
        ("Const,Title,Title Type\ntt0000001,One,Movie\n", "an IMDb export without ratings; a column 'yourrating'"),
        ("", "empty"),
        ("[1, 2]", "JSON without movies as Trakt exports them"),
        ('{"movies": []}', "a JSON dict; expected a list"),
        ("[1, 2", "not JSON"),
        ("Const,Your Rating\n", "no rows"),
        ("Const,Your Rating\ntt1,x\n", "an IMDb export without a movie that can be used (rating is not a number"),
    ],
)
def test_what_is_no_export_is_refused_with_what_was_found(tmp_path, content, words):
    assert words in refusal_by(read_personal, write_file(tmp_path, content, "mine.csv"))


def test_a_users_column_with_one_user_does_no_harm(tmp_path):
    assert len(read(tmp_path, "userId,movieId,rating\n7,2,3\n7,3,4\n")) == 2


@pytest.mark.parametrize(
    "content",
    [
        "userId,movieId,rating\n1,2,3\n",
        "1,2,3\n",
        "movieId,title,genres\n1,Heat,Crime\n",
        json.dumps([{"user": 1, "item": 2, "rating": 3}]),
        codecs.BOM_UTF8.decode() + "userId,imdbId,rating\n1,2,3\n",
        b"SQLite format 3\0",
    ],
)
def test_a_file_of_many_users_or_of_no_ratings_is_not_one_persons(tmp_path, content):
    assert not is_personal(write_file(tmp_path, content))
    assert not is_personal(tmp_path / "missing.csv")


def test_entries_of_trakt_without_a_movie_or_ids_are_left_out(tmp_path):
    entries = [
        {"rating": 8, "type": "movie", "movie": {"title": "Heat", "year": 1995, "ids": {"imdb": None, "tmdb": 949}}},
        {"watched_at": "2024-03-01T00:00:00Z", "movie": {"title": "Alien", "year": None}},
        {"rating": 8, "show": {"title": "Lost"}},
        7,
    ]
    found = read(tmp_path, json.dumps(entries), "ratings.json")
    assert found.movies["title"].tolist() == ["Heat", "Alien"]
    assert found.movies["tmdb_id"].fillna(0).tolist() == [949, 0]
    np.testing.assert_array_equal(found.movies["rating"], [8, np.nan])
    assert sum(found.left_out.values()) == 2


@pytest.mark.parametrize("key", ["listed_at", "collected_at", "hidden_at"])
def test_a_list_of_trakt_that_tells_of_no_watching_is_refused(tmp_path, key):
    entry = {
        key: "2024-03-01T00:00:00Z",
        "type": "movie",
        "movie": {"title": "Heat", "year": 1995, "ids": {"imdb": "x"}},
    }
    path = write_file(tmp_path, json.dumps([entry]), "list.json")
    assert refusal_by(read_personal, path) == (
        "list.json: a Trakt list of movies, neither rated nor watched; give those that are"
    )


def test_the_mean_of_all_users_of_trakt_is_no_rating_of_ones_own(tmp_path):
    text = "rank,listed_at,type,title,year,trakt_rating,trakt_id\n1,2024-03-01,movie,Heat,1995,7.91,5\n"
    assert refusal_by(read_personal, write_file(tmp_path, text)).startswith("mine.csv:1: a Trakt list of movies")


def test_letterboxds_archive_of_somebody_who_rates_nothing_has_the_movies_watched(tmp_path):
    watched = b"Date,Name,Year,Letterboxd URI\n2024-03-01,Heat,1995,https://boxd.it/1\n"
    header = LETTERBOXD.splitlines()[0].encode()
    found = read_personal(write_zip(tmp_path / "all.zip", {"ratings.csv": header + b"\n", "watched.csv": watched}))
    assert found.movies["title"].tolist() == ["Heat"]


def test_times_that_cannot_be_read_are_counted(tmp_path):
    found = read(tmp_path, LETTERBOXD + "13 mai 2024,Heat,1995,https://boxd.it/2,4\n")
    assert found.movies["timestamp"].tolist() == [MARCH, NO_TIMESTAMP]
    assert found.notes == (
        "1 of 2 times cannot be read, such as '13 mai 2024'; these movies count as rated at no known time",
    )


def test_times_in_several_forms_are_refused_by_the_name_of_the_file(tmp_path):
    rows = "13/05/2024,Heat,1995,https://boxd.it/2,4\n" * 2
    message = refusal_by(read_personal, write_file(tmp_path, LETTERBOXD + rows))
    assert message.startswith("mine.csv: times are written in 2 ways")
