"""Hashes the words, pairs and triples of words of texts into buckets, on whole arrays, without a loop over words.

The texts of a chunk become one array of characters. A word's hash is the sum of character x BASE^index over its
characters: a difference of cumulative sums, divided by BASE^(first index) so that it does not depend on where the word
stands. All of this is in the integers modulo 2^64, where an odd BASE has an inverse. The hash of a longer n-gram mixes
the hashes of its words (Weinberger et al. 2009, "Feature hashing for large scale multitask learning").

A word is letters, digits, and apostrophes between them, in lower case. Signs are words by themselves: emoji, "!" and
"?", and each character of scripts without spaces between words. HTML is left out. Emoticons and emoji that smile or
frown become one of two signs.
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
MAX_WORDS = 3

# Equal parts of a text in which an n-gram may begin: what is said at the end counts more.
NUM_POSITIONS = 16

# Characters of a chunk, and of a text: a longer text is cut to its end, where verdicts are.
CHUNK_CHARACTERS = 2**18

MAX_TEXT_CHARACTERS = 2**18

# Bits of the position in a sort key of text, bucket and position, from the highest, that finds repeated n-grams.
POSITION_BITS = 4

# Kinds of characters; NOT_LOOKED_UP is 0, the first value of the cache.
NOT_LOOKED_UP, SEPARATOR, WORD_CHARACTER, SIGN = range(4)

TEXT_SEPARATOR = "\x1e"

HTML_TAG = re.compile(rf"<[^<>{TEXT_SEPARATOR}]{{1,200}}>")

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

# Arbitrary odd numbers: odd ones have inverses modulo 2^64.
BASE, MIX, STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

INVERSE = np.uint64(pow(int(BASE), -1, 2**64))


class NGrams(NamedTuple):
    """The different n-grams of texts, by text. Of a repeated n-gram the last one is kept.

    text: index of the text, rising. bucket: hash of the n-gram. position: the sixteenth of the text in which it begins.
    """

    text: Int32[Any, " ngrams"]
    bucket: Int32[Any, " ngrams"]
    position: Int32[Any, " ngrams"]


def chunk_slices(texts: Sequence[str]) -> Iterator[slice]:
    """Yields runs of texts with up to CHUNK_CHARACTERS characters together, at least one text each."""
    first, num_characters = 0, 0
    for index, text in enumerate(texts):
        length = min(len(text), MAX_TEXT_CHARACTERS)
        if index > first and num_characters + length > CHUNK_CHARACTERS:
            yield slice(first, index)
            first, num_characters = index, 0
        num_characters += length
    if first < len(texts):
        yield slice(first, len(texts))


def extract_ngrams(texts: Sequence[str], num_buckets: int) -> NGrams:
    """Returns the n-grams of 1 to 3 words of each text; num_buckets: a power of two up to 2^24."""
    word, text = hash_words(texts)
    num_words = np.bincount(text, minlength=len(texts))
    first = np.cumsum(num_words) - num_words
    position = (np.arange(len(word)) - first[text]) * NUM_POSITIONS // num_words[text]
    bits = num_buckets.bit_length() - 1
    text_and_position = (text << (bits + POSITION_BITS)) | position
    keys, ngram = [], word
    for length in range(1, MAX_WORDS + 1):
        if length > 1:
            ngram = ngram[:-1] * STEP + word[length - 1 :]
        # An n-gram must not cross from one text into the next.
        is_in_one_text = slice(None) if length == 1 else text[: len(ngram)] == text[length - 1 :]
        bucket = (mix_bits(ngram[is_in_one_text]) >> np.uint64(64 - bits)).astype(np.int64)
        keys.append(text_and_position[: len(ngram)][is_in_one_text] | (bucket << POSITION_BITS))
    key = np.sort(np.concatenate(keys))
    text_and_bucket = key >> POSITION_BITS
    is_last = np.ones(len(key), bool)
    is_last[:-1] = text_and_bucket[1:] != text_and_bucket[:-1]
    key = key[is_last]
    return NGrams(
        text=(key >> (bits + POSITION_BITS)).astype(np.int32),
        bucket=((key >> POSITION_BITS) & (num_buckets - 1)).astype(np.int32),
        position=(key & (NUM_POSITIONS - 1)).astype(np.int32),
    )


def hash_words(texts: Sequence[str]) -> tuple[UInt64[np.ndarray, " words"], Int64[np.ndarray, " words"]]:
    """Returns the hash of each word, in order, and the index of its text."""
    code = code_points(texts)
    kind = character_kinds(code)
    # An apostrophe belongs to a word where letters stand on both sides.
    apostrophe = np.flatnonzero(code == ord("'"))
    apostrophe = apostrophe[(apostrophe > 0) & (apostrophe < len(code) - 1)]
    is_inside = (kind[apostrophe - 1] == WORD_CHARACTER) & (kind[apostrophe + 1] == WORD_CHARACTER)
    kind[apostrophe[is_inside]] = WORD_CHARACTER
    is_continued = (kind[1:] == WORD_CHARACTER) & (kind[:-1] == WORD_CHARACTER)
    is_in_word = kind >= WORD_CHARACTER
    start = np.flatnonzero(is_in_word & ~np.concatenate([[False], is_continued]))
    end = np.flatnonzero(is_in_word & ~np.concatenate([is_continued, [False]]))
    power, inverse = base_powers(1 << (len(code) - 1).bit_length())
    total = np.zeros(len(code) + 1, np.uint64)
    np.cumsum(code * power[: len(code)], out=total[1:])
    text = np.searchsorted(np.flatnonzero(code == ord(TEXT_SEPARATOR)), start)
    return mix_bits((total[end + 1] - total[start]) * inverse[start]), text


def code_points(texts: Sequence[str]) -> UInt32[np.ndarray, " characters"]:
    """Returns all texts as one array of normalized characters, with a separator between them and no HTML."""
    # As many separators at the end as an emoticon is long, so that one may stand there too.
    joined = TEXT_SEPARATOR.join(map(normalize_text, texts)) + 3 * TEXT_SEPARATOR
    if "<" in joined:
        joined = HTML_TAG.sub(" ", joined)
    code = np.frombuffer(bytearray(joined.encode("utf-32-le", "surrogatepass")), np.uint32)
    return replace_emoticons(code if joined.isascii() else normal_spellings()[code])


def normalize_text(text: str) -> str:
    """Returns a text in lower case, cut to its end where it is too long, with HTML's character names resolved."""
    text = text[-MAX_TEXT_CHARACTERS:]
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.replace(TEXT_SEPARATOR, " ").lower()


