import asyncio
import contextlib

import pytest

from movierec_jax.data.readers.ratings_log.entries import Entry, NotInterested
from movierec_jax.data.readers.ratings_log.log import RatingsLog
from movierec_jax.data.readers.ratings_log.reading import FILE_NAME, read_latest
from movierec_jax.errors import InputError
from movierec_jax.serve.errors import Problem
from movierec_jax.serve.new_ratings import NewRatings


@pytest.fixture
def path(tmp_path):
    return tmp_path / FILE_NAME


def opened(path, max_users=100):
    return contextlib.closing(NewRatings(RatingsLog(path), max_users))


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
        assert not new_ratings.users


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


def record_and_forget(new_ratings, users):
    """Records movie 1 by each user, then movie 2, and that nobody is interested in movie 3."""

    async def record_all():
        for user in users:
            await new_ratings.record(user, 1, 1.0)
            await new_ratings.record(user, 2, 2.0)
            await new_ratings.mark(user, 3, True)

    asyncio.run(record_all())


def test_those_idle_longest_leave_memory_and_come_back_from_the_log(path):
    with opened(path, max_users=2) as new_ratings:
        record_and_forget(new_ratings, ["a", "b"])
        assert (new_ratings.has_all, new_ratings.num_dropped) == (True, 0)
        new_ratings.of_user("a")
        record_and_forget(new_ratings, ["c"])
        assert list(new_ratings.users) == ["a", "c"]
        assert (new_ratings.has_all, new_ratings.num_dropped) == (False, 1)
        for user in ("b", "a", "c", "b"):
            assert {movie: one.rating for movie, one in new_ratings.of_user(user).items()} == {1: 1.0, 2: 2.0}
            assert list(new_ratings.not_interested_of(user)) == [3]
            assert len(new_ratings.users) == 2
        assert not new_ratings.has_user("nobody")
        assert not new_ratings.has_user(2**70)


def test_a_change_of_a_user_who_has_left_memory_keeps_what_they_had(path):
    with opened(path, max_users=1) as new_ratings:
        record_and_forget(new_ratings, ["a", "b"])
        asyncio.run(new_ratings.record("a", 1, None))
        asyncio.run(new_ratings.record("a", 4, 4.0))
        assert list(new_ratings.users) == ["a"]
        assert list(new_ratings.of_user("a")) == [2, 4]
        for movie in (2, 4):
            asyncio.run(new_ratings.record("a", movie, None))
        asyncio.run(new_ratings.mark("a", 3, False))
        assert not new_ratings.has_user("a")
        assert new_ratings.has_user("b")


def test_a_restart_reads_the_users_with_the_newest_entries(path):
    with contextlib.closing(RatingsLog(path)) as log:
        log.append([Entry(user, 1, 3.0, time) for time, user in enumerate("cabd")])
        log.append([NotInterested("c", 2, True, 10), Entry("d", 1, None, 11)])
        log.compact()
    with opened(path, max_users=2) as new_ratings:
        assert list(new_ratings.users) == ["b", "c"]
        assert (list(new_ratings.of_user("c")), list(new_ratings.not_interested_of("c"))) == ([1], [2])
        assert list(new_ratings.of_user("a")) == [1]
        assert not new_ratings.has_user("d")


def test_nothing_is_recorded_where_nothing_can_be(path):
    with contextlib.closing(NewRatings(None, 1)) as new_ratings:
        assert not new_ratings.has_user(7)
        with pytest.raises(Problem) as refused:
            asyncio.run(new_ratings.record(7, 318, 4.5))
        assert refused.value.kind == "read-only"
