"""Lists from an export, by JAX and NumPy alone.

    python loader.py --user_id=42
    python loader.py --rating 318=5 --rating 296=4.5 --k=20

Or from Python, with this file beside the code that imports it:

    lists = loader.load("runs/export")
    lists.recommend([1, 42], k=10)[42]
    lists.recommend_for({318: 5, 296: 4.5}, k=10)

`scripts/export.py` writes this file with the others of its folder:

lists.stablehlo   the program: a portable StableHLO artifact, the same for CPUs, CUDA GPUs and TPUs
tables.npz        what it takes with every call
users.npz         of each user: `own`, and from `start` on up to the next user's `movie_row`, `rating` and `weight`
ids.json          ids of users and movies in the order of rows, and the movies' titles
about.json        versions, rating scale, length of lists, and the program's arguments and results

Another language calls the function `main` of the program with an int32, the place of its platform among `platforms`,
and then with the arrays that `arguments` names, in that order. Sizes called users and ratings are the caller's; for a
compiler that wants them fixed, StableHLO's passes stablehlo-refine-arguments and stablehlo-refine-shapes fix them.
After the tables come

own           what is known of a user besides ratings: a row of `own`; 0 for somebody new
movie_row     the movies rated, by their place among those of ids.json; any in places that are filled up
rating        their stars
weight        how much each counts: a number of `weight`, 1 for somebody new; 0 in places that are filled up
is_left_out   whether the list may not have a movie, such as one that has been rated

and the results are the places of each user's best movies, what the list falls by, -inf where no movie is left, and the
stars, not yet held to the rating scale.
"""

import argparse
import dataclasses
import functools
import json
import pathlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

# Raised when a loader of one version can no longer read the files of the next.
FORMAT = 1

PROGRAM, TABLES, USERS, IDS, ABOUT, LOADER = FILES = (
    "lists.stablehlo",
    "tables.npz",
    "users.npz",
    "ids.json",
    "about.json",
    "loader.py",
)

# Users of one call at most.
BLOCK_USERS = 256

# Each number of users, and of ratings, is compiled once: from so many on both are filled up to so many times as many.
STEPS_OF_USERS, STEPS_OF_RATINGS = (1, 2), (16, 4)


class Listed(NamedTuple):
    """A movie of a list. score: what the list falls by; predicted_rating: stars, within the scale."""

    movie_id: Any
    title: str
    score: float
    predicted_rating: float


class History(NamedTuple):
    """What is known of a user: a row of their own, and what they have rated; that of weight 0 tells nothing."""

    own: np.ndarray
    movie_row: np.ndarray
    rating: np.ndarray
    weight: np.ndarray


