"""What a peer is: a label, and one function from train and test ratings to predicted stars with the time taken."""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The stars for each test rating, and what they cost.

    fit_seconds: from ratings in memory to the fitted model, compilation included; predict_seconds: from there to stars.
    details: how it was fitted, as plain values for the JSON file.
    """

    stars: Float[np.ndarray, " ratings"]
    fit_seconds: float
    predict_seconds: float
    details: dict[str, Any] = dataclasses.field(default_factory=dict)


# (train, test, rating_scale, seed), tables with `user_id`, `movie_id`, `rating`. The test ratings are not to be looked
# at, and may have users and movies that train lacks. Stars may leave the scale: the caller clips them.
FitPredict = Callable[[pd.DataFrame, pd.DataFrame, tuple[float, float], int], Prediction]


@dataclasses.dataclass(frozen=True)
class Peer:
    """A recommender to compare with; `library` is what must be importable beside our own dependencies."""

    label: str
    fit_predict: FitPredict
    library: str | None = None


def find_peer(name: str) -> Peer:
    """The peer of a name in `config.PEERS`."""
    return importlib.import_module(f"movierec_jax.benchmark.peers.{name}").PEER
