"""Every MovieLens edition and any single file, as folders, archives and damaged bytes."""

import decimal
import gzip
import io
import pathlib
import zipfile

import hypothesis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import strategies as st

from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.readers.ratings_log import FILE_NAME, Entry, RatingsLog
from movierec_jax.errors import InputError

BUNDLED = pathlib.Path(__file__).parents[2] / "data" / "ml-latest-small"
REAL = pathlib.Path(__file__).parents[3] / "shared" / "data"

# Each edition with the same three movies, as far as its format lets it say so.
ML_100K = {
    "u.data": b"196\t242\t3\t881250949\n186\t302\t5\t891717742\n",
    "u.genre": b"unknown|0\nAction|1\nDrama|2\n\n",
    "u.item": (
        b"242|Kolya (1996)|24-Jan-1997||http://us.imdb.com/M/title-exact?Kolya%20(1996)|0|0|1\n"
        b"302|Mis\xe9rables, Les (1995)|01-Jan-1995||http://x|0|1|1\n"
        b"267|unknown||||1|0|0\n"
    ),
    "u.user": b"196|49|M|writer|55105\n186|39|F|executive|T8H1N\n",
}
ML_1M = {
    "ratings.dat": b"1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
    "movies.dat": (
        b"1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
        b"661::Mis\xe9rables, Les (1995)::Drama|Musical\n"
        b"7::Alien::Resurrection (1997)::Action\n"
    ),
    "users.dat": b"1::F::1::10::48067\n2::M::56::16::98107-0083\n",
}
ML_10M = {
    "ratings.dat": b"1::122::5::838985046\n1::185::3.5::838983525\n",
    "movies.dat": "122::Misérables, Les (1995)::Drama\n185::Net, The (1995)::(no genres listed)\n".encode(),
    "tags.dat": '15::4973::excellent!::1215184630\n20::1747::"café" politics::1188263867\n'.encode(),
}
ML_CSV = {
    "ratings.csv": b"userId,movieId,rating,timestamp\r\n1,296,5.0,1147880044\r\n2,306,3.5,1147868817\r\n",
    "movies.csv": (
        "movieId,title,genres\r\n"
        '296,"Misérables, Les (1995)",Drama|War\r\n'
        '306,"""Great Performances"" Cats (1998)",Musical\r\n'
        "307,Green Slime (1968),(no genres listed)\r\n"
    ).encode(),
    "tags.csv": (
        'userId,movieId,tag,timestamp\r\n3,260,"sci-fi, ""classic""",1439472355\r\n3,999,café,1439472256\r\n'
    ).encode(),
    "links.csv": b"movieId,imdbId,tmdbId\r\n296,0110912,680\r\n306,,\r\n307,0064393,\r\n",
}
EDITIONS = {"ml-100k": ML_100K, "ml-1m": ML_1M, "ml-10M100K": ML_10M, "ml-25m": ML_CSV}


def write_folder(folder: pathlib.Path, files: dict[str, bytes]) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: pathlib.Path, files: dict[str, bytes], folder: str = "") -> pathlib.Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    return path


def write_file(folder: pathlib.Path, content: bytes | str, name: str = "mine.csv") -> pathlib.Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_parquet(folder: pathlib.Path, columns: dict[str, pa.Array | list]) -> pathlib.Path:
    pyarrow.parquet.write_table(pa.table(columns), folder / "mine.parquet")
    return folder / "mine.parquet"


def rows(table: pd.DataFrame) -> list[tuple]:
    return list(table.itertuples(index=False, name=None))


def types(table: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in table.dtypes.items()}


def refusal(path: pathlib.Path) -> str:
    """The message with which the path is refused, without the folder it is in."""
    with pytest.raises(InputError) as error:
        read_ratings(path)
    return str(error.value).replace(f"{path.parent}/", "")


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
    assert types(data.links) == {"movie_id": "int64", "imdb_id": "int64"}
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


def test_csv_edition_has_links_to_imdb_where_they_are_known(tmp_path):
    links = read_ratings(write_folder(tmp_path / "ml", ML_CSV)).links
    assert rows(links) == [(296, 110912), (307, 64393)]


