"""Search of titles that forgives typos, word by word."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int32
from rapidfuzz import fuzz, process

# "Matrix, The" and "Fabuleux destin d'Amélie Poulain, Le": an article that stands after its title.
ARTICLE_LAST = re.compile(r"^(.*), (The|A|An|Le|La|Les|L'|Il|Lo|El|Los|Las|Der|Die|Das|Un|Une|Det|Den|O|Os)$", re.I)

# Words of a query beyond these are not looked at.
MOST_WORDS = 12

# How alike two words are at least, of 100, for one to be taken for a misspelling of the other.
ALIKE = 70.0

# How well the words of a query are found at least, of 100: two of three are enough, one of two is not.
FOUND = 60.0

# What a word that only begins with the query's is worth, of 100.
BEGINS = 95.0

# By how much a movie of the most ratings may stand above one with none, and one that has every word of its title asked
# for above one of many others.
POPULARITY_WEIGHT = 6.0

COVER_WEIGHT = 4.0


class Titles:
    """Titles by the words in them, to be searched.

    popularity: of each title, any numbers of 0 or more; of titles that match alike the more popular come first.
    """

    def __init__(self, titles: Sequence[str], popularity: Float32[np.ndarray, " titles"]):
        words = [words_of(title) or [""] for title in titles]
        self.vocabulary = np.unique([word for own in words for word in own])
        place = {word: number for number, word in enumerate(self.vocabulary.tolist())}
        self.word = np.fromiter((place[word] for own in words for word in own), np.int32)
        self.count = np.array([len(own) for own in words])
        self.start = np.cumsum(self.count) - self.count
        size = np.log1p(popularity)
        self.popularity = size / max(float(size.max(initial=0)), 1e-9)

    def search(self, query: str, limit: int) -> tuple[Int32[np.ndarray, " found"], Float32[np.ndarray, " found"]]:
        """The places of the best titles, best first, and how well the query's words are found in them, of 100.

        Misspelt words are found as well, and those that a word of the title begins with.
        """
        asked = words_of(query)[:MOST_WORDS]
        if not asked or not len(self.count):
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        alike = process.cdist(asked, self.vocabulary.tolist(), scorer=fuzz.ratio, dtype=np.float32)
        for number, word in enumerate(asked):
            first, end = np.searchsorted(self.vocabulary, [word, word + "\U0010ffff"])
            alike[number, first:end] = np.maximum(alike[number, first:end], BEGINS)
        # Of each title the word that is most like each asked for.
        found = np.maximum.reduceat(alike[:, self.word], self.start, axis=1)
        found = np.where(found >= ALIKE, found, 0)
        match = found.mean(axis=0)
        match[match < FOUND] = 0
        cover = np.minimum(1, len(asked) / self.count)
        rank = match + POPULARITY_WEIGHT * self.popularity + COVER_WEIGHT * cover
        places = np.flatnonzero(match)
        best = places[np.argsort(-rank[places], kind="stable")[:limit]].astype(np.int32)
        return best, match[best]


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.replace("'", "").replace("’", ""))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.findall(r"\w+", plain.casefold())


def readable(title: str) -> str:
    """A title with its article in front: "The Matrix" of "Matrix, The"."""
    found = ARTICLE_LAST.match(title)
    if not found:
        return title
    article = found[2]
    return f"{article}{found[1]}" if article.endswith("'") else f"{article} {found[1]}"
