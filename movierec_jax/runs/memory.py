"""Whether a run fits into memory, said before it trains: the system would end it without a word."""

import pathlib
import re
from collections.abc import Callable
from typing import NamedTuple

import jax

from movierec_jax.errors import InputError
from movierec_jax.model.sharding import share_of
from movierec_jax.runs import distributed
from movierec_jax.training.memory import StepsMemory
from movierec_jax.training.state import TrainingSetup

# Bytes on the host that laying out a rating takes, measured with 5.3 million ratings: for histories, for the
# implicit-feedback score, and for batches.
HISTORY_BYTES, USER_BATCH_BYTES, BATCH_BYTES = 54, 42, 14

# Where Linux says how much memory there is, and where a container says how much of it is its own.
MEMINFO = pathlib.Path("/proc/meminfo")
CONTAINER = pathlib.Path("/sys/fs/cgroup")

# What to do about a refusal that is wrong.
ANYWAY = "--check_memory=false tries it anyway"


class FreeMemory(NamedTuple):
    """Free bytes of the host and of each device; None where they are not known."""

    host: int | None = None
    device: int | None = None


UNKNOWN = FreeMemory()


def free_host_bytes() -> int | None:
    """Returns the memory of this machine, or of its container, that nobody uses; None where the system does not say."""
    found = []
    if MEMINFO.exists():
        kilobytes = re.search(r"MemAvailable:\s+(\d+)", MEMINFO.read_text())
        found += [int(kilobytes[1]) << 10] if kilobytes else []
    limit, used = (CONTAINER / name for name in ("memory.max", "memory.current"))
    if limit.exists() and used.exists() and (text := limit.read_text().strip()).isdecimal():
        # Files that the system keeps in memory make room for others.
        cached = re.search(r"inactive_file (\d+)", (CONTAINER / "memory.stat").read_text())
        found.append(int(text) - int(used.read_text()) + (int(cached[1]) if cached else 0))
    return min(found, default=None)


def free_device_bytes(device: jax.Device) -> int | None:
    """Returns the memory that a device has for arrays; None where it does not say.

    The devices of a CPU share the host's.
    """
    if device.platform == "cpu":
        free = free_host_bytes()
        return None if free is None else free // jax.local_device_count()
    stats = device.memory_stats() or {}
    return stats["bytes_limit"] - stats.get("bytes_in_use", 0) if "bytes_limit" in stats else None


def free_memory() -> FreeMemory:
    """Returns what is free for this run: of several processes what the one with the least has, so that all agree."""
    found = free_host_bytes(), free_device_bytes(jax.local_devices()[0])
    return FreeMemory(*map(distributed.smallest_of_all_processes, found))


def memory_check(setup: TrainingSetup, free: FreeMemory) -> Callable[[StepsMemory], None]:
    """Returns a function for `initial_state`, which prints what training holds on each device once that is known.

    The function raises InputError for more than is free, and so does this one for ratings that cannot be laid out.
    """
    share, needed = share_of(setup.model.mesh), layout_bytes(setup)
    if free.host is not None and needed > free.host:
        part = f"{len(share.cells)} of {share.grid.num_cells} parts of " * (len(share.cells) < share.grid.num_cells)
        raise InputError(
            f"{part}{setup.config.num_ratings:,} ratings take about {gigabytes(needed)} of this machine's memory to "
            f"lay out, and {gigabytes(free.host)} are free; use more machines, a larger one, or fewer ratings. {ANYWAY}"
        )
    num_devices = 1 if setup.model.mesh is None else setup.model.mesh.size

    def check(memory: StepsMemory) -> None:
        if free.device is not None and memory.total > free.device:
            raise InputError(refusal(memory, free.device, num_devices))
        if memory.between:
            print(f"memory: {in_words(memory)}" + (f", of {gigabytes(free.device)} free" if free.device else ""))

    return check


def layout_bytes(setup: TrainingSetup) -> int:
    """Returns how much of this machine's memory it takes to lay out the ratings of its devices."""
    model, share = setup.model.config, share_of(setup.model.mesh)
    of_rating = (
        BATCH_BYTES
        + HISTORY_BYTES * bool(model.looks_at_ratings)
        + USER_BATCH_BYTES * bool(model.implicit_feedback_dim)
    )
    return of_rating * setup.config.num_ratings * len(share.cells) // share.grid.num_cells


def refusal(memory: StepsMemory, free: int, num_devices: int) -> str:
    """Returns the message for a run that needs more than the free bytes on each of so many devices."""
    fewest = num_devices
    # All arrays are spread over the devices but for a little of the steps.
    while memory.total * num_devices > free * fewest:
        fewest *= 2
    missing = "at least " * (not memory.between)
    return (
        f"training needs {missing}{in_words(memory)}, which has {gigabytes(free)} free; train on {fewest} such "
        f"devices or more (--mesh=data:{fewest}), or with a smaller --embedding_dim or --ensemble_size. "
        f"{ANYWAY}"
    )


def in_words(memory: StepsMemory) -> str:
    """Returns what a device holds: "0.15 GB on each device (0.08 of parameters and Adam's means, ...)"."""
    parts = {"parameters and Adam's means": memory.state, "ratings": memory.data, "a step": memory.between}
    named = ", ".join(f"{count / 1e9:.2f} for {name}" for name, count in parts.items() if count)
    return f"{gigabytes(memory.total)} on each device ({named})"


def gigabytes(count: int) -> str:
    """Returns bytes as text, "0.15 GB"."""
    return f"{count / 1e9:.2f} GB"