@pytest.mark.parametrize("links", [b"movieId,imdbId,tmdbId\r\n", b"movieId,imdbId,tmdbId\n7,,\n"])
def test_a_table_of_links_may_have_none(tmp_path, links):
    data = read_ratings(write_folder(tmp_path / "ml", ML_CSV | {"links.csv": links}))
    assert (len(data.links), types(data.links)) == (0, {"movie_id": "int64", "imdb_id": "int64"})


@pytest.mark.parametrize(
    ("links", "message"),
    [
        (b"movieId,imdbId\n296,0110912\n\n306\n", "ml/links.csv:4: 1 column; line 1 has 2, split by ','"),
        (b"movieId,imdbId\n296,0110912\n306,nm12\n", "ml/links.csv:3: IMDb id 'nm12'; expected one such as tt0114709"),
        (b"movieId,imdbId\n296,0110912\nx,12\n", "ml/links.csv:3: movie id 'x'; the movie ids of the ratings are int"),
        (b"movieId,tmdbId\n296,680\n", "ml/links.csv:1: no imdb_id column among 'movieId', 'tmdbId'; accepted"),
    ],
)
def test_a_broken_line_of_links_is_named(tmp_path, links, message):
    assert refusal(write_folder(tmp_path / "ml", ML_CSV | {"links.csv": links})).startswith(message)


@pytest.mark.parametrize("name", EDITIONS)
def test_an_edition_without_tables_of_users_tags_and_links_has_none(tmp_path, name):
    others = ("u.user", "users.dat", "tags.dat", "tags.csv", "links.csv")
    files = {file: content for file, content in EDITIONS[name].items() if file not in others}
    data = read_ratings(write_folder(tmp_path / name, files))
    assert (len(data.ratings) > 0, len(data.users), len(data.tags)) == (True, 0, 0)
    assert list(data.users) == ["user_id", "age", "gender", "occupation"]
    assert list(data.tags) == ["user_id", "movie_id", "tag", "timestamp"]
    assert (len(data.links), list(data.links)) == (0, ["movie_id", "imdb_id"])


@pytest.mark.parametrize("tags", [b"userId,movieId,tag,timestamp\r\n", b"userId,movieId,tag,timestamp"])
def test_a_table_of_tags_may_have_a_header_alone(tmp_path, tags):
    data = read_ratings(write_folder(tmp_path / "ml", ML_CSV | {"tags.csv": tags}))
    assert types(data.tags) == {"user_id": "int64", "movie_id": "int64", "tag": "str", "timestamp": "int64"}
    assert len(data.tags) == 0


def test_a_tag_that_is_missing_is_left_out_and_times_may_be_dates(tmp_path):
    tags = b"tag,userId,x,movieId,timestamp\n,3,,260,2009-04-24 18:19:40\nwar,3,,260,2009-04-24 18:19:41\n"
    data = read_ratings(write_folder(tmp_path / "ml", ML_CSV | {"tags.csv": tags}))
    assert rows(data.tags) == [(3, 260, "war", "2009-04-24 18:19:41")]


def test_of_users_with_one_id_the_first_is_kept(tmp_path):
    users = ML_1M["users.dat"] + b"1::M::25::0::1\n"
    assert read_ratings(write_folder(tmp_path / "ml", ML_1M | {"users.dat": users})).users.user_id.tolist() == [1, 2]


@pytest.mark.parametrize("inner", ["", "ml/", "some/where/deep/"])
@pytest.mark.parametrize("name", EDITIONS)
def test_an_archive_reads_as_its_folder_wherever_in_it_the_files_are(tmp_path, name, inner):
    from_folder = read_ratings(write_folder(tmp_path / name, EDITIONS[name]))
    from_zip = read_ratings(write_zip(tmp_path / "any.zip", EDITIONS[name], inner))
    pd.testing.assert_frame_equal(from_zip.ratings, from_folder.ratings)
    for table in ("movies", "users", "tags", "links"):
        pd.testing.assert_frame_equal(getattr(from_zip, table), getattr(from_folder, table))
    assert from_zip.rating_scale == from_folder.rating_scale


