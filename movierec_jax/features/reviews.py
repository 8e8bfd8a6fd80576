"""Turns reviews and tags into movie features, the aspects that reviews praise and blame, and ratings for histories.

Texts are reviews and tags alike. Texts of validation and test ratings are not used. Where time splits the ratings,
neither are texts written after train, or at an unknown time.

An aspect, such as acting or pace, is found in a sentence by its words (`ASPECTS`); the sentiment model judges the
sentence. A text without a rating beside it stands for one in the history of its writer.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from movierec_jax.data.arrays import damped_means
from movierec_jax.data.schema import (
    MOVIE_ID,
    NO_TIMESTAMP,
    RATING,
    STARS,
    TEXT,
    TIMESTAMP,
    USER_ID,
    FeatureBags,
    Opinions,
)
from movierec_jax.data.splits import Split, without_pairs
from movierec_jax.data.values.weights import rated_rows, weight_array
from movierec_jax.data.vocab import Vocab
from movierec_jax.features.bags import build_bags, fit_bags, join_bags, number_feature, scale_bags, word_features

# Columns of texts besides those of `clean_reviews`: whether a text is a tag, and the probability that it praises.
IS_TAG, PRAISE = "is_tag", "praise"

# Columns of the table of reviewed movies.
NUM_TEXTS, SPREAD, PRAISED, BLAMED = "num_texts", "spread", "praised", "blamed"

REVIEW_COLUMNS: dict[str, Any] = {
    NUM_TEXTS: np.int32,
    PRAISE: np.float32,
    SPREAD: np.float32,
    PRAISED: "str",
    BLAMED: "str",
}

# Texts whose sentences are judged together.
TEXTS_PER_BATCH = 10_000

# Texts at the overall mean that each movie gets beside its own, and sentences that each of its aspects gets.
DAMPING = 3.0

# Smallest lift for an aspect to be named (`movie_aspects`), and most aspects that are praised or blamed.
MIN_LIFT = 0.05

MAX_ASPECTS = 3

# Scales of the features of texts; other features have 1. Words of reviews tell movies apart as well as ids do, and at a
# scale of 1 a model with many ratings learns them by heart.
NUMBER_SCALE, ASPECT_SCALE, WORD_SCALE = 0.3, 0.3, 0.1

# Prior of the weight of praise in a text's rating: a quarter of the rating scale from blame to praise, as if this many
# ratings beside texts had shown it.
PRIOR_SHARE, PRIOR_RATINGS = 0.25, 20.0

# Judges texts, as `Sentiment.opinions` does.
Judge = Callable[[Sequence[str]], Opinions]


def no_reviews(dtype: Any) -> pd.DataFrame:
    """Returns an empty table of reviewed movies, as `Reviews.movies`; dtype: of the movie ids."""
    columns = {name: pd.Series(dtype=kind) for name, kind in REVIEW_COLUMNS.items()}
    return pd.DataFrame({MOVIE_ID: pd.Series(dtype=dtype)} | columns)


@dataclasses.dataclass(frozen=True)
class Reviews:
    """What reviews and tags say about the movies of a run.

    content: features of movies.
    movies: a row for each movie with reviews, to be shown: `movie_id`, `num_texts`, `praise` (the mean probability),
        `spread` (its standard deviation over the texts), `praised` and `blamed` (aspects joined by "|", most first).
    ratings: what users wrote about movies they did not rate, read as ratings: `user_id, movie_id, rating, timestamp`.
    """

    content: FeatureBags
    movies: pd.DataFrame
    ratings: pd.DataFrame


def fit_reviews(
    tables: Sequence[tuple[pd.DataFrame, Judge]],
    parts: Split,
    ids: pd.Index,
    num_train: int,
    rating_scale: tuple[float, float],
) -> Reviews:
    """Returns what texts say about the movies `ids`, the first `num_train` of which are those of train.

    tables: of `train_texts`, each with the function that judges its texts.
    """
    texts = pd.concat([understood_texts(table, judge) for table, judge in tables], ignore_index=True)
    written = texts[~texts[IS_TAG]]
    sentences = [judged_sentences(table[~table[IS_TAG]], judge) for table, judge in tables]
    aspects = movie_aspects(pd.concat(sentences, ignore_index=True))
    return Reviews(
        content=review_content(texts, aspects, ids, num_train),
        movies=reviewed_movies(written, aspects),
        ratings=ratings_from_reviews(texts, parts, rating_scale),
    )


def understood_texts(texts: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Returns the texts that are understood, with the probability that each praises."""
    opinions = judge(texts[TEXT].tolist())
    return texts.assign(**{PRAISE: opinions.praise})[opinions.is_understood]


