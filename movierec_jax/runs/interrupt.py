"""Turns SIGTERM and SIGINT into a request to stop, answered once everything is saved."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

from movierec_jax.errors import Interrupted
from movierec_jax.runs import distributed

STANDARD_ERROR = 2


class StopRequest:
    """The signal that was received, if any. advice: tells people how to resume the run."""

    def __init__(self, advice: str):
        self.advice = advice
        self.received: int | None = None
        self.num_polls = 0

    def poll(self) -> bool:
        """Whether any process has received a signal; all must poll equally often, and all get the same answer."""
        self.num_polls += 1
        if distributed.preemption_requested(self.num_polls):
            self.received = signal.SIGTERM
        return self.received is not None

    def raise_if_received(self) -> None:
        """Raises Interrupted if a signal was received; call it when all steps are saved."""
        if self.received is not None:
            name = signal.Signals(self.received).name
            raise Interrupted(f"stopped by {name}; all steps so far are saved. {self.advice}", self.received)


@contextlib.contextmanager
def interruptible(advice: str) -> Iterator[StopRequest]:
    """Holds back SIGTERM and SIGINT within the context, as a request to stop.

    It says so on standard error. A second signal acts at once, as it would outside. Does nothing outside the main
    thread, nor with several processes: JAX then passes the signal of one on to all.
    """
    stop = StopRequest(advice)
    handlers: dict[int, Any] = {}

    def hold_back(number: int, frame) -> None:
        stop.received = stop.received or number
        # Written without a lock or a buffer, as a signal may arrive within another write.
        line = f"{signal.Signals(number).name}: saving what is done; a second one ends the run at once, unsaved\n"
        with contextlib.suppress(OSError):
            os.write(STANDARD_ERROR, line.encode())
        signal.signal(number, handlers[number])

    if threading.current_thread() is threading.main_thread() and not distributed.is_multi_process():
        handlers |= {number: signal.signal(number, hold_back) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