def test_an_archive_is_known_by_its_bytes_too(tmp_path):
    path = write_zip(tmp_path / "download", ML_1M, "ml-1m/")
    assert read_ratings(path).source == f"MovieLens 1M in {path}"


@pytest.mark.parametrize("files", [{"ratings.dat": ML_10M["ratings.dat"]}, ML_1M | {"tags.dat": b""}])
def test_half_stars_or_tags_make_ratings_dat_a_10m(tmp_path, files):
    data = read_ratings(write_folder(tmp_path / "ml", files))
    assert data.source.startswith("MovieLens 10M in")
    assert data.rating_scale == (0.5, 5)


def test_a_folder_without_movie_table_has_no_movies_but_their_columns(tmp_path):
    movies = read_ratings(write_folder(tmp_path / "ml", {"u.data": ML_100K["u.data"]})).movies
    assert len(movies) == 0
    assert types(movies) == {"movie_id": "int64", "title": "str", "genres": "str"}


def test_of_movies_with_one_id_the_first_is_kept(tmp_path):
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
    assert (len(data.links), rows(data.links)[0]) == (9742, (1, 114709))


@pytest.mark.skipif(not (REAL / "ml-100k").exists(), reason="needs the original ml-100k")
def test_the_original_100k_reads_whole():
    data = read_ratings(REAL / "ml-100k")
    assert (len(data.ratings), data.ratings.user_id.nunique(), len(data.movies)) == (100000, 943, 1682)
    assert rows(data.movies)[0] == (1, "Toy Story (1995)", "Animation|Children's|Comedy")
    assert (len(data.users), rows(data.users)[0]) == (943, (1, 24, "M", "technician", "85711"))
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


@pytest.mark.parametrize(
    "header",
    [
        "user,movie,rating,timestamp",
        "userId,movieId,rating,timestamp",
        "User ID,Movie-ID,RATING,Time Stamp",
        " uid , iid , stars , ts ",
        "reviewerID,asin,overall,unixReviewTime",
        "Customer_Id,product_id,score,date",
        "member,film,value,rated_at",
        "profile,imdbId,ratings,datetime",
        '"user","title id","rating","time"',
    ],
)
def test_usual_spellings_of_the_columns_are_known(tmp_path, header):
    data = read_ratings(write_file(tmp_path, f"{header}\n7,8,4.5,100\n"))
    assert rows(data.ratings) == [(7, 8, 4.5, 100)]
    assert list(data.ratings) == ["user_id", "movie_id", "rating", "timestamp"]


@pytest.mark.parametrize("separator", ["::", "\t", ",", ";", "|"])
@pytest.mark.parametrize("header", [True, False])
def test_the_separator_is_seen_from_the_first_line(tmp_path, separator, header):
    lines = [["user", "movie", "rating", "time"]] * header + [["7", "8", "4.5", "100"], ["9", "8", "2", "101"]]
    data = read_ratings(write_file(tmp_path, "\n".join(map(separator.join, lines))))
    assert rows(data.ratings) == [(7, 8, 4.5, 100), (9, 8, 2.0, 101)]


def test_a_file_without_header_may_have_no_times(tmp_path):
    data = read_ratings(write_file(tmp_path, "1::1193::5\n1::661::3\n", "no_ts.dat"))
    assert rows(data.ratings) == [(1, 1193, 5.0), (1, 661, 3.0)]
    assert (list(data.ratings), data.rating_scale) == (["user_id", "movie_id", "rating"], None)


def test_columns_may_stand_in_any_order_among_others(tmp_path):
    text = "row,rating,comment,movie,user\n0,4.5,\"good, very\",8,7\n1,2,'so so',9,7\n"
    assert rows(read_ratings(write_file(tmp_path, text)).ratings) == [(4.5, 8, 7), (2.0, 9, 7)]


def test_unused_columns_may_have_any_encoding(tmp_path):
    data = read_ratings(write_file(tmp_path, b"user,movie,rating,t\xeftre\n7,8,4,Mis\xe9rables\n"))
    assert rows(data.ratings) == [(7, 8, 4.0)]


