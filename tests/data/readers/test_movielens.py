"""Checks every MovieLens edition, as a folder and as an archive, with its tables."""

import pathlib

import pandas as pd
import pytest
from helpers.input_files import refusal_by, rows, types, write_file, write_folder, write_zip
from helpers.movielens import EDITIONS, ML_1M, ML_10M, ML_100K, ML_CSV

from movierec_jax.data.readers.ratings import read_ratings

BUNDLED = pathlib.Path(__file__).parents[3] / "data" / "ml-latest-small"

REAL = pathlib.Path(__file__).parents[4] / "shared" / "data"


def test_100k_has_tabs_latin1_and_a_flag_for_each_genre(tmp_path):
    data = read_ratings(write_folder(tmp_path / "ml-100k", ML_100K))
    assert rows(data.ratings) == [(196, 242, 3.0, 881250949), (186, 302, 5.0, 891717742)]
    assert rows(data.movies) == [
        (242, "Kolya (1996)", "Drama"),
        (302, "Misérables, Les (1995)", "Action|Drama"),
        (267, "unknown", ""),
    ]


def test_100k_without_genre_file_has_the_genres_of_its_readme(tmp_path):
    flags = ["0"] * 19
    flags[1] = flags[18] = "1"
    item = "242|Kolya (1996)|24-Jan-1997||http://x|" + "|".join(flags) + "\n"
    folder = write_folder(tmp_path / "a", {"u.data": ML_100K["u.data"], "u.item": item.encode()})
    assert rows(read_ratings(folder).movies) == [(242, "Kolya (1996)", "Action|Western")]


def test_1m_has_double_colons_and_latin1_titles(tmp_path):
    data = read_ratings(write_folder(tmp_path / "ml-1m", ML_1M))
    assert rows(data.ratings) == [(1, 1193, 5.0, 978300760), (1, 661, 3.0, 978302109), (2, 1193, 4.0, 978298413)]
    assert rows(data.movies) == [
        (1193, "One Flew Over the Cuckoo's Nest (1975)", "Drama"),
        (661, "Misérables, Les (1995)", "Drama|Musical"),
        (7, "Alien::Resurrection (1997)", "Action"),
    ]


def test_10m_has_half_stars_and_utf8_titles(tmp_path):
    data = read_ratings(write_folder(tmp_path / "ml-10M100K", ML_10M))
    assert rows(data.ratings) == [(1, 122, 5.0, 838985046), (1, 185, 3.5, 838983525)]
    assert rows(data.movies) == [(122, "Misérables, Les (1995)", "Drama"), (185, "Net, The (1995)", "")]


def test_csv_edition_has_quoted_titles_and_crlf(tmp_path):
    data = read_ratings(write_folder(tmp_path / "ml-25m", ML_CSV))
    assert rows(data.ratings) == [(1, 296, 5.0, 1147880044), (2, 306, 3.5, 1147868817)]
    assert rows(data.movies) == [
        (296, "Misérables, Les (1995)", "Drama|War"),
        (306, '"Great Performances" Cats (1998)', "Musical"),
        (307, "Green Slime (1968)", ""),
    ]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_csv_edition_may_have_a_byte_order_mark_and_either_line_end(tmp_path, bom, line_end):
    files = {name: bom + content.replace(b"\r\n", line_end) for name, content in ML_CSV.items()}
    data = read_ratings(write_folder(tmp_path / "other", files))
    expected = read_ratings(write_folder(tmp_path / "same", ML_CSV))
    pd.testing.assert_frame_equal(data.ratings, expected.ratings)
    pd.testing.assert_frame_equal(data.movies, expected.movies)


@pytest.mark.parametrize(
    ("name", "edition", "scale"),
    [
        ("ml-100k", "MovieLens 100K", (1, 5)),
        ("ml-1m", "MovieLens 1M", (1, 5)),
        ("ml-10M100K", "MovieLens 10M", (0.5, 5)),
        ("ml-25m", "MovieLens CSV", (0.5, 5)),
    ],
)
def test_each_edition_states_its_name_and_scale(tmp_path, name, edition, scale):
    folder = write_folder(tmp_path / name, EDITIONS[name])
    data = read_ratings(folder)
    assert (data.source, data.rating_scale) == (f"{edition} in {folder}", scale)


