"""Saves a sentiment model as a folder, and loads it.

sentiment.json    settings, rating scale, and the report of its training
learnt/           the arrays of `SentimentWeights` (Orbax)
"""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from movierec_jax.data.files import atomic_folder, first_line, read_json, write_json
from movierec_jax.data.schema import Opinions, in_one_line
from movierec_jax.data.storage import downloaded, is_url
from movierec_jax.errors import InputError
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.model import GAIN_KNOTS, NUM_RATING_BINS, SentimentWeights
from movierec_jax.features.sentiment.ngrams import NUM_POSITIONS
from movierec_jax.features.sentiment.predict import predict_opinions
from movierec_jax.settings import from_json, to_json

# The model that comes with the package.
DEFAULT_SENTIMENT = pathlib.Path(__file__).parent / "default"

ABOUT, ARRAYS = "sentiment.json", "learnt"

# Raised when folders of one version can no longer be loaded by the next.
FORMAT = 1

# The names of arrays in the folder, where those of `SentimentWeights` differ.
SAVED_NAMES = {"position_weight": "place", "min_vocabulary_share": "least_known", "rating_curve": "stars"}


@dataclasses.dataclass(frozen=True)
class Sentiment:
    """A sentiment model that judges texts.

    rating_scale: lowest and highest rating that it predicts; None where its texts had no ratings.
    report: how it was measured, as `train_sentiment` returns it.
    """

    __repr__ = in_one_line

    weights: SentimentWeights
    config: SentimentConfig
    rating_scale: tuple[float, float] | None
    report: dict[str, Any]

    def opinions(self, texts: Sequence[str]) -> Opinions:
        """Returns the opinion of each text."""
        return predict_opinions(self.weights, texts)


def save_sentiment(folder: pathlib.Path, sentiment: Sentiment) -> None:
    """Saves a model as a folder, replacing one that is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    arrays = {SAVED_NAMES.get(name, name): array for name, array in sentiment.weights._asdict().items()}
    with atomic_folder(folder.absolute()) as partial:
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(partial / ARRAYS, arrays)
        write_json(
            partial / ABOUT,
            {
                "format": FORMAT,
                "settings": to_json(sentiment.config),
                "star_scale": sentiment.rating_scale,
                "report": sentiment.report,
            },
        )


def load_sentiment(folder: str | os.PathLike[str] = DEFAULT_SENTIMENT) -> Sentiment:
    """Loads a model from a folder or its URL, by default the one that comes with the package.

    Raises InputError where the folder holds none, or is damaged.
    """
    if is_url(folder):
        with downloaded(str(folder)) as copy:
            return load_sentiment(copy)
    folder = pathlib.Path(folder).absolute()
    about = folder / ABOUT
    if not about.exists():
        raise InputError(f"{folder}: no {ABOUT}; name a folder that movierec train_sentiment has written")
    values = read_json(about)
    fields = {"format", "settings", "star_scale", "report"}
    if not isinstance(values, dict) or values.keys() != fields or values["format"] != FORMAT:
        raise InputError(f"{about}: not of this version; write it anew with movierec train_sentiment")
    config = from_json(SentimentConfig, values["settings"], str(about))
    scale = values["star_scale"]
    return Sentiment(load_weights(folder / ARRAYS, config), config, tuple(scale) if scale else None, values["report"])


def load_weights(folder: pathlib.Path, config: SentimentConfig) -> SentimentWeights:
    """Loads the weights of a model with these settings. Raises InputError for arrays that are damaged."""
    float_shapes = {
        "unit": (),
        "position_weight": (NUM_POSITIONS,),
        "min_vocabulary_share": (),
        "gain": (len(GAIN_KNOTS),),
        "bias": (),
        "rating_curve": (2, NUM_RATING_BINS),
    }
    expected = {"score": jax.ShapeDtypeStruct((config.num_buckets,), np.int8)}
    expected |= {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in float_shapes.items()}
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            arrays = checkpointer.restore(folder, {SAVED_NAMES.get(name, name): one for name, one in expected.items()})
    except (ValueError, OSError, KeyError) as error:
        raise InputError(
            f"{folder}: cannot be read ({first_line(error)}); write it anew with movierec train_sentiment"
        ) from None
    return SentimentWeights(**{name: np.asarray(arrays[SAVED_NAMES.get(name, name)]) for name in expected})
