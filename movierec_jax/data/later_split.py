"""Splits ratings of which an older run has learnt some: what it has learnt is never held out.

A model that begins from the parameters of that run would else be measured on ratings that it knows.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from movierec_jax.data.arrays import shuffled_positions
from movierec_jax.data.splits import Split, has_pair, require_rows, select_rows, split, valid_fraction, without_pairs
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError


def split_later(
    table: pd.DataFrame,
    config: DataConfig,
    earlier: Split,
    valid: pd.DataFrame | None = None,
    test: pd.DataFrame | None = None,
    log: Callable[[str], None] = print,
) -> Split:
    """Returns the parts as `split` does, but for pairs of user and movie that an older run has had.

    At random, each of these pairs stays in its part, and the fractions are those of the other pairs. By any other rule,
    pairs that the older run has learnt from go to train; `log` gets how many were moved there.

    earlier: the parts of the older run. valid, test: given parts, without any pair that it has learnt from.
    """
    if config.split != "random":
        return keep_learnt(table, split(table, config, valid, test), earlier, log)
    is_test = has_pair(table, earlier.test)
    is_valid = has_pair(table, earlier.valid)
    new = np.flatnonzero(~(is_test | is_valid | has_pair(table, learnt_pairs(earlier))))
    new = new[shuffled_positions(len(new), config.split_seed)]
    num_test = int(config.test_fraction * len(new))
    num_valid = int(valid_fraction(config) * (len(new) - num_test))
    is_test[new[:num_test]] = True
    is_valid[new[num_test : num_test + num_valid]] = True
    is_test &= test is None
    is_valid &= valid is None and valid_fraction(config) > 0
    in_train, in_valid, in_test = map(np.flatnonzero, (~(is_test | is_valid), is_valid, is_test))
    if test is None:
        require_rows(len(in_train), len(in_test), "test", "test_fraction", config.test_fraction)
        test = select_rows(table, in_test)
    if valid is None:
        if valid_fraction(config) > 0:
            require_rows(len(in_train), len(in_valid), "validation", "valid_fraction", valid_fraction(config))
        valid = select_rows(table, in_valid)
    return Split.of(train=select_rows(table, in_train), valid=valid, test=test)


def keep_learnt(table: pd.DataFrame, parts: Split, earlier: Split, log: Callable[[str], None]) -> Split:
    """Moves the pairs that an older run has learnt from to train. Raises InputError where a part is left empty."""
    learnt = learnt_pairs(earlier)
    valid, test = (without_pairs(part, learnt) for part in (parts.valid, parts.test))
    moved = len(parts.valid) - len(valid) + len(parts.test) - len(test)
    if not moved:
        return parts
    for name, part, own in (("test", parts.test, test), ("validation", parts.valid, valid)):
        if len(part) and own.empty:
            raise InputError(
                f"--warm_start: the older run has learnt from each rating that would be in the {name} part; give newer "
                f"ratings{', or --valid_fraction=0' if name == 'validation' else ''}"
            )
    log(f"  {moved:,} ratings stay in train that would be held out, as the older run has learnt from them")
    is_held_out = has_pair(table, valid) | has_pair(table, test)
    return Split.of(train=select_rows(table, np.flatnonzero(~is_held_out)), valid=valid, test=test)


def learnt_pairs(earlier: Split) -> pd.DataFrame:
    """Returns the ratings that an older run has learnt from, those that it read from texts among them."""
    return pd.concat([earlier.train, earlier.from_reviews])
