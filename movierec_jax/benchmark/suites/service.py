"""How fast the service answers: requests of several kinds arrive at a fixed rate, whether or not earlier ones are done.

train a run -> serve it in a process of its own -> requests at their times -> milliseconds by kind -> table

A request's time begins when it should have been sent, so that waiting behind slow ones counts.
"""

import asyncio
import collections
import contextlib
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.provenance import machine_note, provenance
from movierec_jax.benchmark.table import Table, output_folder, publish
from movierec_jax.config import Config
from movierec_jax.data.schema import TITLE
from movierec_jax.errors import InputError
from movierec_jax.packages import import_extra
from movierec_jax.recommend.recommender import Recommender, load
from movierec_jax.train import train_run

T = TypeVar("T")

SERVE = """
import sys
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.server import serve
serve(sys.argv[1], ServeConfig(port=0, rate_limit=""))
"""

START_SECONDS = 600

# Requests of the first seconds do not count.
WARM_UP_SECONDS = 2

# Requests under way at most; more wait for one of these to end, which counts.
NUM_CONNECTIONS = 64

# Ratings that a new user gives, and pairs in a request for predictions.
NUM_GIVEN = NUM_PAIRS = 10

COLUMNS = ("requests", "answered", "median, ms", "99 of 100 within, ms", "slowest, ms")


class Request(NamedTuple):
    """A request of the API. body: as JSON; None: none."""

    method: str
    path: str
    body: dict[str, Any] | None = None


Kind = Callable[[np.random.Generator], Request]


class Answer(NamedTuple):
    """When a request should have been sent, its HTTP status, 0 without an answer, and how long it took."""

    kind: str
    sent: float
    status: int
    seconds: float


def run_suite(config: Config, benchmark: BenchmarkConfig, command: str) -> dict[str, Any]:
    """Trains and serves a run, sends requests, and publishes the table."""
    for library, extra in (("httpx2", "bench"), ("fastapi", "serve")):
        import_extra(library, extra)
    output = output_folder(benchmark.output)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        train_run(config, folder / "run")
        kinds = new_kinds(load(folder / "run"))
        with serving(folder) as address:
            answers = asyncio.run(send_all(address, kinds, benchmark))
    counted = [one for one in answers if one.sent >= WARM_UP_SECONDS]
    measured = {kind: figures_of([one for one in counted if one.kind == kind]) for kind in kinds}
    figures = {**provenance(benchmark.suite, command), "figures": measured}
    publish(output, benchmark.suite, build_table(measured, benchmark), figures)
    return figures


def new_kinds(recommender: Recommender) -> dict[str, Kind]:
    """Returns for each kind of request what makes one at random."""
    users, movies = recommender.user_ids().tolist(), recommender.run.movies.ids[: len(recommender.run.movies)].tolist()
    titles = [title for title in recommender.run.movie_table[TITLE].tolist() if isinstance(title, str)]
    ratings = recommender.run.train.rated().rating.tolist()

    def require_user(generator: np.random.Generator) -> Request:
        return Request("GET", f"/v1/users/{one_of(generator, users)}/recommendations")

    def new_user(generator: np.random.Generator) -> Request:
        rows = generator.choice(len(movies), min(NUM_GIVEN, len(movies)), replace=False).tolist()
        rated = [{"movie_id": movies[row], "rating": one_of(generator, ratings)} for row in rows]
        return Request("POST", "/v1/recommendations", {"ratings": rated})

    def similar(generator: np.random.Generator) -> Request:
        return Request("GET", f"/v1/movies/{one_of(generator, movies)}/similar")

    def search(generator: np.random.Generator) -> Request:
        words = re.findall(r"\w+", one_of(generator, titles))[:2]
        return Request("GET", f"/v1/movies?query={'+'.join(words)}")

    def predictions(generator: np.random.Generator) -> Request:
        pairs = [{"user_id": one_of(generator, users), "movie_id": one_of(generator, movies)} for _ in range(NUM_PAIRS)]
        return Request("POST", "/v1/predictions", {"pairs": pairs})

    return {
        "list of a known user": require_user,
        "list of a new user": new_user,
        "similar movies": similar,
        "search": search,
        f"{NUM_PAIRS} predictions": predictions,
    }


