"""Logistic regression on words and pairs of words, weighed by TF-IDF, of the library scikit-learn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from movierec_jax.benchmark.classifier import Classifier, Tell
from movierec_jax.packages import import_extra

LIBRARY = "sklearn"


def tfidf_classifier(label: str, weighing: Mapping[str, Any], regression: Mapping[str, Any]) -> Classifier:
    """A classifier from settings of TfidfVectorizer and of LogisticRegression, beside the defaults."""

    def fit(texts: Sequence[str], is_praise: Bool[np.ndarray, " texts"]) -> Tell:
        text = import_extra(f"{LIBRARY}.feature_extraction.text", "bench")
        linear_model = import_extra(f"{LIBRARY}.linear_model", "bench")
        vectorizer = text.TfidfVectorizer(ngram_range=(1, 2), **weighing)
        model = linear_model.LogisticRegression(max_iter=1000, **regression)
        model.fit(vectorizer.fit_transform(texts), is_praise)

        def tell(texts: Sequence[str]) -> Float[np.ndarray, " texts"]:
            return model.predict_proba(vectorizer.transform(texts))[:, 1]

        return tell

    return Classifier(label, fit, LIBRARY)
