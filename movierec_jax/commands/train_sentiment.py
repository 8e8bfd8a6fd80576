"""Trains a sentiment model on labelled texts: does a text praise a movie, and what rating would its writer give?

    movierec train_sentiment --texts=reviews.parquet --output=runs/sentiment
    movierec train --reviews=reviews.csv --sentiment=runs/sentiment

The file (CSV, TSV or Parquet, also .gz) has a column of texts and one of labels (pos and neg, 1 and 0, ...) or stars.
With a column of movies, texts of one movie are held out together. With a column `split` of train and test, the test
texts are only measured. 25,000 reviews of some 230 words take about half a minute on 2 cores.
"""

from absl import flags

from movierec_jax import cli
from movierec_jax.features.sentiment.config import SentimentConfig

TEXTS = flags.DEFINE_string("texts", None, "file or URL of labelled texts", required=True)
OUTPUT = flags.DEFINE_string("output", "runs/sentiment", "folder to write")
OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace the folder if it exists")


def main() -> None:
    from movierec_jax.features.sentiment.train import train_sentiment

    train_sentiment(TEXTS.value, OUTPUT.value, cli.section_from_flags(SentimentConfig()), overwrite=OVERWRITE.value)


def run() -> None:
    cli.run(main, [SentimentConfig], __doc__)