@pytest.mark.parametrize("name", EDITIONS)
def test_each_edition_has_plain_types_and_a_plain_index(tmp_path, name):
    data = read_ratings(write_folder(tmp_path / name, EDITIONS[name]))
    assert types(data.ratings) == {
        "user_id": "int64",
        "movie_id": "int64",
        "rating": "float32",
        "timestamp": "int64",
    }
    assert types(data.movies) == {"movie_id": "int64", "title": "str", "genres": "str"}
    assert types(data.users) == {
        "user_id": "int64",
        "age": "int64",
        "gender": "str",
        "occupation": "str",
    }
    assert types(data.tags) == {"user_id": "int64", "movie_id": "int64", "tag": "str", "timestamp": "int64"}
    assert types(data.links) == {"movie_id": "int64", "imdb_id": "Int64", "tmdb_id": "Int64"}
    assert list(data.ratings.index) == list(range(len(data.ratings)))


def test_100k_says_of_users_what_u_user_says(tmp_path):
    users = read_ratings(write_folder(tmp_path / "ml", ML_100K)).users
    assert rows(users) == [(196, 49, "M", "writer"), (186, 39, "F", "executive")]


def test_1m_has_the_lowest_age_of_a_range_and_occupations_by_number(tmp_path):
    users = read_ratings(write_folder(tmp_path / "ml", ML_1M)).users
    assert rows(users) == [(1, 1, "F", "K-12 student"), (2, 56, "M", "self-employed")]


def test_10m_has_tags_between_double_colons_with_quotes_as_they_are(tmp_path):
    tags = read_ratings(write_folder(tmp_path / "ml", ML_10M)).tags
    assert rows(tags) == [(15, 4973, "excellent!", 1215184630), (20, 1747, '"café" politics', 1188263867)]


def test_csv_edition_has_quoted_tags(tmp_path):
    tags = read_ratings(write_folder(tmp_path / "ml", ML_CSV)).tags
    assert rows(tags) == [(3, 260, 'sci-fi, "classic"', 1439472355), (3, 999, "café", 1439472256)]


def test_csv_edition_has_links_to_imdb_and_tmdb(tmp_path):
    links = read_ratings(write_folder(tmp_path / "ml", ML_CSV)).links
    assert rows(links) == [(296, 110912, 680), (307, 64393, pd.NA)]


@pytest.mark.parametrize("links", [b"movieId,imdbId,tmdbId\r\n", b"movieId,imdbId,tmdbId\n7,,\n"])
def test_a_table_of_links_may_have_none(tmp_path, links):
    data = read_ratings(write_folder(tmp_path / "ml", ML_CSV | {"links.csv": links}))
    assert (len(data.links), types(data.links)) == (0, {"movie_id": "int64", "imdb_id": "Int64", "tmdb_id": "Int64"})


@pytest.mark.parametrize(
    ("links", "message"),
    [
        (b"movieId,imdbId\n296,0110912\n\n306\n", "ml/links.csv:4: 1 column; line 1 has 2, split by ','"),
        (b"movieId,imdbId\n296,0110912\n306,nm12\n", "ml/links.csv:3: IMDb id 'nm12'; expected one such as tt0114709"),
        (b"movieId,imdbId\n296,0110912\nx,12\n", "ml/links.csv:3: movie id 'x'; the movie ids of the ratings are int"),
        (b"movieId,x\n296,680\n", "ml/links.csv:1: no imdb_id or tmdb_id column among 'movieId', 'x'"),
    ],
)
def test_a_broken_line_of_links_is_named(tmp_path, links, message):
    assert refusal_by(read_ratings, write_folder(tmp_path / "ml", ML_CSV | {"links.csv": links})).startswith(message)


@pytest.mark.parametrize("name", EDITIONS)
def test_an_edition_without_tables_of_users_tags_and_links_has_none(tmp_path, name):
    others = ("u.user", "users.dat", "tags.dat", "tags.csv", "links.csv")
    files = {file: content for file, content in EDITIONS[name].items() if file not in others}
    data = read_ratings(write_folder(tmp_path / name, files))
    assert (len(data.ratings) > 0, len(data.users), len(data.tags)) == (True, 0, 0)
    assert list(data.users) == ["user_id", "age", "gender", "occupation"]
    assert list(data.tags) == ["user_id", "movie_id", "tag", "timestamp"]
    assert (len(data.links), list(data.links)) == (0, ["movie_id", "imdb_id", "tmdb_id"])