@functools.cache
def normal_spellings() -> UInt32[np.ndarray, " characters"]:
    """Returns the character that each character of Unicode is read as."""
    code = np.arange(0x110000, dtype=np.uint32)
    code[[ord(character) for character in OTHER_SPELLINGS]] = [ord(other) for other in OTHER_SPELLINGS.values()]
    return code


def replace_emoticons(code: UInt32[np.ndarray, " characters"]) -> UInt32[np.ndarray, " characters"]:
    """Replaces the eyes of each emoticon, such as ":-)", by a sign, unless a word goes on after the mouth."""
    code = code.copy()
    eyes = np.flatnonzero(np.isin(code[:-3], [ord(eye) for eye in EYES]))
    mouth = eyes + 1 + (code[eyes + 1] == ord(NOSE))
    is_end = character_kinds(code[mouth + 1]) != WORD_CHARACTER
    for shape, sign in MOUTHS.items():
        code[eyes[is_end & (code[mouth] == ord(shape.lower()))]] = ord(sign)
    return code


def character_kinds(code: UInt32[np.ndarray, " characters"]) -> UInt8[np.ndarray, " characters"]:
    """Returns the kind of each character, looking up only those met for the first time."""
    cache = kind_cache()
    kind = cache[code]
    new = np.unique(code[kind == NOT_LOOKED_UP])
    if len(new):
        cache[new] = [character_kind(number) for number in new.tolist()]
        kind = cache[code]
    return kind


@functools.cache
def kind_cache() -> UInt8[np.ndarray, " characters"]:
    """Returns the array that keeps the kind of each character of Unicode once it was looked up."""
    return np.full(0x110000, NOT_LOOKED_UP, np.uint8)


def character_kind(number: int) -> int:
    """Returns the kind of the character with a Unicode number."""
    character = chr(number)
    category = unicodedata.category(character)
    if number in VARIATION_SELECTORS:
        return SEPARATOR
    if any(first <= number <= last for first, last in UNSPACED):
        return SIGN if character.isalnum() else SEPARATOR
    if character.isalnum() or category in ("Mn", "Mc"):
        return WORD_CHARACTER
    return SIGN if character in "!?" or category == "So" else SEPARATOR


def mix_bits(number: UInt64[np.ndarray, " n"]) -> UInt64[np.ndarray, " n"]:
    """Returns a hash of each number in which every bit depends on all bits of the number."""
    number = (number ^ (number >> np.uint64(31))) * MIX
    return (number ^ (number >> np.uint64(29))) * STEP


@functools.lru_cache(maxsize=4)
def base_powers(length: int) -> tuple[UInt64[np.ndarray, " length"], UInt64[np.ndarray, " length"]]:
    """Returns BASE and its inverse to the powers 0, 1, 2 and so on."""
    one = np.ones(1, np.uint64)
    powers, inverse_powers = (np.cumprod(np.append(one, np.full(length - 1, base))) for base in (BASE, INVERSE))
    return powers, inverse_powers