def test_gzip_reads_as_the_plain_file(tmp_path):
    path = write_file(tmp_path, gzip.compress(ML_CSV["ratings.csv"]), "ratings.csv.gz")
    assert rows(read_ratings(path).ratings) == [(1, 296, 5.0, 1147880044), (2, 306, 3.5, 1147868817)]


def test_empty_lines_do_not_count(tmp_path):
    data = read_ratings(write_file(tmp_path, "\n\nuser,movie,rating\n\n7,8,4\n\n\n9,8,5\n\n"))
    assert rows(data.ratings) == [(7, 8, 4.0), (9, 8, 5.0)]


def test_what_was_read_can_be_changed(tmp_path):
    ratings = read_ratings(write_file(tmp_path, "7,8,4\n")).ratings
    ratings.loc[0, "rating"] = 2
    assert rows(ratings) == [(7, 8, 2.0)]


def test_one_rating_without_line_end_is_a_file(tmp_path):
    assert rows(read_ratings(write_file(tmp_path, "7,8,4")).ratings) == [(7, 8, 4.0)]


@pytest.mark.parametrize("name", EDITIONS)
@pytest.mark.parametrize("table", ["movies", "users", "tags", "links"])
def test_a_file_beside_the_tables_of_an_edition_has_them(tmp_path, name, table):
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
        ("tags.dat", b"\xff::2::3::4\n"),
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


@pytest.mark.parametrize("column", ["user", "movie"])
@pytest.mark.parametrize(
    ("ids", "expected", "dtype"),
    [
        (["1", "2"], [1, 2], "int64"),
        (["-1", "9223372036854775807"], [-1, 2**63 - 1], "int64"),
        (["12", "a2"], ["12", "a2"], "str"),
        (["12", "123456789012345678901234567890"], ["12", "123456789012345678901234567890"], "str"),
        (["9007199254740993", ""], [2**53 + 1, None], "Int64"),
        (["1.0", "2.00", "3"], [1, 2, 3], "int64"),
        (["9007199254740993.0", ""], [2**53 + 1, None], "Int64"),
        (["1.5", "2.0"], ["1.5", "2.0"], "str"),
        (["a", ""], ["a", None], "str"),
        (["", ""], [None, None], "Int64"),
        (['"a,b"', '"c""d"'], ["a,b", 'c"d'], "str"),
    ],
)
def test_ids_are_exact_integers_or_text(tmp_path, column, ids, expected, dtype):
    header = {"user": "user,movie,rating", "movie": "movie,user,rating"}[column]
    data = read_ratings(write_file(tmp_path, header + "\n" + "".join(f"{found},8,4\n" for found in ids)))
    read = data.ratings[f"{column}_id"]
    assert [None if pd.isna(value) else value for value in read] == expected
    assert str(read.dtype) == dtype


@pytest.mark.parametrize(
    ("ratings", "expected", "dtype"),
    [
        (["4.5", "3"], [4.5, 3.0], "float32"),
        (["4.5", ""], [4.5, np.nan], "float32"),
        (["nan", "inf", "-inf", "1e1"], [np.nan, np.inf, -np.inf, 10.0], "float32"),
        (["4.5", "good", ""], ["4.5", "good", np.nan], "str"),
    ],
)
def test_ratings_are_float32_or_text_where_one_is_no_number(tmp_path, ratings, expected, dtype):
    data = read_ratings(write_file(tmp_path, "user,movie,rating\n" + "".join(f"7,8,{rating}\n" for rating in ratings)))
    pd.testing.assert_series_equal(data.ratings.rating, pd.Series(expected, dtype=dtype, name="rating"))


@pytest.mark.parametrize(
    ("times", "expected", "dtype"),
    [
        (["978300760", "978302109"], [978300760, 978302109], "int64"),
        (["978300760", ""], [978300760, None], "Int64"),
        (["978300760.5", ""], [978300760.5, None], "float64"),
        (["2000-12-31", "2001-01-01 00:01:49"], ["2000-12-31", "2001-01-01 00:01:49"], "str"),
    ],
)
def test_times_are_left_as_they_are(tmp_path, times, expected, dtype):
    text = "user\tmovie\trating\ttime\n" + "".join(f"7\t8\t4\t{time}\n" for time in times)
    read = read_ratings(write_file(tmp_path, text)).ratings.timestamp
    assert [None if pd.isna(value) else value for value in read] == expected
    assert str(read.dtype) == dtype


