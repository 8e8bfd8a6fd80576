"""Lists from an export, by JAX and NumPy alone.

    python loader.py --user_id=42
    python loader.py --rating 318=5 --rating 296=4.5 --k=20

Or from Python, with this file beside the code that imports it:

    lists = loader.load("runs/export")
    lists.recommend([1, 42], k=10)[42]
    lists.recommend_for({318: 5, 296: 4.5}, k=10)

`movierec export` writes this file beside the others of its folder:

lists.stablehlo   the program: a portable StableHLO artifact, the same for CPUs, CUDA GPUs and TPUs
tables.npz        arrays that it takes with every call
users.npz         of each user: `own`, and from `start` to the next user's `start`: `movie_row`, `rating` and `weight`
ids.json          ids of users and movies in the order of rows, and the movies' titles
about.json        versions, rating scale, length of lists, the program's arguments and results; the sha256 of each file

Another language calls the function `main` of the program with an int32, the index of its platform in `platforms`, and
then with the arrays that `arguments` names, in that order. Sizes named users and ratings are free; StableHLO's passes
stablehlo-refine-arguments and stablehlo-refine-shapes fix them for a compiler that needs that. After the tables come

own           the user's own vector: a row of `own`; zeros for a new user
movie_row     the movies rated, as indices of the movies in ids.json; any in filling
rating        their ratings, in stars
weight        how much each counts: a number of `weight`, 1 for a new user; 0 in filling
is_left_out   whether the list leaves out a movie, such as one that has been rated

and the results are the indices of each user's best movies, the score that the list is ordered by, -inf where no movie
is left, and the predicted rating, not clipped to the rating scale.
"""

import argparse
import dataclasses
import functools
import hashlib
import io
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
FORMAT = 2

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

# Numbers of users and of ratings are padded to these sizes, (smallest, growth), since each size is compiled once.
USER_SIZES, RATING_SIZES = (1, 2), (16, 4)


class ListEntry(NamedTuple):
    """A movie of a list. score: what the list is ordered by.

    predicted_rating: in stars, within the scale; NaN where the run has no ratings, only movies watched.
    """

    movie_id: Any
    title: str
    score: float
    predicted_rating: float


class ExportedHistory(NamedTuple):
    """A user's own vector and what they have rated; ratings of weight 0 do not count."""

    own: np.ndarray
    movie_row: np.ndarray
    rating: np.ndarray
    weight: np.ndarray


