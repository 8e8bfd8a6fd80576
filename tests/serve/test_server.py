"""Tests of the server process: killed, stopped, and given a newer run while it answers."""

import concurrent.futures
import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx2
import pytest
from helpers.served import END_SECONDS, ROOT, served, stopped

from movierec_jax.data.readers.ratings_log.reading import FILE_NAME, read_latest

SERVE = [sys.executable, str(ROOT / "scripts" / "serve.py")]
KILLED_AFTER = 150
WAIT_SECONDS = 120


@pytest.fixture
def workdir(films_workdir, tmp_path):
    """Returns a copy of the run, which tests may change."""
    return shutil.copytree(films_workdir, tmp_path / "run")


@pytest.mark.slow
def test_acknowledged_ratings_survive_a_kill(workdir):
    acknowledged, lock = {}, threading.Lock()

    def rate(user):
        with contextlib.suppress(httpx2.HTTPError), httpx2.Client(base_url=address) as client:
            for number, movie in enumerate(MOVIES * 1000):
                rating = 0.5 + (number // len(MOVIES) + user) % 10 / 2
                if client.put(f"/v1/users/{user}/ratings/{movie}", json={"rating": rating}).status_code == 200:
                    with lock:
                        acknowledged[user, movie] = rating
                        if number >= KILLED_AFTER:
                            process.kill()

    with served(workdir, "--rate_limit=") as (address, process):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(rate, USERS))
        assert process.wait(END_SECONDS) == -signal.SIGKILL
    assert len(acknowledged) >= len(MOVIES)
    columns = ("user_id", "movie_id", "rating")
    latest = read_latest(workdir / FILE_NAME)
    kept = {(user, movie): rating for user, movie, rating in zip(*map(latest.get, columns), strict=True)}
    # A rating in flight at the kill may have been written without being acknowledged.
    late = {pair for pair, rating in acknowledged.items() if kept[pair] != rating}
    assert len(late) <= len(USERS)
    with served(workdir) as (address, process):
        for user in USERS:
            found = httpx2.get(f"{address}/v1/users/{user}/ratings", params={"k": 10_000}).json()["ratings"]
            rating = {one["movie_id"]: one["rating"] for one in found}
            assert {movie: rating[movie] for movie in MOVIES} == {movie: kept[user, movie] for movie in MOVIES}


MOVIES = (318, 296, 2571, 356, 593)
USERS = (42, 7, 70_001, 70_002)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_signal_stops_the_service_with_its_exit_status(workdir, number, status):
    with served(workdir) as (address, process):
        assert httpx2.get(f"{address}/v1/users/42/recommendations").status_code == 200
        found, errors = stopped(process, number)
    assert (found, errors) == (status, f"stopped by {number.name}\n")


@pytest.mark.slow
def test_a_newer_run_is_loaded_without_a_failed_request_and_a_damaged_one_is_not(workdir, tmp_path):
    newer = shutil.copytree(workdir, tmp_path / "newer")
    train = [sys.executable, str(ROOT / "scripts" / "train.py"), f"--workdir={newer}", "--overwrite"]
    train += ["--embedding_dim=8", "--hidden_dims=8", "--implicit_feedback_dim=0", "--epochs=1", "--seed=1"]
    subprocess.run(train, cwd=ROOT, check=True, capture_output=True)
    statuses, ended = [], threading.Event()

    def ask():
        with httpx2.Client(base_url=address) as client:
            while not ended.is_set():
                statuses.append(client.get("/v1/users/42/recommendations").status_code)
                time.sleep(0.02)

    def version_after(change):
        """Returns the model info before a change, and once it differs after it."""
        before = httpx2.get(f"{address}/v1/model").json()
        change()
        for _ in range(10 * WAIT_SECONDS):
            now = httpx2.get(f"{address}/v1/model").json()
            if (now["version"], now["refused"]) != (before["version"], before["refused"]):
                return before, now
            time.sleep(0.1)
        raise AssertionError("the model info has not changed")

    def exchange():
        """Replaces the run as train.py does: the report is deleted first and written last."""
        (workdir / "report.json").unlink()
        shutil.rmtree(workdir / "checkpoints")
        for name in ("config.json", "vocab", "features", "ratings", "movies.parquet"):
            put(newer / name, workdir / name)
        put(newer / "checkpoints", workdir / "checkpoints")
        time.sleep(1)
        put(newer / "report.json", workdir / "report.json")

    def damage():
        for path in (workdir / "checkpoints").rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes()[:10])

    with served(workdir, "--reload_seconds=0.2", "--rate_limit=") as (address, process):
        asking = threading.Thread(target=ask)
        asking.start()
        try:
            before, now = version_after(exchange)
            assert now["refused"] is None
            assert now["version"] != before["version"]
            lists = httpx2.get(f"{address}/v1/users/42/recommendations").json()
            kept, now = version_after(damage)
            assert "checkpoint" in now["refused"]
            assert now["version"] == kept["version"]
            assert httpx2.get(f"{address}/v1/users/42/recommendations").json() == lists
        finally:
            ended.set()
            asking.join()
        _, errors = stopped(process)
        assert "not reloaded" in errors
    assert set(statuses) == {200}
    assert len(statuses) > 50