def test_times_with_colons_may_stand_between_double_colons(tmp_path):
    data = read_ratings(write_file(tmp_path, "7::8::4::2001-01-01 00:01:49\n"))
    assert rows(data.ratings) == [(7, 8, 4.0, "2001-01-01 00:01:49")]


def test_parquet_of_integers_reads_as_csv_does(tmp_path):
    path = write_parquet(
        tmp_path, {"userId": [1, 2], "x": [[], []], "movieId": [3, 4], "rating": [4.5, 2], "ts": [5, 6]}
    )
    data = read_ratings(path)
    assert rows(data.ratings) == [(1, 3, 4.5, 5), (2, 4, 2.0, 6)]
    assert types(data.ratings)["rating"] == "float32"


@pytest.mark.parametrize(
    ("ids", "expected", "dtype"),
    [
        (pa.array([1, 2], pa.int32()), [1, 2], "int64"),
        (pa.array([1.0, None]), [1, None], "Int64"),
        (pa.array([1.0, float("nan")]), [1, None], "Int64"),
        (pa.array([1.5, 2.0]), ["1.5", "2"], "str"),
        (pa.array([2**64 - 1, 2], pa.uint64()), [str(2**64 - 1), "2"], "str"),
        (pa.array(["007", None]), ["007", None], "str"),
        (pa.array([b"a", b"b"]), ["a", "b"], "str"),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"], "str"),
        (pa.array([7, 9]).dictionary_encode(), [7, 9], "int64"),
        (pa.array([decimal.Decimal(7), None]), [7, None], "Int64"),
    ],
)
def test_parquet_ids_are_exact_integers_or_text(tmp_path, ids, expected, dtype):
    read = read_ratings(write_parquet(tmp_path, {"user": ids, "movie": [3, 4], "rating": [4.5, 2]})).ratings.user_id
    assert [None if pd.isna(value) else value for value in read] == expected
    assert str(read.dtype) == dtype


