"""What was recorded is there, in order and with its kind of ids, whoever writes or is killed meanwhile."""

import contextlib
import itertools
import pathlib
import sqlite3
import subprocess
import sys
import threading

import hypothesis
import hypothesis.strategies as st
import pandas as pd
import pytest

from movierec_jax.data.readers.ratings_log.entries import Entry, NotInterested
from movierec_jax.data.readers.ratings_log.log import RatingsLog
from movierec_jax.data.readers.ratings_log.reading import FILE_NAME, is_log, read_latest, read_not_interested
from movierec_jax.errors import InputError

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path):
    return tmp_path / FILE_NAME


def record(path: pathlib.Path, *entries) -> None:
    """Appends entries, one after the other, to a log that is opened for it."""
    log = RatingsLog(path)
    for entry in entries:
        log.append([Entry(*entry)])
    log.close()


def rows(table: pd.DataFrame) -> list[tuple]:
    return list(table.itertuples(index=False, name=None))


def latest_by_hand(entries: list[Entry]) -> list[Entry]:
    """The last entry of each pair, by where it stands, without those that take back."""
    last: dict = {}
    for entry in entries:
        last.pop(entry[:2], None)
        last[entry[:2]] = entry
    return [entry for entry in last.values() if entry.rating is not None]


# What it gives back.


def test_the_last_entry_of_each_pair_counts_in_the_order_of_recording(path):
    record(path, (1, 7, 4.0, 100), (1, 8, 3.0, 101), (2, 7, 2.5, 102), (1, 7, 5.0, 90))
    assert rows(read_latest(path)) == [(1, 8, 3.0, 101), (2, 7, 2.5, 102), (1, 7, 5.0, 90)]


def test_a_retracted_rating_is_gone_until_it_is_given_again(path):
    record(path, (1, 7, 4.0, 100), (1, 8, 3.0, 101), (1, 7, None, 102), (1, 9, None, 103))
    assert rows(read_latest(path)) == [(1, 8, 3.0, 101)]
    record(path, (1, 7, 2.0, 104))
    assert rows(read_latest(path)) == [(1, 8, 3.0, 101), (1, 7, 2.0, 104)]


def test_what_users_are_not_interested_in_is_no_rating(path):
    log = RatingsLog(path)
    marks = [(1, 7, True, 100), (1, 8, True, 101), (1, 7, False, 102), (2, 7, True, 103)]
    log.append([Entry(1, 9, 4.0, 99), *(NotInterested(*mark) for mark in marks)])
    assert rows(log.not_interested()) == [(1, 8, 101), (2, 7, 103)]
    log.close()
    assert rows(read_latest(path)) == [(1, 9, 4.0, 99)]
    assert rows(read_not_interested(path)) == [(1, 8, 101), (2, 7, 103)]


def test_a_log_of_an_earlier_version_keeps_its_ratings_and_takes_movies_of_no_interest(path):
    record(path, (1, 7, 4.0, 100))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE not_interested")
    assert rows(read_not_interested(path)) == []
    log = RatingsLog(path)
    log.append([NotInterested(1, 8, True, 101)])
    log.close()
    assert (rows(read_latest(path)), rows(read_not_interested(path))) == ([(1, 7, 4.0, 100)], [(1, 8, 101)])


def test_ids_keep_their_kind(path):
    most = 2**63 - 1
    record(path, ("7", -most - 1, 1.0, 1), (7, "é\0", 2.0, 2), ("07", most, 3.0, 3), ("", "1e3", 4.0, 4))
    assert rows(read_latest(path)) == [
        ("7", -most - 1, 1.0, 1),
        (7, "é\0", 2.0, 2),
        ("07", most, 3.0, 3),
        ("", "1e3", 4.0, 4),
    ]


@pytest.mark.parametrize(
    ("ids", "dtype"), [((1, 2), "int64"), (("1", "2"), "str"), ((1, "2"), "object"), ((), "int64")], ids=str
)
def test_columns_have_the_types_of_the_ids(path, ids, dtype):
    record(path, *((found, 7, 4.0, 1) for found in ids))
    table = read_latest(path)
    assert table.dtypes.to_dict() == {"user_id": dtype, "movie_id": "int64", "rating": "float64", "timestamp": "int64"}
    assert table["user_id"].tolist() == list(ids)


