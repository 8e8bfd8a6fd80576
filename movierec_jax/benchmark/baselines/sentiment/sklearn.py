"""Logistic regression on TF-IDF weights of words and pairs of words, by scikit-learn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from movierec_jax.benchmark.baselines.records import Classify, SentimentBaseline
from movierec_jax.packages import import_extra

LIBRARY = "sklearn"


def tfidf_logistic(label: str, weighting: Mapping[str, Any], regression: Mapping[str, Any]) -> SentimentBaseline:
    """Returns a baseline from the settings of TfidfVectorizer and LogisticRegression that differ from the defaults."""

    def fit(texts: Sequence[str], is_praise: Bool[np.ndarray, " texts"]) -> Classify:
        text = import_extra(f"{LIBRARY}.feature_extraction.text", "bench")
        linear_model = import_extra(f"{LIBRARY}.linear_model", "bench")
        vectorizer = text.TfidfVectorizer(ngram_range=(1, 2), **weighting)
        model = linear_model.LogisticRegression(max_iter=1000, **regression)
        model.fit(vectorizer.fit_transform(texts), is_praise)

        def classify(texts: Sequence[str]) -> Float[np.ndarray, " texts"]:
            return model.predict_proba(vectorizer.transform(texts))[:, 1]

        return classify

    return SentimentBaseline(label, fit, LIBRARY)


BASELINES = {
    "tfidf_logistic": tfidf_logistic("scikit-learn TF-IDF + logistic", {}, {}),
    # Counts on a log scale, n-grams of two texts or more, less regularisation.
    "tfidf_logistic_c10": tfidf_logistic(
        "scikit-learn TF-IDF + logistic (sublinear_tf, min_df=2, C=10)", {"sublinear_tf": True, "min_df": 2}, {"C": 10}
    ),
}