@pytest.mark.parametrize(
    ("ratings", "expected", "dtype"),
    [
        (pa.array([4, 5]), [4.0, 5.0], "float32"),
        (pa.array([4.5, None]), [4.5, np.nan], "float32"),
        (pa.array(["4.5", "3"]), [4.5, 3.0], "float32"),
        (pa.array(["4.5", "good"]), ["4.5", "good"], "str"),
    ],
)
def test_parquet_ratings_are_float32_or_text_where_one_is_no_number(tmp_path, ratings, expected, dtype):
    data = read_ratings(write_parquet(tmp_path, {"user": [1, 2], "movie": [3, 4], "rating": ratings}))
    pd.testing.assert_series_equal(data.ratings.rating, pd.Series(expected, dtype=dtype, name="rating"))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pa.array([60_000], pa.timestamp("ms")), pd.Timestamp("1970-01-01 00:01")),
        (pa.array([60_000], pa.timestamp("ms", "Asia/Tokyo")), pd.Timestamp("1970-01-01 00:01")),
        (pa.array([1], pa.date32()), pd.Timestamp("1970-01-02")),
        (pa.array([60.5]), 60.5),
        (pa.array(["1970-01-02"]), "1970-01-02"),
    ],
)
def test_parquet_times_are_left_as_they_are_in_utc(tmp_path, times, expected):
    data = read_ratings(write_parquet(tmp_path, {"user": [1], "movie": [3], "rating": [4.5], "time": times}))
    assert data.ratings.timestamp.tolist() == [expected]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1::2::3::4\n1::2::3::4::5\n", "ml-1m/ratings.dat:2: 5 columns; a MovieLens 1M file has 4, split by '::'"),
        ("1,2,3,4\n", "ml-1m/ratings.dat:1: 1 column; a MovieLens 1M file has 4, split by '::'"),
        ("1::2::3\n", "ml-1m/ratings.dat:1: 3 columns; a MovieLens 1M file has 4, split by '::'"),
        ("1::2::3::4\n\n\n1::2\n", "ml-1m/ratings.dat:4: 2 columns; a MovieLens 1M file has 4, split by '::'"),
        ("", "ml-1m/ratings.dat: no ratings"),
    ],
)
def test_a_broken_ratings_dat_is_refused_with_its_line(tmp_path, content, message):
    folder = write_folder(tmp_path / "ml-1m", {"ratings.dat": content.encode()})
    assert refusal(folder) == message
    archive = write_zip(tmp_path / "ml.zip", {"ratings.dat": content.encode()}, "ml-1m/")
    assert refusal(archive) == f"ml.zip/{message}"


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
        ("ml-25m", "movies.csv", b"id,title\n1,A\n", ":1: columns id, title; expected movieId, title and genres"),
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
    assert refusal(folder).startswith(f"{name}/{table}{message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": empty; expected ratings"),
        ("\n \n", ": empty; expected ratings"),
        ("user,movie,rating\n", ": no ratings"),
        ("user,movie,rating", ": no ratings"),
        ("user movie rating\n7 8 4\n", ":1: one column; expected user, movie and rating columns, split by one of '::'"),
        ("user,movie,rating\n7,8,4\n7,8,4,1\n", ":3: 4 columns; line 1 has 3, split by ','"),
        ("\nuser,movie,rating\n\n7,8\n", ":4: 2 columns; line 2 has 3, split by ','"),
        ("1,2,3,4\n1,2,3", ":2: 3 columns; line 1 has 4, split by ','"),
        ("1,2,3,4,5\n", ":1: 5 columns, split by ','; a file without a header has 3 or 4: user, movie, rating"),
        ("1,2\n", ":1: 2 columns, split by ','; a file without a header has 3 or 4: user, movie, rating"),
        ("user,movie,stars,Score\n7,8,4,5\n", ":1: columns 'stars' and 'Score' could each be the rating; keep one"),
        ("user,user,movie,rating\n7,7,8,4\n", ":1: columns 'user' and 'user' could each be the user_id; keep one"),
        ("user,movie,date,rating,time\n", ":1: columns 'date' and 'time' could each be the timestamp; keep one"),
    ],
)
def test_a_file_that_is_no_table_of_ratings_is_refused(tmp_path, text, message):
    assert refusal(write_file(tmp_path, text)).startswith(f"mine.csv{message}")


@pytest.mark.parametrize(("missing", "spelling"), [("user", "reviewerid"), ("movie", "asin"), ("rating", "stars")])
def test_a_missing_column_is_named_with_what_was_found_and_what_is_accepted(tmp_path, missing, spelling):
    names = [name for name in ("user", "movie", "rating", "other") if name != missing]
    message = refusal(write_file(tmp_path, ",".join(names) + "\n7,8,4\n"))
    assert message.startswith(f"mine.csv:1: no {missing}")
    assert "'other'" in message
    assert f" {spelling}," in message


def test_bytes_that_are_no_utf8_in_an_id_are_refused_with_their_line(tmp_path):
    assert refusal(write_file(tmp_path, b"user,movie,rating\n\na,8,4\n\xff,8,4\n")) == "mine.csv:4: not UTF-8 text"


def test_a_broken_line_after_many_is_refused_with_its_line(tmp_path):
    text = "user,movie,rating\r\n" + "\r\n7,8,4\r\n" * 200_000 + "7,8\r\n"
    assert refusal(write_file(tmp_path, text)) == "mine.csv:400002: 2 columns; line 1 has 3, split by ','"


def test_a_log_is_read_as_what_stands_in_it(tmp_path):
    log = RatingsLog(tmp_path / FILE_NAME)
    log.append([Entry("7", 8, 4.0, 90), Entry("9", 8, 2.0, 91), Entry("7", 8, 4.5, 92), Entry("9", 8, None, 93)])
    data = read_ratings(tmp_path / FILE_NAME)
    log.close()
    assert rows(data.ratings) == [("7", 8, 4.5, 92)]
    assert (data.source, data.rating_scale) == (str(tmp_path / FILE_NAME), None)
    assert [len(table) for table in (data.movies, data.users, data.tags)] == [0, 0, 0]


