"""Texts -> the words, pairs and triples of words in each, by bucket; whole arrays at a time, no loop over words.

The texts of a chunk are one array of characters. A word's hash is the sum of character x BASE^place over its
characters, taken as a difference of cumulative sums and divided by BASE^first place, in the integers modulo 2^64, where
an odd BASE has an inverse; so it does not depend on where the word stands. The hash of a longer n-gram mixes those of
its words (Weinberger et al. 2009, "Feature hashing for large scale multitask learning").

A word is letters, digits, and apostrophes between them, in lower case. Signs that are words by themselves: emoji,
"!" and "?", and each character of scripts that put no spaces between words. HTML is left out, emoticons and emoji that
smile or frown are two signs.
"""

import functools
import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32, Int64, UInt8, UInt32, UInt64

# Words of the longest n-gram.
LONGEST = 3

# Parts of a text: what is said at its end counts more.
NUM_PLACES = 16

# Characters of a chunk, and of a text: of a longer one its end is taken, where verdicts are.
CHUNK_CHARACTERS = 2**18

LONGEST_TEXT = 2**18

# Bits for the place in a key that finds n-grams that come again: text, bucket and place, from the highest.
PLACE_BITS = 4

# What a character is.
UNSEEN, BETWEEN, OF_WORD, SIGN = range(4)

BETWEEN_TEXTS = "\x1e"

TAG_OF_HTML = re.compile(rf"<[^<>{BETWEEN_TEXTS}]{{1,200}}>")

SMILE, FROWN = "\N{SLIGHTLY SMILING FACE}", "\N{SLIGHTLY FROWNING FACE}"

EYES, NOSE, MOUTHS = ":;=", "-", {")": SMILE, "]": SMILE, "D": SMILE, "(": FROWN, "[": FROWN}

SMILES = "😀😁😂😃😄😅😆😇😉😊😋😍😎😗😘😙😚🙃☺🤗🤩🤣🥰🥳😻❤♥💕💖💗💙💚💛💜🧡👍👏🙌👌💯🎉🔥⭐🌟✨🏆"

FROWNS = "☹😞😟😠😡😒😕😖😣😤😩😫😴🥱🙄😑😒😬🤢🤮🤬👎💩💤💔🤦😾🗑🚮"

OTHER_SPELLINGS = {**dict.fromkeys(SMILES, SMILE), **dict.fromkeys(FROWNS, FROWN), "\u2019": "'"}

# Scripts that put no spaces between words: Thai and Lao, kana, Han.
UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)

VARIATION_SELECTORS = range(0xFE00, 0xFE10)

# Odd, so that they have inverses; else of no meaning.
BASE, MIX, STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

INVERSE = np.uint64(pow(int(BASE), -1, 2**64))


class Grams(NamedTuple):
    """The different n-grams of texts, by text. Of one that comes again the last counts.

    text: number of the text, rising. bucket: hash of the n-gram. place: in which sixteenth of the text it begins.
    """

    text: Int32[Any, " grams"]
    bucket: Int32[Any, " grams"]
    place: Int32[Any, " grams"]


def chunks(texts: Sequence[str]) -> Iterator[slice]:
    """Runs of texts of some CHUNK_CHARACTERS together, at least one text each."""
    first, size = 0, 0
    for number, text in enumerate(texts):
        length = min(len(text), LONGEST_TEXT)
        if number > first and size + length > CHUNK_CHARACTERS:
            yield slice(first, number)
            first, size = number, 0
        size += length
    if first < len(texts):
        yield slice(first, len(texts))


def grams_of(texts: Sequence[str], num_buckets: int) -> Grams:
    """The n-grams of 1 to 3 words of each text; num_buckets: a power of two up to 2^24."""
    word, text = words_of(texts)
    num_words = np.bincount(text, minlength=len(texts))
    first = np.cumsum(num_words) - num_words
    place = (np.arange(len(word)) - first[text]) * NUM_PLACES // num_words[text]
    bits = num_buckets.bit_length() - 1
    at = (text << (bits + PLACE_BITS)) | place
    keys, gram = [], word
    for length in range(1, LONGEST + 1):
        if length > 1:
            gram = gram[:-1] * STEP + word[length - 1 :]
        within = slice(None) if length == 1 else text[: len(gram)] == text[length - 1 :]
        bucket = (mixed(gram[within]) >> np.uint64(64 - bits)).astype(np.int64)
        keys.append(at[: len(gram)][within] | (bucket << PLACE_BITS))
    key = np.sort(np.concatenate(keys))
    gram_key = key >> PLACE_BITS
    is_last = np.ones(len(key), bool)
    is_last[:-1] = gram_key[1:] != gram_key[:-1]
    key = key[is_last]
    return Grams(
        text=(key >> (bits + PLACE_BITS)).astype(np.int32),
        bucket=((key >> PLACE_BITS) & (num_buckets - 1)).astype(np.int32),
        place=(key & (NUM_PLACES - 1)).astype(np.int32),
    )


