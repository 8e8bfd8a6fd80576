import asyncio
import threading

import pytest

from movierec_jax.serve.batching import Batcher, Busy


def new_batcher(answer, **settings):
    return Batcher(answer, **({"max_batch": 4, "max_waiting": 100} | settings))


def squares(numbers):
    return [number**2 for number in numbers]


class HeldSquares:
    """Answers with squares once released."""

    def __init__(self):
        self.started, self.released = threading.Event(), threading.Event()

    def __call__(self, numbers):
        self.started.set()
        self.released.wait(10)
        return squares(numbers)


def test_every_question_gets_its_own_answer():
    batcher = new_batcher(squares, max_batch=3)

    async def ask_all():
        return await asyncio.gather(*(batcher.ask(number) for number in range(20)))

    assert asyncio.run(ask_all()) == [number**2 for number in range(20)]
    batcher.close()


def test_questions_that_arrive_during_a_batch_form_the_next():
    sizes, answer = [], HeldSquares()
    batcher = new_batcher(answer, on_batch=sizes.append)

    async def ask_all():
        first = asyncio.create_task(batcher.ask(0))
        await asyncio.to_thread(answer.started.wait, 10)
        others = [asyncio.create_task(batcher.ask(number)) for number in range(1, 7)]
        await asyncio.sleep(0)
        answer.released.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(ask_all()) == squares(range(7))
    assert sizes == [1, 4, 2]
    batcher.close()


def test_a_full_queue_raises_busy():
    answer = HeldSquares()
    batcher = new_batcher(answer, max_batch=1, max_waiting=2)

    async def ask_all():
        tasks = [asyncio.create_task(batcher.ask(0))]
        await asyncio.to_thread(answer.started.wait, 10)
        tasks += [asyncio.create_task(batcher.ask(number)) for number in (1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await batcher.ask(3)
        answer.released.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(ask_all()) == [0, 1, 4]
    batcher.close()


def test_an_error_reaches_only_its_own_batch():
    def answer(numbers):
        if 3 in numbers:
            raise ArithmeticError("three")
        return squares(numbers)

    batcher = new_batcher(answer)

    async def ask_all():
        with pytest.raises(ArithmeticError, match="three"):
            await batcher.ask(3)
        return await batcher.ask(4)

    assert asyncio.run(ask_all()) == 16
    batcher.close()


def test_a_cancelled_question_does_not_affect_others():
    answer = HeldSquares()
    batcher = new_batcher(answer)

    async def ask_all():
        gone = asyncio.create_task(batcher.ask(1))
        await asyncio.to_thread(answer.started.wait, 10)
        gone.cancel()
        other = asyncio.create_task(batcher.ask(2))
        await asyncio.sleep(0)
        answer.released.set()
        return await other

    assert asyncio.run(ask_all()) == 4
    batcher.close()


def test_close_answers_what_is_queued():
    batcher = new_batcher(squares)

    async def ask_all():
        tasks = [asyncio.create_task(batcher.ask(number)) for number in range(3)]
        await asyncio.sleep(0)
        await asyncio.to_thread(batcher.close)
        return await asyncio.gather(*tasks)

    assert asyncio.run(ask_all()) == [0, 1, 4]
    assert not batcher.thread.is_alive()