def test_a_log_with_nothing_in_it_has_no_ratings(tmp_path):
    RatingsLog(tmp_path / FILE_NAME).close()
    assert len(read_ratings(tmp_path / FILE_NAME).ratings) == 0


def test_a_log_with_ids_of_both_kinds_is_refused(tmp_path):
    log = RatingsLog(tmp_path / FILE_NAME)
    log.append([Entry(7, "8", 4.0, 90), Entry(7, 8, 2.0, 91)])
    log.close()
    assert refusal(tmp_path / FILE_NAME).startswith(f"{FILE_NAME}: some movie ids are integers and some are text")


def test_a_line_longer_than_arrow_takes_is_refused(tmp_path):
    text = "user,movie,rating,note\n7,8,4,x\n" + "7,8,4," + "x" * 3_000_000 + "\n"
    assert refusal(write_file(tmp_path, text)).startswith("mine.csv: cannot be read as text split by ','")


def test_a_binary_file_is_refused(tmp_path):
    assert refusal(write_file(tmp_path, b"\x7fELF\0\0")) == "mine.csv: a binary file; expected text or Parquet"


def test_a_missing_path_is_refused(tmp_path):
    assert refusal(tmp_path / "none") == "none: no such file or folder"


def test_a_path_that_the_system_refuses_is_refused(tmp_path, monkeypatch):
    path = write_file(tmp_path, "7,8,4\n")

    def deny(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "open", deny)
    assert refusal(path) == "mine.csv: cannot be read: [Errno 13] Permission denied"


def test_a_folder_of_other_files_is_refused_with_what_was_found(tmp_path):
    folder = write_folder(tmp_path / "mine", {"notes.txt": b"", "a.csv": b""})
    found = "mine: no MovieLens ratings; found a.csv, notes.txt; expected u.data or ratings.dat or ratings.csv"
    assert refusal(folder).startswith(found)


def test_an_empty_folder_is_refused(tmp_path):
    assert "found nothing; expected u.data" in refusal(write_folder(tmp_path / "mine", {}))


def test_an_archive_without_ratings_is_refused_with_what_was_found(tmp_path):
    path = write_zip(tmp_path / "mine.zip", {"notes.txt": b"", "ml/movies.dat": b""})
    assert "mine.zip/: no MovieLens ratings; found ml, notes.txt; expected u.data" in refusal(path)


def test_an_archive_of_two_editions_is_refused(tmp_path):
    path = write_zip(tmp_path / "two.zip", {"a/u.data": b"", "b/ratings.csv": b""})
    assert refusal(path).startswith("two.zip: ratings in several folders: a, b;")


