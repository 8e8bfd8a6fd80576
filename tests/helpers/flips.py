"""Flips bits in every file of a copy of a workdir, loads it each time, and counts what happens.

    python tests/helpers/flips.py WORKDIR 20

A flip must be refused with the name of the file, or change no list. It prints how many were of each kind, and ends with
an error at the first that is neither.
"""

import pathlib
import shutil
import sys
import tempfile
import warnings

import numpy as np
from absl import logging

from movierec_jax.errors import InputError
from movierec_jax.recommend.recommender import Recommender, load


def lists_of(recommender: Recommender):
    """The lists that are compared."""
    return recommender.recommend(recommender.user_ids()[:3], 3)


def flip_bits(workdir: pathlib.Path, flips: int, seed: int = 0) -> dict[str, int]:
    """Flips so many bits in each file of a workdir, one at a time; returns how often what happened."""
    rng, wanted = np.random.default_rng(seed), lists_of(load(workdir))
    outcomes = {"refused": 0, "the same lists": 0}
    for path in sorted(path for path in workdir.rglob("*") if path.is_file() and path.stat().st_size):
        content = path.read_bytes()
        for position in rng.integers(len(content), size=flips):
            changed = bytearray(content)
            changed[position] ^= 1 << rng.integers(8)
            path.write_bytes(changed)
            try:
                # With a warning, another checkpoint would have been taken.
                with warnings.catch_warnings(action="error", category=UserWarning):
                    found = lists_of(load(workdir))
            except InputError as error:
                step = next((part.name for part in path.parents if part.parent.name == "checkpoints"), None)
                if (f"checkpoints/{step}: " if step else path.name) not in str(error):
                    raise AssertionError(f"{path} is not named") from error
                outcomes["refused"] += 1
            else:
                assert found.equals(wanted), f"{path}: other lists, without a word"
                outcomes["the same lists"] += 1
        path.write_bytes(content)
    return outcomes


if __name__ == "__main__":
    logging.set_verbosity(logging.FATAL)
    # Orbax leaves work of failed readings behind.
    sys.unraisablehook = lambda unraisable: None
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(sys.argv[1], pathlib.Path(scratch) / "run")
        print(", ".join(f"{count} {what}" for what, count in flip_bits(copy, int(sys.argv[2])).items()))