@pytest.mark.slow
def test_endless_headers_close_the_connection(workdir):
    with served(workdir) as (address, _):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
            with contextlib.suppress(OSError):
                for _ in range(64):
                    client.sendall(b"a" * 2**16)
            with contextlib.suppress(OSError):
                assert client.recv(1) == b""
        assert httpx2.get(f"{address}/health", headers={"x": "a" * 30_000}).status_code == 200
        with httpx2.Client(base_url=address) as client:
            responses = [client.post("/v1/recommendations", json={"ratings": [], "k": k}) for k in range(1, 5)]
        assert [one.status_code for one in responses] == [200] * 4


def put(source, target):
    """Copies a file or a folder over another."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def failed(*flags):
    ended = subprocess.run([*SERVE, *flags], cwd=ROOT, capture_output=True, text=True, timeout=WAIT_SECONDS)
    assert ended.returncode == 1
    assert ended.stdout == ""
    return ended.stderr


@pytest.mark.slow
def test_a_port_in_use_is_named(workdir):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert failed(f"--workdir={workdir}", f"--port={port}") == f"error: 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workdir=/nowhere"], "error: /nowhere: no config.json; name a folder that movierec train has written"),
        pytest.param(
            ["--workdir=s3://bucket/run"],
            "error: --workdir=s3://bucket/run: name a local folder",
            marks=pytest.mark.slow,
        ),
        (["--port=70000"], "error: --port=70000: must be 0 to 65535"),
        (["--rate_limit=fast"], "error: --rate_limit=fast: must be a number per second"),
        (["--max_batch=0"], "error: --max_batch=0: must be 1 or more"),
        (["--reload_seconds=nan"], "error: --reload_seconds=nan: must be 0 or more"),
        pytest.param(["--mesh=data:999"], "error: --mesh=data:999", marks=pytest.mark.slow),
    ],
)
def test_bad_flags_end_with_one_line(workdir, flags, message):
    found = failed(*([] if any("workdir" in flag for flag in flags) else [f"--workdir={workdir}"]), *flags)
    assert found.startswith(message)
    assert found.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no tokens; write one per line"),
        pytest.param("short\n", "tokens.txt:1: not a token; use 16 or more letters", marks=pytest.mark.slow),
        pytest.param(
            "good-token-of-words\nwith a space in between\n", "tokens.txt:2: not a token", marks=pytest.mark.slow
        ),
        pytest.param("\xff\xfe", "not a text file", marks=pytest.mark.slow),
    ],
)
def test_an_invalid_tokens_file_is_refused_without_showing_its_lines(workdir, tmp_path, text, message):
    path = tmp_path / "tokens.txt"
    path.write_bytes(text.encode("latin-1"))
    found = failed(f"--workdir={workdir}", f"--tokens_file={path}")
    assert message in found
    assert not text.strip() or text.strip() not in found
