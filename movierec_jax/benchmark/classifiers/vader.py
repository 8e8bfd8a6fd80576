"""A lexicon and rules, which learn from no text (Hutto & Gilbert 2014): VADER, praise where its score is above 0."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from movierec_jax.benchmark.classifier import Classifier, Tell
from movierec_jax.packages import import_extra

LIBRARY = "vaderSentiment"


def fit(texts: Sequence[str], is_praise: Bool[np.ndarray, " texts"]) -> Tell:
    """What tells any text, whatever these are."""
    analyzer = import_extra(f"{LIBRARY}.vaderSentiment", "bench").SentimentIntensityAnalyzer()

    def tell(texts: Sequence[str]) -> Float[np.ndarray, " texts"]:
        return np.array([(1 + analyzer.polarity_scores(text)["compound"]) / 2 for text in texts])

    return tell


CLASSIFIER = Classifier("VADER", fit, LIBRARY, has_probability=False)