def one_of(generator: np.random.Generator, choices: Sequence[T]) -> T:
    """Returns one of the choices at random."""
    return choices[int(generator.integers(len(choices)))]


@contextlib.contextmanager
def serving(folder: pathlib.Path) -> Iterator[str]:
    """Serves the run of a folder in a process of its own, and yields its address. Raises InputError if it ends."""
    log = folder / "log.txt"
    command = [sys.executable, "-c", SERVE, str(folder / "run")]
    with log.open("w") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as process:
        try:
            yield wait_for_address(log, process)
        finally:
            process.terminate()


def wait_for_address(log: pathlib.Path, process: subprocess.Popen) -> str:
    """Returns the address that a server prints when it answers."""
    deadline = time.monotonic() + START_SECONDS
    while not (found := re.search(r"at (http://\S+)\n", log.read_text())):
        if process.poll() is not None or time.monotonic() > deadline:
            raise InputError(f"the server has not started: {log.read_text().strip()[-500:]}")
        time.sleep(0.1)
    return found[1]


async def send_all(address: str, kinds: dict[str, Kind], benchmark: BenchmarkConfig) -> list[Answer]:
    """Sends requests, whose kinds take turns, at a fixed rate, and returns how they were answered."""
    import httpx2

    generator, names = np.random.default_rng(0), list(kinds)
    count = benchmark.request_rate * (WARM_UP_SECONDS + benchmark.request_seconds)
    asked = [(name, kinds[name](generator)) for name in (names[n % len(names)] for n in range(count))]
    limits = httpx2.Limits(max_connections=NUM_CONNECTIONS, max_keepalive_connections=NUM_CONNECTIONS)
    async with httpx2.AsyncClient(base_url=address, limits=limits, timeout=httpx2.Timeout(60, pool=None)) as client:
        start = time.perf_counter()

        async def send(kind: str, request: Request, sent: float) -> Answer:
            try:
                status = (await client.request(request.method, request.path, json=request.body)).status_code
            except httpx2.HTTPError:
                status = 0
            return Answer(kind, sent, status, time.perf_counter() - start - sent)

        tasks = []
        for number, (kind, request) in enumerate(asked):
            sent = number / benchmark.request_rate
            await asyncio.sleep(max(0.0, start + sent - time.perf_counter()))
            tasks.append(asyncio.create_task(send(kind, request, sent)))
        return await asyncio.gather(*tasks)


def figures_of(answers: Sequence[Answer]) -> dict[str, Any]:
    """Returns the counts by status of requests of one kind, and the milliseconds of those answered, as plain values."""
    milliseconds = np.array([1000 * one.seconds for one in answers if one.status == 200])
    low, high, slowest = np.percentile(milliseconds, [50, 99, 100]).tolist() if len(milliseconds) else [None] * 3
    statuses = collections.Counter(str(one.status) for one in answers)
    return {"requests": len(answers), "statuses": dict(statuses), "p50": low, "p99": high, "slowest": slowest}


def build_table(measured: dict[str, dict[str, Any]], benchmark: BenchmarkConfig) -> Table:
    """Returns a row for each kind of request."""
    rows = [
        (
            kind,
            f"{found['requests']:,}",
            f"{found['statuses'].get('200', 0):,}",
            *("-" if found[name] is None else f"{found[name]:.1f}" for name in ("p50", "p99", "slowest")),
        )
        for kind, found in measured.items()
    ]
    notes = (
        machine_note(),
        f"{benchmark.request_rate:,} requests a second, of kinds that take turns, for {benchmark.request_seconds:,} s",
        f"a new user gives {NUM_GIVEN} ratings; sender and server share the machine",
        "a request's time begins when it should have been sent",
    )
    return Table(benchmark.suite, ("", *COLUMNS), tuple(rows), notes)
