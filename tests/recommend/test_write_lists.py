"""Files of lists: the same rows in both formats, the same bytes whatever the blocks, and never an incomplete file."""

import dataclasses
import itertools

import hypothesis
import pandas as pd
import pyarrow as pa
import pytest
from helpers.checkerboard import NUM_USERS, table
from hypothesis import strategies as st

from movierec_jax.data.storage import list_names
from movierec_jax.errors import InputError
from movierec_jax.recommend import write_lists
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.recommend.write_lists import (
    part_for_process,
    read_user_ids,
    readable_lists,
    regroup,
    review_line,
    score_to_file,
)

COLUMNS = {"user_id": "int64", "movie_id": "int64", "rank": "int32", "score": "float32", "predicted_rating": "float32"}
SOME = pd.Index([1001, 1000])


def test_a_parquet_file_holds_the_lists_of_the_users_in_their_order(recommender, tmp_path):
    path = tmp_path / "lists.parquet"
    num_rows = score_to_file(recommender, SOME, path, k=3)
    written = pd.read_parquet(path)
    assert written.dtypes.astype(str).to_dict() == COLUMNS
    assert num_rows == len(written) == 2 * 3
    pd.testing.assert_frame_equal(written, recommender.recommend(SOME, 3), check_exact=True)


def test_a_csv_file_holds_the_same_rows_under_the_same_names(recommender, tmp_path):
    users = recommender.user_ids()
    for ending in ("csv", "parquet"):
        score_to_file(recommender, users, tmp_path / f"lists.{ending}", k=3)
    in_csv = pd.read_csv(tmp_path / "lists.csv", dtype=COLUMNS)
    pd.testing.assert_frame_equal(in_csv, pd.read_parquet(tmp_path / "lists.parquet"), check_exact=True)
    assert (tmp_path / "lists.csv").read_text().splitlines()[0] == ",".join(f'"{name}"' for name in COLUMNS)


def test_a_file_may_have_titles(recommender, tmp_path):
    path = tmp_path / "lists.csv"
    score_to_file(recommender, SOME, path, k=3, titles=True, block_users=1)
    written = pd.read_csv(path)
    assert [*written] == [*COLUMNS, "title", "year", "genres"]
    assert written["title"].tolist() == [f"Film {movie_id}" for movie_id in written["movie_id"]]


def test_texts_of_a_csv_file_may_be_kept_from_being_formulas(recommender, tmp_path):
    titles = ["=1+1", "+1", "-1", "@a", "\t=1", "a=1", "7 Films"]
    table = recommender.run.movie_table.head(len(titles)).assign(title=titles)
    named = dataclasses.replace(recommender, run=dataclasses.replace(recommender.run, movie_table=table))
    written = {}
    for csv_safe in (False, True):
        score_to_file(named, SOME, tmp_path / "a.csv", k=5, include_seen=True, titles=True, csv_safe=csv_safe)
        written[csv_safe] = pd.read_csv(tmp_path / "a.csv", keep_default_na=False)
    plain, safe = written[False]["title"], written[True].pop("title")
    assert (safe == [title if title[:1] not in "=+-@\t" else f"'{title}" for title in plain]).all()
    assert (safe != plain).any()
    # Numbers stay numbers.
    pd.testing.assert_frame_equal(written[True], written[False].drop(columns="title"))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_file_has_the_same_bytes_whatever_the_block_of_users(recommender, tmp_path, monkeypatch, ending):
    # Groups of rows that end neither with a user's list nor with a block.
    monkeypatch.setattr(write_lists, "GROUP_ROWS", 100)
    contents = set()
    for block_users in (1, 70, 1000):
        path = tmp_path / f"{block_users}.{ending}"
        score_to_file(recommender, recommender.user_ids(), path, k=7, block_users=block_users)
        contents.add(path.read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize("num_parts", [1, 2, 7, NUM_USERS + 5])
def test_the_parts_of_a_dataset_are_the_one_file_in_order(recommender, tmp_path, num_parts):
    users = recommender.user_ids()
    score_to_file(recommender, users, tmp_path / "whole.parquet", k=3)
    for number in range(num_parts):
        score_to_file(recommender, *part_for_process(users, tmp_path / "parts.parquet", number, num_parts, []), k=3)
    whole, parts = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("whole", "parts"))
    pd.testing.assert_frame_equal(parts, whole, check_exact=True)


def test_a_part_that_failed_is_written_again_and_one_of_another_number_of_parts_is_refused(recommender, tmp_path):
    output, users = tmp_path / "parts.parquet", recommender.user_ids()
    for number in (0, 1, 1):
        score_to_file(recommender, *part_for_process(users, output, number, 2, list_names(output)), k=3)
    (output / "part-00001-of-00002.parquet.partial").write_text("of a killed one")
    assert part_for_process(users, output, 1, 2, list_names(output))[1].parent == output
    with pytest.raises(
        InputError, match=r"holds part-00000-of-00002\.parquet, which is not one of 3 parts; name another"
    ):
        part_for_process(users, output, 0, 3, list_names(output))


