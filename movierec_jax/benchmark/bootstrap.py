"""Bootstrap intervals of differences between models: the same test users, resampled many times, for all models at once.

Users are resampled rather than ratings because the errors of one user's ratings are correlated: resampling ratings
would give intervals that are too narrow.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

NUM_RESAMPLES = 2000

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Difference:
    """How far a model's figure is from that of a reference, with the bootstrap interval."""

    reference: str
    value: float
    interval: tuple[float, float]

    def in_words(self, decimals: int = 4) -> str:
        """Returns the difference and its interval, with signs."""
        low, high = self.interval
        return f"{self.value:+.{decimals}f} ({low:+.{decimals}f} to {high:+.{decimals}f})"

    def as_json(self) -> dict[str, Any]:
        return {"to": self.reference, "difference": self.value, "interval": list(self.interval)}


def differences_to(
    reference: str, figures: dict[str, float], resampled: Float64[np.ndarray, "resamples models"]
) -> dict[str, Difference]:
    """Returns every other model's difference to the reference, by label.

    figures: each model's figure by label; resampled: the same models, in the same order, for each draw of users.
    """
    labels = list(figures)
    against = resampled - resampled[:, [labels.index(reference)]]
    return {
        label: Difference(reference, float(figures[label] - figures[reference]), interval(against[:, column]))
        for column, label in enumerate(labels)
        if label != reference
    }


def interval(values: Float64[np.ndarray, " resamples"], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Returns the central range that holds the fraction `confidence` of the values."""
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bootstrap_rmse(
    squared_error: Float64[np.ndarray, "models parts users"],
    num_ratings: Int[np.ndarray, "parts users"],
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Float64[np.ndarray, "resamples models"]:
    """Returns each model's RMSE, a mean over parts, for users drawn with replacement; a row is one draw for all models.

    squared_error: summed over each user's ratings in each part. num_ratings: the number of these ratings; every user
    has some in at least one part. A draw without ratings in a part leaves that part out of its mean.
    """
    resamples = []
    for times_drawn in draws(num_ratings.shape[1], num_resamples, seed):
        count = num_ratings @ times_drawn
        has_ratings = count > 0
        mean_squared_error = (squared_error @ times_drawn)[:, has_ratings] / count[None, has_ratings]
        resamples.append(np.sqrt(mean_squared_error).mean(axis=1))
    return np.stack(resamples)


def bootstrap_mean(
    total: Float64[np.ndarray, "models users"],
    count: Int[np.ndarray, " users"],
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Float64[np.ndarray, "resamples models"]:
    """Returns each model's mean figure for users drawn with replacement; a row is one draw for all models.

    total: the sum of each user's figures. count: the number of these figures, more than 0 for every user.
    """
    return np.stack(
        [total @ times_drawn / (count @ times_drawn) for times_drawn in draws(len(count), num_resamples, seed)]
    )


def draws(num_users: int, num_resamples: int, seed: int) -> Iterator[Int[np.ndarray, " users"]]:
    """Yields how often each user is drawn, with replacement, in each resample."""
    generator = np.random.default_rng(seed)
    for _ in range(num_resamples):
        yield np.bincount(generator.integers(num_users, size=num_users), minlength=num_users)
