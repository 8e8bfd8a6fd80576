"""Search for movie titles that tolerates typos, word by word."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int32
from rapidfuzz import fuzz, process

# Further words of a query are ignored.
MAX_QUERY_WORDS = 12

# Similarity, of 100, from which one word counts as a misspelling of another.
MIN_WORD_SIMILARITY = 70.0

# Mean similarity of a query's words, of 100, from which a title matches: two words of three match, one of two does not.
MIN_MATCH = 60.0

# Similarity of a title's word that begins with a word of the query.
PREFIX_SIMILARITY = 95.0

# Points that the most popular title gains over one without ratings, and a title whose every word is in the query over
# one of many other words.
POPULARITY_WEIGHT = 6.0

COVER_WEIGHT = 4.0


class TitleIndex:
    """Titles indexed by their words.

    popularity: of each title, 0 or more on any scale; more popular titles win ties.
    """

    def __init__(self, titles: Sequence[str], popularity: Float32[np.ndarray, " titles"]):
        words = [split_words(title) or [""] for title in titles]
        self.vocabulary = np.unique([word for own in words for word in own])
        position = {word: number for number, word in enumerate(self.vocabulary.tolist())}
        self.word = np.fromiter((position[word] for own in words for word in own), np.int32)
        self.count = np.array([len(own) for own in words])
        self.start = np.cumsum(self.count) - self.count
        size = np.log1p(popularity)
        self.popularity = size / max(float(size.max(initial=0)), 1e-9)

    def search(self, query: str, limit: int) -> tuple[Int32[np.ndarray, " found"], Float32[np.ndarray, " found"]]:
        """Returns the rows of the best titles, best first, and the mean similarity of the query's words, of 100."""
        query_words = split_words(query)[:MAX_QUERY_WORDS]
        if not query_words or not len(self.count):
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        similarity = process.cdist(query_words, self.vocabulary.tolist(), scorer=fuzz.ratio, dtype=np.float32)
        for number, word in enumerate(query_words):
            first, end = np.searchsorted(self.vocabulary, [word, word + "\U0010ffff"])
            similarity[number, first:end] = np.maximum(similarity[number, first:end], PREFIX_SIMILARITY)
        # For each title and each word of the query, the most similar word of the title.
        best_word = np.maximum.reduceat(similarity[:, self.word], self.start, axis=1)
        match = np.where(best_word >= MIN_WORD_SIMILARITY, best_word, 0).mean(axis=0)
        match[match < MIN_MATCH] = 0
        cover = np.minimum(1, len(query_words) / self.count)
        score = match + POPULARITY_WEIGHT * self.popularity + COVER_WEIGHT * cover
        matching = np.flatnonzero(match)
        best = matching[np.argsort(-score[matching], kind="stable")[:limit]].astype(np.int32)
        return best, match[best]


def split_words(text: str) -> list[str]:
    """Returns the words of a text in lower case, without accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.replace("'", "").replace("’", ""))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.findall(r"\w+", plain.casefold())
