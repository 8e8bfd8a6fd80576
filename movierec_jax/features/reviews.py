"""What people wrote about movies -> features of movies, what is praised and blamed, and ratings that nobody gave.

Texts are reviews and tags alike. Of a text that belongs to a rating of the validation or test part nothing is used, nor
where time splits the ratings of one that was written after train, or nobody knows when.
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
from movierec_jax.data.vocab import Vocab
from movierec_jax.features.bags import build_bags, fit_bags, join_bags, number_feature, scale_bags, word_features

# Columns of texts beside those of `clean_reviews`: whether a text is a tag, and the probability that it praises.
IS_TAG, PRAISE = "is_tag", "praise"

# Columns of what is told of a movie.
NUM_TEXTS, SPREAD, PRAISED, BLAMED = "num_texts", "spread", "praised", "blamed"

REVIEW_COLUMNS: dict[str, Any] = {
    NUM_TEXTS: np.int32,
    PRAISE: np.float32,
    SPREAD: np.float32,
    PRAISED: "str",
    BLAMED: "str",
}

# Texts whose sentences are looked at together.
TEXTS_AT_ONCE = 10_000

# Texts at the mean of all that each movie is given beside its own, and sentences on each aspect.
DAMPING = 3.0

# By how much sentences on an aspect must praise above or below all of these for it to be named; most of each kind.
LEAST_LIFT = 0.05

MOST_NAMED = 3

# Size of the values of features of texts, beside 1 of others: how much is left to them. Words of reviews tell movies
# apart as well as ids do, and with values of 1 are learnt by heart where ratings are many.
NUMBER_SIZE, ASPECT_SIZE, WORD_SIZE = 0.3, 0.3, 0.1

# What a text tells of stars unless ratings beside texts tell otherwise: from blame to praise a quarter of the scale,
# as if so many ratings had told.
USUAL_SHARE, USUAL_RATINGS = 0.25, 20.0


Ask = Callable[[Sequence[str]], Opinions]


def no_reviews(dtype: Any) -> pd.DataFrame:
    """What is told of movies of which nobody wrote, as `Reviews.movies`; dtype: of their ids."""
    columns = {name: pd.Series(dtype=kind) for name, kind in REVIEW_COLUMNS.items()}
    return pd.DataFrame({MOVIE_ID: pd.Series(dtype=dtype)} | columns)


@dataclasses.dataclass(frozen=True)
class Reviews:
    """What texts tell of the movies and users of a run.

    content: features of movies.
    movies: for people, a row for each movie with reviews: `movie_id`, `num_texts`, `praise` (the mean probability),
        `spread` (its standard deviation over the texts), `praised` and `blamed` (aspects joined by "|", most first).
    ratings: what users wrote about movies they did not rate, read as ratings: `user_id, movie_id, rating, timestamp`.
    """

    content: FeatureBags
    movies: pd.DataFrame
    ratings: pd.DataFrame


def reviews_of(
    tables: Sequence[tuple[pd.DataFrame, Ask]],
    parts: Split,
    ids: pd.Index,
    num_train: int,
    rating_scale: tuple[float, float],
) -> Reviews:
    """What texts that a model of the train part may know tell of the movies `ids`, the first of them those of train.

    tables: of texts, each with whom to ask what they say.
    """
    texts = pd.concat([with_opinions(table, ask) for table, ask in tables], ignore_index=True)
    written = texts[~texts[IS_TAG]]
    sentences = [sentences_of(table[~table[IS_TAG]], ask) for table, ask in tables]
    aspects = movie_aspects(pd.concat(sentences, ignore_index=True))
    return Reviews(
        content=review_content(texts, aspects, ids, num_train),
        movies=for_people(written, aspects),
        ratings=ratings_from_reviews(texts, parts, rating_scale),
    )


def with_opinions(texts: pd.DataFrame, ask: Ask) -> pd.DataFrame:
    """Texts and how probably they praise; those that are not understood are left out."""
    opinions = ask(texts[TEXT].tolist())
    return texts.assign(**{PRAISE: opinions.praise})[opinions.is_understood]


def known_texts(texts: pd.DataFrame, parts: Split, rule: str) -> pd.DataFrame:
    """The texts that a model of the train part may know.

    texts: with `user_id`, missing where nobody knows whose they are, `movie_id` and `timestamp`.
    rule: by which the ratings were split, of `DataConfig.split`.
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


