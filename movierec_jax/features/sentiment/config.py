"""Settings of the sentiment model."""

import dataclasses

from movierec_jax.settings import (
    ABOVE_0,
    AT_LEAST_0,
    AT_LEAST_1,
    BETWEEN_0_AND_1,
    UINT32,
    Limits,
    Settings,
    setting,
)

POWER_OF_TWO = Limits(
    "a power of two, 1024 to 16777216",
    lambda value: 2**10 <= value <= 2**24 and value.bit_count() == 1,
)


@dataclasses.dataclass(frozen=True)
class SentimentConfig(Settings):
    """How texts become n-grams, and how their sentiment is learnt."""

    num_buckets: int = setting(
        2**22, "hash buckets of n-grams; fewer take less memory", POWER_OF_TWO, heading="Sentiment model"
    )
    min_texts: int = setting(3, "smallest number of texts with an n-gram for it to count", AT_LEAST_1)
    smoothing: float = setting(20.0, "pseudo-count of positive and of negative texts with each n-gram", ABOVE_0)
    epochs: int = setting(3, "passes over the texts", AT_LEAST_1, is_common=True)
    batch_texts: int = setting(500, "texts per step, but at most a fiftieth of all texts", AT_LEAST_1)
    learning_rate: float = setting(0.08, "peak learning rate of Adam; it falls to 0", ABOVE_0, is_common=True)
    decay: float = setting(0.03, "penalty on the squared distance of an n-gram's weight from 1", AT_LEAST_0)
    held_out: float = setting(0.1, "fraction of the texts held out for calibration", BETWEEN_0_AND_1)
    seed: int = setting(0, "seed of the order of texts and of the held-out ones", UINT32, is_common=True)