@pytest.mark.parametrize(("name", "message"), [("lists.csv", r"must end in \.parquet"), ("file.parquet", "is a file")])
def test_a_dataset_is_a_folder_of_parquet_files(recommender, tmp_path, name, message):
    (tmp_path / "file.parquet").write_text("")
    with pytest.raises(InputError, match=message):
        part_for_process(recommender.user_ids(), tmp_path / name, 0, 2, [])


def test_seen_movies_are_written_when_asked_for(recommender, tmp_path):
    path = tmp_path / "lists.csv"
    assert score_to_file(recommender, SOME, path, k=24, include_seen=True) == 2 * 24


def test_a_file_holds_filtered_and_diverse_lists(recommender, tmp_path):
    path = tmp_path / "lists.parquet"
    left_out = recommender.recommend(SOME, 4)["movie_id"].iloc[0]
    options = {"movies": recommender.select_movies(exclude_movies=[left_out]), "diversity": 0.9}
    score_to_file(recommender, SOME, path, k=4, **options)
    written = pd.read_parquet(path)
    pd.testing.assert_frame_equal(written, recommender.recommend(SOME, 4, **options), check_exact=True)
    assert left_out not in set(written["movie_id"])
    plain = recommender.recommend(SOME, 4, movies=options["movies"])
    assert written["movie_id"].tolist() != plain["movie_id"].tolist()


def test_users_who_have_seen_everything_give_a_file_without_rows(recommender, tmp_path):
    run = recommender.run
    everything = table(1000, run.movies.ids, 3)
    full = dataclasses.replace(recommender, parts=dataclasses.replace(run.parts, test=everything))
    path = tmp_path / "lists.parquet"
    assert score_to_file(full, pd.Index([1000]), path, k=3) == 0
    assert pd.read_parquet(path).dtypes.astype(str).to_dict() == COLUMNS


def test_the_closing_line_counts_rows_and_users(recommender, tmp_path, capsys):
    score_to_file(recommender, SOME, tmp_path / "lists.csv", k=3)
    assert f"{tmp_path / 'lists.csv'}: 6 rows for 2 users in " in capsys.readouterr().out


def test_the_closing_line_counts_users_without_ratings_in_train(recommender, tmp_path, capsys):
    score_to_file(recommender, pd.Index([1000, 5000]), tmp_path / "lists.csv", k=3)
    assert "  1 of them have no rating in train" in capsys.readouterr().out
    score_to_file(recommender, SOME, tmp_path / "lists.csv", k=3)
    assert "no rating in train" not in capsys.readouterr().out


# A file is complete or not there.


class Stopped(Recommender):
    """A recommender that is stopped by the keyboard after its first block of lists."""

    def recommend_blocks(self, users, k, **options):
        yield next(super().recommend_blocks(users, k, **options))
        raise KeyboardInterrupt


