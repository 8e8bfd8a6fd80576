"""What was learnt of texts, as a folder: written whole, and read with what it needs to be asked.

sentiment.json    settings, the scale of stars, and how it was measured
learnt/           the arrays of `Learnt` (Orbax)
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
from movierec_jax.data.schema import Opinions
from movierec_jax.data.storage import downloaded, is_url
from movierec_jax.errors import InputError
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.model import KNOTS, NUM_STAR_BINS, Learnt
from movierec_jax.features.sentiment.ngrams import NUM_PLACES
from movierec_jax.features.sentiment.predict import opinions_of
from movierec_jax.settings import from_json, to_json

# What comes with the package.
DEFAULT = pathlib.Path(__file__).parent / "default"

ABOUT, ARRAYS = "sentiment.json", "learnt"

# Raised when a folder of one version can no longer be read by the next.
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Sentiment:
    """What was learnt of texts, to be asked.

    star_scale: lowest and highest of the stars that it tells; None where its texts had none.
    report: how it was measured, as `run.train_sentiment` gives it.
    """

    learnt: Learnt
    config: SentimentConfig
    star_scale: tuple[float, float] | None
    report: dict[str, Any]

    def opinions(self, texts: Sequence[str]) -> Opinions:
        """What each text says."""
        return opinions_of(self.learnt, texts)


def save_sentiment(folder: pathlib.Path, sentiment: Sentiment) -> None:
    """Writes a folder, in the place of one that was there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder.absolute()) as partial:
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(partial / ARRAYS, sentiment.learnt._asdict())
        write_json(
            partial / ABOUT,
            {
                "format": FORMAT,
                "settings": to_json(sentiment.config),
                "star_scale": sentiment.star_scale,
                "report": sentiment.report,
            },
        )


def load_sentiment(folder: str | os.PathLike[str] = DEFAULT) -> Sentiment:
    """What a folder holds. Raises InputError where it is none, or damaged."""
    if is_url(folder):
        with downloaded(str(folder)) as copy:
            return load_sentiment(copy)
    folder = pathlib.Path(folder).absolute()
    about = folder / ABOUT
    if not about.exists():
        raise InputError(f"{folder}: no {ABOUT}; name a folder that scripts/train_sentiment.py has written")
    values = read_json(about)
    wanted = {"format", "settings", "star_scale", "report"}
    if not isinstance(values, dict) or values.keys() != wanted or values["format"] != FORMAT:
        raise InputError(f"{about}: not of this version; write it anew with scripts/train_sentiment.py")
    config = from_json(SentimentConfig, values["settings"], str(about))
    scale = values["star_scale"]
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            arrays = checkpointer.restore(folder / ARRAYS, shapes(config))
    except (ValueError, OSError, KeyError) as error:
        raise InputError(
            f"{folder / ARRAYS}: cannot be read ({first_line(error)}); write it anew with scripts/train_sentiment.py"
        ) from None
    learnt = jax.tree.map(np.asarray, Learnt(**arrays))
    return Sentiment(learnt, config, tuple(scale) if scale else None, values["report"])


def shapes(config: SentimentConfig) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of what was learnt."""
    numbers = {
        "unit": (),
        "place": (NUM_PLACES,),
        "least_known": (),
        "gain": (len(KNOTS),),
        "bias": (),
        "stars": (2, NUM_STAR_BINS),
    }
    of_score = jax.ShapeDtypeStruct((config.num_buckets,), np.int8)
    return {"score": of_score} | {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in numbers.items()}
