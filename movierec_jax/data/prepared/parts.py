"""Says which part each row of kept belongs to, by the rules of `splits`."""

import numpy as np
from jaxtyping import UInt8

from movierec_jax.data.prepared.database import Database
from movierec_jax.data.prepared.judged import USER_CODE
from movierec_jax.data.prepared.manifest import NUMBER, PARTS
from movierec_jax.data.prepared.pairs import count_by, user_ranges
from movierec_jax.data.schema import NO_TIMESTAMP, TIMESTAMP
from movierec_jax.data.splits import (
    first_late,
    is_drawn,
    num_held_out,
    require_last,
    require_rows,
    require_times,
    valid_fraction,
)
from movierec_jax.data_config import DataConfig

TRAIN, VALID, TEST = map(PARTS.index, ("train", "valid", "test"))

# The part of rows of raw that are not kept.
NO_PART = 255

# The part of each row of raw, by its number: a byte a row.
PartOf = UInt8[np.ndarray, " rows"]


def split_kept(database: Database, num_raw: int, num_users: int, config: DataConfig) -> PartOf:
    """Returns the part of each row of raw. Raises InputError as `splits.split`."""
    part_of = np.full(num_raw, NO_PART, np.uint8)
    set_part(part_of, TRAIN, database, "TRUE")
    if config.split == "random":
        hold_out_drawn(part_of, config)
    else:
        num_missing = database.row(f"SELECT count(*) FROM kept WHERE {TIMESTAMP} = {NO_TIMESTAMP}")[0]
        require_times(num_missing, count_train(part_of), config.split)
        if config.split == "time":
            hold_out_late(database, part_of, config)
        else:
            hold_out_last(database, part_of, num_users, config)
    return part_of


def held_out(config: DataConfig) -> list[tuple[int, str, str, float]]:
    """Returns the parts to hold out, in turn: number, name, flag and fraction."""
    parts = [(TEST, "test", "test_fraction", config.test_fraction)]
    if fraction := valid_fraction(config):
        parts.append((VALID, "validation", "valid_fraction", fraction))
    return parts


def count_train(part_of: PartOf) -> int:
    """Returns the number of rows in train."""
    return int(np.count_nonzero(part_of == TRAIN))


def set_part(part_of: PartOf, part: int, database: Database, condition: str) -> None:
    """Moves the rows of kept for which a condition holds to a part."""
    for rows in database.stream(f"SELECT number FROM kept WHERE {condition}"):
        part_of[rows.column(NUMBER).to_numpy()] = part


def hold_out_drawn(part_of: PartOf, config: DataConfig) -> None:
    """Moves random fractions of train to the other parts."""
    seed = [config.split_seed]
    for part, name, flag, fraction in held_out(config):
        num_before = count_train(part_of)
        is_held_out = is_drawn(num_before, fraction, seed)
        part_of[part_of == TRAIN] = np.where(is_held_out, np.uint8(part), np.uint8(TRAIN))
        num_held = int(np.count_nonzero(is_held_out))
        require_rows(num_before - num_held, num_held, name, flag, fraction)
        seed = [config.split_seed, 1]


def hold_out_late(database: Database, part_of: PartOf, config: DataConfig) -> None:
    """Moves the latest ratings to the other parts."""
    earlier = "TRUE"
    for part, name, flag, fraction in held_out(config):
        count = count_train(part_of)
        boundary = database.row(
            f"SELECT {TIMESTAMP} FROM kept WHERE {earlier} ORDER BY {TIMESTAMP} "
            f"LIMIT 1 OFFSET {first_late(count, fraction)}"
        )[0]
        set_part(part_of, part, database, f"{earlier} AND {TIMESTAMP} >= {boundary}")
        num_stay = count_train(part_of)
        require_rows(num_stay, count - num_stay, name, flag, fraction)
        earlier = f"{TIMESTAMP} < {boundary}"


def hold_out_last(database: Database, part_of: PartOf, num_users: int, config: DataConfig) -> None:
    """Moves the last ratings of each user to the other parts."""
    count = count_by(database, USER_CODE, num_users)
    last_of_part: list[tuple[int, np.ndarray]] = []
    num_last = np.zeros(num_users, np.int64)
    for part, name, flag, fraction in held_out(config):
        held = num_held_out(count, config.split, fraction)
        require_last(int(held.sum()), int(count.sum()), config.split)
        count = count - held
        require_rows(int(count.sum()), int(held.sum()), name, flag, fraction)
        num_last = num_last + held
        last_of_part.insert(0, (part, num_last))
    # Among ratings of the same time, later rows of the file count as later.
    place = f"row_number() OVER (PARTITION BY {USER_CODE} ORDER BY {TIMESTAMP} DESC, number DESC) AS place"
    for users in user_ranges(database, num_users):
        for rows in database.stream(f"SELECT number, {USER_CODE}, {place} FROM kept WHERE {users}"):
            number, user, from_last = (rows.column(name).to_numpy() for name in (NUMBER, USER_CODE, "place"))
            for part, num_last in last_of_part:
                part_of[number[from_last <= num_last[user]]] = part
