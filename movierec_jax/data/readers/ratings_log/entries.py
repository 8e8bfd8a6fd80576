"""What a ratings log records, and which values SQLite keeps unchanged."""

import math
from typing import Any, NamedTuple

from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.errors import InputError


class Entry(NamedTuple):
    """A user's rating of a movie at a time in seconds since 1970; a rating of None retracts earlier ones."""

    user_id: int | str
    movie_id: int | str
    rating: float | None
    timestamp: int


class NotInterested(NamedTuple):
    """A movie that a user does not want to be shown, or does again where `is_on` is False."""

    user_id: int | str
    movie_id: int | str
    is_on: bool
    timestamp: int


def require_keepable(entry: Entry | NotInterested) -> None:
    """Raises InputError unless SQLite would return the entry unchanged."""
    for name, found in ((USER_ID, entry.user_id), (MOVIE_ID, entry.movie_id)):
        if not is_keepable_id(found):
            raise InputError(f"{name} {str(found)[:80]!r}: must be an integer of 64 bits, or text")
    if isinstance(entry, Entry) and entry.rating is not None and not math.isfinite(entry.rating):
        raise InputError(f"{RATING} {entry.rating}: must be a number, or none")
    if not is_int64(entry.timestamp):
        raise InputError(f"{TIMESTAMP} {str(entry.timestamp)[:80]}: must be whole seconds since 1970")


def is_keepable_id(found: Any) -> bool:
    """Returns whether SQLite keeps an id unchanged: text that UTF-8 can encode, or an integer of 64 bits."""
    if not isinstance(found, str):
        return is_int64(found)
    # JSON can spell half of a surrogate pair, which UTF-8 cannot encode.
    return not any("\ud800" <= letter <= "\udfff" for letter in found)


def is_int64(found: Any) -> bool:
    """Returns whether a value is an integer that fits 64 bits."""
    return type(found) is int and -(2**63) <= found < 2**63