def sentences_of(texts: pd.DataFrame, ask: Ask) -> pd.DataFrame:
    """The sentences of reviews that are about an aspect, and what they say: `movie_id, aspect, praise`."""
    found = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        some = texts.iloc[start : start + TEXTS_AT_ONCE]
        number, aspect, sentence = (
            list(column) for column in zip((0, "", ""), *sentences_about(some[TEXT]), strict=True)
        )
        movie = some[MOVIE_ID].iloc[number[1:]].reset_index(drop=True)
        praise = ask(sentence[1:]).praise.astype(np.float64)
        found.append(pd.DataFrame({MOVIE_ID: movie, "aspect": pd.Series(aspect[1:], dtype="category"), PRAISE: praise}))
    nothing = pd.DataFrame({MOVIE_ID: texts[MOVIE_ID].head(0), "aspect": pd.Series(dtype="str"), PRAISE: np.zeros(0)})
    return pd.concat([nothing, *found], ignore_index=True).astype({"aspect": "str"})


def movie_aspects(sentences: pd.DataFrame) -> pd.DataFrame:
    """The aspects that reviews of a movie praise or blame: `movie_id, aspect, lift`, above 0 for praise.

    sentences: as `sentences_of` gives them.
    The lift is by how much the sentences on it praise above all sentences on that aspect, few of them pulled to these.
    An aspect is named where it is large, and the sentences also praise, or blame, by themselves.
    """
    lift = sentences[PRAISE] - sentences.groupby("aspect")[PRAISE].transform("mean")
    of_aspect = sentences.assign(lift=lift).groupby([MOVIE_ID, "aspect"])
    num_sentences = of_aspect.size()
    lift = of_aspect["lift"].sum() / (num_sentences + DAMPING)
    praise = (of_aspect[PRAISE].sum() + DAMPING / 2) / (num_sentences + DAMPING)
    is_named = (lift.abs() >= LEAST_LIFT) & ((lift > 0) == (praise > 0.5))
    return lift[is_named].rename("lift").reset_index()


def for_people(texts: pd.DataFrame, aspects: pd.DataFrame) -> pd.DataFrame:
    """What is told of each movie with reviews, as `Reviews.movies`."""
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
        most = named.groupby(MOVIE_ID)["aspect"].agg(lambda names: "|".join(names[:MOST_NAMED]))
        movies[column] = most.reindex(movies.index).fillna("").astype("str")
    return movies.reset_index()


def review_content(texts: pd.DataFrame, aspects: pd.DataFrame, ids: pd.Index, num_train: int) -> FeatureBags:
    """What texts tell of movies as features: how much they praise, how far they are apart and how many they are, which
    aspects they praise and blame, and, of reviews, the words. Few texts are pulled to those of all movies."""
    if texts.empty:
        return join_bags([])
    row_of_text = ids.get_indexer(pd.Index(texts[MOVIE_ID]))
    rows, number = np.unique(row_of_text, return_inverse=True)
    num_texts = np.bincount(number, minlength=len(rows))
    off = texts[PRAISE].to_numpy(np.float64) - texts[PRAISE].mean()
    praise = np.bincount(number, off, minlength=len(rows)) / (num_texts + DAMPING)
    square = np.bincount(number, off**2, minlength=len(rows)) + DAMPING * np.mean(off**2)
    spread = np.sqrt(np.maximum(square / (num_texts + DAMPING) - praise**2, 0))
    numbers = {"praise in texts": praise, "spread of texts": spread, "number of texts": np.log1p(num_texts)}
    features = [number_feature(name, rows, pd.Series(values), num_train) for name, values in numbers.items()]
    parts = [scale_bags(feature, NUMBER_SIZE) for feature in features]
    sign = np.where(aspects["lift"] > 0, "praised=", "blamed=")
    names = pd.Series(sign, dtype=object) + aspects["aspect"].astype(object)
    bags = build_bags(ids.get_indexer(pd.Index(aspects[MOVIE_ID])), names, aspects["lift"].abs().to_numpy())
    parts.append(scale_bags(fit_bags(bags, num_train), ASPECT_SIZE))
    of_movie = texts[~texts[IS_TAG]].groupby(MOVIE_ID)[TEXT].agg(" ".join)
    row = ids.get_indexer(of_movie.index)
    order = np.argsort(row, kind="stable")
    words = word_features("review", row[order], of_movie.reset_index(drop=True).iloc[order], num_train)
    return join_bags([*parts, scale_bags(words, WORD_SIZE)])


