"""The kinds of files with which one person's ratings leave a site, told apart by the names of their columns."""

import dataclasses
from collections.abc import Iterable, Mapping

from movierec_jax.data.readers.text.columns import SPELLINGS, normalized_name
from movierec_jax.data.schema import IMDB_ID, MOVIE_ID, RATING, TIMESTAMP, TITLE, TMDB_ID, YEAR

ORIGINAL_TITLE = "original_title"

TITLE_TYPE = "title_type"


@dataclasses.dataclass(frozen=True)
class PersonalKind:
    """One kind of file.

    name: for messages, with its article.
    marks: names of columns, as `normalized_name` writes them; a file that has all of one group is of this kind.
    columns: what each column may be called, the preferred name first.
    rating_scale: lowest and highest rating, None where the kind does not state them.
    has_watched: whether a row without a rating says that the movie was watched.
    """

    name: str
    marks: tuple[frozenset[str], ...]
    columns: Mapping[str, tuple[str, ...]]
    rating_scale: tuple[float, float] | None = None
    has_watched: bool = False


def groups(*names: str) -> tuple[frozenset[str], ...]:
    """Returns groups of names, each written with blanks between them."""
    return tuple(frozenset(group.split()) for group in names)


def columns_of(**names: str) -> dict[str, tuple[str, ...]]:
    """Returns what columns may be called, from names written with blanks between them."""
    return {column: tuple(text.split()) for column, text in names.items()}


LETTERBOXD = PersonalKind(
    "a Letterboxd export",
    groups("letterboxduri"),
    columns_of(movie_id="letterboxduri", title="name", year="year", rating="rating", timestamp="watcheddate date"),
    (0.5, 5.0),
    has_watched=True,
)

IMDB = PersonalKind(
    "an IMDb export",
    groups("const yourrating", "const yourated", "const titletype"),
    columns_of(
        imdb_id="const",
        title="title",
        original_title="originaltitle",
        year="year",
        rating="yourrating yourated",
        timestamp="daterated created",
        title_type="titletype",
    ),
    (1.0, 10.0),
)

TMDB = PersonalKind(
    "a TMDb export",
    groups("tmdbid yourrating"),
    columns_of(
        tmdb_id="tmdbid",
        imdb_id="imdbid",
        title="name title",
        original_title="originaltitle",
        year="releasedate year",
        rating="yourrating",
        timestamp="daterated createdat",
        title_type="type mediatype",
    ),
    (1.0, 10.0),
)

MOVIELENS = PersonalKind(
    "a MovieLens export",
    groups("movieid averagerating"),
    columns_of(
        movie_id="movieid", imdb_id="imdbid", tmdb_id="tmdbid", title="title", rating="rating", timestamp="timestamp"
    ),
    (0.5, 5.0),
)

# In an export with both, "rating" is the person's own and "trakt_rating" that of all.
TRAKT = PersonalKind(
    "a Trakt export",
    groups("traktid", "traktrating"),
    columns_of(
        imdb_id="imdbid imdb",
        tmdb_id="tmdbid tmdb",
        title="title",
        year="year released",
        rating="yourrating myrating rating traktrating",
        timestamp="ratedat lastratedat watchedat lastwatchedat",
        title_type="type",
    ),
    (1.0, 10.0),
    has_watched=True,
)

# Names of a column of movies that may also hold their titles.
MOVIE_OR_TITLE = ("movie", "film", "item", "product")

# Any other file of movies and ratings.
TABLE = PersonalKind(
    "a table of ratings",
    (),
    {
        MOVIE_ID: tuple(
            sorted(
                (name for name in SPELLINGS[MOVIE_ID] if name not in SPELLINGS[IMDB_ID]),
                key=lambda name: name in MOVIE_OR_TITLE,
            )
        ),
        IMDB_ID: SPELLINGS[IMDB_ID],
        TMDB_ID: ("tmdbid", "tmdb"),
        TITLE: ("title", "movietitle", "filmtitle", "primarytitle", "name", "moviename", "filmname", *MOVIE_OR_TITLE),
        ORIGINAL_TITLE: ("originaltitle",),
        YEAR: ("year", "releaseyear", "startyear", "releasedate"),
        RATING: ("yourrating", "myrating", "userrating", *SPELLINGS[RATING]),
        TIMESTAMP: SPELLINGS[TIMESTAMP],
        TITLE_TYPE: ("titletype",),
    },
)

KINDS = (LETTERBOXD, TMDB, IMDB, MOVIELENS, TRAKT)

# All names that tell the separator of a file.
KNOWN_NAMES = frozenset(
    name for kind in (*KINDS, TABLE) for names in (*kind.marks, *kind.columns.values()) for name in names
)

KEYS = (MOVIE_ID, IMDB_ID, TMDB_ID, TITLE)


def find_kind(names: Iterable[str]) -> PersonalKind | None:
    """Returns the kind of a file with columns of these names; None where they say neither movie nor rating."""
    found = {normalized_name(name) for name in names}
    for kind in KINDS:
        if any(marks <= found for marks in kind.marks):
            return kind
    has_movie = any(found & {*TABLE.columns[key]} for key in KEYS)
    return TABLE if has_movie and found & {*TABLE.columns[RATING]} else None