IDS = st.integers(-2, 2) | st.sampled_from(["0", "1", "-1"])
ENTRIES = st.builds(Entry, IDS, IDS, st.none() | st.floats(0, 5), st.integers(-(2**63), 2**63 - 1))


@hypothesis.settings(max_examples=25)
@hypothesis.given(st.lists(st.lists(ENTRIES, max_size=6), max_size=4))
def test_a_log_returns_the_latest_ratings_of_any_entries(tmp_path_factory, appended):
    path = tmp_path_factory.mktemp("log") / FILE_NAME
    log = RatingsLog(path)
    for entries in appended:
        log.append(entries)
    expected = [tuple(entry) for entry in latest_by_hand([*itertools.chain(*appended)])]
    assert rows(log.latest()) == expected
    log.close()
    assert rows(read_latest(path)) == expected


# Writers and readers.


def test_what_is_appended_is_read_at_once_by_the_log_and_by_others(path):
    log = RatingsLog(path)
    for number in range(3):
        log.append([Entry(number, 7, 4.0, 100)])
        assert len(log.latest()) == len(read_latest(path)) == number + 1
    log.close()


def test_a_reader_leaves_no_file_beside_a_closed_log(path):
    record(path, (1, 7, 4.0, 100))
    before = path.read_bytes()
    path.chmod(0o400)
    path.parent.chmod(0o500)
    assert rows(read_latest(path)) == [(1, 7, 4.0, 100)]
    path.parent.chmod(0o700)
    assert (path.read_bytes(), list(path.parent.iterdir())) == (before, [path])


def test_a_copy_that_sqlite_makes_of_an_open_log_is_a_log(path):
    log = RatingsLog(path)
    log.append([Entry("7", 7, 4.0, 100)])
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"VACUUM INTO '{path.parent}/copy.sqlite'")
    log.append([Entry("7", 8, 4.0, 101)])
    assert rows(read_latest(path.with_name("copy.sqlite"))) == [("7", 7, 4.0, 100)]
    log.close()


def test_many_threads_open_and_write_one_log_and_read_meanwhile(path):
    failures, start = [], threading.Barrier(4)

    def work(user: int) -> None:
        try:
            start.wait()
            log = RatingsLog(path)
            for movie in range(10):
                log.append([Entry(user, movie, 4.0, movie)])
                assert (log.latest()["user_id"] == user).sum() == movie + 1
            log.close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(user,)) for user in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(read_latest(path)) == 4 * 10


