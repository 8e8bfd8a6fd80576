"""Checks which files of a folder are read, what is said of the others, and ratings in parts."""

import gzip

import pyarrow as pa
import pytest
from helpers.input_files import parquet_bytes, refusal_by, rows, types, write_file, write_folder, write_zip
from helpers.movielens import ML_1M, ML_CSV

from movierec_jax.data.readers.ratings import read_ratings

HEADER = b"user,movie,rating\n"


def test_the_only_table_of_a_folder_is_read_with_the_tables_beside_it(tmp_path):
    files = {"mine.jsonl": b'{"user": 1, "movie": 296, "rating": 4}\n', "movies.csv": ML_CSV["movies.csv"]}
    data = read_ratings(write_folder(tmp_path / "a", files | {"README": b"x"}))
    assert rows(data.ratings) == [(1, 296, 4.0)]
    assert (len(data.movies), data.source) == (3, f"mine.jsonl in {tmp_path / 'a'}")


def test_ratings_with_stars_are_taken_before_others(tmp_path):
    files = {"seen.csv": b"user,movie,time\n1,2,3\n", "mine.csv": HEADER + b"7,8,4\n"}
    assert rows(read_ratings(write_folder(tmp_path / "a", files)).ratings) == [(7, 8, 4.0)]


def test_the_outermost_ratings_are_taken(tmp_path):
    write_folder(tmp_path / "a" / "old", {"ratings.csv": ML_CSV["ratings.csv"]})
    write_folder(tmp_path / "a", {"mine.csv": HEADER + b"7,8,4\n"})
    assert rows(read_ratings(tmp_path / "a").ratings) == [(7, 8, 4.0)]
    (tmp_path / "a" / "mine.csv").unlink()
    assert read_ratings(tmp_path / "a").source == f"MovieLens CSV in {tmp_path / 'a'}"


def test_the_only_file_of_a_folder_is_refused_for_what_is_wrong_with_it(tmp_path):
    folder = write_folder(tmp_path / "a", {"mine.csv": HEADER + b"7,8\n", "README.md": b"x"})
    assert refusal_by(read_ratings, folder) == "a/mine.csv:2: 2 columns; line 1 has 3, split by ','"


@pytest.mark.parametrize("names", [("ratings.csv.gz", "movies.csv.gz"), ("Ratings.csv", "Movies.csv")])
def test_an_edition_may_be_packed_and_in_capitals(tmp_path, names):
    ratings, movies = (gzip.compress(ML_CSV[name]) for name in ("ratings.csv", "movies.csv"))
    data = read_ratings(write_folder(tmp_path / "a", {names[0]: ratings, names[1]: movies}))
    assert (len(data.movies), data.rating_scale) == (3, (0.5, 5))


# Ratings in parts


def parts(count: int = 3) -> dict[str, bytes]:
    return {f"part-{n:05}-c000.csv": HEADER + b"%d,8,4\n" % n for n in range(count)}


@pytest.mark.parametrize("name", ["ratings.csv", "out"])
def test_the_parts_of_spark_are_read_in_order(tmp_path, name):
    marks = {"_SUCCESS": b"", "._SUCCESS.crc": b"crc", ".part-00000-c000.csv.crc": b"crc", "_committed_1": b"{}"}
    folder = write_folder(tmp_path / name, parts() | marks)
    data = read_ratings(folder)
    assert rows(data.ratings) == [(0, 8, 4.0), (1, 8, 4.0), (2, 8, 4.0)]
    assert (data.source, data.notes) == (str(folder), ("3 parts, part-00000-c000.csv to part-00002-c000.csv",))
    assert rows(read_ratings(tmp_path).ratings) == rows(data.ratings)


def test_parts_are_ordered_by_their_numbers(tmp_path):
    files = {f"part.{n}.csv": b"%d,8,4\n" % n for n in (10, 2, 1)}
    assert read_ratings(write_folder(tmp_path / "a", files)).ratings.user_id.tolist() == [1, 2, 10]


