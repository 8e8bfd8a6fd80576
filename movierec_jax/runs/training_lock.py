"""Lets one training at a time write to a workdir, and notices where the workdir has gone.

training.lock names the process that trains. On one machine the lock is the system's, so it ends with its process. On a
disk or at a URL that several machines share, the holder also renews the file every few seconds; where another machine's
holder has stopped to, its training has ended.
"""

import contextlib
import datetime
import functools
import json
import os
import pathlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from movierec_jax.data.locks import MAX_BYTES, HeldError, is_at, open_locked
from movierec_jax.data.storage import is_url, open_store, translate_url_errors
from movierec_jax.errors import InputError
from movierec_jax.runs import distributed

LOCK = "training.lock"

# How often a holder renews the file, and after how long without that its training counts as ended.
RENEWAL_SECONDS, EXPIRY_SECONDS = 10.0, 35.0


@contextlib.contextmanager
def training_lock(workdir: str | os.PathLike[str], expiry: float = EXPIRY_SECONDS) -> Iterator[Callable[[], None]]:
    """Holds the lock of a workdir; yields a function that raises OSError if the workdir has been moved or removed.

    workdir: a path or URL. A folder is made if it is missing, and removed again if nothing else was written to it. Of
    several processes, process 0 holds the lock for all. expiry: in seconds, after which another machine's holder that
    has not renewed the lock has lost it.
    Raises InputError, saying who trains, where another training holds it.
    """
    with contextlib.ExitStack() as stack:
        reason, require_there = None, check_nothing
        if distributed.is_primary():
            try:
                if is_url(workdir):
                    stack.enter_context(locked_url(str(workdir), expiry))
                else:
                    require_there = stack.enter_context(locked_folder(pathlib.Path(workdir), expiry))
            except (InputError, OSError) as error:
                reason = error
        if not distributed.all_processes_agree(reason is None):
            raise reason or InputError(f"{workdir}: process 0 cannot train there; its message says why")
        yield require_there


def check_nothing() -> None:
    """Stands in where there is nothing to check."""


@contextlib.contextmanager
def locked_folder(folder: pathlib.Path, expiry: float) -> Iterator[Callable[[], None]]:
    """Does the work of `training_lock` for a folder of one process."""
    new_folders = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    try:
        opened = open_locked(path)
    except HeldError as held:
        raise held_error(folder, read_holder(held.content)) from None
    try:
        require_expired(folder, functools.partial(os.pread, opened, MAX_BYTES, 0), expiry)

        def require_there() -> None:
            if not is_at(path, opened):
                raise OSError(None, "has been moved or removed while it trains", str(folder))

        def renew(holder: dict[str, Any]) -> None:
            content = json.dumps(holder).encode()
            os.pwrite(opened, content, 0)
            os.ftruncate(opened, len(content))

        try:
            with renewed(renew):
                yield require_there
        except Exception:
            # Whatever failed, failed because of that.
            require_there()
            raise
        finally:
            if is_at(path, opened):
                path.unlink()
    finally:
        os.close(opened)
        # Fails where the run has written something.
        with contextlib.suppress(OSError):
            for path in new_folders:
                path.rmdir()


@contextlib.contextmanager
def locked_url(url: str, expiry: float) -> Iterator[None]:
    """Does the work of `training_lock` at a URL, whose store knows no locks: two that begin in one second may meet."""
    with translate_url_errors(url):
        filesystem, root = open_store(url)
    path = f"{root}/{LOCK}"

    def read() -> bytes:
        with translate_url_errors(url):
            filesystem.invalidate_cache()
            return filesystem.cat_file(path)[:MAX_BYTES] if filesystem.exists(path) else b""

    def renew(holder: dict[str, Any]) -> None:
        with translate_url_errors(url):
            filesystem.pipe_file(path, json.dumps(holder).encode())

    holder = read_holder(read())
    if is_of_this_host(holder) and is_running(holder["pid"]):
        raise held_error(url, holder)
    require_expired(url, read, expiry)
    try:
        with renewed(renew):
            yield
    finally:
        with contextlib.suppress(OSError), translate_url_errors(url):
            filesystem.rm_file(path)


@contextlib.contextmanager
def renewed(renew: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Writes the holder now and, by a thread, again and again within the context."""
    holder = {**this_holder(), "renewals": 0}
    renew(holder)
    ended = threading.Event()

    def keep_renewing() -> None:
        while not ended.wait(RENEWAL_SECONDS):
            holder["renewals"] += 1
            # The disk may be back before the lock expires.
            with contextlib.suppress(OSError):
                renew(holder)

    thread = threading.Thread(target=keep_renewing, name="training lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def require_expired(where: str | os.PathLike[str], read: Callable[[], bytes], expiry: float) -> None:
    """Waits, where another machine holds a lock, for it to be renewed or to expire. Raises InputError if renewed.

    read: returns the content of the lock file.
    """
    before = read()
    holder = read_holder(before)
    if not before or is_of_this_host(holder):
        return
    print(f"{where}: waits {expiry:.0f} s to see whether host {holder['host']} still trains there", flush=True)
    end = time.monotonic() + expiry
    while time.monotonic() < end:
        time.sleep(min(1.0, expiry / 10))
        if read() not in (before, b""):
            raise held_error(where, holder)


def this_holder() -> dict[str, Any]:
    """Returns what this process writes to a lock file."""
    since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": since}


def read_holder(content: bytes) -> dict[str, Any]:
    """Returns host, process and time of the holder from the content of a lock file; unknown where it has none."""
    holder: dict[str, Any] = {"host": "unknown", "pid": 0, "since": "an unknown time"}
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(content)
        if isinstance(found, dict):
            holder |= {name: found[name] for name in holder if type(found.get(name)) is type(holder[name])}
    return holder


def is_of_this_host(holder: dict[str, Any]) -> bool:
    """Whether the holder of a lock runs, or ran, on this machine."""
    return holder["host"] == socket.gethostname()


def is_running(pid: int) -> bool:
    """Whether another process of this machine has this id."""
    if pid in (0, os.getpid()):
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def in_words(holder: dict[str, Any]) -> str:
    """Names the process that holds a lock."""
    return f"process {holder['pid']} of host {holder['host']}"


def held_error(where: str | os.PathLike[str], holder: dict[str, Any]) -> InputError:
    """Returns the error of a workdir that another training holds."""
    return InputError(
        f"{where}: {in_words(holder)} trains there since {holder['since']}; wait for its end, or name another --workdir"
    )