def test_a_log_is_written_and_read_by_threads_that_did_not_open_it(path):
    log = RatingsLog(path)
    threads = [threading.Thread(target=log.append, args=([Entry(user, 7, 4.0, 1)],)) for user in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(log.latest()["user_id"]) == [0, 1, 2, 3]
    log.close()


WRITER = """
import itertools, pathlib, sys
from movierec_jax.data.readers.ratings_log.entries import Entry
from movierec_jax.data.readers.ratings_log.log import RatingsLog
log, first = RatingsLog(pathlib.Path(sys.argv[1])), int(sys.argv[2])
for number in itertools.count(first):
    log.append([Entry(number, 7, 4.0, 1), Entry(number, 8, 3.0, 1)])
    print(number, flush=True)
"""


def test_a_killed_process_loses_nothing_that_it_has_acknowledged(path):
    acknowledged: list[int] = []
    for round_number in range(4):
        first = 1000 * round_number
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(first)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert writer.stdout is not None
        # The last round is killed at once, wherever it then is.
        acknowledged += [int(writer.stdout.readline()) for _ in range((1, 20, 5, 0)[round_number])]
        writer.kill()
        acknowledged += [int(line) for line in writer.stdout.read().splitlines()]
        writer.wait()
        writer.stdout.close()
        # Both entries of an append, or neither; at most one append that was not acknowledged.
        table = read_latest(path)
        users = table.drop_duplicates("user_id")["user_id"].tolist()
        assert len(table) == 2 * len(users)
        assert set(acknowledged) <= set(users)
        assert len(users) <= len(acknowledged) + round_number + 1
    record(path, (-1, 7, 4.0, 1))
    assert -1 in read_latest(path)["user_id"].tolist()


# Compaction, and files that go.


def count_of(path, table: str) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@hypothesis.settings(max_examples=25)
@hypothesis.given(st.lists(ENTRIES, max_size=12))
def test_compaction_leaves_what_counts(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("log") / FILE_NAME
    log = RatingsLog(path)
    marks = [NotInterested(one.user_id, one.movie_id, one.rating is not None, one.timestamp) for one in entries]
    log.append([*entries, *marks])
    before = rows(log.latest()), rows(log.not_interested())
    log.compact()
    assert (rows(log.latest()), rows(log.not_interested())) == before
    log.close()
    assert (count_of(path, "entries"), count_of(path, "not_interested")) == tuple(map(len, before))


def test_many_entries_of_one_pair_become_one_and_the_file_small(path):
    log = RatingsLog(path)
    log.append([Entry(1, 7, number % 5, number) for number in range(20_000)])
    before = log.num_bytes()
    log.compact()
    assert rows(log.latest()) == [(1, 7, 4.0, 19_999)]
    assert log.num_bytes() < before / 10
    log.append([Entry(1, 7, 1.0, 1)])
    assert rows(log.latest()) == [(1, 7, 1.0, 1)]
    log.close()


COMPACTOR = """
import pathlib, sys
from movierec_jax.data.readers.ratings_log.log import RatingsLog
log = RatingsLog(pathlib.Path(sys.argv[1]))
print("opened", flush=True)
for _ in range(1000):
    log.compact()
"""


def test_a_log_whose_compaction_is_killed_has_all_that_counts(path):
    log = RatingsLog(path)
    log.append([Entry(user, movie, 4.0, 1) for user in range(4000) for movie in (1, 1, 2)])
    expected = rows(log.latest())
    log.close()
    process = subprocess.Popen([sys.executable, "-c", COMPACTOR, str(path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    log = RatingsLog(path)
    assert rows(log.latest()) == expected
    log.close()


def test_the_file_alone_has_all_that_is_settled(path):
    log = RatingsLog(path)
    for number in range(3):
        log.append([Entry(number, 7, 4.0, 1)])
        log.settle()
        alone = path.with_name(f"{number}.sqlite")
        # Through another process, since to close the file would drop SQLite's locks.
        subprocess.run(["cp", path, alone], check=True)
        assert len(read_latest(alone)) == number + 1
    log.close()


@pytest.mark.parametrize("suffix", ["", "-wal"])
@pytest.mark.parametrize("is_replaced", [False, True], ids=["removed", "replaced"])
def test_a_file_of_the_log_that_goes_is_noticed_and_no_rating_is_lost(path, suffix, is_replaced):
    log = RatingsLog(path)
    log.append([Entry(1, 7, 4.0, 1)])
    assert log.moved_file() is None
    gone = path.with_name(path.name + suffix)
    kept = gone.rename(path.with_name("kept"))
    if is_replaced:
        gone.write_bytes(kept.read_bytes())
    assert log.moved_file() == gone
    with pytest.raises(OSError, match="moved or removed"):
        log.append([Entry(1, 8, 4.0, 2)])
    log.close()
    gone.unlink(missing_ok=True)
    if not suffix:
        kept.rename(path)
    assert rows(read_latest(path)) == [(1, 7, 4.0, 1)]


def test_a_write_ahead_log_that_goes_while_somebody_reads_loses_nothing(path):
    log = RatingsLog(path)
    log.append([Entry(1, 7, 4.0, 1)])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        log.append([Entry(1, 8, 4.0, 2)])
    path.with_name(path.name + "-wal").unlink()
    with pytest.raises(OSError, match="moved or removed"):
        log.append([Entry(1, 9, 4.0, 3)])
    log.close()
    assert [movie for _, movie, *_ in rows(read_latest(path))] == [7, 8]


def test_a_log_is_opened_to_read_without_a_trace(path):
    record(path, (1, 7, 4.0, 100))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE not_interested")
    before = path.read_bytes()
    log = RatingsLog(path, is_read_only=True)
    assert (log.newest_users(9), log.entries_of(1), log.entries_of(2)) == ([1], [Entry(1, 7, 4.0, 100)], [])
    assert (log.id_examples(), len(log.not_interested())) == (([1], [7]), 0)
    assert (path.read_bytes(), list(path.parent.iterdir())) == (before, [path])
    log.close()


# What is refused.


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ((2**63, 7, 4.0, 1), r"user_id '9223372036854775808': must be an integer of 64 bits, or text"),
        ((1, "\ud800", 4.0, 1), r"movie_id .*: must be an integer of 64 bits, or text"),
        ((True, 7, 4.0, 1), r"user_id 'True': must be"),
        ((1, 7, float("nan"), 1), r"rating nan: must be a number, or none"),
        ((1, 7, float("inf"), 1), r"rating inf: must be a number, or none"),
        ((1, 7, 4.0, 2**63), r"timestamp 9223372036854775808: must be whole seconds"),
    ],
    ids=["beyond 64 bits", "no UTF-8", "no id", "nan", "infinite", "no time"],
)
def test_an_entry_that_cannot_be_kept_is_refused_with_its_whole_batch(path, entry, message):
    log = RatingsLog(path)
    with pytest.raises(InputError, match=message):
        log.append([Entry(1, 7, 4.0, 1), Entry(*entry)])
    assert len(log.latest()) == 0
    log.append([Entry(1, 8, 4.0, 1)])
    assert rows(log.latest()) == [(1, 8, 4.0, 1)]
    log.close()


def other_sqlite(path: pathlib.Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE movies (title)")
    connection.commit()
    connection.close()


def of_another_format(path: pathlib.Path) -> None:
    record(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9")
    connection.close()


def cut(path: pathlib.Path) -> None:
    record(path, *((user, 7, 4.0, 1) for user in range(500)))
    path.write_bytes(path.read_bytes()[:6000])


NO_LOGS = {
    "text": (
        lambda path: path.write_text("user,movie,rating\n" * 99),
        r"cannot be read as a ratings log \(file is not",
    ),
    "other SQLite": (other_sqlite, r"an SQLite file, but no ratings log; name one"),
    "other format": (of_another_format, r"a ratings log of format 9; this version of movierec_jax reads 1"),
    "cut short": (cut, r"cannot be read as a ratings log \(database disk image is malformed"),
}


@pytest.mark.parametrize(("make", "message"), NO_LOGS.values(), ids=NO_LOGS)
@pytest.mark.parametrize("read", [read_latest, RatingsLog], ids=["to read", "to write"])
def test_a_file_that_is_no_log_is_refused_and_left_as_it_was(path, read, make, message):
    make(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=rf"^{path}: {message}"):
        read(path)
    assert (path.read_bytes(), list(path.parent.iterdir())) == (before, [path])


@pytest.mark.parametrize("name", ["missing/a.sqlite", "."], ids=["no folder", "a folder"])
def test_a_log_that_cannot_be_opened_is_an_error_of_the_system_that_names_it(tmp_path, name):
    with pytest.raises(OSError, match="unable to open database file") as error:
        RatingsLog(tmp_path / name)
    assert error.value.filename == str(tmp_path / name)


def test_a_file_begun_by_a_killed_process_becomes_a_log(path):
    path.touch()
    with pytest.raises(InputError, match="no ratings log"):
        read_latest(path)
    record(path, (1, 7, 4.0, 1))
    assert len(read_latest(path)) == 1


@pytest.mark.parametrize(("name", "content"), [(FILE_NAME, b""), ("copy.db", None), ("a.csv", b"1,7,4\n")])
def test_a_log_is_recognised_by_its_name_or_content(tmp_path, name, content):
    if content is None:
        record(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content)
    assert is_log(tmp_path / name) == (name != "a.csv")
