"""A trained run -> a folder that gives its lists without this package: StableHLO, tables, ids and a loader.

`export_loader` says what the files are. The program knows a user by a row of their own and by any ratings, as
`encode_histories` does, so that it is one for known users and for new ones; how many users and ratings is left open.
It works on one user at a time: beside its arguments and results it takes the memory of the scores of one.
"""

import contextlib
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32

from movierec_jax.data.arrays import stable_argsort
from movierec_jax.data.files import atomic_folder, write_json
from movierec_jax.data.schema import MOVIE_ID, RATING, TITLE, YEAR
from movierec_jax.data.storage import is_url, list_names
from movierec_jax.errors import InputError
from movierec_jax.model.inputs import PaddedLinks
from movierec_jax.model.interactions import concat_ratings
from movierec_jax.model.two_tower import (
    Encoded,
    TwoTowers,
    encode_histories,
    mean_implicit_score,
    mean_rating,
    own_vectors,
)
from movierec_jax.packages import installed_version
from movierec_jax.recommend import export_loader
from movierec_jax.recommend.export_loader import ABOUT, FILES, IDS, LOADER, PROGRAM, TABLES, USERS
from movierec_jax.recommend.fold_in import implicit_feedback_weights
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.recommend.top_k import Order
from movierec_jax.runs.run import user_index_and_movie_row

PLATFORMS = ("cpu", "cuda", "tpu")

# What starts the names of parameters that the program needs; movies come to it encoded.
NEEDED = ("head/", "user_layer/", "user_tower/explicit", "user_tower/implicit", "exposure/rated")

# What Python leaves where the loader is imported.
BYTECODE = "__pycache__"


def export_lists(recommender: Recommender, folder: pathlib.Path, k: int) -> None:
    """Writes an export whose lists have up to k movies; the folder appears whole.

    Raises InputError for k below 1 or above the number of movies, and for a run on many devices.
    """
    run = recommender.run
    if run.mesh is not None:
        raise InputError("an export is of a run on one device: load it with mesh='data:1'")
    num_movies = len(run.movies)
    if not 1 <= k <= num_movies:
        raise InputError(f"--top_k={k}: must be 1 to {num_movies:,}, the number of movies trained on")
    tables, users = tables_of(recommender), users_of(recommender)
    exported, about = lists_program(recommender, tables, users["own"].shape[1:], k)
    movies = recommender.with_titles(run.movies.ids[:num_movies].to_frame(index=False, name=MOVIE_ID))
    titles = [f"{title} ({year})" if year else title for title, year in zip(movies[TITLE], movies[YEAR], strict=True)]
    with atomic_folder(folder) as partial:
        (partial / PROGRAM).write_bytes(exported.mlir_module_serialized)
        save_arrays(partial / TABLES, tables)
        save_arrays(partial / USERS, users)
        ids = {"users": recommender.user_ids().tolist(), "movies": movies[MOVIE_ID].tolist(), "titles": titles}
        write_json(partial / IDS, ids)
        shutil.copyfile(export_loader.__file__, partial / LOADER)
        write_json(partial / ABOUT, about)


def require_export(output: str) -> None:
    """Raises InputError unless an export can be written to a folder, or URL: it has no files that no export has."""
    if not is_url(output):
        path = pathlib.Path(output)
        if not path.parent.is_dir():
            raise InputError(f"--output={output}: the folder {path.parent} does not exist; make it first")
        if path.is_file():
            raise InputError(f"--output={output}: is a file; name a folder")
    others = sorted(set(list_names(output)) - {*FILES, BYTECODE})
    if others:
        raise InputError(f"--output={output}: holds {others[0]}, which is no file of an export; name another folder")


def tables_of(recommender: Recommender) -> dict[str, np.ndarray]:
    """What the program takes with every call, by name: parameters, encoded movies, and the movies' levels."""
    run, num_movies = recommender.run, len(recommender.run.movies)
    params, (_, movies) = recommender.on_host
    tables = {name_of(path): leaf for path, leaf in jax.tree.leaves_with_path(params)}
    tables = {name: table for name, table in tables.items() if name.startswith(NEEDED)}
    # NumPy's files know no bfloat16.
    tables |= {f"movies/{name}": np.float32(table[:, :num_movies]) for name, table in vars(movies).items()}
    return tables | {"level": run.movie_level[:num_movies].astype(np.float32)}


def users_of(recommender: Recommender) -> dict[str, np.ndarray]:
    """What is known of each user: a row of their own, and all that they have rated, with weight 0 what train lacks."""
    run, users = recommender.run, recommender.user_ids()
    place, movie_row = user_index_and_movie_row(run, users, run.parts.seen())
    known = concat_ratings(run.train, run.from_reviews)
    weight = np.zeros(len(place), np.float32)
    weight[np.r_[: len(run.train), len(weight) - len(run.from_reviews) : len(weight)]] = implicit_feedback_weights(
        run, known.user_row, known.timestamp
    )
    rating = np.concatenate([part[RATING].to_numpy(np.float32) for part in run.parts.seen()])
    wanted = np.flatnonzero(movie_row < len(run.movies))
    wanted = wanted[stable_argsort(place[wanted])]
    own = own_vectors(recommender.params, run.interactions, model=run.model)
    return {
        "own": np.asarray(own).swapaxes(0, 1)[run.users.rows(users)],
        "start": np.concatenate([[0], np.cumsum(np.bincount(place[wanted], minlength=len(users)))]),
        "movie_row": movie_row[wanted],
        "rating": rating[wanted],
        "weight": weight[wanted],
    }


