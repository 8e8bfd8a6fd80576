"""The processes that train as one, each with the devices of its own host: how they meet, and what they agree on.

All run the same program on the same data, and work out by themselves what is the same for all. What they cannot know by
themselves, such as the time and signals, they agree on here. A single process agrees with itself, at no cost.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from movierec_jax.errors import InputError
from movierec_jax.runs.config import AUTO, ProcessConfig

# A process that is silent for so long is gone, and all others end.
SILENT_SECONDS = 30


def join(config: ProcessConfig) -> None:
    """Meets the other processes, before anything else is asked of JAX.

    Raises InputError where they cannot be met.
    """
    if config.coordinator_address is None:
        if config.num_processes is not None:
            raise InputError("--num_processes: also give --coordinator_address, where all processes meet")
        return
    arguments: dict[str, Any] = {}
    if config.coordinator_address != AUTO:
        arguments = {
            "coordinator_address": config.coordinator_address,
            "num_processes": config.num_processes,
            "process_id": config.process_id,
        }
    try:
        jax.distributed.initialize(**arguments, heartbeat_timeout_seconds=SILENT_SECONDS)
    except (RuntimeError, ValueError) as error:
        advice = "start all of them with the same address, of a free port of the host of process 0"
        if config.coordinator_address == AUTO:
            advice = "where JAX cannot find out, give the address, --num_processes and --process_id"
        reason = str(error).splitlines()[0]
        raise InputError(
            f"--coordinator_address={config.coordinator_address}: the processes do not meet ({reason}); {advice}"
        ) from error


def process_index_and_count(config: ProcessConfig) -> tuple[int, int]:
    """Which process this is, and of how many, for work that needs no other. Raises InputError if they are to meet."""
    if config.coordinator_address is not None:
        raise InputError("--coordinator_address: these processes do not meet; give --num_processes and --process_id")
    return config.process_id or 0, config.num_processes or 1


def is_primary() -> bool:
    """Whether this is the process that writes and prints what is the same for all."""
    return jax.process_index() == 0


def is_multi_process() -> bool:
    """Whether there are others."""
    return jax.process_count() > 1


def barrier(where: str) -> None:
    """Returns once all processes are there."""
    multihost_utils.sync_global_devices(where)


def broadcast_from_primary(value: bool) -> bool:
    """What the first process says."""
    return bool(multihost_utils.broadcast_one_to_all(np.array(value))) if is_multi_process() else value


def all_processes_agree(value: bool) -> bool:
    """Whether all processes say so."""
    return bool(np.all(multihost_utils.process_allgather(np.array(value)))) if is_multi_process() else value


def same_on_all_processes(digest: bytes) -> bool:
    """Whether all processes come with the same digest."""
    if not is_multi_process():
        return True
    digests = multihost_utils.process_allgather(np.frombuffer(digest, np.uint8))
    return bool(np.all(digests == digests[0]))


def preemption_requested(turn: int) -> bool:
    """Whether a process has got SIGTERM, and all know; to be asked by all at each turn. Never so of a single one."""
    return is_multi_process() and multihost_utils.reached_preemption_sync_point(turn)


@contextlib.contextmanager
def errors_named(goes_on: str) -> Iterator[None]:
    """Raises ConnectionError where JAX fails among many processes, mostly since one is gone; goes_on: what to do."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not is_multi_process():
            raise
        raise ConnectionError(
            f"another process is gone, or failed ({str(error).splitlines()[0]}). {goes_on}"
        ) from error
