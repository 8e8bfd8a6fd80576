"""Kills writers of files while they write, over and over, and looks at what they leave.

    python tests/helpers/kills.py WORKDIR 50

A writer of lists, of exports, of cached tables and of whole runs each replaces its output in a loop by one of two
contents, and is killed at random moments, so many times. After every kill a reader must find one of the two, whole;
after the last, a writer that is let finish must leave nothing beside it. Then the server is killed four times as often
while clients rate films, and must know every rating that it has acknowledged. It prints what it found, and ends with an
error at the first loss.
"""

import concurrent.futures
import contextlib
import functools
import hashlib
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import httpx2
import numpy as np
import pyarrow as pa

sys.path.append(str(pathlib.Path(__file__).parents[1]))

from helpers.served import served
from movierec_jax.config import Config, DataConfig, ModelConfig, TrainConfig
from movierec_jax.data.readers.ratings_log.reading import FILE_NAME, read_latest
from movierec_jax.data.readers.table_cache import through_cache
from movierec_jax.recommend.export import export_lists
from movierec_jax.recommend.recommender import load
from movierec_jax.recommend.write_lists import score_to_file
from movierec_jax.runs.replacement import NEXT
from movierec_jax.train import train_run

# A writer is killed within so many seconds of having written both contents, and must have done so within more.
MOST_SECONDS, MOST_WAIT = 2.0, 300
# In the names of what is not finished.
UNFINISHED = (".partial", NEXT)
MOVIES = (318, 296, 2571, 356, 593)
CLIENTS = 8


def write_lists(number: int, workdir: pathlib.Path, output: pathlib.Path) -> None:
    """Writes lists of one length or another to a file."""
    recommender = loaded(workdir)
    score_to_file(recommender, recommender.user_ids()[:100], output / "lists.parquet", 5 + number)


def write_export(number: int, workdir: pathlib.Path, output: pathlib.Path) -> None:
    """Exports lists of one length or another to a folder."""
    export_lists(loaded(workdir), output / "export", 5 + number, None)


