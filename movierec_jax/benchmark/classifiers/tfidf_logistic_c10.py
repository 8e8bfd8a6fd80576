"""The same with counts on a log scale, without n-grams of one text alone, and less held back."""

from movierec_jax.benchmark.with_sklearn import tfidf_classifier

CLASSIFIER = tfidf_classifier(
    "scikit-learn TF-IDF + logistic (sublinear_tf, min_df=2, C=10)", {"sublinear_tf": True, "min_df": 2}, {"C": 10}
)
