"""Settings of the sentiment model."""

import dataclasses
import math

from movierec_jax.settings import (
    Settings,
    require,
    setting,
)


@dataclasses.dataclass(frozen=True)
class SentimentConfig(Settings):
    """What texts are taken apart into, and how their sentiment is learnt."""

    num_buckets: int = setting(2**22, "numbers that n-grams are told apart by, a power of two; fewer take less memory")
    min_texts: int = setting(3, "texts that must have an n-gram for it to count")
    smoothing: float = setting(20.0, "texts of either kind that are taken to have each n-gram besides those that do")
    epochs: int = setting(3, "passes over the texts, over which the learning rate falls to 0", is_common=True)
    batch_texts: int = setting(500, "texts in a step at most; of few texts a fiftieth of them")
    learning_rate: float = setting(0.08, "highest learning rate of Adam")
    decay: float = setting(0.03, "weight of the squared distances of the weights of n-grams from 1")
    held_out: float = setting(0.1, "share of the texts that calibrate what the others teach, between 0 and 1")
    seed: int = setting(0, "seed of the order of texts and of those that are held out", is_common=True)

    def __post_init__(self):
        is_power = 2**10 <= self.num_buckets <= 2**24 and self.num_buckets.bit_count() == 1
        require(is_power, "num_buckets", self.num_buckets, "a power of two, 1024 to 16777216")
        for flag in ("min_texts", "epochs", "batch_texts"):
            require(getattr(self, flag) >= 1, flag, getattr(self, flag), "1 or more")
        for flag in ("smoothing", "learning_rate"):
            require(0 < getattr(self, flag) < math.inf, flag, getattr(self, flag), "above 0")
        require(0 <= self.decay < math.inf, "decay", self.decay, "0 or more")
        require(0 < self.held_out < 1, "held_out", self.held_out, "above 0 and below 1")
        require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 4294967295")