@dataclasses.dataclass(frozen=True)
class Lists:
    """An export, ready to be asked.

    program: the exported function of the tables and of what is known of users.
    user_place, movie_row: of each id.
    """

    about: dict
    program: Callable
    tables: list[jax.Array]
    users: dict[str, np.ndarray]
    user_place: dict[Any, int]
    movie_row: dict[Any, int]
    titles: list[str]

    @functools.cached_property
    def movie_ids(self) -> list:
        """The ids of the movies, in the order of rows."""
        return list(self.movie_row)

    def recommend(self, user_ids: Iterable, k: int = 10) -> dict[Any, list[Listed]]:
        """The best k movies that each user has not rated, best first. Raises ValueError for users that it lacks."""
        user_ids = list(dict.fromkeys(user_ids))
        places = [known(self.user_place, id, "user") for id in user_ids]
        return dict(zip(user_ids, self.lists_of([self.history(place) for place in places], k), strict=True))

    def recommend_for(self, ratings: Mapping, k: int = 10) -> list[Listed]:
        """The same for somebody new who has given these stars, by movie id. Raises ValueError for odd ratings."""
        lowest, highest = self.about["rating_scale"]
        if not ratings:
            raise ValueError("no ratings: give one or more")
        for rating in ratings.values():
            if not lowest <= rating <= highest:
                raise ValueError(f"rating={rating:g}: must be {lowest:g} to {highest:g} stars")
        movie_row = np.array([known(self.movie_row, id, "movie") for id in ratings], np.int32)
        rating = np.array(list(ratings.values()), np.float32)
        history = History(np.zeros_like(self.users["own"][0]), movie_row, rating, np.ones_like(rating))
        return self.lists_of([history], k)[0]

    def history(self, place: int) -> History:
        """What is known of a user of the export."""
        rated = slice(*self.users["start"][place : place + 2])
        return History(self.users["own"][place], *(self.users[name][rated] for name in History._fields[1:]))

    def lists_of(self, histories: Sequence[History], k: int) -> list[list[Listed]]:
        """The list of each user. Those of like length go together, so that little is filled up."""
        if not 1 <= k <= self.about["top_k"]:
            raise ValueError(f"k={k}: must be 1 to {self.about['top_k']}, the length of the lists that were exported")
        order = sorted(range(len(histories)), key=lambda user: len(histories[user].rating))
        found: dict[int, list[Listed]] = {}
        for first in range(0, len(order), BLOCK_USERS):
            block = order[first : first + BLOCK_USERS]
            found.update(zip(block, self.lists_of_block([histories[user] for user in block], k), strict=True))
        return [found[user] for user in range(len(histories))]

    def lists_of_block(self, histories: Sequence[History], k: int) -> list[list[Listed]]:
        """The list of each of a few users."""
        num_users = filled_up(len(histories), *STEPS_OF_USERS)
        longest = filled_up(max(len(history.rating) for history in histories), *STEPS_OF_RATINGS)
        own = np.zeros((num_users, *self.users["own"].shape[1:]), np.float32)
        movie_row, rating, weight = (np.zeros((num_users, longest), kind) for kind in (np.int32, *[np.float32] * 2))
        is_left_out = np.zeros((num_users, len(self.movie_row)), bool)
        for user, history in enumerate(histories):
            own[user] = history.own
            is_left_out[user, history.movie_row] = True
            for filled, values in zip((movie_row, rating, weight), history[1:], strict=True):
                filled[user, : len(values)] = values
        best = self.program(*self.tables, own, movie_row, rating, weight, is_left_out)
        rows, scores, stars = (np.asarray(array)[: len(histories), :k] for array in best)
        return [self.listed(*of_user) for of_user in zip(rows, scores, stars, strict=True)]

    def listed(self, rows: np.ndarray, scores: np.ndarray, stars: np.ndarray) -> list[Listed]:
        """The movies of one list, without places that stay empty."""
        held = np.clip(stars, *np.array(self.about["rating_scale"], np.float32))
        return [
            Listed(self.movie_ids[row], self.titles[row], float(score), float(rating))
            for row, score, rating in zip(rows, scores, held, strict=True)
            if score > -np.inf
        ]


def known(places: Mapping[Any, int], id: Any, name: str) -> int:
    """The place of an id. Raises ValueError where there is none."""
    if id not in places:
        example = next(iter(places))
        raise ValueError(f"unknown {name} id {id!r}: not among the {len(places):,} {name}s, such as {example!r}")
    return places[id]


def filled_up(number: int, least: int, factor: int) -> int:
    """The first of `least`, `factor` times as many, and so on, that is not below the number."""
    while least < number:
        least *= factor
    return least


def load(folder: str | pathlib.Path) -> Lists:
    """The lists of an export. Raises ValueError where the folder holds none that this loader can read."""
    folder = pathlib.Path(folder)
    missing = [name for name in FILES[:-1] if not (folder / name).exists()]
    if missing:
        raise ValueError(f"{folder}: no {missing[0]}; name a folder that scripts/export.py has written")
    about, ids = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (ABOUT, IDS))
    if about["format"] != FORMAT:
        raise ValueError(f"{folder}: an export of format {about['format']}; this loader reads format {FORMAT}")
    with np.load(folder / TABLES) as tables, np.load(folder / USERS) as users:
        return Lists(
            about=about,
            program=jax.jit(exported((folder / PROGRAM).read_bytes(), about).call),
            tables=[jnp.asarray(tables[name]) for name in named(about) if name in tables],
            users=dict(users),
            user_place={id: place for place, id in enumerate(ids["users"])},
            movie_row={id: row for row, id in enumerate(ids["movies"])},
            titles=ids["titles"],
        )