@pytest.mark.parametrize("old", ["old", None])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_writing_that_is_stopped_leaves_the_folder_as_it_was(recommender, tmp_path, monkeypatch, ending, old):
    # Some groups of rows are written by the time the second block is asked for.
    monkeypatch.setattr(write_lists, "GROUP_ROWS", 10)
    path = tmp_path / f"lists.{ending}"
    if old:
        path.write_text(old)
    stopped = Stopped(**{field.name: getattr(recommender, field.name) for field in dataclasses.fields(recommender)})
    with pytest.raises(KeyboardInterrupt):
        score_to_file(stopped, recommender.user_ids(), path, k=5, block_users=64)
    assert [file.read_text() for file in tmp_path.iterdir()] == ([old] if old else [])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_disk_that_fills_up_leaves_the_old_file_alone(recommender, tmp_path, ending):
    path = tmp_path / f"lists.{ending}"
    path.write_text("old")
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            score_to_file(recommender, recommender.user_ids(), path, k=10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(("users", "k", "message"), [([7], 3, "unknown user id 7"), ([1000], 0, "top_k=0")])
def test_what_cannot_be_recommended_leaves_no_file(recommender, tmp_path, users, k, message):
    with pytest.raises(InputError, match=message):
        score_to_file(recommender, pd.Index(users), tmp_path / "lists.csv", k)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lists.txt", r"lists\.txt: must end in \.parquet or \.csv"),
        ("lists", r"lists: must end in \.parquet or \.csv"),
        ("missing/lists.csv", r"the folder .*missing does not exist; make it first"),
        ("folder.csv", r"folder\.csv: is a folder; name a file"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(recommender, tmp_path, name, message):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=message):
        score_to_file(recommender, SOME, tmp_path / name, k=1)


# Groups of rows.


@hypothesis.given(st.lists(st.integers(0, 7), min_size=1, max_size=6), st.integers(1, 5))
def test_groups_hold_the_same_rows_in_order_each_full_but_the_last(sizes, num_rows):
    values = iter(range(100))
    tables = [pa.table({"n": pa.array([next(values) for _ in range(size)], pa.int64())}) for size in sizes]
    groups = [group["n"].to_pylist() for group in regroup(tables, num_rows)]
    assert list(itertools.chain(*groups)) == list(range(sum(sizes)))
    assert [len(group) for group in groups[:-1]] == [num_rows] * (len(groups) - 1)
    assert len(groups[-1]) <= num_rows
    assert len(groups) == max(1, -(-sum(sizes) // num_rows))


# Users by file.


@pytest.mark.parametrize(
    "content",
    ["1005\n1001\n", "1005\r\n1001", "\n 1005 \n\n1001\n1005\n", "\ufeff1005\n1001\n"],
    ids=["plain", "Windows line ends", "blank lines, spaces and repeats", "byte order mark"],
)
def test_a_file_of_user_ids_has_one_on_each_line(recommender, tmp_path, content):
    path = tmp_path / "users.txt"
    path.write_bytes(content.encode())
    assert read_user_ids(path, recommender).tolist() == [1005, 1001]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1005\nbob\n", r"users\.txt:2: user id 'bob': the ids of this data are integers"),
        (b"\n \n", r"users\.txt: no user ids; write one on each line"),
        (b"", r"users\.txt: no user ids"),
        (b"\xff\xfe\x00", r"users\.txt: not a text file"),
    ],
)
def test_a_file_with_a_line_that_cannot_be_an_id_is_refused(recommender, tmp_path, content, message):
    path = tmp_path / "users.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_user_ids(path, recommender)


# Lists as text.


def test_readable_lists_show_ratings_titles_and_genres_of_rated_and_recommended_movies(recommender):
    text = readable_lists(recommender, pd.Index([1000]), k=2)
    rated, recommended = text.split("recommended to user 1000\n\n")
    assert rated.startswith(f"user 1000: {len(recommender.rated_by(1000))} ratings, of which the best\n\n")
    header, *best = rated.splitlines()[2:-1]
    assert header == "  stars  movie_id"
    assert len(best) == 10
    assert best[0] == "   5.00       500  Film 500 (1999)  Even, Drama"
    listed = recommender.recommend([1000], 2)
    header, *lines = recommended.splitlines()
    assert header == "  stars   score  movie_id"
    for line, row in zip(lines, listed.itertuples(), strict=True):
        figures = f"  {row.predicted_rating:5.2f}  {row.score:6.3f}  {row.movie_id:8}"
        assert line == f"{figures}  Film {row.movie_id} (1999)  Even, Drama"


@pytest.mark.parametrize(
    ("movie", "line"),
    [
        (318, "4 reviews, 99% praise; praised: music, acting"),
        (780, "4 reviews, 1% praise; blamed: acting, pace"),
    ],
)
def test_readable_lists_say_what_reviews_say_where_reasons_are_asked_for(reviewed, movie, line):
    options = {"k": 1, "include_seen": True, "movies": pd.Index([movie])}
    plain, explained = (
        readable_lists(reviewed, pd.Index([42]), explain=explain, **options) for explain in (False, True)
    )
    assert explained.startswith(plain)
    assert explained.splitlines()[-1] == f"         {line}"
    assert "% praise" not in readable_lists(reviewed, pd.Index([42]), 1, movies=pd.Index([1]), explain=True)


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ((1, 0.994, [], []), "1 review, 99% praise"),
        (
            (30, 0.86, ["dialogue", "acting"], ["pace"]),
            "30 reviews, 86% praise; praised: dialogue, acting; blamed: pace",
        ),
        ((1200, 0.0, [], ["pace"]), "1,200 reviews, 0% praise; blamed: pace"),
    ],
)
def test_what_reviews_say_is_a_line(columns, line):
    assert review_line(*columns) == line


def test_readable_lists_come_user_by_user(recommender):
    text = readable_lists(recommender, SOME, k=1)
    assert text.index("user 1001:") < text.index("recommended to user 1001") < text.index("user 1000:")


def test_everybody_is_scored_in_rising_order(recommender, tmp_path):
    score_to_file(recommender, recommender.user_ids(), tmp_path / "lists.parquet", k=1)
    assert pd.read_parquet(tmp_path / "lists.parquet")["user_id"].tolist() == [*range(1000, 1000 + NUM_USERS), 5000]


def test_a_readable_list_says_that_its_user_has_no_rating_in_train(recommender):
    text = readable_lists(recommender, pd.Index([1000, 5000]), k=1)
    assert "recommended to user 5000, as to an average user: train has no rating of this one\n" in text
    assert "recommended to user 1000\n" in text