@pytest.mark.parametrize("tags", [b"userId,movieId,tag,timestamp\r\n", b"userId,movieId,tag,timestamp"])
def test_a_table_of_tags_may_have_a_header_alone(tmp_path, tags):
    data = read_ratings(write_folder(tmp_path / "ml", ML_CSV | {"tags.csv": tags}))
    assert types(data.tags) == {"user_id": "int64", "movie_id": "int64", "tag": "str", "timestamp": "int64"}
    assert len(data.tags) == 0


def test_a_tag_that_is_missing_is_left_out_and_times_may_be_dates(tmp_path):
    tags = b"tag,userId,x,movieId,timestamp\n,3,,260,2009-04-24 18:19:40\nwar,3,,260,2009-04-24 18:19:41\n"
    data = read_ratings(write_folder(tmp_path / "ml", ML_CSV | {"tags.csv": tags}))
    assert rows(data.tags) == [(3, 260, "war", "2009-04-24 18:19:41")]


def test_the_first_of_several_users_with_one_id_is_kept(tmp_path):
    users = ML_1M["users.dat"] + b"1::M::25::0::1\n"
    assert read_ratings(write_folder(tmp_path / "ml", ML_1M | {"users.dat": users})).users.user_id.tolist() == [1, 2]


@pytest.mark.parametrize("inner", ["", "ml/", "some/where/deep/"])
@pytest.mark.parametrize("name", EDITIONS)
def test_an_archive_reads_as_its_folder_at_any_depth(tmp_path, name, inner):
    from_folder = read_ratings(write_folder(tmp_path / name, EDITIONS[name]))
    from_zip = read_ratings(write_zip(tmp_path / "any.zip", EDITIONS[name], inner))
    pd.testing.assert_frame_equal(from_zip.ratings, from_folder.ratings)
    for table in ("movies", "users", "tags", "links"):
        pd.testing.assert_frame_equal(getattr(from_zip, table), getattr(from_folder, table))
    assert from_zip.rating_scale == from_folder.rating_scale


@pytest.mark.parametrize("files", [{"ratings.dat": ML_10M["ratings.dat"]}, ML_1M | {"tags.dat": b""}])
def test_half_stars_or_tags_make_ratings_dat_a_10m(tmp_path, files):
    data = read_ratings(write_folder(tmp_path / "ml", files))
    assert data.source.startswith("MovieLens 10M in")
    assert data.rating_scale == (0.5, 5)


def test_a_folder_without_movie_table_has_no_movies_but_their_columns(tmp_path):
    movies = read_ratings(write_folder(tmp_path / "ml", {"u.data": ML_100K["u.data"]})).movies
    assert len(movies) == 0
    assert types(movies) == {"movie_id": "int64", "title": "str", "genres": "str"}


def test_the_first_of_several_movies_with_one_id_is_kept(tmp_path):
    movies = ML_1M["movies.dat"] + b"661::Another (2000)::War\n"
    titles = read_ratings(write_folder(tmp_path / "ml", ML_1M | {"movies.dat": movies})).movies
    assert titles.loc[titles.movie_id == 661, "title"].tolist() == ["Misérables, Les (1995)"]


def test_other_columns_in_a_folders_ratings_csv_leave_the_scale_open(tmp_path):
    files = {"ratings.csv": b"user_id,item_id,stars\n1,296,9\n"}
    data = read_ratings(write_folder(tmp_path / "mine", files))
    assert rows(data.ratings) == [(1, 296, 9.0)]
    assert data.rating_scale is None


def test_the_bundled_data_reads_whole():
    data = read_ratings(BUNDLED)
    # Counts of its README.txt.
    assert (len(data.ratings), len(data.movies)) == (100836, 9742)
    assert rows(data.ratings)[0] == (1, 1, 4.0, 964982703)
    assert rows(data.movies)[0] == (1, "Toy Story (1995)", "Adventure|Animation|Children|Comedy|Fantasy")
    assert (data.ratings.user_id.nunique(), data.ratings.movie_id.isin(data.movies.movie_id).all()) == (610, True)
    assert data.movies.genres.str.contains("no genres").sum() == 0
    assert (len(data.tags), rows(data.tags)[0]) == (3683, (2, 60756, "funny", 1445714994))
    assert len(data.users) == 0
    assert (len(data.links), rows(data.links)[0]) == (9742, (1, 114709, 862))