@dataclasses.dataclass(frozen=True)
class ExportedLists:
    """An export that makes lists.

    program: the exported function of the tables and of users' histories.
    user_row, movie_row: of each id.
    """

    about: dict
    program: Callable
    tables: list[jax.Array]
    users: dict[str, np.ndarray]
    user_row: dict[Any, int]
    movie_row: dict[Any, int]
    titles: list[str]

    @functools.cached_property
    def movie_ids(self) -> list:
        """The ids of the movies in the order of rows."""
        return list(self.movie_row)

    def recommend(self, user_ids: Iterable, k: int = 10) -> dict[Any, list[ListEntry]]:
        """Returns the best k movies that each user has not rated, best first. Raises ValueError for unknown users."""
        user_ids = list(dict.fromkeys(user_ids))
        rows = [find_row(self.user_row, id, "user") for id in user_ids]
        return dict(zip(user_ids, self.lists_of([self.history(row) for row in rows], k), strict=True))

    def recommend_for(self, ratings: Mapping, k: int = 10) -> list[ListEntry]:
        """Returns the best k movies for a new user with these ratings, by movie id.

        Raises ValueError for no ratings, ratings off the scale, and unknown movies.
        """
        lowest, highest = self.about["rating_scale"]
        if not ratings:
            raise ValueError("no ratings: give one or more")
        if self.about["score"] == "implicit_score":
            # Without ratings to learn from, any value says that the movie was watched.
            ratings = dict.fromkeys(ratings, np.nan)
        for rating in ratings.values():
            if not (lowest <= rating <= highest or self.about["score"] == "implicit_score"):
                raise ValueError(f"rating={rating:g}: must be {lowest:g} to {highest:g} stars")
        movie_row = np.array([find_row(self.movie_row, id, "movie") for id in ratings], np.int32)
        rating = np.array(list(ratings.values()), np.float32)
        history = ExportedHistory(np.zeros_like(self.users["own"][0]), movie_row, rating, np.ones_like(rating))
        return self.lists_of([history], k)[0]

    def history(self, row: int) -> ExportedHistory:
        """Returns the history of a user of the export."""
        rated = slice(*self.users["start"][row : row + 2])
        return ExportedHistory(
            self.users["own"][row], *(self.users[name][rated] for name in ExportedHistory._fields[1:])
        )

    def lists_of(self, histories: Sequence[ExportedHistory], k: int) -> list[list[ListEntry]]:
        """Returns the list of each user. Users with similarly many ratings share a call, which saves padding."""
        if not 1 <= k <= self.about["top_k"]:
            raise ValueError(f"k={k}: must be 1 to {self.about['top_k']}, the length of the lists that were exported")
        order = sorted(range(len(histories)), key=lambda user: len(histories[user].rating))
        lists: dict[int, list[ListEntry]] = {}
        for first in range(0, len(order), BLOCK_USERS):
            block = order[first : first + BLOCK_USERS]
            lists.update(zip(block, self.lists_of_block([histories[user] for user in block], k), strict=True))
        return [lists[user] for user in range(len(histories))]

    def lists_of_block(self, histories: Sequence[ExportedHistory], k: int) -> list[list[ListEntry]]:
        """Returns the list of each user of one call."""
        num_users = padded_size(len(histories), *USER_SIZES)
        num_ratings = padded_size(max(len(history.rating) for history in histories), *RATING_SIZES)
        own = np.zeros((num_users, *self.users["own"].shape[1:]), np.float32)
        movie_row, rating, weight = (
            np.zeros((num_users, num_ratings), dtype) for dtype in (np.int32, np.float32, np.float32)
        )
        is_left_out = np.zeros((num_users, len(self.movie_row)), bool)
        for user, history in enumerate(histories):
            own[user] = history.own
            is_left_out[user, history.movie_row] = True
            for padded, values in zip((movie_row, rating, weight), history[1:], strict=True):
                padded[user, : len(values)] = values
        best = self.program(*self.tables, own, movie_row, rating, weight, is_left_out)
        columns = (np.asarray(array)[: len(histories), :k] for array in best)
        return [self.entries(*of_user) for of_user in zip(*columns, strict=True)]

    def entries(self, rows: np.ndarray, scores: np.ndarray, ratings: np.ndarray) -> list[ListEntry]:
        """Returns the movies of one list, without empty slots."""
        clipped = np.clip(ratings, *np.array(self.about["rating_scale"], np.float32))
        return [
            ListEntry(self.movie_ids[row], self.titles[row], float(score), float(rating))
            for row, score, rating in zip(rows, scores, clipped, strict=True)
            if score > -np.inf
        ]


def find_row(rows: Mapping[Any, int], id: Any, name: str) -> int:
    """Returns the row of an id. Raises ValueError where there is none."""
    if id not in rows:
        example = next(iter(rows))
        raise ValueError(f"unknown {name} id {id!r}: not among the {len(rows):,} {name}s, such as {example!r}")
    return rows[id]


def padded_size(number: int, smallest: int, growth: int) -> int:
    """Returns the first of `smallest`, `growth` times as much, and so on, that is not below a number."""
    size = smallest
    while size < number:
        size *= growth
    return size


def load(folder: str | pathlib.Path) -> ExportedLists:
    """Returns the lists of an export. Raises ValueError where the folder has none that this loader can read."""
    folder = pathlib.Path(folder)
    missing = [name for name in FILES[:-1] if not (folder / name).exists()]
    if missing:
        raise ValueError(f"{folder}: no {missing[0]}; name a folder that movierec export has written")
    about = read_about(folder / ABOUT)
    program, table_bytes, user_bytes, id_bytes = (
        read_unchanged(folder / name, about["sha256"][name]) for name in (PROGRAM, TABLES, USERS, IDS)
    )
    ids = json.loads(id_bytes)
    with np.load(io.BytesIO(table_bytes)) as tables, np.load(io.BytesIO(user_bytes)) as users:
        return ExportedLists(
            about=about,
            program=jax.jit(read_program(program, about).call),
            tables=[jnp.asarray(tables[name]) for name in argument_names(about) if name in tables],
            users=dict(users),
            user_row={id: row for row, id in enumerate(ids["users"])},
            movie_row={id: row for row, id in enumerate(ids["movies"])},
            titles=ids["titles"],
        )


def read_about(path: pathlib.Path) -> dict[str, Any]:
    """Reads what an export says of itself. Raises ValueError where it is damaged or of another format."""
    try:
        about = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error}); export again") from None
    if isinstance(about, dict) and about.get("format", FORMAT) != FORMAT:
        raise ValueError(f"{path.parent}: an export of format {about['format']}; this loader reads format {FORMAT}")
    if not isinstance(about, dict) or about.get("digest") != about_digest(about):
        raise ValueError(f"{path}: has changed since it was written; export again")
    return about


