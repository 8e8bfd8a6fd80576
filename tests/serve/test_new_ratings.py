import asyncio
import contextlib

import pytest

from movierec_jax.data.readers.ratings_log import FILE_NAME, RatingsLog, read_latest
from movierec_jax.errors import InputError
from movierec_jax.serve.new_ratings import NewRatings


@pytest.fixture
def path(tmp_path):
    return tmp_path / FILE_NAME


def opened(path):
    return contextlib.closing(NewRatings(RatingsLog(path)))


def test_an_acknowledged_rating_is_in_memory_and_on_disk(path):
    with opened(path) as new_ratings:
        time = asyncio.run(new_ratings.record(7, 318, 4.5))
        assert new_ratings.of_user(7)[318] == (4.5, time)
        assert read_latest(path)["rating"].tolist() == [4.5]


def test_the_last_of_many_ratings_counts_after_a_restart(path):
    with opened(path) as new_ratings:

        async def record_all():
            for rating in (1.0, 2.0, None, 3.5):
                await new_ratings.record("a", 1, rating)
            await asyncio.gather(*(new_ratings.record("b", movie, 2.5) for movie in range(20)))

        asyncio.run(record_all())
    with opened(path) as new_ratings:
        assert new_ratings.of_user("a")[1].rating == 3.5
        assert sorted(new_ratings.of_user("b")) == list(range(20))


def test_movies_of_no_interest_are_known_after_a_restart(path):
    with opened(path) as new_ratings:

        async def mark_all():
            for movie, is_on in ((1, True), (2, True), (1, False), (3, True)):
                await new_ratings.mark("a", movie, is_on)
            await new_ratings.mark("b", 1, True)
            await new_ratings.mark("b", 1, False)

        asyncio.run(mark_all())
    with opened(path) as new_ratings:
        assert list(new_ratings.not_interested_of("a")) == [2, 3]
        assert (new_ratings.has_user("a"), new_ratings.has_user("b")) == (True, False)
        assert new_ratings.of_user("a") == {}


def test_a_deleted_rating_leaves_nothing_in_memory(path):
    with opened(path) as new_ratings:
        asyncio.run(new_ratings.record(7, 318, 4.5))
        asyncio.run(new_ratings.record(7, 318, None))
        assert new_ratings.of_user(7) == {}
        assert new_ratings.by_user == {}


def test_a_returned_mapping_does_not_change(path):
    with opened(path) as new_ratings:
        asyncio.run(new_ratings.record(7, 318, 4.5))
        before = new_ratings.of_user(7)
        asyncio.run(new_ratings.record(7, 1, 2.0))
        assert list(before) == [318]
        assert new_ratings.of_user(7) is not before


def test_a_refused_rating_does_not_affect_others(path):
    with opened(path) as new_ratings:

        async def both():
            bad, good = new_ratings.record(2**70, 1, 3.0), new_ratings.record(1, 1, 3.0)
            return await asyncio.gather(bad, good, return_exceptions=True)

        bad, good = asyncio.run(both())
        assert isinstance(bad, InputError)
        assert new_ratings.of_user(2**70) == {}
        assert not isinstance(good, Exception)
        assert new_ratings.of_user(1)[1].rating == 3.0


def test_no_rating_is_acknowledged_once_the_log_is_gone(path):
    with opened(path) as new_ratings:
        asyncio.run(new_ratings.record(7, 318, 4.5))
        path.rename(path.with_name("elsewhere"))
        with pytest.raises(OSError, match="moved or removed"):
            asyncio.run(new_ratings.record(7, 1, 2.0))
        path.write_bytes(b"")
        with pytest.raises(OSError, match="moved or removed"):
            asyncio.run(new_ratings.record(7, 1, 2.0))
        assert list(new_ratings.of_user(7)) == [318]
