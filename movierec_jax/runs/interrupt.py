"""SIGTERM and SIGINT as a request to stop once everything is saved."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from movierec_jax.errors import Interrupted
from movierec_jax.runs import distributed


class StopRequest:
    """Whether SIGTERM or SIGINT has come; goes_on: how to go on after it, for people."""

    def __init__(self, goes_on: str):
        self.goes_on = goes_on
        self.received: int | None = None
        self.turn = 0

    @property
    def is_asked(self) -> bool:
        return self.received is not None

    def is_asked_of_any(self) -> bool:
        """Whether it has come to any of the processes; all must ask, time after time, and are told the same."""
        self.turn += 1
        if distributed.preemption_requested(self.turn):
            self.received = signal.SIGTERM
        return self.is_asked

    def raise_if_asked(self) -> None:
        """Raises Interrupted once a signal has come; all steps must have been saved."""
        if self.received is not None:
            name = signal.Signals(self.received).name
            raise Interrupted(f"stopped by {name}; all steps so far are saved. {self.goes_on}", self.received)


@contextlib.contextmanager
def interruptible(goes_on: str) -> Iterator[StopRequest]:
    """Within it SIGTERM and SIGINT are kept for later, as a request to stop.

    A second signal of the kind acts at once, as it would have without. Does nothing outside the main thread, nor where
    there are many processes, of which JAX tells all when one is asked.
    """
    stop = StopRequest(goes_on)
    before: dict[int, Any] = {}

    def keep(number: int, frame) -> None:
        stop.received = stop.received or number
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread() and not distributed.is_multi_process():
        before |= {number: signal.signal(number, keep) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
