"""Logistic regression on TF-IDF of words and pairs of words: scikit-learn, defaults."""

from movierec_jax.benchmark.with_sklearn import tfidf_classifier

CLASSIFIER = tfidf_classifier("scikit-learn TF-IDF + logistic", {}, {})
