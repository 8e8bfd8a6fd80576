"""Joins processes that train together, each with the devices of its own host, and lets them agree.

All processes run the same program on the same data, so most values are equal without communication. They agree here on
what may differ, such as clocks and signals. With a single process everything here is free.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from movierec_jax.errors import InputError
from movierec_jax.runs.config import AUTO, ProcessConfig

# A process without a heartbeat for this long is lost, and all others end.
HEARTBEAT_TIMEOUT_SECONDS = 30

# After so long for another process to send its part of a checkpoint, something is wrong.
MOST_WAIT_SECONDS = 1200


def join(config: ProcessConfig) -> None:
    """Joins the other processes; must come before any other use of JAX.

    Raises InputError if they cannot be reached.
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
        jax.distributed.initialize(**arguments, heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT_SECONDS)
    except (RuntimeError, ValueError) as error:
        advice = "start all of them with the same address, of a free port of the host of process 0"
        if config.coordinator_address == AUTO:
            advice = "where JAX cannot find out, give the address, --num_processes and --process_id"
        reason = str(error).splitlines()[0]
        raise InputError(
            f"--coordinator_address={config.coordinator_address}: the processes do not meet ({reason}); {advice}"
        ) from error


def process_index_and_count(config: ProcessConfig) -> tuple[int, int]:
    """Returns the id of this process and their number, for work without communication.

    Raises InputError if the processes are to join.
    """
    if config.coordinator_address is not None:
        raise InputError("--coordinator_address: these processes do not meet; give --num_processes and --process_id")
    return config.process_id or 0, config.num_processes or 1


def is_primary() -> bool:
    """Whether this is process 0, which prints and writes for all."""
    return jax.process_index() == 0


def writes_to_folder(is_own: bool) -> bool:
    """Whether this process writes files that all need: process 0 to a folder that all see, else each to its own."""
    return is_own or is_primary()


def is_multi_process() -> bool:
    """Whether several processes have joined."""
    return jax.process_count() > 1


def barrier(name: str) -> None:
    """Waits until all processes have reached the barrier of this name."""
    multihost_utils.sync_global_devices(name)


def wait_for_all(name: str) -> None:
    """Waits as `barrier` does, but not on the devices, so that a thread can wait while these compute.

    name: never used before.
    Raises JaxRuntimeError where a process is lost, or is not there in time.
    """
    ocp.multihost.get_barrier_sync_fn()(key=name, timeout_ms=1000 * MOST_WAIT_SECONDS)


def broadcast_from_primary(value: bool) -> bool:
    """Returns the value that process 0 has."""
    return bool(multihost_utils.broadcast_one_to_all(np.array(value))) if is_multi_process() else value


def all_processes_agree(value: bool) -> bool:
    """Whether the value is true on all processes."""
    return bool(np.all(multihost_utils.process_allgather(np.array(value)))) if is_multi_process() else value


def smallest_of_all_processes(num_bytes: int | None) -> int | None:
    """Returns the smallest number of bytes of any process, within a millionth; None where one does not know its own."""
    if not is_multi_process():
        return num_bytes
    found = multihost_utils.process_allgather(np.float32(np.nan if num_bytes is None else num_bytes))
    return None if np.isnan(found).any() else int(found.min())


def same_on_all_processes(digest: bytes) -> bool:
    """Whether the digest is equal on all processes."""
    if not is_multi_process():
        return True
    digests = multihost_utils.process_allgather(np.frombuffer(digest, np.uint8))
    return bool(np.all(digests == digests[0]))


def preemption_requested(num_polls: int) -> bool:
    """Whether any of several processes has received SIGTERM; all must poll equally often and get the same answer."""
    return is_multi_process() and multihost_utils.reached_preemption_sync_point(num_polls)


@contextlib.contextmanager
def lost_process_named(advice: str) -> Iterator[None]:
    """Raises ConnectionError, ending with advice, where JAX fails among several processes: mostly one is lost."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not is_multi_process():
            raise
        raise ConnectionError(
            f"another process is lost or has failed ({str(error).splitlines()[0]}). {advice}"
        ) from error
