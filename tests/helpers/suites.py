"""A small model on a split of made-up movies, for the suites that make lists."""

import pathlib

from helpers.checkerboard import write
from movierec_jax.config import Config
from movierec_jax.data.splits import Split


def suite_config(folder: pathlib.Path, split: Split, **settings) -> Config:
    """Writes the split as a MovieLens folder and returns the config that trains on it. settings: others, or changes."""
    write(folder, split)
    small = {
        "rating_scale": (1.0, 5.0),
        "hidden_dims": (),
        "implicit_feedback_dim": 8,
        "users_per_step": 20,
        "learning_rate": 0.03,
    }
    return Config().replace(ratings=str(folder / "ml"), **(small | settings))
