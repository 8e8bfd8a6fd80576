"""Batching of questions that arrive at about the same time."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

Q = TypeVar("Q")

A = TypeVar("A")


class Busy(Exception):  # noqa: N818
    """The queue of questions is full."""


class PendingQuestion(NamedTuple):
    """A question, the future of its answer, and the event loop that awaits it."""

    question: Any
    answer: asyncio.Future
    loop: asyncio.AbstractEventLoop


class Batcher(Generic[Q, A]):
    """Answers questions in batches, in its own thread.

    A batch is what has queued up while the one before was answered: without load there is no wait. When `answer`
    raises, every question of the batch raises. on_batch: called with the size of each batch.
    """

    def __init__(
        self,
        answer: Callable[[list[Q]], list[A]],
        *,
        max_batch: int,
        max_waiting: int,
        on_batch: Callable[[int], None] = lambda size: None,
    ):
        self.answer, self.max_batch, self.max_waiting, self.on_batch = answer, max_batch, max_waiting, on_batch
        self.queue: queue.SimpleQueue[PendingQuestion | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.run, name="batcher", daemon=True)
        self.thread.start()

    @property
    def num_waiting(self) -> int:
        return self.queue.qsize()

    async def ask(self, question: Q) -> A:
        """Returns the answer to a question. Raises Busy when the queue is full, and whatever `answer` raises."""
        if self.num_waiting >= self.max_waiting:
            raise Busy
        loop = asyncio.get_running_loop()
        pending = PendingQuestion(question, loop.create_future(), loop)
        self.queue.put(pending)
        return await pending.answer

    def close(self) -> None:
        """Answers what is queued, then ends the thread."""
        self.queue.put(None)
        self.thread.join()

    def run(self) -> None:
        """Answers batch after batch until closed."""
        while (first := self.queue.get()) is not None:
            batch, is_last = self.collect_batch(first)
            self.on_batch(len(batch))
            try:
                answers: list[Any] = self.answer([pending.question for pending in batch])
            except Exception as error:
                answers = [error] * len(batch)
            for pending, answer in zip(batch, answers, strict=True):
                # A closed loop awaits nothing any more.
                with contextlib.suppress(RuntimeError):
                    pending.loop.call_soon_threadsafe(resolve, pending.answer, answer)
            if is_last:
                return
            # Frees questions and answers while the thread waits for the next question.
            del first, batch, answers, pending, answer

    def collect_batch(self, first: PendingQuestion) -> tuple[list[PendingQuestion], bool]:
        """Returns a batch of a question and those queued behind it, and whether the batcher was closed after it."""
        batch = [first]
        while len(batch) < self.max_batch:
            try:
                pending = self.queue.get_nowait()
            except queue.Empty:
                break
            if pending is None:
                return batch, True
            batch.append(pending)
        return batch, False


def resolve(future: asyncio.Future, answer: Any) -> None:
    """Sets the result of a future, or its exception, unless it was cancelled."""
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