@pytest.mark.parametrize(
    "name", ["part-{:05}.snappy.parquet", "part-{:05}.gz.parquet", "{}.part", "ratings-{:012}.parquet", "part-r-{:05}"]
)
def test_parts_may_be_parquet(tmp_path, name):
    contents = [parquet_bytes(user=pa.array(users, pa.int32()), movie=users, rating=users) for users in ([1], [], [2])]
    files = {name.format(n): content for n, content in enumerate(contents)}
    assert rows(read_ratings(write_folder(tmp_path / "r.parquet", files)).ratings) == [(1, 1, 1.0), (2, 2, 2.0)]


def test_parts_may_be_packed_and_empty(tmp_path):
    files = {name + ".gz": gzip.compress(content) for name, content in parts().items()}
    empty = {"part-00003.csv.gz": gzip.compress(b""), "part-00004.csv": b"", "part-00005.csv": HEADER}
    assert len(read_ratings(write_folder(tmp_path / "a", files | empty)).ratings) == 3


def test_a_header_may_stand_in_the_first_part_alone(tmp_path):
    files = {"part-0.csv": b"movie,rating,user\nm1,4,7\n", "part-1.csv": b"m2,5,8\n", "part-2.csv": b"3,2,9\n"}
    ratings = read_ratings(write_folder(tmp_path / "a", files)).ratings
    assert rows(ratings[["user_id", "movie_id", "rating"]]) == [(7, "m1", 4.0), (8, "m2", 5.0), (9, "3", 2.0)]
    assert types(ratings) == {"user_id": "int64", "movie_id": "str", "rating": "float32"}


def test_parts_in_folders_of_a_column_are_read_together(tmp_path):
    for year in (2001, 2002):
        write_folder(tmp_path / "r" / f"year={year}", {"part-00000.csv": HEADER + b"%d,8,4\n" % year})
    assert read_ratings(tmp_path / "r").ratings.user_id.tolist() == [2001, 2002]


def test_parts_in_an_archive_are_read(tmp_path):
    files = {f"ratings.csv/{name}": content for name, content in parts().items()}
    assert len(read_ratings(write_zip(tmp_path / "a.zip", files | {"ratings.csv/_SUCCESS": b""})).ratings) == 3


def test_parts_with_other_columns_are_refused(tmp_path):
    files = parts() | {"part-00003.csv": b"user,movie,rating,time\n1,2,3,4\n"}
    message = refusal_by(read_ratings, write_folder(tmp_path / "a", files))
    assert message.startswith("a/part-00003.csv: columns of movie_id, rating, timestamp, user_id; the first part has")


def test_parts_without_any_rating_are_refused(tmp_path):
    folder = write_folder(tmp_path / "a", {"part-0.csv": HEADER, "part-1.csv": b""})
    assert refusal_by(read_ratings, folder) == "a: no ratings in any of 2 parts"


# Folders that look like MovieLens


def ratings_csv(values) -> bytes:
    lines = [f"{n % 40},{n},{value},9" for n, value in enumerate(values)]
    return ("userId,movieId,rating,timestamp\n" + "\n".join(lines) + "\n").encode()


def test_a_scale_that_the_ratings_do_not_keep_is_not_taken(tmp_path):
    folder = write_folder(tmp_path / "a", ML_CSV | {"ratings.csv": ratings_csv(n % 10 + 1 for n in range(400))})
    data = read_ratings(folder)
    assert (len(data.ratings), data.rating_scale) == (400, None)
    assert data.notes == (
        "200 of 400 ratings, such as 6, lie outside 0.5 to 5, the scale of MovieLens CSV; the scale is inferred from "
        "the ratings instead",
    )


@pytest.mark.parametrize(("num_outside", "scale"), [(2, (0.5, 5)), (3, None)])
def test_a_few_errors_leave_the_scale_of_an_edition(tmp_path, num_outside, scale):
    folder = write_folder(tmp_path / "a", {"ratings.csv": ratings_csv([99] * num_outside + [4] * (400 - num_outside))})
    assert read_ratings(folder).rating_scale == scale


TWEETINGS = {
    "ratings.dat": b"1::0114508::8::1381006850\n2::0208092::5::1586466072\n2::10048342::10::1579057827\n",
    "movies.dat": "0114508::Species (1995)::Action|Horror\n0208092::Amélie (2000)::\n".encode(),
    "users.dat": b"1::139564917\n2::522540374\n",
}


