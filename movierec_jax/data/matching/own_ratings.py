"""One person's ratings of movies of the data, on its scale, made of what a site exports; and what was left out."""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64

from movierec_jax.data.cleaning import describe_dropped
from movierec_jax.data.matching.match_movies import WAYS, MatchedMovies, MovieIndex
from movierec_jax.data.readers.personal_file import PersonalFile
from movierec_jax.data.schema import IMDB_ID, MOVIE_ID, RATING, TIMESTAMP, TITLE, TMDB_ID, WEIGHT, YEAR
from movierec_jax.data.values.scale import USUAL_SCALES, infer_scale

MATCHED_BY = "matched_by"

# Movies that were not found are named up to this number in a message.
MAX_NAMED = 20


@dataclasses.dataclass(frozen=True)
class OwnRatings:
    """One person's ratings and watched movies in the ids of the data.

    kind, path: of the file, as in `PersonalFile`.
    num_movies: different movies that the file tells of, found or not.
    ratings: columns `movie_id`, `rating` (float32, on the scale of the data), `timestamp` and `matched_by`, a row for
        each movie, in the order of the file.
    watched: the same columns of movies without a rating, which is NaN.
    not_found: columns `title` (an id where the file has none), `year` (0 where unknown) and `is_ambiguous` (several
        movies have the title), of movies that the data does not have.
    num_repeated: rows of a movie that a later row names again.
    file_scale, rating_scale: lowest and highest rating of the file and of the data.
    is_inferred: whether the file's scale is inferred from its ratings.
    left_out: as in `PersonalFile`, with ratings outside an inferred scale. notes: as there.
    """

    path: str
    kind: str
    num_movies: int
    ratings: pd.DataFrame
    watched: pd.DataFrame
    not_found: pd.DataFrame
    num_repeated: int
    file_scale: tuple[float, float]
    rating_scale: tuple[float, float]
    is_inferred: bool
    left_out: dict[str, int]
    notes: tuple[str, ...] = ()

    def weighted(self) -> pd.DataFrame:
        """Returns all movies as `movie_id, rating, timestamp, weight`; a movie watched but not rated has weight 0."""
        table = pd.concat([self.ratings, self.watched], ignore_index=True)
        weight = table[RATING].notna().astype(np.float32)
        return table[[MOVIE_ID, RATING, TIMESTAMP]].assign(**{WEIGHT: weight})

    def counts(self) -> dict[str, int]:
        """Returns how many movies were found by what."""
        by = [*self.ratings[MATCHED_BY], *self.watched[MATCHED_BY]]
        return {name: by.count(name) for name in WAYS if name in by}

    def lines(self) -> list[str]:
        """Returns what was read, found and left out, as lines of text."""
        how = ", ".join(f"{count:,} by {by}" for by, count in self.counts().items())
        num_found = len(self.ratings) + len(self.watched)
        first = f"read {counted(self.num_movies, 'film')} of {self.kind}; {num_found:,} matched"
        first += f" ({how})" * bool(how)
        if len(self.not_found):
            first += f"; not found: {named(self.not_found)}"
        lines = [first]
        if self.file_scale != self.rating_scale:
            (low, high), (to_low, to_high) = self.file_scale, self.rating_scale
            note = " (inferred from its ratings)" * self.is_inferred
            lines.append(f"  its ratings of {low:g} to {high:g}{note} count as {to_low:g} to {to_high:g}")
        if len(self.watched):
            found = counted(len(self.watched), "film")
            lines.append(f"  {found} without a rating: counted as watched, not as stars")
        if self.num_repeated:
            lines.append(
                f"  {counted(self.num_repeated, 'row')} of a film that a later one names again: the latest counts"
            )
        lines += [f"  {note}" for note in self.notes]
        if self.left_out:
            lines.append(f"  left out {describe_dropped(self.left_out)}")
        return lines