@pytest.mark.parametrize("name", ["cut.zip", "cut.csv.gz"])
def test_an_archive_cut_short_is_refused(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 1000, (20_000, 3))
    ratings = b"user,movie,rating\n" + b"".join(b"%d,%d,%d\n" % tuple(row) for row in noise)
    if name.endswith(".zip"):
        whole = write_zip(tmp_path / "whole.zip", {"ratings.csv": ratings}).read_bytes()
    else:
        whole = gzip.compress(ratings)
    assert refusal(write_file(tmp_path, whole[: len(whole) // 2], name)).startswith(f"{name}: cannot be read: ")


def test_a_damaged_member_is_named(tmp_path):
    path = write_zip(tmp_path / "ml.zip", ML_1M, "ml-1m/")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("ml-1m/ratings.dat")
    content = bytearray(path.read_bytes())
    content[info.header_offset + 30 + len(info.filename)] ^= 0xFF  # a local header has 30 bytes and the name
    path.write_bytes(content)
    assert refusal(path).startswith("ml.zip/ml-1m/ratings.dat: cannot be read: ")


@pytest.mark.parametrize("name", ["mine.parquet", "mine.pq"])
def test_what_only_has_the_name_of_parquet_is_refused(tmp_path, name):
    assert refusal(write_file(tmp_path, "user,movie,rating\n7,8,4\n", name)).startswith(
        f"{name}: cannot be read as Parq"
    )


def test_what_only_has_the_name_of_gzip_is_refused(tmp_path):
    assert refusal(write_file(tmp_path, "7,8,4\n", "mine.csv.gz")).startswith(
        "mine.csv.gz: cannot be read: Not a gzipp"
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"user": [1], "rating": [4]},
            "mine.parquet: no movie_id column among 'user', 'rating'; accepted names: movie, ",
        ),
        (
            {"user": [1], "uid": [1], "movie": [1], "rating": [4]},
            "mine.parquet: columns 'user' and 'uid' could each be",
        ),
        ({"user": [[1]], "movie": [1], "rating": [4]}, "mine.parquet: column 'user' cannot be the user_id: "),
        ({"user": [1], "movie": [1], "rating": [{"a": 1}]}, "mine.parquet: column 'rating' cannot be the rating: "),
        ({"user": [], "movie": [], "rating": []}, "mine.parquet: no ratings"),
    ],
)
def test_parquet_without_usable_columns_is_refused(tmp_path, columns, message):
    assert refusal(write_parquet(tmp_path, columns)).startswith(message)


def assert_read_or_refused(path: pathlib.Path) -> None:
    try:
        data, message = read_ratings(path), None
    except InputError as error:
        data, message = None, str(error)
    if data is None:
        assert str(path) in message
        return
    assert list(data.movies) == ["movie_id", "title", "genres"]
    assert list(data.users) == ["user_id", "age", "gender", "occupation"]
    assert list(data.tags) == ["user_id", "movie_id", "tag", "timestamp"]
    assert {"user_id", "movie_id", "rating"} <= set(data.ratings)
    for column in ("user_id", "movie_id"):
        assert str(data.ratings[column].dtype) in ("int64", "Int64", "str")
        data.ratings[column].tolist()  # undecodable text shows only when it is looked at


many_files = hypothesis.settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
NAMES = st.sampled_from(["a.csv", "a.csv.gz", "a.parquet", "a.zip", "a", "u.item", "movies.dat"])


def valid_files() -> list[bytes]:
    """A file of each kind, as bytes."""
    archive, table = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        for name, content in ML_1M.items():
            members.writestr(f"é/{name}", content)
    columns = {"user": ["a", "b"], "movie": [1, 2], "rating": [4.5, 2.0], "time": [None, 9]}
    pyarrow.parquet.write_table(pa.table(columns), table)
    text = [content for files in EDITIONS.values() for content in files.values()]
    return [*text, gzip.compress(ML_CSV["ratings.csv"]), archive.getvalue(), table.getvalue()]


@st.composite
def mutated_files(draw) -> bytes:
    """A valid file with some of its bytes replaced, doubled, left out or cut off."""
    content = draw(st.sampled_from(valid_files()))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.sampled_from([start, start + 1, start + 20, len(content)]))
        content = content[:start] + draw(st.binary(max_size=4)) + content[stop:]
    return content


@many_files
@hypothesis.given(content=st.binary(max_size=200) | st.text('0179.,:;|\t\r\n" aué\x1f\x00').map(str.encode), name=NAMES)
def test_any_bytes_are_read_or_refused_with_the_name_of_the_file(tmp_path, content, name):
    assert_read_or_refused(write_file(tmp_path, content, name))


@many_files
@hypothesis.given(content=mutated_files(), name=NAMES)
def test_any_damage_to_a_good_file_is_read_or_refused_with_the_name_of_the_file(tmp_path, content, name):
    assert_read_or_refused(write_file(tmp_path, content, name))


@many_files
@hypothesis.given(
    content=mutated_files(), file=st.sampled_from([(name, file) for name in EDITIONS for file in EDITIONS[name]])
)
def test_any_damage_inside_an_edition_is_read_or_refused_with_its_name(tmp_path, content, file):
    edition, damaged = file
    assert_read_or_refused(write_folder(tmp_path / edition, EDITIONS[edition] | {damaged: content}))