def about_digest(about: Mapping) -> str:
    """Returns the sha256 of what about.json holds, but for this digest itself."""
    others = {name: value for name, value in about.items() if name != "digest"}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def read_unchanged(path: pathlib.Path, sha256: str) -> bytes:
    """Reads a file. Raises ValueError where its bytes are not those that were written."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path}: has changed since it was written; export again")
    return content


def argument_names(about: Mapping) -> list[str]:
    """Returns the names of the program's arguments."""
    return [argument["name"] for argument in about["arguments"]]


def read_program(program: bytes, about: Mapping) -> jax.export.Exported:
    """Returns the exported function of a program.

    JAX would need another library to read its own file of an exported function. So a stand-in with the same arguments
    and results is exported here, and the program put in its place.
    """

    def stand_in(*arguments):
        num_users = arguments[-1].shape[0]
        return tuple(jnp.zeros((num_users, about["top_k"]), result["dtype"]) for result in about["results"])

    jitted = jax.jit(stand_in, keep_unused=True)
    exported = jax.export.export(jitted, platforms=about["platforms"])(*argument_shapes(about))
    version = about["calling_convention"]
    return dataclasses.replace(exported, mlir_module_serialized=program, calling_convention_version=version)


def argument_shapes(about: Mapping) -> list[jax.ShapeDtypeStruct]:
    """Returns shapes and types of the program's arguments."""
    scope = jax.export.SymbolicScope()
    return [
        jax.ShapeDtypeStruct(
            jax.export.symbolic_shape(", ".join(map(str, argument["shape"])), scope=scope), argument["dtype"]
        )
        for argument in about["arguments"]
    ]


def main() -> None:
    """Prints the lists of the users on the command line."""
    parser = argparse.ArgumentParser(description="Prints lists of an export.")
    parser.add_argument(
        "--folder", default=pathlib.Path(__file__).parent, help="the export; default: the folder of this file"
    )
    parser.add_argument("--user_id", action="append", default=[], help="a user whose list to print; may be repeated")
    parser.add_argument("--rating", action="append", default=[], help="MOVIE_ID=STARS of a new user; may be repeated")
    parser.add_argument("--k", type=int, help="movies in a list; default: 10, or as many as the export has")
    flags = parser.parse_args()
    try:
        lists = load(flags.folder)
        k = min(10, lists.about["top_k"]) if flags.k is None else flags.k
        by_user = lists.recommend([parse_user(lists.user_row, text) for text in flags.user_id], k)
        tables = {f"user {id}": entries for id, entries in by_user.items()}
        if flags.rating or not tables:
            ratings = dict(parse_rating(lists.movie_row, text) for text in flags.rating)
            tables["a new user"] = lists.recommend_for(ratings, k)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    for user, entries in tables.items():
        has_stars = any(entry.predicted_rating == entry.predicted_rating for entry in entries)  # none of them NaN
        width = max([len("movie_id"), *(len(str(entry.movie_id)) for entry in entries)])
        print(f"recommended to {user}\n{'  stars' * has_stars}   score  {'movie_id':>{width}}")
        for entry in entries:
            stars = f"  {entry.predicted_rating:5.2f}" if has_stars else ""
            print(f"{stars}  {entry.score:6.3f}  {entry.movie_id!s:>{width}}  {printable(entry.title)}")


def printable(text: str) -> str:
    """Returns a text in which characters that a terminal would obey are replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def typed_id(rows: Mapping[Any, int], text: str) -> Any:
    """Returns a typed id as the export has it: an integer where ids are integers, which may raise ValueError."""
    return int(text) if isinstance(next(iter(rows)), int) else text


def parse_user(user_row: Mapping[Any, int], text: str) -> Any:
    """Returns the user id of --user_id. Raises ValueError where the text cannot be one."""
    try:
        return typed_id(user_row, text)
    except ValueError:
        raise ValueError(f"--user_id={text}: ids are integers, such as {next(iter(user_row))}") from None


def parse_rating(movie_row: Mapping[Any, int], text: str) -> tuple[Any, float]:
    """Returns movie id and rating of MOVIE_ID=STARS. Raises ValueError where the text is not of this form."""
    id, _, rating = text.rpartition("=")
    try:
        return typed_id(movie_row, id), float(rating)
    except ValueError:
        raise ValueError(f"--rating={text}: must be MOVIE_ID=STARS, such as {next(iter(movie_row))}=4") from None


if __name__ == "__main__":
    main()