def match_ratings(
    file: PersonalFile, movies: MovieIndex, ids: pd.Series, rating_scale: tuple[float, float]
) -> OwnRatings:
    """Returns a person's ratings of movies of the data, on its scale; of several of one movie the latest.

    ids: the ids of the movies by position in the index.
    """
    matched = movies.match(file.movies)
    rating = file.movies[RATING].to_numpy(np.float64)
    scale = file.rating_scale or infer_star_scale(rating[~np.isnan(rating)], rating_scale)
    is_outside = (rating < scale[0]) | (rating > scale[1])
    is_found = (matched.index >= 0) & ~is_outside
    table = pd.DataFrame(
        {
            MOVIE_ID: ids.iloc[np.maximum(matched.index, 0)].to_numpy(),
            RATING: rescale(rating, scale, rating_scale).astype(np.float32),
            TIMESTAMP: file.movies[TIMESTAMP].to_numpy(),
            MATCHED_BY: matched.by,
        }
    )[is_found]
    # A rating counts before a visit without one, then the later before the earlier, then the last of the file.
    in_order = table.assign(is_rated=table[RATING].notna()).sort_values(["is_rated", TIMESTAMP], kind="stable")
    latest = table.loc[in_order.drop_duplicates(MOVIE_ID, keep="last").index.sort_values()]
    is_rated = latest[RATING].notna()
    not_found = rows_not_found(file, matched)
    outside = {f"rating outside {scale[0]:g} to {scale[1]:g}": int(is_outside.sum())} if is_outside.any() else {}
    return OwnRatings(
        path=file.path,
        kind=file.kind,
        num_movies=len(latest) + len(not_found),
        ratings=latest[is_rated].reset_index(drop=True),
        watched=latest[~is_rated].reset_index(drop=True),
        not_found=not_found,
        num_repeated=len(table) - len(latest),
        file_scale=scale,
        rating_scale=rating_scale,
        is_inferred=file.rating_scale is None,
        left_out=file.left_out | outside,
        notes=file.notes,
    )


def rows_not_found(file: PersonalFile, matched: MatchedMovies) -> pd.DataFrame:
    """Returns title, year and `is_ambiguous` of the rows without a movie; an id stands in for a missing title."""
    rows = file.movies
    title = rows[TITLE].copy()
    for column in (MOVIE_ID, IMDB_ID, TMDB_ID):
        title = title.fillna(rows[column].astype("str").radd("" if column == MOVIE_ID else f"{column} "))
    table = pd.DataFrame({TITLE: title, YEAR: rows[YEAR], "is_ambiguous": matched.is_ambiguous})
    return table[matched.index < 0].drop_duplicates([TITLE, YEAR], ignore_index=True)


def named(not_found: pd.DataFrame) -> str:
    """Returns movies that were not found as a phrase: "Heat (1995), Alien (several have this title) and 3 more"."""
    names = [
        f"{title} ({year})" if year else title for title, year in zip(not_found[TITLE], not_found[YEAR], strict=True)
    ]
    marked = [
        f"{name} (several have this title)" if is_ambiguous else name
        for name, is_ambiguous in zip(names, not_found["is_ambiguous"], strict=True)
    ]
    more = f" and {len(marked) - MAX_NAMED:,} more" if len(marked) > MAX_NAMED else ""
    return ", ".join(marked[:MAX_NAMED]) + more


def counted(count: int, noun: str) -> str:
    """Returns a number of things: "1 film", "30 films"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def rescale(
    rating: Float64[np.ndarray, " rows"], scale: tuple[float, float], rating_scale: tuple[float, float]
) -> Float64[np.ndarray, " rows"]:
    """Returns ratings of one scale on another: its ends on the ends, and linear between."""
    (low, high), (to_low, to_high) = scale, rating_scale
    return to_low + (rating - low) * ((to_high - to_low) / (high - low))


def infer_star_scale(stars: Float[np.ndarray, " n"], rating_scale: tuple[float, float]) -> tuple[float, float]:
    """Returns the scale of a file's stars: that of the ratings unless the stars contradict it, else the inferred one.

    An inferred scale with the same upper end counts as that of the ratings: half stars need not occur. Where all stars
    are the same, or the ratings have a scale of their own, the stars only contradict it by lying outside.
    """
    if not len(stars):
        return rating_scale
    lowest, highest = rating_scale
    found = infer_scale(stars)
    inferred = found.lowest, found.highest
    is_held = bool(((stars >= lowest) & (stars <= highest)).all())
    says_little = np.ptp(stars) == 0 or rating_scale not in USUAL_SCALES
    return rating_scale if inferred[1] == highest or (is_held and says_little) else inferred