@pytest.mark.parametrize("files", [TWEETINGS, {name: TWEETINGS[name] for name in ("ratings.dat", "movies.dat")}])
def test_movietweetings_has_a_scale_to_10_and_ids_of_imdb(tmp_path, files):
    folder = write_folder(tmp_path / "a", files)
    data = read_ratings(folder)
    assert (data.source, data.rating_scale) == (f"MovieTweetings in {folder}", (0, 10))
    assert data.movies.title.tolist() == ["Species (1995)", "Amélie (2000)"]
    assert data.links.imdb_id.tolist() == [114508, 208092, 10048342]
    assert data.ratings.movie_id.isin(data.movies.movie_id).tolist() == [True, True, False]
    assert (len(data.users), data.notes) == (0, ())


def test_movielens_1m_with_ratings_to_10_is_not_movietweetings(tmp_path):
    data = read_ratings(write_folder(tmp_path / "a", ML_1M | {"ratings.dat": b"1::1193::9::9\n2::661::10::9\n"}))
    assert data.rating_scale is None


def test_kaggles_names_of_movielens_20m_are_known(tmp_path):
    files = {name.replace("s.csv", ".csv"): content for name, content in ML_CSV.items()}
    data = read_ratings(write_folder(tmp_path / "a", files))
    assert (len(data.movies), len(data.tags), len(data.links), data.rating_scale) == (3, 2, 2, (0.5, 5))
    beside = read_ratings(tmp_path / "a" / "rating.csv")
    assert (len(beside.movies), len(beside.tags), len(beside.links)) == (3, 2, 2)


def test_movies_may_lack_genres_and_be_split_by_semicolons(tmp_path):
    files = {
        "ratings.csv": ML_CSV["ratings.csv"].replace(b",", b";"),
        "movies.csv": 'movieId;title\n296;"Misérables; Les (1995)"\n306;Cats\n'.encode("latin-1"),
    }
    data = read_ratings(write_folder(tmp_path / "a", files))
    assert rows(data.movies) == [(296, "Misérables; Les (1995)", ""), (306, "Cats", "")]
    assert data.rating_scale == (0.5, 5)


def test_tables_of_other_data_are_named_where_ratings_csv_is_no_edition(tmp_path):
    files = {"ratings.csv": b"user_id,movie,rating\n7,8,4\n", "tags.csv": b"tag_id,tag_name\n1,x\n"}
    data = read_ratings(write_folder(tmp_path / "a", files))
    assert (len(data.tags), data.source) == (0, f"ratings.csv in {tmp_path / 'a'}")
    assert data.notes[1].startswith(
        f"tags.csv beside the ratings is not read: {tmp_path / 'a' / 'tags.csv'}:1: columns"
    )


def test_a_file_says_which_table_beside_it_is_not_read(tmp_path):
    write_folder(tmp_path, {"movies.csv": b'movieId,title,genres\n1,"x,Drama\n', "tags.csv": ML_CSV["tags.csv"]})
    data = read_ratings(write_file(tmp_path, "user,movie,rating\n7,8,4\n"))
    assert (len(data.movies), len(data.tags), len(data.notes)) == (0, 2, 1)
    assert data.notes[0].startswith("movies.csv beside the ratings is not read: ")


@pytest.mark.parametrize(
    ("folder", "header", "column"),
    [("dt=2014-05-13", "user_id,movie_id,rating", "timestamp"), ("rating=4", "user_id,movie_id,time", "rating")],
)
def test_ratings_or_times_in_names_of_folders_are_refused(tmp_path, folder, header, column):
    write_folder(tmp_path / "hive" / folder, {"part-00000.csv": f"{header}\n1,2,3\n2,2,4\n".encode()})
    message = refusal_by(read_ratings, tmp_path / "hive")
    assert message.startswith(f"hive: the {column} stands in names of folders, such as '{folder}', which are not read")


def test_other_values_in_names_of_folders_are_mentioned(tmp_path):
    write_folder(tmp_path / "hive" / "bucket=3", {"part-00000.csv": b"user_id,movie_id,rating\n1,2,3\n2,2,4\n"})
    notes = read_ratings(tmp_path / "hive").notes
    assert "values in names of folders, such as 'bucket=3', are not read" in notes
