"""Questions that come at about the same time, answered together by one thread."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

Q = TypeVar("Q")

A = TypeVar("A")


class Busy(Exception):  # noqa: N818
    """More questions wait than may."""


class Waiting(NamedTuple):
    """A question, and who waits for its answer where."""

    question: Any
    answer: asyncio.Future
    loop: asyncio.AbstractEventLoop


class Batcher(Generic[Q, A]):
    """Answers questions in batches, in a thread of its own.

    The first of a batch waits for others as long as `wait_seconds`; while a batch is worked on, those that come make up
    the next. An error in a batch is the answer to each of its questions.

    on_batch: told the size of every batch.
    """

    def __init__(
        self,
        answer: Callable[[list[Q]], list[A]],
        *,
        max_batch: int,
        max_waiting: int,
        wait_seconds: float,
        on_batch: Callable[[int], None] = lambda size: None,
    ):
        self.answer, self.max_batch, self.max_waiting, self.wait_seconds = answer, max_batch, max_waiting, wait_seconds
        self.on_batch = on_batch
        self.queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.work, name="batcher", daemon=True)
        self.thread.start()

    @property
    def num_waiting(self) -> int:
        return self.queue.qsize()

    async def ask(self, question: Q) -> A:
        """The answer to a question. Raises Busy where too many wait already, and what `answer` raises."""
        if self.num_waiting >= self.max_waiting:
            raise Busy
        loop = asyncio.get_running_loop()
        waiting = Waiting(question, loop.create_future(), loop)
        self.queue.put(waiting)
        return await waiting.answer

    def close(self) -> None:
        """Answers what waits, and ends the thread."""
        self.queue.put(None)
        self.thread.join()

    def work(self) -> None:
        """Batch after batch, until closed."""
        while (first := self.queue.get()) is not None:
            batch, is_last = self.batch_from(first)
            self.on_batch(len(batch))
            try:
                answers: list[Any] = self.answer([waiting.question for waiting in batch])
            except Exception as error:
                answers = [error] * len(batch)
            for waiting, answer in zip(batch, answers, strict=True):
                # Nobody waits any more where the loop has ended.
                with contextlib.suppress(RuntimeError):
                    waiting.loop.call_soon_threadsafe(hand_over, waiting.answer, answer)
            if is_last:
                return
            # What was asked and answered is not to be kept until the next question.
            del first, batch, answers, waiting, answer

    def batch_from(self, first: Waiting) -> tuple[list[Waiting], bool]:
        """A batch that begins with a question, and whether it is the last before the end."""
        batch, until = [first], time.monotonic() + self.wait_seconds
        while len(batch) < self.max_batch:
            try:
                found = self.queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if found is None:
                return batch, True
            batch.append(found)
        return batch, False


def hand_over(future: asyncio.Future, answer: Any) -> None:
    """Gives an answer to who waits for it, unless they have gone."""
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