@pytest.mark.skipif(not (REAL / "ml-100k").exists(), reason="needs the original ml-100k")
def test_the_original_100k_reads_whole():
    data = read_ratings(REAL / "ml-100k")
    assert (len(data.ratings), data.ratings.user_id.nunique(), len(data.movies)) == (100000, 943, 1682)
    assert rows(data.movies)[0] == (1, "Toy Story (1995)", "Animation|Children's|Comedy")
    assert (len(data.users), rows(data.users)[0]) == (943, (1, 24, "M", "technician"))
    assert (data.users.age.min(), data.users.age.max(), data.users.occupation.nunique()) == (7, 73, 21)


@pytest.mark.skipif(not (REAL / "ml-100k").exists(), reason="needs the original ml-100k")
def test_the_original_u1_base_has_titles():
    data = read_ratings(REAL / "ml-100k" / "u1.base")
    assert (len(data.ratings), len(data.movies), len(data.users)) == (80000, 1682, 943)


@pytest.mark.skipif(not (REAL / "ml-1m").exists(), reason="needs the original ml-1m")
def test_the_original_1m_without_times_has_titles():
    data = read_ratings(REAL / "ml-1m" / "ratings_no_ts.dat")
    assert (len(data.ratings), len(data.movies), list(data.ratings)) == (
        1000209,
        3883,
        ["user_id", "movie_id", "rating"],
    )
    assert (len(data.users), rows(data.users)[0]) == (6040, (1, 1, "F", "K-12 student"))
    assert sorted(data.users.age.unique()) == [1, 18, 25, 35, 45, 50, 56]


@pytest.mark.parametrize("name", EDITIONS)
@pytest.mark.parametrize("table", ["movies", "users", "tags", "links"])
def test_a_ratings_file_gets_the_tables_of_the_edition_beside_it(tmp_path, name, table):
    folder = write_folder(tmp_path / name, EDITIONS[name] | {"part.csv": b"user,movie,rating\n7,8,4\n"})
    pd.testing.assert_frame_equal(
        getattr(read_ratings(folder / "part.csv"), table), getattr(read_ratings(folder), table)
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("u.user", b"196|M\n"),
        ("u.user", b"tt1|49|M|writer|55105\n"),
        ("users.dat", b"1::F::young::10::48067\n"),
        ("tags.csv", b"name,colour\na,b\n"),
        ("tags.csv", b"userId,movieId,tag,timestamp\n7,tt8,x,1\n"),
        ("tags.csv", b""),
        ("tags.dat", b"1::2\n"),
        ("links.csv", b"name,url\na,b\n"),
        ("links.csv", b"movieId,imdbId\ntt8,12\n"),
    ],
)
def test_a_foreign_table_of_users_tags_or_links_beside_a_file_is_no_error(tmp_path, name, content):
    write_file(tmp_path, content, name)
    data = read_ratings(write_file(tmp_path, "7,8,4\n"))
    assert (len(data.users), len(data.tags), len(data.links)) == (0, 0, 0)


@pytest.mark.parametrize(
    "movies",
    [
        b"id,name\n1,x\n",
        b"",
        b"\0\xff",
        b'movieId,title,genres\n1,"x,Drama\n',
        b"movieId,title,genres\n1,x\n",
        b"movieId,title,genres\ntt1,x,Drama\n",
    ],
)
def test_a_foreign_movie_table_beside_a_file_is_no_error(tmp_path, movies):
    write_file(tmp_path, movies, "movies.csv")
    assert len(read_ratings(write_file(tmp_path, "7,8,4\n")).movies) == 0


def test_movies_have_text_ids_where_the_ratings_have(tmp_path):
    write_file(tmp_path, ML_CSV["movies.csv"], "movies.csv")
    movies = read_ratings(write_file(tmp_path, "user,movie,rating\n7,296,4\n7,x9,4\n")).movies
    assert movies.movie_id.tolist() == ["296", "306", "307"]
    assert str(movies.movie_id.dtype) == "str"