def write_cached_table(number: int, workdir: pathlib.Path, output: pathlib.Path) -> None:
    """Reads one file or another through a cache too small for both, which must give that file's table."""
    source, table = workdir / f"source.{number}", pa.table({"rating": np.full(1_000_000, number)})
    source.write_bytes(bytes([number]))
    found = through_cache(output, source, "drill", lambda: table, limit=table.nbytes * 3 // 2)
    assert found.equals(table)


def write_run(number: int, workdir: pathlib.Path, output: pathlib.Path) -> None:
    """Trains a run in place of the one that is there."""
    model = ModelConfig(embedding_dim=2, hidden_dims=(), implicit_feedback_dim=0)
    config = Config(data=DataConfig(), model=model, train=TrainConfig(epochs=1, seed=number, batch_size=32_768))
    train_run(config, output / "run", overwrite=True)


@functools.cache
def loaded(workdir: pathlib.Path):
    return load(workdir, mesh="data:1")


WRITERS = (write_lists, write_export, write_cached_table, write_run)


def content(output: pathlib.Path) -> str:
    """Returns a digest of what a reader finds: of files by their bytes, and of a run by what it recommends."""
    run = output / "run"
    if run.exists():
        recommender = load(run)
        return recommender.recommend(recommender.user_ids()[:3], 3).to_csv()
    names = sorted(path for path in output.rglob("*") if path.is_file() and ".partial" not in str(path))
    parts = [(str(path.relative_to(output)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in names]
    return repr(parts)


def kill_writer(writer, workdir: pathlib.Path, times: int) -> int:
    """Kills a writer so many times; returns how often it left something unfinished beside its output."""
    rng, num_left = np.random.default_rng(0), 0
    with tempfile.TemporaryDirectory() as scratch:
        output, own = pathlib.Path(scratch) / "output", pathlib.Path(scratch) / "workdir"
        shutil.copytree(workdir, own)
        output.mkdir()
        wanted = []
        for number in range(2):
            written(writer, own, output, str(number))
            wanted.append(content(output))
        assert wanted[0] != wanted[1]
        for _ in range(times):
            command = [sys.executable, "-u", __file__, "--write", writer.__name__, str(own), str(output), "0", "1"]
            with subprocess.Popen([*command, "for ever"], stdout=subprocess.PIPE, text=True) as process:
                while process.stdout.readline() != "written\n":
                    assert process.poll() is None
                time.sleep(rng.uniform(0, MOST_SECONDS))
                process.kill()
            num_left += any(mark in str(path) for path in output.rglob("*") for mark in UNFINISHED)
            if writer is not write_cached_table:
                assert content(output) in wanted, sorted(output.rglob("*"))
        written(writer, own, output, "0", "1")
        left = [path for path in output.rglob("*") if any(mark in str(path) for mark in UNFINISHED)]
        assert not left, left
        assert content(output) == wanted[1]
    return num_left


def written(writer, workdir: pathlib.Path, output: pathlib.Path, *numbers: str) -> None:
    """Lets a writer write these contents, and end."""
    command = [sys.executable, __file__, "--write", writer.__name__, str(workdir), str(output), *numbers]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=MOST_WAIT)


def kill_server(workdir: pathlib.Path, times: int) -> int:
    """Kills a server so many times while clients rate; returns the number of ratings that it has acknowledged."""
    rng, acknowledged, total = np.random.default_rng(0), {}, 0
    with tempfile.TemporaryDirectory() as scratch:
        own = shutil.copytree(workdir, pathlib.Path(scratch) / "run")
        for turn in range(times):
            with served(own, "--rate_limit=") as (address, process):
                with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                    clients = [pool.submit(rate, address, 1 + client, turn) for client in range(CLIENTS)]
                    time.sleep(rng.uniform(0.05, MOST_SECONDS / 2))
                    process.kill()
                for client in clients:
                    sent, in_flight = client.result()
                    total += len(sent)
                    acknowledged |= {pair: {rating} for pair, rating in sent}
                    # What was in flight may have been written without being acknowledged.
                    for pair, rating in in_flight:
                        acknowledged[pair] = acknowledged.get(pair, {None}) | {rating}
                assert process.wait(MOST_WAIT) == -signal.SIGKILL
            latest = read_latest(own / FILE_NAME)
            columns = (latest[name] for name in ("user_id", "movie_id", "rating"))
            kept = {(user, movie): rating for user, movie, rating in zip(*columns, strict=True)}
            lost = {pair: ratings for pair, ratings in acknowledged.items() if kept.get(pair) not in ratings}
            assert not lost, lost
    return total


def rate(address: str, user: int, turn: int) -> tuple[list, list]:
    """Rates films until the server is gone; returns the ratings it has acknowledged, and the one it has not."""
    sent, in_flight = [], []
    with contextlib.suppress(httpx2.HTTPError), httpx2.Client(base_url=address) as client:
        number = turn
        while True:
            pair, rating = (user, MOVIES[number % len(MOVIES)]), 0.5 + number % 10 / 2
            in_flight = [(pair, rating)]
            client.put(f"/v1/users/{user}/ratings/{pair[1]}", json={"rating": rating}).raise_for_status()
            sent += in_flight
            in_flight = []
            number += 1
    return sent, in_flight


def write(name: str, workdir: str, output: str, *numbers: str) -> None:
    """Runs in a process of its own: writes these contents, prints a line, and where told so goes on for ever."""
    contents = [int(number) for number in numbers if number.isdecimal()]
    while True:
        for number in contents:
            globals()[name](number, pathlib.Path(workdir), pathlib.Path(output))
        print("written")
        if "for ever" not in numbers:
            return


if __name__ == "__main__":
    if sys.argv[1] == "--write":
        write(*sys.argv[2:])
    else:
        workdir, times = pathlib.Path(sys.argv[1]), int(sys.argv[2])
        for writer in WRITERS:
            print(f"{writer.__name__}: {times} kills, {kill_writer(writer, workdir, times)} with something unfinished")
        acknowledged = kill_server(workdir, 4 * times)
        print(f"server: {4 * times} kills, {acknowledged:,} ratings acknowledged, none lost")
