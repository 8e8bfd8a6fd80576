"""Titles as people and files write them: the names that a title holds, and one key for all spellings of a name."""

import re
import unicodedata

ARTICLES = "The|A|An|Le|La|Les|L'|Il|Lo|El|Los|Las|Der|Die|Das|Un|Una|Une|Det|Den|O|Os"

AKA = r"\s*(?:a\.?\s?k\.?\s?a\.?|aka)[\s:]+"

ALSO_KNOWN_AS = re.compile(f"^{AKA}", re.I)

# "Matrix, The" and "a.k.a. Fabuleux destin d'Amélie Poulain, Le": an article after its title.
ARTICLE_LAST = re.compile(rf"^((?:{AKA})?\s*)(\S.*), ({ARTICLES})(\s*)$", re.I)

# A title outside of brackets, and one within.
NAME = re.compile(r"[^()]+")

ARTICLE_FIRST = re.compile(rf"^(?:(?:{ARTICLES.replace(chr(39), '')})\s+|L['’]\s*)(?=.*\w)", re.I)

# "Seven (a.k.a. Se7en)": an alternative title in brackets.
IN_BRACKETS = re.compile(r"\(([^()]*)\)")

# "Star Wars: Episode V - The Empire Strikes Back": where a title has parts.
BETWEEN_PARTS = re.compile(r":\s+|\s+[-–—]\s+")

# Letters that Unicode does not decompose into a plain one and its accent.
PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "&": "and"}
)


def article_first(title: str) -> str:
    """Returns a title with articles in front: "The Postman (Il Postino)" for "Postman, The (Postino, Il)"."""
    return NAME.sub(lambda name: ARTICLE_LAST.sub(with_article, name[0]), title)


def with_article(found: re.Match) -> str:
    """Returns a name that `ARTICLE_LAST` matches with its article in front."""
    before, name, article, after = found.groups()
    space = "" if article.endswith("'") else " "
    return f"{before}{article}{space}{name}{after}"


def title_key(name: str) -> str:
    """Returns what is equal for all spellings of a name: letters and digits in lower case, no accents, no article.

    "Matrix, The" and "the matrix" have one key, as have "Amélie" and "Amelie", "Lilo & Stitch" and "Lilo and Stitch",
    "Spider-Man" and "Spider Man". A name without letters and digits is its own key.
    """
    plain = unicodedata.normalize("NFKD", ARTICLE_FIRST.sub("", article_first(name.strip())))
    letters = "".join(letter for letter in plain.casefold().translate(PLAIN_LETTERS) if letter.isalnum())
    return letters or name.strip()


def title_names(title: str) -> list[str]:
    """Returns the names that a title holds: the whole, then without brackets, then each one in brackets.

    ["Seven (a.k.a. Se7en)", "Seven", "Se7en"] for the first of them.
    """
    inside = [ALSO_KNOWN_AS.sub("", name).strip() for name in IN_BRACKETS.findall(title)]
    outside = " ".join(IN_BRACKETS.sub(" ", title).split())
    return [name for name in dict.fromkeys([title.strip(), outside, *inside]) if name]


def title_parts(title: str) -> list[str]:
    """Returns the parts that colons and dashes split a title into; none where it has one part alone.

    ["Star Wars", "Episode V", "The Empire Strikes Back"], of which people often write one.
    """
    parts = BETWEEN_PARTS.split(" ".join(IN_BRACKETS.sub(" ", title).split()))
    return [part.strip() for part in parts if part.strip()] if len(parts) > 1 else []
