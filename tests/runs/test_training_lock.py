"""One training at a time writes to a workdir; locks that killed trainings leave do not last."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from movierec_jax.errors import InputError
from movierec_jax.runs.training_lock import LOCK, training_lock

HERE = socket.gethostname()


@pytest.fixture(params=["folder", "url"])
def place(request, tmp_path):
    """A workdir, as a path and as a URL, and the path of its lock."""
    folder = tmp_path / "run"
    return (folder if request.param == "folder" else f"file://{folder}"), folder / LOCK


def hold(place):
    """Holds a lock as another process of this machine would; returns that process."""
    program = (
        "import sys; from movierec_jax.runs.training_lock import training_lock\n"
        "with training_lock(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_training_is_refused_and_told_who_trains_until_the_first_is_killed(place):
    workdir, lock = place
    holder = hold(workdir)
    with (
        pytest.raises(InputError, match=rf"process {holder.pid} of host {HERE} trains there since 20\d\d-"),
        training_lock(workdir),
    ):
        pass
    holder.kill()
    holder.communicate()
    assert lock.exists()
    with training_lock(workdir):
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    assert not lock.exists()


def test_a_lock_leaves_nothing_behind(place, tmp_path):
    with training_lock(place[0]):
        pass
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def write_lock(lock, renewals=0):
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = {"host": "elsewhere", "pid": 7, "since": "today", "renewals": renewals}
    lock.write_text(json.dumps(holder))


def test_the_lock_of_another_machine_holds_while_it_is_renewed(place):
    workdir, lock = place
    write_lock(lock)
    renewal = threading.Timer(0.2, write_lock, [lock, 1])
    renewal.start()
    with (
        pytest.raises(InputError, match=r"process 7 of host elsewhere trains there since today"),
        training_lock(workdir, expiry=30.0),
    ):
        pass
    renewal.join()


@pytest.mark.parametrize("content", ['{"host": "elsewhere", "pid": 7}', "{}", '{"pid": []}', "[" * 9999, "\0"])
def test_the_lock_of_another_machine_expires_whatever_it_says(place, content, capsys):
    workdir, lock = place
    write_lock(lock)
    lock.write_text(content)
    with training_lock(workdir, expiry=0.05):
        assert json.loads(lock.read_text())["host"] == HERE
    assert "to see whether host" in capsys.readouterr().out


@pytest.mark.parametrize("change", [shutil.rmtree, lambda folder: folder.rename(folder.with_name("moved"))])
def test_a_workdir_that_is_moved_or_removed_is_noticed(tmp_path, change):
    with training_lock(tmp_path / "run") as require_there:
        require_there()
        change(tmp_path / "run")
        with pytest.raises(OSError, match="has been moved or removed while it trains"):
            require_there()


def test_what_fails_in_a_workdir_that_is_gone_fails_because_of_that(tmp_path):
    with pytest.raises(OSError, match="has been moved or removed"), training_lock(tmp_path / "run"):  # noqa: PT012
        shutil.rmtree(tmp_path / "run")
        raise ValueError("no such file")
    with pytest.raises(ValueError, match="no such file"), training_lock(tmp_path / "run"):
        raise ValueError("no such file")


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / LOCK).symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match=LOCK), training_lock(tmp_path):
        pass
    assert (tmp_path / "mine").read_text() == "mine"
