"""The tables of a ratings log, and the statements that fill, read and empty them."""

# The id columns have no type, so that SQLite converts no id: the text "7" is not the integer 7.
TABLE = """
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY,
        user_id NOT NULL CHECK (typeof(user_id) IN ('integer', 'text')),
        movie_id NOT NULL CHECK (typeof(movie_id) IN ('integer', 'text')),
        rating REAL,
        timestamp INTEGER NOT NULL
    )
"""

ADD = "INSERT INTO entries (user_id, movie_id, rating, timestamp) VALUES (?, ?, ?, ?)"

LATEST = """
    SELECT user_id, movie_id, rating, timestamp FROM entries
    WHERE number IN (SELECT max(number) FROM entries GROUP BY user_id, movie_id) AND rating IS NOT NULL
    ORDER BY number
"""

# A log of an earlier version has no such table.
TABLE_NOT_INTERESTED = """
    CREATE TABLE IF NOT EXISTS not_interested (
        number INTEGER PRIMARY KEY,
        user_id NOT NULL CHECK (typeof(user_id) IN ('integer', 'text')),
        movie_id NOT NULL CHECK (typeof(movie_id) IN ('integer', 'text')),
        is_on INTEGER NOT NULL,
        timestamp INTEGER NOT NULL
    )
"""

ADD_NOT_INTERESTED = "INSERT INTO not_interested (user_id, movie_id, is_on, timestamp) VALUES (?, ?, ?, ?)"

LATEST_NOT_INTERESTED = """
    SELECT user_id, movie_id, timestamp FROM not_interested
    WHERE number IN (SELECT max(number) FROM not_interested GROUP BY user_id, movie_id) AND is_on
    ORDER BY number
"""

# Finds the entries of a user, and the last of a pair.
INDICES = [
    f"CREATE INDEX IF NOT EXISTS {table}_by_user ON {table} (user_id, movie_id)"
    for table in ("entries", "not_interested")
]

DELETE_OLD = """
    DELETE FROM {table}
    WHERE {counts_for_nothing} OR number NOT IN (SELECT max(number) FROM {table} GROUP BY user_id, movie_id)
"""

COMPACT = [
    DELETE_OLD.format(table="entries", counts_for_nothing="rating IS NULL"),
    DELETE_OLD.format(table="not_interested", counts_for_nothing="NOT is_on"),
]

NEWEST_USERS = """
    SELECT user_id FROM (
        SELECT user_id, timestamp FROM entries WHERE rating IS NOT NULL
        UNION ALL SELECT user_id, timestamp FROM not_interested WHERE is_on
    )
    GROUP BY user_id ORDER BY max(timestamp) DESC, user_id LIMIT ?
"""

RATINGS = "SELECT user_id, movie_id, rating, timestamp FROM entries WHERE user_id IN ({users}) ORDER BY number"

MARKS = "SELECT user_id, movie_id, is_on, timestamp FROM not_interested WHERE user_id IN ({users}) ORDER BY number"

# One user id and one movie id of each type.
ID_EXAMPLES = """
    SELECT user_id, movie_id FROM entries WHERE rating IS NOT NULL GROUP BY typeof(user_id), typeof(movie_id)
    UNION ALL
    SELECT user_id, movie_id FROM not_interested WHERE is_on GROUP BY typeof(user_id), typeof(movie_id)
"""
