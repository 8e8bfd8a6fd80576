"""Files of reviews for the suite `reviews`, each judged by a sentiment that has not learnt from it."""

import dataclasses
import pathlib

import numpy as np
from jaxtyping import Bool

from movierec_jax.benchmark.suites.sentiment import read_parts
from movierec_jax.config import Config
from movierec_jax.data.readers.source_file import local_file
from movierec_jax.data.readers.tables.labelled_file import require_both_labels, test_part
from movierec_jax.data.readers.tables.reviews_file import REVIEW_SPELLINGS, find_columns, read_reviews, take_columns
from movierec_jax.data.readers.tables.table_file import read_columns, read_header
from movierec_jax.data.schema import LABEL, SPLIT, STARS
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.saved import DEFAULT_SENTIMENT, save_sentiment
from movierec_jax.features.sentiment.train import fit_sentiment


@dataclasses.dataclass(frozen=True)
class JudgedReviews:
    """Files of reviews without stars, and the sentiments that judge them, as `DataConfig` has both."""

    reviews: tuple[str, ...]
    sentiment: tuple[str, ...]


def judge_apart(config: Config, settings: SentimentConfig, folder: pathlib.Path) -> JudgedReviews:
    """Writes the files of --reviews to a folder, without stars; each part of a labelled file is judged by the other's.

    settings: of the sentiments that are learnt from labelled files.
    """
    given = config.data.sentiment or (str(DEFAULT_SENTIMENT),)
    sentiment_folders = given if len(given) > 1 else given * (len(config.data.reviews) + 1)
    reviews, sentiments = [], []
    for number, path in enumerate(config.data.reviews):
        table = read_reviews(path).table.drop(columns=STARS, errors="ignore")
        is_test = labelled_test_part(path)
        if is_test is None:
            parts = {"whole": (table, sentiment_folders[number])}
        else:
            learnt_from = {name: str(folder / f"{number}-{name}-sentiment") for name in ("train", "test")}
            for name, part in zip(learnt_from, read_parts(path), strict=True):
                print(f"{path}: learning from the split {name}, to judge the other")
                require_both_labels(part)
                save_sentiment(pathlib.Path(learnt_from[name]), fit_sentiment(part, settings))
            parts = {"train": (table[~is_test], learnt_from["test"]), "test": (table[is_test], learnt_from["train"])}
        for name, (rows, sentiment) in parts.items():
            file = folder / f"{number}-{name}.parquet"
            rows.to_parquet(file, index=False)
            reviews.append(str(file))
            sentiments.append(sentiment)
    return JudgedReviews(tuple(reviews), (*sentiments, sentiment_folders[-1]))


def labelled_test_part(path: str) -> Bool[np.ndarray, " rows"] | None:
    """Returns whether each row of a file is of the split test; None without labels and stars, or without a split."""
    with local_file(path) as file:
        header = read_header(file, REVIEW_SPELLINGS, "columns of a movie_id or imdb_id, and of text")
        names = find_columns(header, (LABEL, STARS, SPLIT))
        if SPLIT not in names or len(names) == 1:
            return None
        found = read_columns(header, [names[SPLIT]])
        is_test = test_part(take_columns(found, {SPLIT: names[SPLIT]}), found)
    return is_test if is_test.any() else None
