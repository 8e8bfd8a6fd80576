"""Search for movies by what people type: words of titles, however they are spelled, years, tags and names."""

import dataclasses
import itertools
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int32, Int64
from rapidfuzz import fuzz, process

from movierec_jax.data.matching.titles import PLAIN_LETTERS, title_names, title_parts

# Further words of a query are ignored.
MAX_QUERY_WORDS = 12

# Similarity, of 100, from which one word counts as a misspelling of another.
MIN_WORD_SIMILARITY = 70.0

# That of a long word, such as all words of a query joined: of many letters, more are alike by chance.
MIN_LONG_SIMILARITY, LONG_WORD = 80.0, 10

# Mean similarity of a query's words, of 100, from which a phrase matches: two words of three do, one of two does not.
MIN_MATCH = 60.0

# Similarity of a word that begins with a word of the query.
PREFIX_SIMILARITY = 95.0

# Points that the most popular title gains over one without ratings, and a phrase of no more letters than the query over
# one of many more.
POPULARITY_WEIGHT = 6.0

COVER_WEIGHT = 4.0

# Points that a title loses for being one year off the year in the query, and for being further off.
NEXT_YEAR_PENALTY, OTHER_YEAR_PENALTY = 10.0, 20.0

# Points of a film that has no more than the year of a query, fewer than any name gives.
YEAR_POINTS = 1.0

# Points by which a movie found by a tag or a name is behind one found by its title.
KEYWORD_PENALTY = 15.0

FILM_YEARS = range(1870, 2100)

# The numbers from 1 to 20 as people write them, beside their digits.
ROMAN_NUMERALS = "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx"

NUMBER_WORDS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)

# Of each numeral, all that mean the same number: "2", "ii" and "two" of "two".
SAME_NUMBER = {
    numeral: same
    for number, *names in zip(range(1, 21), ROMAN_NUMERALS.split(), NUMBER_WORDS.split(), strict=True)
    for same in [(str(number), *names)]
    for numeral in same
}


@dataclasses.dataclass(frozen=True, eq=False)
class Keywords:
    """Tags, names of people and the like: entry n says that title `title[n]` has the keyword `names[name[n]]`."""

    names: Sequence[str]
    name: Int32[np.ndarray, " entries"]
    title: Int32[np.ndarray, " entries"]


NO_KEYWORDS = Keywords((), np.zeros(0, np.int32), np.zeros(0, np.int32))


class PhraseIndex:
    """Phrases indexed by their words.

    All of a phrase's letters joined are a word of it too, and so are initials: "spiderman", "xmen", "et".
    """

    def __init__(self, phrases: Sequence[str]):
        words = [split_words(phrase) for phrase in phrases]
        joined = [["".join(split_words(part)) for part in [phrase, *title_parts(phrase)]] for phrase in phrases]
        entries = [list(dict.fromkeys([*own, *more, *initials(own)])) for own, more in zip(words, joined, strict=True)]
        # Joined and split again, the words lie in memory in the order in which a search reads them: thrice as fast.
        self.vocabulary = " ".join(sorted({word for own in entries for word in own})).split(" ")
        number = {word: number for number, word in enumerate(self.vocabulary)}
        self.word = np.fromiter((number[word] for own in entries for word in own), np.int32)
        self.phrase = np.repeat(np.arange(len(phrases)), [len(own) for own in entries])
        self.num_letters = np.array([max(1, len(own[0])) for own in joined])

    def search(self, words: list[str]) -> tuple[Int64[np.ndarray, " found"], Float32[np.ndarray, " found"]]:
        """Returns the phrases that match, and their points: mostly the mean similarity of the query's words, of 100.

        words: of the query, from `split_words`.
        """
        joined = "".join(words)
        similarity = self.similarity([*words, joined])
        is_similar = np.any(similarity, axis=0)
        entry = np.flatnonzero(is_similar[self.word])
        if not len(entry):
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        phrase, start = np.unique(self.phrase[entry], return_index=True)
        # For each of these phrases and each word of the query, the most similar word of the phrase.
        best_word = np.maximum.reduceat(similarity[:, self.word[entry]], start, axis=1)
        match = np.maximum(best_word[:-1].mean(axis=0), best_word[-1])
        cover = np.minimum(1, len(joined) / self.num_letters[phrase])
        points = (match + COVER_WEIGHT * cover).astype(np.float32)
        return phrase[match >= MIN_MATCH], points[match >= MIN_MATCH]

    def similarity(self, words: list[str]) -> Float32[np.ndarray, "words vocabulary"]:
        """Returns the similarity of words to those of the vocabulary, of 100; below `MIN_WORD_SIMILARITY` it is 0."""
        similarity = process.cdist(
            words, self.vocabulary, scorer=fuzz.ratio, score_cutoff=MIN_WORD_SIMILARITY, dtype=np.float32
        )
        for own, word in zip(similarity, words, strict=True):
            if len(word) >= LONG_WORD:
                own[own < MIN_LONG_SIMILARITY] = 0
            if word.isdecimal():  # 1989 is no misspelling of 1988
                own[own < 100] = 0
            begins = slice(bisect_left(self.vocabulary, word), bisect_left(self.vocabulary, word + "\U0010ffff"))
            own[begins] = np.maximum(own[begins], PREFIX_SIMILARITY)
            for same in SAME_NUMBER.get(word, ()):
                number = bisect_left(self.vocabulary, same)
                if self.vocabulary[number : number + 1] == [same]:
                    own[number] = 100
        return similarity