def test_users_and_tags_have_text_ids_where_the_ratings_have(tmp_path):
    write_folder(tmp_path, {"tags.csv": ML_CSV["tags.csv"], "u.user": ML_100K["u.user"]})
    data = read_ratings(write_file(tmp_path, "user,movie,rating\nx7,8,4\n"))
    assert (data.users.user_id.tolist(), data.tags.user_id.tolist()) == (["196", "186"], ["3", "3"])
    assert (str(data.users.user_id.dtype), str(data.tags.movie_id.dtype)) == ("str", "int64")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1::2::3::4\n1::2::3::4::5\n", "ml-1m/ratings.dat:2: 5 columns; a MovieLens 1M file has 4, split by '::'"),
        ("1::2::3::4\n\n\n1::2\n", "ml-1m/ratings.dat:4: 2 columns; a MovieLens 1M file has 4, split by '::'"),
        ("", "ml-1m/ratings.dat: empty; expected ratings"),
    ],
)
def test_a_broken_ratings_dat_is_refused_with_its_line(tmp_path, content, message):
    folder = write_folder(tmp_path / "ml-1m", {"ratings.dat": content.encode()})
    assert refusal_by(read_ratings, folder) == message
    archive = write_zip(tmp_path / "ml.zip", {"ratings.dat": content.encode()}, "ml-1m/")
    assert refusal_by(read_ratings, archive) == f"ml.zip/{message}"


@pytest.mark.parametrize(
    ("name", "table", "content", "message"),
    [
        (
            "ml-100k",
            "u.item",
            b"1|A|x||y|0|1\n",
            ":1: 7 columns; u.item with 3 genres has 8, split by '|'",
        ),
        ("ml-1m", "movies.dat", b"1::A (1995)::War\n\n2::B\n", ":3: 2 columns; movies.dat has 3, split by '::'"),
        ("ml-1m", "movies.dat", b"x::A (1995)::War\n", ":1: movie id 'x'; the movie ids of the ratings are integers"),
        ("ml-25m", "movies.csv", b"movieId,title,genres\n\n1,A\n", ":3: 2 columns; line 1 has 3, split by ','"),
        ("ml-25m", "movies.csv", b"id,title\n1,A\n", ":1: columns id, title; expected movieId and title"),
        ("ml-25m", "movies.csv", b'movieId,title,genres\n1,"A\n', ":2: unexpected end of data"),
        ("ml-100k", "u.user", b"1|24|M|writer\n", ":1: 4 columns; u.user has 5, split by '|'"),
        ("ml-100k", "u.user", b"x|24|M|writer|1\n", ":1: user id 'x'; the user ids of the ratings are integers"),
        ("ml-100k", "u.user", b"\n1|?|M|writer|1\n", ":2: age '?'; expected a whole number of years"),
        ("ml-1m", "users.dat", b"1::F::1::10\n", ":1: 4 columns; users.dat has 5, split by '::'"),
        ("ml-1m", "users.dat", b"1::F::1::21::1\n", ":1: occupation '21'; expected 0 to 20"),
        ("ml-10M100K", "tags.dat", b"1::2::x::3\n1::2::x\n", ":2: 3 columns; tags.dat has 4, split by '::'"),
        ("ml-25m", "tags.csv", b"userId,tag\n1,A\n", ":1: columns userId, tag; expected userId, movieId, tag and tim"),
        (
            "ml-25m",
            "tags.csv",
            b"userId,movieId,tag,timestamp\n1,2,A,3\n1,x,A,3\n",
            ": tag 2: movie id 'x'; the movie ids of the ratings are integers",
        ),
        ("ml-25m", "tags.csv", b"userId,movieId,tag,timestamp\n1,2,A\n", ":2: 3 columns; line 1 has 4, split by ','"),
    ],
)
def test_a_broken_table_of_an_edition_is_refused_with_its_line(tmp_path, name, table, content, message):
    folder = write_folder(tmp_path / name, EDITIONS[name] | {table: content})
    assert refusal_by(read_ratings, folder).startswith(f"{name}/{table}{message}")
