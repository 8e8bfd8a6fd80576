"""Reads a column of ratings, whatever form they are written in, as numbers: 4/5, 80%, 3.5 stars, letters, likes.

The form is chosen for a column, not for a value, and from the different values, which are few.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int64

from movierec_jax.data.readers.text.columns import MISSING

# A denominator of fewer of the fractions is a slip, and says nothing about the scale.
RARE_SHARE = 0.01

NUMBER = r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)"
PLAIN_NUMBER = re.compile(rf"{NUMBER}(?:e[+-]?\d+)?")
FRACTION = re.compile(rf"({NUMBER})\s*(?:/|of|out of)\s*({NUMBER})(?:\s*(?:stars?|points?))?")
PERCENT = re.compile(rf"({NUMBER})\s*(?:%|percent|pct)")
STARS = re.compile(rf"({NUMBER})?\s*(½|1/2)?\s*-?(?:stars?|points?|pts?\.?|\*|★|⭐)")
DRAWN_STARS = re.compile(r"([★⭐*✭]*)(½|1/2)?([☆✩]*)")
LETTER = re.compile(r"([A-F])([+-]?)")

# 1,250 is rather a number with thousands than a rating of 1.25.
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")

BINARY_WORDS = {
    1.0: "true t yes y like liked likes love loved up upvote upvoted thumbs_up thumb_up 👍 fresh positive recommended",
    0.0: "false f no n dislike disliked dislikes hate hated down downvote downvoted thumbs_down thumb_down 👎 rotten "
    "negative not_recommended",
}
BINARY = {word.replace("_", " "): value for value, words in BINARY_WORDS.items() for word in words.split()}
NUMBER_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBER_WORDS = {word: float(number) for number, word in enumerate(NUMBER_NAMES)}
# What Goodreads writes for one to five stars.
GOODREADS = ("did not like it", "it was ok", "liked it", "really liked it", "it was amazing")
STAR_WORDS = {word: float(number) for number, word in enumerate(GOODREADS, 1)}


@dataclasses.dataclass(frozen=True)
class RatingValues:
    """A column of ratings that has been read.

    rating: NaN where a rating is missing or unreadable.
    note: what was inferred, None for plain numbers.
    scale: lowest and highest rating where the form states them, else None.
    num_unreadable: the number of values that are there and are no rating.
    unreadable_example: the first of them, as text.
    """

    rating: Float32[np.ndarray, " ratings"]
    note: str | None = None
    scale: tuple[float, float] | None = None
    num_unreadable: int = 0
    unreadable_example: str | None = None


@dataclasses.dataclass(frozen=True)
class ReadForm:
    """The different values of a column as one form reads them.

    rating: the rating of each value that has this form, by its text. meaning: from a rating to what a message says it
    is. scale: as in RatingValues.
    """

    rating: Mapping[str, float]
    meaning: Callable[[float], str] | None = None
    scale: tuple[float, float] | None = None


def parse_rating_values(values: pd.Series) -> RatingValues:
    """Returns the ratings of a column of numbers, booleans or text, in any one of the usual forms.

    A form other than plain numbers is taken where it reads more than half of the values, and more than any other form;
    the rest count as unreadable. Infinite numbers are unreadable.
    """
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return parse_texts(values)
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite
        rating = values.to_numpy(np.float32, na_value=np.nan)
    is_infinite = np.isinf(rating)
    if not is_infinite.any():
        return RatingValues(rating)
    example = str(values.iloc[int(is_infinite.argmax())])
    return RatingValues(
        np.where(is_infinite, np.float32(np.nan), rating),
        num_unreadable=int(np.count_nonzero(is_infinite)),
        unreadable_example=example,
    )


def parse_texts(values: pd.Series) -> RatingValues:
    """Returns the ratings of a column of text."""
    code, different = pd.factorize(values)
    words = [str(value) for value in different]
    found = parse_counted_texts(words, np.bincount(code[code >= 0], minlength=len(words)))
    # The code of a missing value is -1.
    return dataclasses.replace(found, rating=np.append(found.rating, np.float32(np.nan))[code])


def parse_counted_texts(words: Sequence[str], counts: Int64[np.ndarray, " words"]) -> RatingValues:
    """Returns the rating of each of the different texts of a column, in the order in which they first occur.

    counts: how often each occurs, by which the form is chosen, and unreadable values are counted.
    """
    spelled = [normalized(word) for word in words]
    num_of: dict[str, int] = {}
    for word, count in zip(spelled, counts.tolist(), strict=True):
        if word.lower() not in MISSING:
            num_of[word] = num_of.get(word, 0) + count
    form = chosen_form(num_of)
    with np.errstate(over="ignore"):
        rating_of = np.array([form.rating.get(word, np.nan) for word in spelled], np.float64).astype(np.float32)
    rating_of[~np.isfinite(rating_of)] = np.nan
    is_unreadable = np.isnan(rating_of) & np.array([word in num_of for word in spelled], bool)
    num_unreadable = int(counts[is_unreadable].sum())
    return RatingValues(
        rating_of,
        note_of(form),
        form.scale,
        num_unreadable,
        words[int(is_unreadable.argmax())] if num_unreadable else None,
    )


def normalized(word: str) -> str:
    """Returns a value with one kind of minus and of blanks, none around it, and no choice between forms of a symbol."""
    return " ".join(word.replace("−", "-").replace("–", "-").replace("\ufe0f", "").split())


def chosen_form(num_of: Mapping[str, int]) -> ReadForm:
    """Returns the form that reads the different values best; `num_of` has how often each occurs."""
    numbers = read_numbers(num_of)
    least = max(sum(num_of.values()) / 2, num_read(numbers, num_of))
    forms = [read(num_of) for read in FORMS] if num_read(numbers, num_of) < sum(num_of.values()) else []
    best = max(forms, key=lambda form: num_read(form, num_of), default=numbers)
    return best if num_read(best, num_of) > least else numbers


def num_read(form: ReadForm, num_of: Mapping[str, int]) -> int:
    """Returns how many ratings a form reads."""
    return sum(num_of[word] for word in form.rating)


def note_of(form: ReadForm) -> str | None:
    """Returns what a form makes of an example, which is not 0 if possible; None for plain numbers."""
    if form.meaning is None:
        return None
    word = next((word for word, rating in form.rating.items() if rating), next(iter(form.rating)))
    return f"ratings such as {word!r} are read as {form.meaning(form.rating[word])}"


def plainly(rating: float) -> str:
    """Returns a rating as text."""
    return f"{rating:g}"


def number(text: str) -> float:
    """Returns a number with a decimal point or comma."""
    return float(text.replace(",", "."))


def read_numbers(num_of: Mapping[str, int]) -> ReadForm:
    """Returns plain numbers, with decimal commas unless all of these could be thousands."""
    found = [word for word in num_of if PLAIN_NUMBER.fullmatch(word.lower())]
    with_comma = [word for word in found if "," in word]
    if not with_comma:
        return ReadForm({word: float(word) for word in found})
    if all(THOUSANDS.fullmatch(word) for word in with_comma):
        return ReadForm({word: float(word) for word in found if "," not in word})
    rating = {word: number(word) for word in found}
    # The example of the note has a comma.
    return ReadForm({word: rating[word] for word in with_comma} | rating, plainly)


def read_fractions(num_of: Mapping[str, int]) -> ReadForm:
    """Returns "4/5", "4 of 5" and "4 out of 5 stars", all on the largest denominator that is not rare."""
    matches = {word: match for word in num_of if (match := FRACTION.fullmatch(word.lower()))}
    parts = {word: (number(match[1]), number(match[2])) for word, match in matches.items()}
    parts = {word: (over, under) for word, (over, under) in parts.items() if 0 <= over <= under and under > 0}
    num_under: dict[float, int] = {}
    for word, (_, under) in parts.items():
        num_under[under] = num_under.get(under, 0) + num_of[word]
    total = sum(num_under.values())
    top = max((under for under, count in num_under.items() if count >= RARE_SHARE * total), default=1.0)
    rating = {word: over / under * top for word, (over, under) in parts.items()}
    return ReadForm(rating, lambda value: f"{value:g} of {top:g}", (usual_lowest(rating, top), top))


def usual_lowest(rating: Mapping[str, float], top: float) -> float:
    """Returns the lowest rating of a scale up to a stated top: 1 or one half, if all are as high, else 0."""
    lowest = min(rating.values(), default=0.0)
    return next((low for low in (1.0, 0.5) if low <= lowest and top > 1), 0.0)


def read_percents(num_of: Mapping[str, int]) -> ReadForm:
    """Returns "80%"."""
    matches = {word: match for word in num_of if (match := PERCENT.fullmatch(word.lower()))}
    return ReadForm(
        {word: number(match[1]) for word, match in matches.items()}, lambda n: f"{n:g} of 100", (0.0, 100.0)
    )


def read_stars(num_of: Mapping[str, int]) -> ReadForm:
    """Returns "3.5 stars", "4 ½ stars" and, among them, plain numbers."""
    matches = {word: match for word in num_of if (match := STARS.fullmatch(word.lower())) and (match[1] or match[2])}
    rating = {word: number(match[1] or "0") + 0.5 * bool(match[2]) for word, match in matches.items()}
    return ReadForm({**rating, **(read_numbers(num_of).rating if rating else {})}, plainly)


def read_drawn_stars(num_of: Mapping[str, int]) -> ReadForm:
    """Returns "★★★½" and "★★★☆☆", of which the latter states the top."""
    matches = {word: match for word in num_of if word and (match := DRAWN_STARS.fullmatch(word.replace(" ", "")))}
    rating = {word: len(match[1]) + 0.5 * bool(match[2]) for word, match in matches.items()}
    if not any(match[3] for match in matches.values()):
        return ReadForm(rating, plainly)
    top = float(max(len(match[1]) + bool(match[2]) + len(match[3]) for match in matches.values()))
    return ReadForm(rating, lambda value: f"{value:g} of {top:g}", (usual_lowest(rating, top), top))


def read_letters(num_of: Mapping[str, int]) -> ReadForm:
    """Returns grades: A is 4, B 3, C 2, D 1 and F 0, with + and - a third; where E occurs, each but F is one more."""
    matches = {word: match for word in num_of if (match := LETTER.fullmatch(word.upper())) and word.upper() != "F-"}
    grades = "FEDCBA" if any(match[1] == "E" for match in matches.values()) else "FDCBA"
    third = {"+": 1 / 3, "-": -1 / 3, "": 0.0}
    rating = {word: grades.index(match[1]) + third[match[2]] for word, match in matches.items()}
    top = max([len(grades) - 1.0, *rating.values()])
    return ReadForm(rating, lambda value: f"{value:.3g} of {top:.3g}", (0.0, top))


def read_binary(num_of: Mapping[str, int]) -> ReadForm:
    """Returns yes and no, like and dislike, thumbs up and down as 1 and 0."""
    return ReadForm(read_words(num_of, BINARY), lambda value: f"{value:g}, where 1 is liked and 0 is not", (0.0, 1.0))


def read_number_words(num_of: Mapping[str, int]) -> ReadForm:
    """Returns "four" and "four stars"."""
    words = {f"{word}{end}": value for word, value in NUMBER_WORDS.items() for end in ("", " star", " stars")}
    return ReadForm(read_words(num_of, words), plainly)


def read_star_words(num_of: Mapping[str, int]) -> ReadForm:
    """Returns what Goodreads writes for one to five stars."""
    return ReadForm(read_words(num_of, STAR_WORDS), lambda value: f"{value:g} of 5", (1.0, 5.0))


def read_words(num_of: Mapping[str, int], value_of: Mapping[str, float]) -> dict[str, float]:
    """Returns the values of those words that have one, in whatever case and with "_" or "-" for blanks."""
    plain = {word: re.sub(r"[\s_-]+", " ", word).strip().lower() for word in num_of}
    return {word: value_of[text] for word, text in plain.items() if text in value_of}


FORMS = (
    read_fractions,
    read_percents,
    read_stars,
    read_drawn_stars,
    read_letters,
    read_binary,
    read_number_words,
    read_star_words,
)