def lists_program(
    recommender: Recommender, tables: Mapping[str, np.ndarray], own_shape: tuple[int, ...], k: int
) -> tuple[jax.export.Exported, dict[str, Any]]:
    """The program that gives lists of k movies, and what about.json says of it."""
    run, names = recommender.run, sorted(tables)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), recommender.params)

    def best_movies(*arguments):
        of_users = arguments[len(names) :]
        params, movies = parts_of(dict(zip(names, arguments, strict=False)), shapes, run.model)
        level = arguments[names.index("level")]
        return best_of_users(params, movies, level, *of_users, model=run.model, order=recommender.order, k=k)

    of_users = {
        "own": (("users", *own_shape), "float32"),
        "movie_row": (("users", "ratings"), "int32"),
        "rating": (("users", "ratings"), "float32"),
        "weight": (("users", "ratings"), "float32"),
        "is_left_out": (("users", len(run.movies)), "bool"),
    }
    described = {name: (tables[name].shape, str(tables[name].dtype)) for name in names} | of_users
    about = {
        "format": export_loader.FORMAT,
        "versions": {name: installed_version(name) for name in ("movierec-jax", "jax")},
        "rating_scale": run.rating_scale,
        "score": recommender.order.by,
        "top_k": k,
        "platforms": PLATFORMS,
        "arguments": [{"name": name, "shape": shape, "dtype": kind} for name, (shape, kind) in described.items()],
        "results": [
            {"name": name, "shape": ("users", k), "dtype": kind}
            for name, kind in (("movie_row", "int32"), ("score", "float32"), ("stars", "float32"))
        ],
    }
    program = jax.jit(best_movies, keep_unused=True)
    with nameless_places():
        exported = jax.export.export(program, platforms=PLATFORMS)(*export_loader.specs(about))
    return exported, about | {"calling_convention": exported.calling_convention_version}


@contextlib.contextmanager
def nameless_places() -> Iterator[None]:
    """Within it programs do not tell in which files of this machine they were written."""
    limit = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, limit)
    jax.config.update(limit, 0)
    try:
        yield
    finally:
        jax.config.update(limit, before)


def parts_of(tables: Mapping[str, Array], shapes: Any, model: TwoTowers) -> tuple[Any, Encoded]:
    """Parameters, of which those that are not needed are 0, and encoded movies, from tables by name."""
    params = jax.tree.map_with_path(
        lambda path, leaf: tables[name_of(path)] if name_of(path) in tables else jnp.zeros(leaf.shape, leaf.dtype),
        shapes,
    )
    bias, factors, hidden, implicit_score = (
        tables[f"movies/{name}"] for name in ("bias", "factors", "hidden", "implicit_feedback")
    )
    return params, Encoded(bias, factors, hidden.astype(model.config.precision), implicit_score)


def best_of_users(
    params: Any,
    movies: Encoded,
    level: Float[Array, " movies"],
    own: Float[Array, "users members width"],
    movie_row: Int32[Array, "users ratings"],
    rating: Float[Array, "users ratings"],
    weight: Float[Array, "users ratings"],
    is_left_out: Bool[Array, "users movies"],
    *,
    model: TwoTowers,
    order: Order,
    k: int,
) -> tuple[Int32[Array, "users k"], Float[Array, "users k"], Float[Array, "users k"]]:
    """Rows, scores and stars of each user's k best movies that are not left out."""

    def of_user(user):
        own, movie_row, rating, weight, is_left_out = user
        # A piece for each rating: none waits for another.
        links = PaddedLinks(
            owner=jnp.zeros_like(movie_row),
            other=movie_row[None],
            link=jnp.where(weight > 0, 0, -1)[None],
            values=((rating - level[movie_row])[None], weight[None]),
        )
        encoded = encode_histories(params, own[:, None], links, model=model)
        stars = mean_rating(params, encoded, movies, model=model)
        implicit_score = jnp.zeros_like(stars) if order.by == "stars" else mean_implicit_score(encoded, movies)[0]
        score, best = jax.lax.top_k(jnp.where(is_left_out, -jnp.inf, order.score(implicit_score, stars)), k)
        return best, score, stars[best]

    return jax.lax.map(of_user, (own, movie_row, rating, weight, is_left_out))


def save_arrays(path: pathlib.Path, arrays: Mapping[str, Any]) -> None:
    """Writes arrays by name into one file of NumPy's."""
    np.savez(path, **arrays)


def name_of(path) -> str:
    """The name of a parameter: the names that lead to it, with slashes between."""
    return jax.tree_util.keystr(path, simple=True, separator="/")
