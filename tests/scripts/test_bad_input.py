"""Bad input gives one message with what is wrong and where, exit status 1, and changes no file.

Each row of the tables works in its own copy of a folder with ratings (good.csv) and a run trained on them (run).
"""

import contextlib
import gzip
import hashlib
import io
import json
import pathlib
import resource
import shlex
import shutil
import sqlite3
import subprocess
import sys
import zipfile

import pandas as pd
import pytest
from helpers.commands import run_command

ROOT = pathlib.Path(__file__).parents[2]
GOOD = [(user, movie, 1 + (user * movie) % 5) for user in range(1, 9) for movie in range(11, 19) if (user + movie) % 4]
TABLE = pd.DataFrame(GOOD, columns=["user", "movie", "rating"])


def csv(rows=GOOD, header="user,movie,rating") -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def rated(rating) -> str:
    """The good ratings, all with this value."""
    return csv([(user, movie, rating) for user, movie, _ in GOOD])


def parquet(table: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_parquet(stream)
    return stream.getvalue()


def zipped(name: str, content: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def sqlite() -> bytes:
    """An SQLite file with a table."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE ratings (user, movie, rating)")
        return connection.serialize()


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def edit(section, name, value):
    """An edit of a config.json: one value of a section, or of the top level."""

    def edited(content: bytes) -> bytes:
        values = json.loads(content)
        (values["settings"][section] if section else values)[name] = value
        return json.dumps(values).encode()

    return edited


def apply(files: dict) -> None:
    """Writes files: their content, a function of the old content, or None to remove; "name/" makes a folder."""
    for name, content in files.items():
        path = pathlib.Path(name)
        if content is None:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif name.endswith("/"):
            path.mkdir()
        else:
            content = content(path.read_bytes()) if callable(content) else content
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)


def snapshot() -> dict[str, str]:
    """Every folder and file with the hash of its content, but for what a run that began has left in "new"."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in pathlib.Path().rglob("*")
        if path.parts[0] != "new"
    }


# What makes a run small; the same for all, so that JAX compiles once.
SMALL = "--ratings=good.csv --epochs=2 --embedding_dim=2 --hidden_dims= --eval_k=1 --relevant_rating=1"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    with contextlib.chdir(folder):
        apply({"good.csv": csv()})
        status, _, messages = run_command(f"train {SMALL} --workdir=run")
    assert (status, messages) == (0, "")
    return folder


@pytest.fixture
def folder(original, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(original, tmp_path / "work"))


# Each row: what is wrong, the files that make it so, the command, and what the message must contain.
EVALUATE, SCORE = "evaluate --workdir=run", "score --workdir=run"
LOG, EXTRA = "run/ratings_log.sqlite", "train --ratings=good.csv --extra_ratings="
BAD, TEST = "train --ratings=bad.csv", "train --ratings=good.csv --test_ratings=bad.csv"
RATINGS = [
    ("a missing file", {}, BAD, "bad.csv: no such file"),
    ("an empty file", {"bad.csv": ""}, BAD, "bad.csv: empty"),
    ("a header only", {"bad.csv": csv([])}, BAD, "bad.csv: no ratings"),
    ("a wrong separator", {"bad.csv": csv().replace(",", "/")}, BAD, "bad.csv:1: one column"),
    ("a binary file", {"bad.csv": bytes(range(256))}, BAD, "bad.csv: a binary file"),
    ("a line too long", {"bad.csv": csv([*GOOD, (1, 2, 3, 4)])}, BAD, f"bad.csv:{len(GOOD) + 2}: 4 columns"),
    ("a cut zip", {"a.zip": half(zipped("ratings.csv", csv()))}, "train --ratings=a.zip", "a.zip: cannot be read"),
    (
        "a zip without ratings",
        {"a.zip": zipped("a.txt", "a")},
        "train --ratings=a.zip",
        "a.zip/a.txt:1: one column; expected user, movie",
    ),
    ("a cut gzip", {"a.gz": half(gzip.compress(csv().encode()))}, "train --ratings=a.gz", "a.gz: cannot be read"),
    (
        "a Parquet file that is none",
        {"a.parquet": csv()},
        "train --ratings=a.parquet",
        "a.parquet: cannot be read as Parquet",
    ),
    ("a cut Parquet", {"a.pq": half(parquet(TABLE))}, "train --ratings=a.pq", "a.pq: cannot be read as Parquet"),
    ("a folder without ratings", {"sub/a.txt": ""}, "train --ratings=sub", "sub/a.txt: empty; expected ratings"),
    ("a column twice", {"bad.csv": csv(header="user,user,rating")}, BAD, "'user' and 'user' could each be the user_id"),
    ("a missing column", {"bad.csv": csv(header="user,thing,rating")}, BAD, "bad.csv:1: no movie_id column"),
    (
        "two rating columns",
        {"bad.csv": csv(header="user,movie,rating,score")},
        BAD,
        "'rating' and 'score' could each be",
    ),
    ("extra ratings that are not there", {}, f"{EXTRA}bad.csv", "bad.csv: no such file"),
    ("text for a log", {LOG: csv()}, f"{EXTRA}{LOG}", f"{LOG}: cannot be read as a ratings log (file is not a"),
    ("a log cut to nothing", {LOG: ""}, f"{EXTRA}{LOG}", f"{LOG}: an SQLite file, but no ratings log"),
    ("another SQLite file", {"a.db": sqlite()}, f"{EXTRA}a.db", "a.db:ratings: no ratings"),
    (
        "extra ratings with ids of another kind",
        {"bad.csv": "user,movie,rating\nann,11,4\n"},
        f"{EXTRA}bad.csv",
        "bad.csv: user_id such as 'ann' where the other ratings have 1: write ids the same way",
    ),
    ("ratings in words", {"bad.csv": rated("good")}, BAD, "48 of 48 rows (100%) left out: rating is not a number"),
    ("ratings that are nan", {"bad.csv": rated("nan")}, BAD, "48 of 48 rows (100%) left out: no rating"),
    ("infinite ratings", {"bad.csv": rated("inf")}, BAD, "such as 'inf'"),
    ("ratings outside the scale", {}, "train --ratings=good.csv --rating_scale=7,9", "left out: rating outside 7 to 9"),
    ("one user", {"bad.csv": csv([row for row in GOOD if row[0] == 1])}, BAD, "at least 2 users are needed"),
    ("one movie", {"bad.csv": csv([row for row in GOOD if row[1] == 11])}, BAD, "at least 2 movies are needed"),
    ("one rating", {"bad.csv": csv(GOOD[:1])}, BAD, "bad.csv: at least 2 users are needed, 1 found"),
    ("two ratings", {"bad.csv": csv([(1, 1, 1), (2, 2, 5)])}, BAD, "--valid_fraction=0.02 of 1 ratings leaves none"),
    ("no timestamps", {}, "train --ratings=good.csv --split=time", "48 of 48 have none"),
    (
        "rating_time without timestamps",
        {},
        "train --ratings=good.csv --rating_time",
        "--rating_time: no rating of good.csv has",
    ),
    ("a missing test file", {}, TEST, "bad.csv: no such file"),
    ("an empty test file", {"bad.csv": ""}, TEST, "bad.csv: empty"),
    (
        "a test file of train ratings",
        {"bad.csv": csv()},
        TEST,
        "bad.csv: each of its 48 pairs of user and movie is also in",
    ),
    ("words for ids in test", {"bad.csv": csv([("a", "b", 3)])}, TEST, "user_id such as 'a' where train has 1"),
    ("words for ids in new ratings", {"bad.csv": csv([(1, "b", 3)])}, f"{EVALUATE} --ratings=bad.csv", "such as 'b'"),
]
MOVIES, USERS = "train --ratings=good.csv --movie_features=bad.csv", "train --ratings=good.csv --user_features=bad.csv"
FEATURES = [
    ("missing features", {}, MOVIES, "bad.csv: no such file"),
    ("missing features of users", {}, USERS, "bad.csv: no such file"),
    ("empty features", {"bad.csv": ""}, MOVIES, "bad.csv: empty; expected a column of movie_id"),
    ("features without rows", {"bad.csv": "movie,mood\n"}, MOVIES, "bad.csv: no rows below the columns movie, mood"),
    (
        "features without ids",
        {"bad.csv": "thing,mood\n1,dark\n"},
        MOVIES,
        "bad.csv:1: no movie_id column among 'thing', ",
    ),
    ("features of movies for users", {"bad.csv": "movie,mood\n11,dark\n"}, USERS, "bad.csv:1: no user_id column among"),
    (
        "features with an id twice",
        {"bad.csv": "movie,mood\n11,dark\n12,dark\n11,bright\n"},
        MOVIES,
        "bad.csv:4: movie_id 11 again, first in line 2",
    ),
    (
        "features of unknown movies",
        {"bad.csv": "movie,mood\n91,dark\n92,bright\n"},
        MOVIES,
        "bad.csv: none of its 2 movies, such as '91', '92', is among those of the data, such as 11, 12, 13",
    ),
    ("features given twice", {"bad.csv": "movie,mood\n11,dark\n"}, f"{MOVIES},bad.csv", "bad.csv: given twice"),
    ("a line of features too long", {"bad.csv": "user,age\n1,20,3\n"}, USERS, "bad.csv:2: 3 columns; line 1 has 2"),
    ("binary features", {"bad.csv": bytes(range(256))}, MOVIES, "bad.csv: a binary file"),
    (
        "cut Parquet features",
        {"a.pq": half(parquet(TABLE))},
        MOVIES.replace("bad.csv", "a.pq"),
        "a.pq: cannot be read as Parquet",
    ),
]
FLAGS = [
    (flag, {}, f"train --ratings=good.csv {flag}", expected or f"{flag}: must be")
    for flag, expected in [
        ("--epoch=3", "Unknown command line flag 'epoch'"),
        ("epochs=3", "'epochs=3' is not a flag"),
        ("--embedding_dim=0", ""),
        ("--embedding_dim=-1", ""),
        ("--embedding_dim=abc", "--embedding_dim=abc: invalid literal"),
        ("--hidden_dims=a,b", ""),
        ("--hidden_dims=8,0", ""),
        ("--history=banana", "--history=banana: must be one of user, movie"),
        ("--history=user,film", "--history=film: must be one of user, movie"),
        ("--dropout=1", ""),
        ("--precision=float16", ""),
        ("--learning_rate=0", ""),
        ("--learning_rate=nan", ""),
        ("--learning_rate=inf", ""),
        ("--batch_size=0", ""),
        ("--ensemble_size=0", ""),
        ("--ensemble_size=many", "--ensemble_size=many: invalid literal"),
        ("--embedding_decay=-1", ""),
        ("--shrinkage=nan", ""),
        ("--epochs=0", ""),
        ("--split=banana", ""),
        ("--content=banana", ""),
        ("--content=year,none", "--content=none: must be one of genres, year, tags"),
        ("--test_fraction=0", ""),
        ("--test_fraction=1", ""),
        ("--test_fraction=2", ""),
        ("--rating_scale=5,1", ""),
        ("--rating_scale=5", ""),
        ("--rating_scale=low,high", ""),
        ("--eval_k=0", ""),
        ("--eval_k=", ""),
        ("--relevant_rating=abc", "--relevant_rating=abc: could not convert"),
        ("--relevant_rating=nan", ""),
        ("--overwrite=perhaps", "--overwrite=perhaps"),
        ("--min_user_ratings=7", "48 rows (user with too few ratings)"),
    ]
]
AGAIN, NEW, CONFIG = f"train {SMALL} --workdir=run", f"train {SMALL} --workdir=new", "run/config.json"
WORKDIRS = [
    ("a file for a workdir", {}, "train --ratings=good.csv --workdir=good.csv", "good.csv: File exists"),
    ("a workdir below a file", {}, "train --ratings=good.csv --workdir=good.csv/run", "good.csv/run"),
    ("a run on other data", {"good.csv": csv(GOOD[1:])}, AGAIN, "run holds a run on other data: good.csv"),
    ("a run of other settings", {}, f"{AGAIN} --seed=3", "run holds a run with other settings: --seed=3 (was 0)"),
    ("checkpoints without config.json", {CONFIG: None}, AGAIN, "run: has checkpoints but no config.json"),
    ("a cut report.json", {"run/report.json": half}, AGAIN, "run/report.json: not JSON"),
    ("a learning rate that diverges", {}, f"{NEW} --learning_rate=1e38", "diverged: the error at step"),
    ("one step that diverges", {}, f"{NEW} --learning_rate=1e38 --warmup_fraction=0 --epochs=1", "diverged"),
    ("a batch beyond any memory", {}, f"{NEW} --batch_size={10**15}", "Unable to allocate"),
    ("no workdir", {}, "score --workdir=nowhere", "nowhere: no config.json"),
    ("a file to evaluate", {}, "evaluate --workdir=good.csv", "good.csv: no config.json"),
    ("a cut config", {CONFIG: half}, SCORE, "run/config.json: not JSON"),
    ("a binary config", {CONFIG: bytes(range(256))}, SCORE, "run/config.json: not JSON"),
    ("a config that is a list", {CONFIG: "[]"}, SCORE, "run/config.json: not the settings of a run"),
    ("an older workdir", {CONFIG: edit(None, "format", 7)}, SCORE, "run/config.json: workdir format 7, written by"),
    ("a later workdir", {CONFIG: edit(None, "format", 99)}, AGAIN, "run/config.json: workdir format 99, written by"),
    ("an edited config", {CONFIG: edit("train", "epochs", 3)}, SCORE, "run/config.json: has changed since it was"),
    ("no user ids", {"run/vocab/users.parquet": None}, SCORE, "run/vocab/users.parquet: is missing"),
    ("other ids", {"run/vocab/movies.parquet": parquet(TABLE)}, SCORE, "run/vocab/movies.parquet: has changed since"),
    ("no checkpoints", {"run/checkpoints": None}, EVALUATE, "run/checkpoints: no checkpoint; run movierec train"),
    (
        "an empty checkpoint folder",
        {"run/checkpoints": None, "run/checkpoints/": ""},
        SCORE,
        "no checkpoint; run movierec train",
    ),
]
TWO, OUTPUT = f"{SCORE} --top_k=2", f"{SCORE} --top_k=2 --output="
SCORING = [
    ("top_k of 0", {}, f"{SCORE} --top_k=0", "--top_k=0: must be 1 or more"),
    ("top_k above the catalogue", {}, f"{SCORE} --top_k=9", "top_k=9: must be 1 to 8, the number of movies"),
    ("blocks of 0 users", {}, f"{TWO} --block_users=0", "block_users=0: must be 1 or more"),
    ("an unknown user", {}, f"{TWO} --user_id=1 --user_id=99", "unknown user id 99: not among the 8 users"),
    ("a user of 30 digits", {}, f"{TWO} --user_id={'7' * 30}", "777: the ids of this data are integers"),
    ("a user in words", {}, f"{TWO} --user_id=bob", "user id 'bob': the ids of this data are integers, such as 1"),
    ("no users file", {}, f"{TWO} --users_file=a.txt", "a.txt: No such file"),
    ("an empty users file", {"a.txt": "\n"}, f"{TWO} --users_file=a.txt", "a.txt: no user ids"),
    ("a binary users file", {"a.txt": b"\xff\xfe"}, f"{TWO} --users_file=a.txt", "a.txt: not a text file"),
    ("a users file of words", {"a.txt": "1\nbob\n"}, f"{TWO} --users_file=a.txt", "a.txt:2: user id 'bob'"),
    ("a users file of unknown users", {"a.txt": f"1\n{'7' * 30}"}, f"{TWO} --users_file=a.txt", "777: the ids of"),
    ("an output without a folder", {}, f"{OUTPUT}no/a.csv", "--output=no/a.csv: the folder no does not exist"),
    ("an output of another ending", {}, f"{OUTPUT}a.txt", "--output=a.txt: must end in .parquet or .csv"),
    ("an output that is a folder", {"a.csv/": ""}, f"{OUTPUT}a.csv", "--output=a.csv: is a folder"),
    ("a process id too large", {}, f"{TWO} --num_processes=2 --process_id=2", "--process_id=2: must be 0 to 1"),
    (
        "a number of processes without an id",
        {},
        f"{TWO} --num_processes=2",
        "--num_processes and --process_id: give both",
    ),
    ("no processes", {}, f"{TWO} --num_processes=0 --process_id=0", "--num_processes=0: must be 1 or more"),
    (
        "several processes that train without an address",
        {},
        f"{AGAIN} --num_processes=2 --process_id=0",
        "also give --coordinator_address",
    ),
    (
        "an address without a port",
        {},
        f"{AGAIN} --coordinator_address=here --num_processes=2 --process_id=0",
        "--coordinator_address=here: must be auto, or a host and a port",
    ),
    (
        "an address without a number of processes",
        {},
        f"{AGAIN} --coordinator_address=a:1",
        "give --num_processes and --process_id with it",
    ),
    (
        "coordinator auto with a number of processes",
        {},
        f"{AGAIN} --coordinator_address=auto --num_processes=2 --process_id=0",
        "finds out --num_processes and --process_id; give neither",
    ),
    (
        "coordinator auto on one machine",
        {},
        f"{AGAIN} --coordinator_address=auto",
        "--coordinator_address=auto: the processes do not meet",
    ),
    ("a dataset of CSV", {}, f"{OUTPUT}a.csv --num_processes=2 --process_id=0", "--output=a.csv: must end in .parquet"),
    ("figures without a folder", {}, f"{EVALUATE} --output=no/a.json", "--output=no/a.json: the folder no"),
    (
        "a diversity of 1",
        {},
        f"{EVALUATE} --diversities=0,1",
        "--diversities=1: must be 0 or more and below 1",
    ),
    (
        "a diversity in words",
        {},
        f"{EVALUATE} --diversities=some",
        "--diversities=some: must be comma-separated numbers",
    ),
    ("lists of length 0", {}, f"{EVALUATE} --eval_k=0", "--eval_k=0: must be lengths of 1 or more"),
]
EXPORT = "export --workdir=run --output=new"
EXPORTING = [
    ("an export of no run", {}, "export --workdir=nowhere --output=new", "nowhere: no config.json"),
    (
        "an export onto a run",
        {},
        "export --workdir=run --output=run",
        "--output=run: holds checkpoints, which no export has",
    ),
    ("an export onto a file", {}, f"{EXPORT} --output=good.csv", "--output=good.csv: is a file; name a folder"),
    ("an export without a folder", {}, f"{EXPORT} --output=no/new", "--output=no/new: the folder no does not exist"),
    (
        "lists of length 0 to export",
        {},
        f"{EXPORT} --top_k=0",
        "--top_k=0: must be 1 to 8, the number of movies trained on",
    ),
    ("too long lists to export", {}, f"{EXPORT} --top_k=9", "--top_k=9: must be 1 to 8, the number of movies"),
]
BENCHMARK = [
    (flag, {}, f"benchmark --ratings=good.csv --baselines=biases --output=figures {flag}", expected)
    for flag, expected in [
        ("--suite=banana", "--suite=banana: must be one of rating"),
        ("--baselines=biases,oracle", "--baselines=oracle: must be one of biases, "),
        ("--baselines=biases,biases", "--baselines=biases,biases: must be different"),
        ("--seeds=0,one", "--seeds=0,one: must be comma-separated numbers"),
        ("--seeds=-1", "--seeds=-1: must be 0 to"),
        ("--epochs=0", "--epochs=0: must be"),
        ("--valid_ratings=good.csv", "--valid_ratings=good.csv: every model"),
        ("--test_ratings=a.csv,b.csv", "--test_ratings: 2 given for 1 of --ratings"),
        ("--ratings=bad.csv", "bad.csv: no such file"),
        ("--output=good.csv", "good.csv: File exists"),
        ("--output=good.csv/figures", "good.csv/figures: Not a directory"),
    ]
]

ROWS = [*RATINGS, *FEATURES, *FLAGS, *WORKDIRS, *SCORING, *EXPORTING, *BENCHMARK]


def assert_one_message(messages: str, expected: str) -> None:
    lines = messages.splitlines()
    assert [line.startswith("error: ") for line in lines] == [True] + [False] * (len(lines) - 1)
    assert expected in lines[0]
    assert "Traceback" not in messages


@pytest.mark.usefixtures("folder")
@pytest.mark.filterwarnings("ignore:.* cannot be read and is skipped:UserWarning")
@pytest.mark.parametrize(
    ("files", "command", "expected"),
    [pytest.param(*row, id=name) for name, *row in ROWS],
)
def test_bad_input_gives_one_message_with_what_and_where_and_changes_no_file(files, command, expected):
    apply(files)
    before = snapshot()
    status, _, messages = run_command(command)
    assert status == 1
    assert_one_message(messages, expected)
    assert snapshot() == before


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("output", ["a.csv", "a.parquet"])
def test_a_full_disk_leaves_the_earlier_file(output):
    apply({output: "the lists of yesterday"})
    before = snapshot()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        status, _, messages = run_command(f"{OUTPUT}{output}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 1
    assert_one_message(messages, f"{output}: ")
    assert "File too large" in messages
    assert snapshot() == before


@pytest.mark.usefixtures("folder")
def test_a_full_disk_leaves_the_earlier_export():
    assert run_command(f"{EXPORT} --output=lists --top_k=2")[::2] == (0, "")
    before = snapshot()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        status, _, messages = run_command(f"{EXPORT} --output=lists")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 1
    assert_one_message(messages, "lists: File too large")
    assert snapshot() == before


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_training_stopped_by_a_full_disk_resumes_once_there_is_room():
    before = snapshot()
    command = shlex.split(NEW)
    command[0] = str(ROOT / "scripts" / "train.py")
    # In blocks of 1024 bytes; enough for the tables of the run, not for its checkpoints.
    limited = ["bash", "-c", 'ulimit -f 5; exec "$0" "$@"', sys.executable, *command]
    ended = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert_one_message(ended.stderr, "new/checkpoints: checkpoint cannot be written")
    assert snapshot() == before
    assert run_command(NEW)[::2] == (0, "")


def test_text_ids_and_ids_of_30_digits_are_kept_unchanged(tmp_path, monkeypatch, original):
    monkeypatch.chdir(tmp_path)
    users = dict(enumerate(["12", "a2", "007", "-1", "1.5", "é", "7" * 30, "x y"], start=1))
    movies = {movie: str(movie) * 15 for movie in range(11, 19)}
    rows = [(users[user], movies[movie], rating) for user, movie, rating in GOOD]
    apply({"good.csv": csv(rows), "users.txt": f"a2\n{'7' * 30}\n"})
    assert run_command(AGAIN)[::2] == (0, "")
    assert run_command(f"{TWO} --output=all.parquet")[0] == 0
    lists = pd.read_parquet("all.parquet")
    assert lists["user_id"].unique().tolist() == sorted(users.values())
    assert set(lists["movie_id"]) <= set(movies.values())
    seen = {row[:2] for row in rows}
    assert not seen & set(lists[["user_id", "movie_id"]].itertuples(index=False, name=None))
    assert run_command(f"{TWO} --users_file=users.txt --output=some.csv")[0] == 0
    assert pd.read_csv("some.csv", dtype=str)["user_id"].tolist() == ["a2"] * 2 + ["7" * 30] * 2
    assert "recommended to user a2" in run_command(f"{TWO} --user_id=a2")[1]