def words_of(texts: Sequence[str]) -> tuple[UInt64[np.ndarray, " words"], Int64[np.ndarray, " words"]]:
    """The hash of each word, in order, and the number of its text."""
    code = characters_of(texts)
    kind = kind_of(code)
    # An apostrophe belongs to a word where letters stand on both sides.
    apostrophe = np.flatnonzero(code == ord("'"))
    apostrophe = apostrophe[(apostrophe > 0) & (apostrophe < len(code) - 1)]
    kind[apostrophe[(kind[apostrophe - 1] == OF_WORD) & (kind[apostrophe + 1] == OF_WORD)]] = OF_WORD
    goes_on = (kind[1:] == OF_WORD) & (kind[:-1] == OF_WORD)
    is_part = kind >= OF_WORD
    start = np.flatnonzero(is_part & ~np.concatenate([[False], goes_on]))
    end = np.flatnonzero(is_part & ~np.concatenate([goes_on, [False]]))
    power, inverse = powers(1 << (len(code) - 1).bit_length())
    total = np.zeros(len(code) + 1, np.uint64)
    np.cumsum(code * power[: len(code)], out=total[1:])
    number_of_text = np.searchsorted(np.flatnonzero(code == ord(BETWEEN_TEXTS)), start)
    return mixed((total[end + 1] - total[start]) * inverse[start]), number_of_text


def characters_of(texts: Sequence[str]) -> UInt32[np.ndarray, " characters"]:
    """All texts as one, with a sign between them that none has, without what is not read."""
    # With as many at the end as an emoticon is long, so that it may stand there too.
    one = BETWEEN_TEXTS.join(map(readable, texts)) + 3 * BETWEEN_TEXTS
    if "<" in one:
        one = TAG_OF_HTML.sub(" ", one)
    code = np.frombuffer(bytearray(one.encode("utf-32-le", "surrogatepass")), np.uint32)
    return with_signs(code if one.isascii() else spellings()[code])


def readable(text: str) -> str:
    """A text in lower case, its end alone where it is too long, with characters in place of HTML's names for them."""
    text = text[-LONGEST_TEXT:]
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.replace(BETWEEN_TEXTS, " ").lower()


@functools.cache
def spellings() -> UInt32[np.ndarray, " characters"]:
    """The character that each of Unicode is taken for."""
    same = np.arange(0x110000, dtype=np.uint32)
    same[[ord(character) for character in OTHER_SPELLINGS]] = [ord(other) for other in OTHER_SPELLINGS.values()]
    return same


def with_signs(code: UInt32[np.ndarray, " characters"]) -> UInt32[np.ndarray, " characters"]:
    """The same with a sign in place of the eyes of each emoticon, such as ":-)", that no word goes on from."""
    code = code.copy()
    eyes = np.flatnonzero(np.isin(code[:-3], [ord(eye) for eye in EYES]))
    mouth = eyes + 1 + (code[eyes + 1] == ord(NOSE))
    after = code[mouth + 1]
    is_end = kind_of(after) != OF_WORD
    for shape, sign in MOUTHS.items():
        code[eyes[is_end & (code[mouth] == ord(shape.lower()))]] = ord(sign)
    return code


def kind_of(code: UInt32[np.ndarray, " characters"]) -> UInt8[np.ndarray, " characters"]:
    """What each character is; those met for the first time are looked up, and known from then on."""
    kinds = known_kinds()
    kind = kinds[code]
    unseen = np.unique(code[kind == UNSEEN])
    if len(unseen):
        kinds[unseen] = [look_up(number) for number in unseen.tolist()]
        kind = kinds[code]
    return kind


@functools.cache
def known_kinds() -> UInt8[np.ndarray, " characters"]:
    """What each character of Unicode is, as far as it has been looked up."""
    return np.full(0x110000, UNSEEN, np.uint8)


def look_up(number: int) -> int:
    """What the character of a number is."""
    character = chr(number)
    category = unicodedata.category(character)
    if number in VARIATION_SELECTORS:
        return BETWEEN
    if any(first <= number <= last for first, last in UNSPACED):
        return SIGN if character.isalnum() else BETWEEN
    if character.isalnum() or category in ("Mn", "Mc"):
        return OF_WORD
    return SIGN if character in "!?" or category == "So" else BETWEEN


def mixed(number: UInt64[np.ndarray, " n"]) -> UInt64[np.ndarray, " n"]:
    """Other numbers for numbers, such that every bit depends on all."""
    number = (number ^ (number >> np.uint64(31))) * MIX
    return (number ^ (number >> np.uint64(29))) * STEP


@functools.lru_cache(maxsize=4)
def powers(length: int) -> tuple[UInt64[np.ndarray, " length"], UInt64[np.ndarray, " length"]]:
    """BASE and its inverse to the powers 0, 1, 2 and so on."""
    one = np.ones(1, np.uint64)
    rising, falling = (np.cumprod(np.append(one, np.full(length - 1, base))) for base in (BASE, INVERSE))
    return rising, falling
