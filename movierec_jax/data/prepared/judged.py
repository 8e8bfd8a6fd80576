"""Judges the rows of raw by the rules of `clean_rows`, and copies the usable ones to kept."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from movierec_jax.data.clean_rows import (
    BAD_WEIGHT,
    NO_ID,
    NO_NUMBER,
    NO_RATING,
    LeftOut,
    choose_scale,
    in_words,
    notes_on_texts,
    outside_scale,
    with_infinite,
)
from movierec_jax.data.prepared.database import Database
from movierec_jax.data.prepared.manifest import NUMBER
from movierec_jax.data.prepared.raw import DistinctValues, RawTable, distinct_values
from movierec_jax.data.prepared.times import TimeReader, time_reader
from movierec_jax.data.readers.text.columns import to_pandas
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, WEIGHT
from movierec_jax.data.values.rating_values import RatingValues, parse_counted_texts
from movierec_jax.data.values.scale import RatingCounts
from movierec_jax.data_config import DataConfig

# The reasons of judged by number.
REASONS = (NO_ID, BAD_WEIGHT, NO_RATING, NO_NUMBER)
OUTSIDE = len(REASONS)

# The column of raw with ratings as they are written, where these are text.
RATING_TEXT = "rating_text"

# Columns of kept.
USER_CODE, MOVIE_CODE = "user_code", "movie_code"


@dataclasses.dataclass(frozen=True)
class Judged:
    """What was found out about the rows of raw; as in `CleanRows`."""

    scale: tuple[float, float] | None
    dropped: dict[str, int]
    notes: tuple[str, ...]


def keep_usable(
    database: Database,
    table: RawTable,
    ids: Mapping[str, pd.Series],
    scale: tuple[float, ...] | None,
    config: DataConfig,
    source: str,
) -> Judged:
    """Fills kept with the usable rows of raw, as `clean_rows` finds them, but repeated pairs.

    ids: the different ids of users and movies; an id's code is its place among them.
    scale: lowest and highest rating, inferred if not given.

    Raises InputError as `clean_rows`.
    """
    notes = notes_on_ids(database, table)
    values = read_ratings(database, table)
    with_reasons(database, table, config.unrated_value, None)
    chosen = choose_scale(rated_counts(database), scale or values.scale, config.unrated_value)
    with_reasons(database, table, config.unrated_value, chosen.scale)
    left_out = count_left_out(database, table, chosen.scale, values)
    limit = config.max_dropped_fraction
    notes += [*chosen.notes, *left_out.notes(table.num_rows, limit, source)]
    num_kept = table.num_rows - sum(left_out.counts.values())
    times = time_reader(database, table, num_kept, config, source)
    fill_kept(database, ids, times)
    form = [values.note] if values.note else []
    known = (float(chosen.scale[0]), float(chosen.scale[1])) if chosen.is_known else None
    return Judged(known, left_out.counts, (*form, *notes, *times.notes))


def notes_on_ids(database: Database, table: RawTable) -> list[str]:
    """Returns the notes of `clean_rows.notes_on_ids`."""
    notes = []
    for column, other in ((USER_ID, MOVIE_ID), (MOVIE_ID, USER_ID)):
        if table.is_text(column):
            found = distinct_values(database, column, where=f"{other} IS NOT NULL")
            notes += notes_on_texts(column, found.value, found.count)
    return notes


def read_ratings(database: Database, table: RawTable) -> RatingValues:
    """Turns the ratings of raw into numbers where they are text; returns what that has shown, without ratings.

    Infinite numbers, and texts that are none, are infinite.
    """
    nothing = RatingValues(np.zeros(0, np.float32))
    where = f"{USER_ID} IS NOT NULL AND {MOVIE_ID} IS NOT NULL" + f" AND {WEIGHT} IS NOT NULL" * table.has_weights
    if RATING not in table.types:
        return nothing
    if not table.is_text(RATING):
        found = database.row(f"SELECT arg_min({RATING}, number) FROM raw WHERE isinf({RATING}) AND {where}")
        return dataclasses.replace(nothing, unreadable_example=None if found[0] is None else str(found[0]))
    different = distinct_values(database, RATING, where=where)
    values = parse_counted_texts([str(word) for word in different.value], different.count)
    rating = with_infinite(values, np.zeros(len(different.value), bool))
    replace_texts(database, different, rating)
    return dataclasses.replace(values, rating=nothing.rating)


def replace_texts(database: Database, texts: DistinctValues, rating: np.ndarray) -> None:
    """Replaces the ratings of raw by numbers, and keeps the texts; others than the given ones become null."""
    keys, numbers = pa.array(texts.value, pa.large_string()), pa.array(rating, from_pandas=True)
    database.run("DROP TABLE IF EXISTS numbered")
    for rows in database.stream("SELECT * FROM raw"):
        text = rows.column(RATING).cast(keys.type)
        place = pyarrow.compute.index_in(text, value_set=keys, skip_nulls=True).combine_chunks()
        column = rows.column_names.index(RATING)
        rows = rows.append_column(RATING_TEXT, rows.column(column)).set_column(column, RATING, numbers.take(place))
        database.insert("numbered", rows)
    database.run("DROP TABLE raw")
    database.run("ALTER TABLE numbered RENAME TO raw")


def with_reasons(
    database: Database, table: RawTable, unrated_value: float | None, scale: tuple[float, float] | None
) -> None:
    """Makes judged: the rows of raw with ratings as `with_unrated` leaves them, and the reason for dropping each.

    scale: None judges no rating by it.
    """
    rating = RATING if RATING in table.types else "NULL::FLOAT"
    weight = WEIGHT if table.has_weights else "1::FLOAT"
    if unrated_value is not None:
        is_unrated = f"{rating} IS NULL" if math.isnan(unrated_value) else f"{rating} = {as_float(unrated_value)}"
        weight = f"CASE WHEN coalesce({is_unrated}, FALSE) THEN 0::FLOAT ELSE {weight} END"
    conditions = [
        f"{USER_ID} IS NULL OR {MOVIE_ID} IS NULL",
        f"raw.{WEIGHT} IS NULL" if table.has_weights else "FALSE",
        "read_rating IS NULL AND read_weight <> 0",
        "read_rating IS NOT NULL AND isinf(read_rating)",
    ]
    if scale is not None:
        conditions.append(f"read_rating < {as_float(scale[0])} OR read_rating > {as_float(scale[1])}")
    cases = " ".join(f"WHEN {condition} THEN {number}" for number, condition in enumerate(conditions))
    seconds = TIMESTAMP if TIMESTAMP in table.types else f"NULL::BIGINT AS {TIMESTAMP}"
    database.run(
        f"CREATE OR REPLACE VIEW judged AS SELECT number, {USER_ID}, {MOVIE_ID}, {seconds}, "
        f"{weight} AS read_weight, CASE WHEN read_weight = 0 THEN NULL ELSE {rating} END AS read_rating, "
        f"CASE {cases} END AS reason FROM raw"
    )


def as_float(number: float) -> str:
    """Returns a number in SQL as a 32-bit float, which is what pandas compares ratings with."""
    return f"'{float(np.float32(number))!r}'::FLOAT"


def rated_counts(database: Database) -> RatingCounts:
    """Returns how often each rating occurs among the rows of judged without a reason."""
    found = database.query(
        "SELECT read_rating AS rating, count(*) AS count FROM judged WHERE reason IS NULL AND read_weight > 0 "
        "GROUP BY read_rating ORDER BY read_rating"
    )
    return RatingCounts(found.column("rating").to_numpy().astype(np.float64), found.column("count").to_numpy())


def count_left_out(database: Database, table: RawTable, scale: tuple[float, float], values: RatingValues) -> LeftOut:
    """Returns the rows of judged with a reason, counted, with the first of each as the example."""
    left_out = LeftOut()
    found = database.query(
        "SELECT reason, count(*) AS count, min(number) AS first FROM judged WHERE reason IS NOT NULL "
        "GROUP BY reason ORDER BY reason"
    )
    written = RATING_TEXT if table.is_text(RATING) else RATING if RATING in table.types else "NULL"
    for reason, count, first in zip(*(column.to_pylist() for column in found.columns), strict=True):
        if REASONS[reason : reason + 1] == (NO_NUMBER,):
            example = repr(values.unreadable_example)
        else:
            rating = "read_rating" if reason > REASONS.index(BAD_WEIGHT) else written
            example = example_of_row(database, first, rating)
        left_out.count(outside_scale(scale) if reason == OUTSIDE else REASONS[reason], count, example)
    return left_out


def example_of_row(database: Database, number: int, rating: str) -> str:
    """Returns a row for a message. rating: a column of raw or judged."""
    table = "judged" if rating == "read_rating" else "raw"
    row = database.query(f"SELECT {USER_ID}, {MOVIE_ID}, {rating} AS {RATING} FROM {table} WHERE number = {number}")
    return in_words(pd.DataFrame({name: to_pandas(row.column(name)) for name in row.column_names}), 0)


def fill_kept(database: Database, ids: Mapping[str, pd.Series], times: TimeReader) -> None:
    """Fills kept with the rows of judged without a reason."""
    database.run(
        f"CREATE TABLE kept (number BIGINT, {USER_CODE} INTEGER, {MOVIE_CODE} INTEGER, {RATING} FLOAT, "
        f"{WEIGHT} FLOAT, {TIMESTAMP} BIGINT)"
    )
    sets = {column: pa.array(values) for column, values in ids.items()}
    for rows in database.stream(
        f"SELECT number, {USER_ID}, {MOVIE_ID}, read_rating, read_weight, {TIMESTAMP} FROM judged WHERE reason IS NULL"
    ):
        codes = {
            column: pyarrow.compute.index_in(rows.column(column).cast(keys.type), value_set=keys)
            for column, keys in sets.items()
        }
        database.insert(
            "kept",
            pa.table(
                {
                    NUMBER: rows.column(NUMBER),
                    USER_CODE: codes[USER_ID],
                    MOVIE_CODE: codes[MOVIE_ID],
                    RATING: rows.column("read_rating"),
                    WEIGHT: rows.column("read_weight"),
                    TIMESTAMP: pa.array(times.seconds(rows.column(TIMESTAMP))),
                }
            ),
        )