def ratings_from_reviews(texts: pd.DataFrame, parts: Split, rating_scale: tuple[float, float]) -> pd.DataFrame:
    """What users of train wrote of movies of train that they have not rated, as the rating that it stands for.

    A text with stars stands for these. Any other stands for the movie's level plus weight x how much more it praises
    than texts do in the mean. The weight is that of a regression on the texts beside ratings of train, ridged to what
    texts usually tell; so texts that tell nothing of stars, as most tags do, stand for having seen the movie alone.
    """
    users, movies = (Vocab.of(parts.train[column], column) for column in (USER_ID, MOVIE_ID))
    level = damped_means(movies.rows(parts.train[MOVIE_ID]), parts.train[RATING].to_numpy(), len(movies) + 1)
    texts = texts[texts[USER_ID].isin(users.ids) & texts[MOVIE_ID].isin(movies.ids)]
    texts = texts.astype({USER_ID: parts.train[USER_ID].dtype})
    by_pair = texts.groupby([USER_ID, MOVIE_ID], sort=True)
    pairs = by_pair.agg({PRAISE: "mean", STARS: "mean", TIMESTAMP: "max"}).reset_index()
    off = pairs[PRAISE].to_numpy(np.float64) - texts[PRAISE].mean()
    of_movie = level[movies.rows(pairs[MOVIE_ID])]
    beside = pairs[[USER_ID, MOVIE_ID]].merge(parts.train, how="left", on=[USER_ID, MOVIE_ID])[RATING].to_numpy()
    is_rated = ~np.isnan(beside)
    usual = USUAL_SHARE * (rating_scale[1] - rating_scale[0])
    ridge = USUAL_RATINGS * np.mean(off**2) if len(off) else 1.0
    above = (beside - of_movie)[is_rated]
    weight = (off[is_rated] @ above + ridge * usual) / max(off[is_rated] @ off[is_rated] + ridge, 1e-12)
    stars = pairs[STARS].to_numpy(np.float64)
    rating = np.where(np.isnan(stars), of_movie + weight * off, stars)
    told = pairs[[USER_ID, MOVIE_ID, TIMESTAMP]].assign(**{RATING: np.clip(rating, *rating_scale).astype(np.float32)})
    return told.loc[~is_rated, [USER_ID, MOVIE_ID, RATING, TIMESTAMP]].reset_index(drop=True)


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

# Of a longer text the rest is not looked at.
MOST_SENTENCES = 200


def sentences_about(texts: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """The number of the text, the aspect and the sentence, for each aspect that a sentence names."""
    for number, text in enumerate(texts):
        for sentence in END_OF_SENTENCE.split(text, MOST_SENTENCES)[:MOST_SENTENCES]:
            words = WORD.findall(sentence.lower())
            for aspect in sorted({ASPECT_OF_WORD[word] for word in words if word in ASPECT_OF_WORD}):
                yield number, aspect, sentence
