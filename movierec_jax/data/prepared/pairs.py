"""Drops from kept repeated pairs, and users and movies with too few ratings; cuts users into ranges for work in SQL."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64

from movierec_jax.data.clean_rows import REPEATED
from movierec_jax.data.cleaning import RARE_MOVIE, RARE_USER
from movierec_jax.data.prepared.database import Database
from movierec_jax.data.prepared.judged import MOVIE_CODE, USER_CODE
from movierec_jax.data.schema import RATING, TIMESTAMP, WEIGHT
from movierec_jax.data_config import DataConfig

# Ratings that SQL groups or sorts at a time, beside users with more.
RANGE_RATINGS = 5_000_000


def count_by(database: Database, column: str, num_codes: int) -> Int64[np.ndarray, " codes"]:
    """Returns how many rows of kept have each code."""
    count = np.zeros(num_codes, np.int64)
    found = database.query(f"SELECT {column}, count(*) AS count FROM kept GROUP BY {column}")
    count[found.column(column).to_numpy()] = found.column("count").to_numpy()
    return count


def user_ranges(database: Database, num_users: int) -> Iterator[str]:
    """Yields conditions that cut kept into the rows of some users each, of not many more than `RANGE_RATINGS`."""
    if not num_users:
        return
    before = np.cumsum(count_by(database, USER_CODE, num_users)) // RANGE_RATINGS
    firsts = np.flatnonzero(np.diff(before, prepend=-1))
    for first, end in zip(firsts, [*firsts[1:], num_users], strict=True):
        yield f"{USER_CODE} BETWEEN {first} AND {end - 1}"


def drop_repeated(database: Database, num_users: int) -> dict[str, int]:
    """Keeps the row of each user and movie that `is_last_of_pair` keeps; returns the number of others by reason."""
    database.run(f"CREATE TABLE repeated AS SELECT {USER_CODE}, {MOVIE_CODE} FROM kept LIMIT 0")
    for users in user_ranges(database, num_users):
        database.run(
            f"INSERT INTO repeated SELECT {USER_CODE}, {MOVIE_CODE} FROM kept WHERE {users} "
            f"GROUP BY {USER_CODE}, {MOVIE_CODE} HAVING count(*) > 1"
        )
    later_first = f"({RATING} IS NOT NULL) DESC, {TIMESTAMP} DESC, number DESC"
    return drop(
        database,
        f"number IN (SELECT number FROM (SELECT number, row_number() OVER (PARTITION BY {USER_CODE}, {MOVIE_CODE} "
        f"ORDER BY {later_first}) AS place FROM kept SEMI JOIN repeated USING ({USER_CODE}, {MOVIE_CODE})) "
        "WHERE place > 1)",
        REPEATED,
    )


def drop_rare(database: Database, config: DataConfig) -> dict[str, int]:
    """Drops users and then movies with too few ratings; returns the number of rows by reason."""
    dropped: dict[str, int] = {}
    for column, minimum, reason in (
        (USER_CODE, config.min_user_ratings, RARE_USER),
        (MOVIE_CODE, config.min_movie_ratings, RARE_MOVIE),
    ):
        if minimum > 1:
            rare = f"SELECT {column} FROM kept GROUP BY {column} HAVING count(*) < {minimum}"
            dropped |= drop(database, f"{column} IN ({rare})", reason)
    return dropped


def drop(database: Database, condition: str, reason: str) -> dict[str, int]:
    """Removes rows from kept; returns their number by the reason, nothing where there are none."""
    before = num_kept(database)
    database.run(f"DELETE FROM kept WHERE {condition}")
    count = before - num_kept(database)
    return {reason: count} if count else {}


def num_kept(database: Database) -> int:
    """Returns the number of rows of kept."""
    return database.row("SELECT count(*) FROM kept")[0]


def is_constant(database: Database, column: str, where: str = "TRUE") -> bool:
    """Returns whether no two values of kept differ, as of none at all."""
    lowest, highest = database.row(f"SELECT min({column}), max({column}) FROM kept WHERE {where}")
    return lowest == highest


def has_unequal_weights(database: Database) -> bool:
    """Returns whether not every rating of kept counts 1."""
    return database.row(f"SELECT bool_and({WEIGHT} = 1) FROM kept")[0] is False