def named(about: Mapping) -> list[str]:
    """The names of the program's arguments."""
    return [argument["name"] for argument in about["arguments"]]


def exported(program: bytes, about: Mapping) -> jax.export.Exported:
    """The exported function that a program is of.

    What JAX says of a function of the same arguments and results goes for it. To read all of that from a file, JAX
    would need another library.
    """

    def alike(*arguments):
        num_users = arguments[-1].shape[0]
        return tuple(jnp.zeros((num_users, about["top_k"]), result["dtype"]) for result in about["results"])

    made = jax.export.export(jax.jit(alike, keep_unused=True), platforms=about["platforms"])(*specs(about))
    version = about["calling_convention"]
    return dataclasses.replace(made, mlir_module_serialized=program, calling_convention_version=version)


def specs(about: Mapping) -> list[jax.ShapeDtypeStruct]:
    """Shapes and types of the program's arguments."""
    scope = jax.export.SymbolicScope()
    return [
        jax.ShapeDtypeStruct(
            jax.export.symbolic_shape(", ".join(map(str, argument["shape"])), scope=scope), argument["dtype"]
        )
        for argument in about["arguments"]
    ]


def main() -> None:
    """Prints the lists that the command line asks for."""
    parser = argparse.ArgumentParser(description="Prints lists of an export.")
    parser.add_argument(
        "--folder", default=pathlib.Path(__file__).parent, help="the export; default: where this file is"
    )
    parser.add_argument("--user_id", action="append", default=[], help="whose list to print; may be repeated")
    parser.add_argument("--rating", action="append", default=[], help="MOVIE_ID=STARS of somebody new; may be repeated")
    parser.add_argument("--k", type=int, help="movies in a list; default: 10, or as many as the export has")
    flags = parser.parse_args()
    try:
        lists = load(flags.folder)
        k = min(10, lists.about["top_k"]) if flags.k is None else flags.k
        asked = lists.recommend([user(lists.user_place, text) for text in flags.user_id], k)
        tables = {f"user {id}": found for id, found in asked.items()}
        if flags.rating or not tables:
            ratings = dict(rated(lists.movie_row, text) for text in flags.rating)
            tables["somebody new"] = lists.recommend_for(ratings, k)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    for whose, found in tables.items():
        print(f"recommended to {whose}\n  stars   score")
        print("\n".join(f"  {movie.predicted_rating:5.2f}  {movie.score:6.3f}  {movie.title}" for movie in found))


def typed(places: Mapping[Any, int], text: str) -> Any:
    """An id that a person typed, as the export has it: an integer where ids are integers."""
    return int(text) if isinstance(next(iter(places)), int) else text


def user(user_place: Mapping[Any, int], text: str) -> Any:
    """The user of --user_id. Raises ValueError where it cannot be one."""
    try:
        return typed(user_place, text)
    except ValueError:
        raise ValueError(f"--user_id={text}: ids are integers, such as {next(iter(user_place))}") from None


def rated(movie_row: Mapping[Any, int], text: str) -> tuple[Any, float]:
    """The movie and the stars of MOVIE_ID=STARS. Raises ValueError where a text is none."""
    id, _, stars = text.rpartition("=")
    try:
        return typed(movie_row, id), float(stars)
    except ValueError:
        raise ValueError(f"--rating {text}: must be MOVIE_ID=STARS, such as {next(iter(movie_row))}=4") from None


if __name__ == "__main__":
    main()
