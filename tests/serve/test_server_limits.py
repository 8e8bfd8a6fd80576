"""Tests of the server process, over sockets: many connections, half a request, signals, one server per workdir."""

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

import httpx2
import pytest
from helpers.served import END_SECONDS, ROOT, served, stopped

from movierec_jax.data.readers.ratings_log.reading import FILE_NAME
from movierec_jax.serve.workdir_lock import LOCK

pytestmark = pytest.mark.slow

NUM_IDLE, OPEN_FILES = 2000, 1024
OLD, NEW, READER = "old-token-of-the-tests", "new-token-of-the-tests", "reading-token-of-the-tests"
RATING = b'{"rating": 4.0}'
# The rights by which root writes everywhere.
WITHOUT_ROOTS_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.fixture
def workdir(films_workdir, tmp_path):
    return shutil.copytree(films_workdir, tmp_path / "run")


@pytest.fixture
def many_files():
    """Lets this process have as many open files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(address):
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def send_half(address):
    """Returns a connection that has sent a rating but for the end of its body."""
    connection = connect(address)
    head = f"PUT /v1/users/1/ratings/318 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(RATING)}\r\n"
    connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + RATING[:5])
    # Until the server has read it.
    assert httpx2.get(f"{address}/health").status_code == 200
    return connection


def wait_for(condition):
    for _ in range(100 * END_SECONDS):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it has not happened")


def is_closed(address):
    try:
        connect(address).close()
    except ConnectionRefusedError:
        return True
    return False


def test_idle_connections_leave_room_for_requests(workdir, many_files):
    limit = ["prlimit", f"--nofile={OPEN_FILES}:{OPEN_FILES}"]
    with served(workdir, "--max_client_connections=9999", prefix=limit) as (address, process):
        with contextlib.ExitStack() as stack:
            for _ in range(NUM_IDLE):
                stack.enter_context(connect(address))
            assert httpx2.get(f"{address}/health").status_code == 200
            assert OPEN_FILES / 2 < len(os.listdir(f"/proc/{process.pid}/fd")) < OPEN_FILES
            for user in range(1, 30):
                assert httpx2.get(f"{address}/v1/users/{user}/recommendations").status_code == 200
            assert httpx2.put(f"{address}/v1/users/1/ratings/318", json={"rating": 4}).status_code == 200
        assert stopped(process) == (143, "stopped by SIGTERM\n")


def test_a_signal_lets_requests_finish_and_waits_for_no_half_sent_one(workdir):
    with served(workdir) as (address, process), send_half(address) as never, send_half(address) as late:
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: is_closed(address))
        late.sendall(RATING[5:])
        assert late.recv(4096).startswith(b"HTTP/1.1 200 OK")
        assert never.recv(4096) == b""
        _, errors = process.communicate(timeout=END_SECONDS)
        assert (process.returncode, errors) == (143, "stopped by SIGTERM\n")


def test_a_second_signal_ends_the_service_at_once(workdir):
    with served(workdir) as (address, process), send_half(address):
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: is_closed(address))
        assert stopped(process) == (143, "ended at once by a second SIGTERM\n")


def test_a_workdir_has_one_server_and_a_signal_reloads_its_tokens(workdir, tmp_path):
    path = tmp_path / "tokens.txt"
    path.write_text(f"{OLD}\nread {READER}\n")

    def statuses():
        found = [httpx2.get(f"{address}/v1/model", headers=bearer(token)) for token in (OLD, NEW, READER)]
        return [one.status_code for one in found]

    def reload(text):
        path.write_text(text)
        process.send_signal(signal.SIGHUP)
        return process.stderr.readline()

    with served(workdir, f"--tokens_file={path}") as (address, process):
        second = [sys.executable, str(ROOT / "scripts" / "serve.py"), f"--workdir={workdir}", "--port=0"]
        ended = subprocess.run(second, cwd=ROOT, capture_output=True, text=True, timeout=END_SECONDS)
        assert ended.returncode == 1
        assert f"process {process.pid} of host {socket.gethostname()} serves it since" in ended.stderr
        assert ended.stderr.count("\n") == 1
        assert json.loads((workdir / LOCK).read_text())["pid"] == process.pid
        rate = f"{address}/v1/users/1/ratings/318"
        assert httpx2.put(rate, json={"rating": 4}, headers=bearer(READER)).status_code == 403
        assert httpx2.put(rate, json={"rating": 4}, headers=bearer(OLD)).status_code == 200
        assert statuses() == [200, 401, 200]
        assert reload(f"{NEW}\n") == f"{path}: 1 token read again\n"
        assert statuses() == [401, 200, 401]
        assert reload(f"{OLD}\nshort\n").startswith("warning: the tokens stay as they were: ")
        assert statuses() == [401, 200, 401]
        assert stopped(process) == (143, "stopped by SIGTERM\n")
    assert not (workdir / LOCK).exists()


def test_a_workdir_that_cannot_be_written_is_served_and_says_so(workdir):
    workdir.chmod(0o555)
    before = sorted(workdir.rglob("*"))
    try:
        with served(workdir, "--host=0.0.0.0", prefix=WITHOUT_ROOTS_RIGHTS) as (address, process):
            address = address.replace("0.0.0.0", "127.0.0.1")
            assert httpx2.get(f"{address}/v1/users/1/recommendations").status_code == 200
            found = httpx2.put(f"{address}/v1/users/1/ratings/318", json={"rating": 4})
            assert (found.status_code, found.json()["type"]) == (403, "urn:movierec:read-only")
            _, errors = stopped(process)
    finally:
        workdir.chmod(0o755)
    assert errors.splitlines() == [
        "warning: --host=0.0.0.0: whoever reaches it may read and change everything; see --tokens_file",
        f"warning: {workdir} cannot be written to: ratings are not recorded",
        "stopped by SIGTERM",
    ]
    assert sorted(workdir.rglob("*")) == before
    assert not (workdir / FILE_NAME).exists()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}
