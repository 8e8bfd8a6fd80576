"""Says what was found in ratings, what was inferred and what was left out."""

from collections.abc import Sequence

from movierec_jax.data.cleaning import describe_dropped
from movierec_jax.data.schema import CleanData


def print_ratings(
    data: CleanData,
    num_ratings: int,
    num_watched: int,
    unrated_value: float | None,
    *,
    has_column: bool,
    is_inferred: bool,
) -> None:
    """Prints how many ratings of which scale there are, and how many movies were watched but not rated.

    num_ratings: of all rows. has_column: whether there is a column of ratings. is_inferred: whether the scale is.
    """
    print(f"{data.source}: ", end="")
    lowest, highest = data.rating_scale
    if num_watched == num_ratings:
        why = "no two ratings differ" if has_column else "there is no column of ratings"
        print(f"{num_ratings:,} movies watched, none rated, as {why}: lists only, without stars")
    else:
        scale = f"{lowest:g} to {highest:g} stars" + " (inferred; --rating_scale states another)" * is_inferred
        watched = f"; {num_watched:,} movies watched, not rated" if num_watched else ""
        print(f"{num_ratings - num_watched:,} ratings of {scale}{watched}")
    if unrated_value is not None and not num_watched:
        print(f"  --unrated_value={unrated_value:g} matches no rating")


def print_notes(notes: Sequence[str]) -> None:
    """Prints what was inferred, a line each."""
    for note in notes:
        print(f"  {note}")


def print_dropped(dropped: dict[str, int]) -> None:
    """Prints what was left out, if anything."""
    if dropped:
        print(f"  left out {describe_dropped(dropped)}")
