"""A lexicon and rules that learn from no text (Hutto & Gilbert 2014): praise where VADER's score is above 0."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from movierec_jax.benchmark.baselines.records import Classify, SentimentBaseline
from movierec_jax.packages import import_extra

LIBRARY = "vaderSentiment"


def fit(texts: Sequence[str], is_praise: Bool[np.ndarray, " texts"]) -> Classify:
    """Returns the classifier, which is the same for any texts."""
    analyzer = import_extra(f"{LIBRARY}.vaderSentiment", "bench").SentimentIntensityAnalyzer()

    def classify(texts: Sequence[str]) -> Float[np.ndarray, " texts"]:
        return np.array([(1 + analyzer.polarity_scores(text)["compound"]) / 2 for text in texts])

    return classify


BASELINES = {"vader": SentimentBaseline("VADER", fit, LIBRARY, has_probability=False)}
