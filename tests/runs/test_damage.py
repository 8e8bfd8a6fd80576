"""No flipped bit in a file of a workdir changes an answer unnoticed."""

import gc
import shutil
import warnings

import numpy as np
import pytest

from movierec_jax.errors import InputError
from movierec_jax.recommend.recommender import load

# Flips in each file.
FLIPS = 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_flipped_bit_in_any_file_is_named_or_changes_no_list(workdir, tmp_path):
    copy, rng = shutil.copytree(workdir, tmp_path / "run"), np.random.default_rng(0)
    users = load(copy).user_ids()[:3]
    wanted = load(copy).recommend(users, 3)
    outcomes = {"refused": 0, "the same lists": 0}
    for path in sorted(path for path in copy.rglob("*") if path.is_file() and path.stat().st_size):
        content = path.read_bytes()
        for position in rng.integers(len(content), size=FLIPS):
            changed = bytearray(content)
            changed[position] ^= 1 << rng.integers(8)
            path.write_bytes(changed)
            try:
                # With a warning, another checkpoint would have been taken.
                with warnings.catch_warnings(action="error", category=UserWarning):
                    found = load(copy).recommend(users, 3)
            except InputError as error:
                step = next((part.name for part in path.parents if part.parent.name == "checkpoints"), None)
                assert (f"checkpoints/{step}: " if step else path.name) in str(error), path  # noqa: PT017
                outcomes["refused"] += 1
            else:
                assert found.equals(wanted), path
                outcomes["the same lists"] += 1
        path.write_bytes(content)
    print(outcomes)
    assert min(outcomes.values()) > 0
    gc.collect()  # Ends what Orbax left of failed readings here, where its warnings are ignored.