class TitleIndex:
    """Titles, found by the names that they hold, by year, and by keywords.

    years: of each title, 0: unknown.
    popularity: of each title, 0 or more on any scale; more popular titles win ties.
    """

    def __init__(
        self,
        titles: Sequence[str],
        years: Int32[np.ndarray, " titles"],
        popularity: Float32[np.ndarray, " titles"],
        keywords: Keywords = NO_KEYWORDS,
    ):
        names = [title_names(title) for title in titles]
        self.names = PhraseIndex([name for own in names for name in own])
        self.title = np.repeat(np.arange(len(titles)), [len(own) for own in names])
        self.years = years
        size = np.log1p(popularity)
        self.popularity = size / max(float(size.max(initial=0)), 1e-9)
        self.keywords, self.keyword_names = keywords, PhraseIndex(keywords.names)

    def search(self, query: str, limit: int) -> Int32[np.ndarray, " found"]:
        """Returns the rows of the best titles, best first."""
        words = split_words(query)[:MAX_QUERY_WORDS]
        if not words or not len(self.years):
            return np.zeros(0, np.int32)
        points = self.points(words)
        rest, year = split_year(words)
        if rest and year:
            off = np.abs(self.years - year)
            penalty = np.select([off == 0, off == 1], [0, NEXT_YEAR_PENALTY], OTHER_YEAR_PENALTY)
            without_year = self.points(rest)
            points = np.maximum(points, np.where(without_year > 0, without_year - penalty, 0))
        elif year:
            points = np.maximum(points, np.where(self.years == year, YEAR_POINTS, 0))
        found = np.flatnonzero(points)
        score = points[found] + POPULARITY_WEIGHT * self.popularity[found]
        return found[np.argsort(-score, kind="stable")[:limit]].astype(np.int32)

    def points(self, words: list[str]) -> Float32[np.ndarray, " titles"]:
        """Returns how well each title, or the best of its keywords, matches; 0: it does not."""
        points = np.zeros(len(self.years), np.float32)
        name, found = self.names.search(words)
        np.maximum.at(points, self.title[name], found)
        of_keyword = np.zeros(len(self.keywords.names), np.float32)
        name, found = self.keyword_names.search(words)
        of_keyword[name] = found - KEYWORD_PENALTY
        of_entry = of_keyword[self.keywords.name]
        is_found = of_entry > 0
        np.maximum.at(points, self.keywords.title[is_found], of_entry[is_found])
        return points


def split_words(text: str) -> list[str]:
    """Returns the words of a text in lower case, without accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.replace("'", "").replace("’", ""))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.findall(r"\w+", plain.casefold().translate(PLAIN_LETTERS))


def initials(words: list[str]) -> list[str]:
    """Returns the letters that stand alone, joined: "et" of "e t the extra terrestrial"."""
    runs = ("".join(run) for is_letter, run in itertools.groupby(words, is_initial) if is_letter)
    return [run for run in runs if len(run) > 1]


def is_initial(word: str) -> bool:
    """Whether a word is one letter."""
    return len(word) == 1 and word.isalpha()


def split_year(words: list[str]) -> tuple[list[str], int]:
    """Returns the other words and the last of them that can be the year of a film; 0: there is none."""
    year = next((word for word in reversed(words) if word.isdecimal() and int(word) in FILM_YEARS), None)
    return [word for word in words if word != year], int(year or 0)