def train_texts(texts: pd.DataFrame, parts: Split, rule: str) -> pd.DataFrame:
    """Returns the texts that a model of the train part may use.

    texts: with `movie_id`, `timestamp`, and `user_id`, missing where the writer is unknown.
    rule: how the ratings were split, one of `DataConfig.split`.
    """
    held_out = pd.concat([parts.valid, parts.test], ignore_index=True)
    texts = without_pairs(texts, held_out)
    if rule == "random" or held_out.empty:
        return texts
    if rule == "time":
        end = np.full(len(texts), held_out[TIMESTAMP].min(), np.float64)
    else:
        end = texts[USER_ID].map(held_out.groupby(USER_ID)[TIMESTAMP].min()).to_numpy(np.float64, na_value=np.inf)
    time = texts[TIMESTAMP].to_numpy()
    return texts[np.isinf(end) | ((time < end) & (time != NO_TIMESTAMP))].reset_index(drop=True)


def judged_sentences(texts: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Returns the sentences of reviews that name an aspect, and how much each praises: `movie_id, aspect, praise`."""
    parts = []
    for start in range(0, len(texts), TEXTS_PER_BATCH):
        batch = texts.iloc[start : start + TEXTS_PER_BATCH]
        found = list(aspect_sentences(batch[TEXT]))
        movie = batch[MOVIE_ID].iloc[[index for index, _, _ in found]].reset_index(drop=True)
        aspect = pd.Series([aspect for _, aspect, _ in found], dtype="category")
        praise = judge([sentence for _, _, sentence in found]).praise.astype(np.float64)
        parts.append(pd.DataFrame({MOVIE_ID: movie, "aspect": aspect, PRAISE: praise}))
    empty = pd.DataFrame({MOVIE_ID: texts[MOVIE_ID].head(0), "aspect": pd.Series(dtype="str"), PRAISE: np.zeros(0)})
    return pd.concat([empty, *parts], ignore_index=True).astype({"aspect": "str"})


def movie_aspects(sentences: pd.DataFrame) -> pd.DataFrame:
    """Returns the aspects that reviews of each movie praise or blame: `movie_id, aspect, lift`, above 0 for praise.

    sentences: as `judged_sentences` returns them.
    The lift is how much more a movie's sentences on an aspect praise than all sentences on it, shrunk to 0 where they
    are few. An aspect is named where the lift is large and the sentences also praise, or blame, by themselves.
    """
    lift = sentences[PRAISE] - sentences.groupby("aspect")[PRAISE].transform("mean")
    of_aspect = sentences.assign(lift=lift).groupby([MOVIE_ID, "aspect"])
    num_sentences = of_aspect.size()
    lift = of_aspect["lift"].sum() / (num_sentences + DAMPING)
    praise = (of_aspect[PRAISE].sum() + DAMPING / 2) / (num_sentences + DAMPING)
    is_named = (lift.abs() >= MIN_LIFT) & ((lift > 0) == (praise > 0.5))
    return lift[is_named].rename("lift").reset_index()


def reviewed_movies(texts: pd.DataFrame, aspects: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each movie with reviews, as `Reviews.movies`."""
    by_movie = texts.groupby(MOVIE_ID)[PRAISE]
    movies = pd.DataFrame(
        {
            NUM_TEXTS: by_movie.size().astype(np.int32),
            PRAISE: by_movie.mean().astype(np.float32),
            SPREAD: by_movie.std(ddof=0).astype(np.float32),
        }
    )
    for column, sign in ((PRAISED, 1), (BLAMED, -1)):
        named = aspects[sign * aspects["lift"] > 0].sort_values("lift", ascending=sign < 0, kind="stable")
        most = named.groupby(MOVIE_ID)["aspect"].agg(lambda names: "|".join(names[:MAX_ASPECTS]))
        movies[column] = most.reindex(movies.index).fillna("").astype("str")
    return movies.reset_index()


def review_content(texts: pd.DataFrame, aspects: pd.DataFrame, ids: pd.Index, num_train: int) -> FeatureBags:
    """Returns movie features of texts: mean praise, spread and number, praised and blamed aspects, words of reviews."""
    if texts.empty:
        return join_bags([])
    sign = np.where(aspects["lift"] > 0, "praised=", "blamed=")
    names = pd.Series(sign, dtype=object) + aspects["aspect"].astype(object)
    bags = build_bags(ids.get_indexer(pd.Index(aspects[MOVIE_ID])), names, aspects["lift"].abs().to_numpy())
    reviews = texts[~texts[IS_TAG]].groupby(MOVIE_ID)[TEXT].agg(" ".join)
    row = ids.get_indexer(reviews.index)
    order = np.argsort(row, kind="stable")
    words = word_features("review", row[order], reviews.reset_index(drop=True).iloc[order], num_train)
    return join_bags(
        [
            *praise_features(texts, ids, num_train),
            scale_bags(fit_bags(bags, num_train), ASPECT_SCALE),
            scale_bags(words, WORD_SCALE),
        ]
    )


def praise_features(texts: pd.DataFrame, ids: pd.Index, num_train: int) -> list[FeatureBags]:
    """Returns the mean praise, spread and number of each movie's texts; few texts are pulled to those of all movies."""
    rows, index = np.unique(ids.get_indexer(pd.Index(texts[MOVIE_ID])), return_inverse=True)
    num_texts = np.bincount(index, minlength=len(rows))
    deviation = texts[PRAISE].to_numpy(np.float64) - texts[PRAISE].mean()
    praise = np.bincount(index, deviation, minlength=len(rows)) / (num_texts + DAMPING)
    square = np.bincount(index, deviation**2, minlength=len(rows)) + DAMPING * np.mean(deviation**2)
    spread = np.sqrt(np.maximum(square / (num_texts + DAMPING) - praise**2, 0))
    numbers = {"praise in texts": praise, "spread of texts": spread, "number of texts": np.log1p(num_texts)}
    features = [number_feature(name, rows, pd.Series(values), num_train) for name, values in numbers.items()]
    return [scale_bags(feature, NUMBER_SCALE) for feature in features]


def ratings_from_reviews(texts: pd.DataFrame, parts: Split, rating_scale: tuple[float, float]) -> pd.DataFrame:
    """Returns ratings that stand for texts of train users on train movies that they have not rated.

    A text with stars counts as that rating. Any other counts as the movie's level plus weight x how much more than the
    mean text it praises. The weight is a ridge regression of ratings on the texts beside them, towards the prior. So
    texts that say nothing about ratings, as most tags, only stand for having seen the movie.
    """
    users, movies = (Vocab.of(parts.train[column], column) for column in (USER_ID, MOVIE_ID))
    rated = rated_rows(parts.train)
    level = damped_means(movies.rows(rated[MOVIE_ID]), rated[RATING].to_numpy(), len(movies) + 1, weight_array(rated))
    texts = texts[texts[USER_ID].isin(users.ids) & texts[MOVIE_ID].isin(movies.ids)]
    texts = texts.astype({USER_ID: parts.train[USER_ID].dtype})
    by_pair = texts.groupby([USER_ID, MOVIE_ID], sort=True)
    pairs = by_pair.agg({PRAISE: "mean", STARS: "mean", TIMESTAMP: "max"}).reset_index()
    deviation = pairs[PRAISE].to_numpy(np.float64) - texts[PRAISE].mean()
    movie_level = level[movies.rows(pairs[MOVIE_ID])]
    beside = pairs[[USER_ID, MOVIE_ID]].merge(parts.train, how="left", on=[USER_ID, MOVIE_ID], indicator=True)
    is_new, given = beside["_merge"].eq("left_only").to_numpy(), beside[RATING].to_numpy()
    is_rated = ~np.isnan(given)
    prior = PRIOR_SHARE * (rating_scale[1] - rating_scale[0])
    ridge = PRIOR_RATINGS * np.mean(deviation**2) if len(deviation) else 1.0
    x, y = deviation[is_rated], (given - movie_level)[is_rated]
    weight = (x @ y + ridge * prior) / max(x @ x + ridge, 1e-12)
    stars = pairs[STARS].to_numpy(np.float64)
    rating = np.where(np.isnan(stars), movie_level + weight * deviation, stars)
    ratings = pairs.assign(**{RATING: np.clip(rating, *rating_scale).astype(np.float32)})
    return ratings.loc[is_new, [USER_ID, MOVIE_ID, RATING, TIMESTAMP]].reset_index(drop=True)


# Words that name each aspect; a word names one aspect.
ASPECTS = {
    "acting": "acting actor actors actress actresses acted performance performances cast casting",
    "action": "action fight fights fighting chase chases stunt stunts battle battles",
    "animation": "animation animated animators drawn",
    "atmosphere": "atmosphere atmospheric mood moody setting settings",
    "characters": "character characters protagonist villain villains hero heroine",
    "direction": "director directed directing direction directorial",
    "dialogue": "dialogue dialogues dialog script screenplay writing written writers",
    "effects": "effects cgi fx makeup costumes costume sets",
    "emotion": "emotional emotion emotions moving touching heartwarming heartbreaking tears poignant",
    "ending": "ending ends finale climax conclusion",
    "humour": "humor humour funny comedy comedic joke jokes laugh laughs laughing hilarious witty",
    "music": "music musical soundtrack score song songs singing",
    "originality": "original originality unique fresh cliche cliches clichés clichéd predictable formulaic",
    "pace": "pace pacing paced slow boring dull tedious",
    "photography": "photography cinematography cinematographer camera visuals visually scenery shots",
    "realism": "realistic realism believable unbelievable authentic accurate plausible implausible",
    "romance": "romance romantic chemistry lovers",
    "scares": "scary scare scares scared horror creepy frightening terrifying gore gory",
    "story": "story stories storyline plot plots premise narrative",
    "suspense": "suspense suspenseful tension tense thriller thrilling twist twists mystery",
}

ASPECT_OF_WORD = {word: aspect for aspect, words in ASPECTS.items() for word in words.split()}

WORD = re.compile(r"\w+")

END_OF_SENTENCE = re.compile(r"[.!?\n]+|<br\s*/?>")

# Sentences of a text that are read; the rest is skipped.
MAX_SENTENCES = 200


def aspect_sentences(texts: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Yields the index of the text, the aspect and the sentence, for each aspect that a sentence names."""
    for index, text in enumerate(texts):
        for sentence in END_OF_SENTENCE.split(text, MAX_SENTENCES)[:MAX_SENTENCES]:
            words = WORD.findall(sentence.lower())
            for aspect in sorted({ASPECT_OF_WORD[word] for word in words if word in ASPECT_OF_WORD}):
                yield index, aspect, sentence
