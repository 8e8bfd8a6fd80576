"""Exports a trained run to a folder that makes its lists without this package: StableHLO, tables, ids and a loader.

`export_loader` describes the files. The program takes a user as a vector of their own and any ratings, as
`encode_histories` does, so it serves the run's users and new ones; how many users and ratings there are is left open.
It works on one user at a time: beside arguments and results it takes the memory of one user's scores.
"""

import contextlib
import dataclasses
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32

from movierec_jax.data.arrays import csr_offsets, order_of_histories
from movierec_jax.data.files import atomic_folder, file_sha256, write_json
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP
from movierec_jax.data.storage import is_url, list_names
from movierec_jax.errors import InputError
from movierec_jax.model.encoding import encode_histories
from movierec_jax.model.inputs import WATCHED, PaddedLinks
from movierec_jax.model.interactions import concat_ratings
from movierec_jax.model.sequence_encoder import last_of_one_user
from movierec_jax.model.tables import IMPLICIT_FEEDBACK, USER_TOWER
from movierec_jax.model.two_tower import Encoded, TwoTowers, mean_implicit_score, mean_rating
from movierec_jax.packages import installed_version
from movierec_jax.recommend import export_loader
from movierec_jax.recommend.block_scorer import BlockScorer
from movierec_jax.recommend.export_loader import ABOUT, FILES, IDS, LOADER, PROGRAM, TABLES, USERS, about_digest
from movierec_jax.recommend.fold_in import implicit_feedback_weights
from movierec_jax.recommend.model_card import CARD
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.recommend.titles import titles_with_years
from movierec_jax.recommend.top_k import best_on_device
from movierec_jax.recommend.vector_index import INDEX_FILES
from movierec_jax.runs.run import user_index_and_movie_row

PLATFORMS = ("cpu", "cuda", "tpu")

# How the names of the parameters start that the program needs; it takes movies encoded.
NEEDED = ("head/", "user_layer/", f"{USER_TOWER}/explicit", f"{USER_TOWER}/implicit", f"{IMPLICIT_FEEDBACK}/rated")

# And of a sequence encoder, which reads the rows of movies.
NEEDED_OF_SEQUENCES = tuple(f"{IMPLICIT_FEEDBACK}/{name}" for name in ("movie", "rating", "encoder"))

# The folder that Python leaves where the loader is imported.
BYTECODE = "__pycache__"


def export_lists(recommender: Recommender, folder: pathlib.Path, k: int, card: str | None = None) -> None:
    """Writes an export whose lists have up to k movies; the folder appears when it is complete.

    card: text of a model card to put beside the files.
    Raises InputError for k below 1 or above the number of movies, and for a run on many devices.
    """
    run = recommender.run
    if run.mesh is not None:
        raise InputError("the run is on several devices; an export is made on one device: load it with mesh='data:1'")
    recommender.require_top_k(k)
    tables, users = program_tables(recommender), user_tables(recommender)
    exported, about = lists_program(recommender, tables, users["own"].shape[1:], k)
    movies = recommender.with_titles(run.movies.ids[: len(run.movies)].to_frame(index=False, name=MOVIE_ID))
    with atomic_folder(folder) as partial:
        (partial / PROGRAM).write_bytes(exported.mlir_module_serialized)
        save_arrays(partial / TABLES, tables)
        save_arrays(partial / USERS, users)
        ids = {
            "users": recommender.user_ids().tolist(),
            "movies": movies[MOVIE_ID].tolist(),
            "titles": titles_with_years(movies),
        }
        write_json(partial / IDS, ids)
        shutil.copyfile(export_loader.__file__, partial / LOADER)
        about["sha256"] = {name: file_sha256(partial / name) for name in (PROGRAM, TABLES, USERS, IDS)}
        write_json(partial / ABOUT, {**about, "digest": about_digest(about)})
        if card is not None:
            (partial / CARD).write_text(card, encoding="utf-8")


def require_export(output: str) -> None:
    """Raises InputError unless an export can be written to a folder or URL, which may hold another export only."""
    if not is_url(output):
        path = pathlib.Path(output)
        if not path.parent.is_dir():
            raise InputError(f"--output={output}: the folder {path.parent} does not exist; make it first")
        if path.is_file():
            raise InputError(f"--output={output}: is a file; name a folder")
    others = sorted(set(list_names(output)) - {*FILES, *INDEX_FILES, CARD, BYTECODE})
    if others:
        raise InputError(f"--output={output}: holds {others[0]}, which no export has; name another folder")


def program_tables(recommender: Recommender) -> dict[str, np.ndarray]:
    """Returns by name what the program takes with every call: parameters, encoded movies and the movies' levels."""
    run, num_movies = recommender.run, len(recommender.run.movies)
    params, movies = recommender.on_host
    tables = {parameter_name(path): leaf for path, leaf in jax.tree.leaves_with_path(params)}
    needed = NEEDED + NEEDED_OF_SEQUENCES * run.model.reads_sequences
    tables = {name: table for name, table in tables.items() if name.startswith(needed)}
    # NumPy's files have no bfloat16.
    tables |= {f"movies/{name}": np.float32(table[:, :num_movies]) for name, table in vars(movies).items()}
    return tables | {"level": run.movie_level[:num_movies].astype(np.float32)}


def user_tables(recommender: Recommender) -> dict[str, np.ndarray]:
    """Returns each user's own vector and all that they have rated in order, with weight 0 where train does not have it.

    The rating is NaN for a movie watched but not rated.
    """
    run, users = recommender.run, recommender.user_ids()
    user, movie_row = user_index_and_movie_row(run, users, run.parts.seen())
    trained = concat_ratings(run.train, run.from_reviews)
    weight = np.zeros(len(user), np.float32)
    # `seen` puts the train part first and ratings from texts last.
    weight[np.r_[: len(run.train), len(weight) - len(run.from_reviews) : len(weight)]] = implicit_feedback_weights(
        run, trained.user_row, trained.timestamp
    )
    rating = np.concatenate([part[RATING].to_numpy(np.float32) for part in run.parts.seen()])
    wanted = np.flatnonzero(movie_row < len(run.movies))
    timestamp = np.concatenate([part[TIMESTAMP].to_numpy(np.int64) for part in run.parts.seen()])
    wanted = wanted[order_of_histories(user[wanted], timestamp[wanted])]
    own = recommender.scorer.own_vectors()
    return {
        "own": own.swapaxes(0, 1)[run.users.rows(users)],
        "start": csr_offsets(np.bincount(user[wanted], minlength=len(users))),
        "movie_row": movie_row[wanted],
        "rating": rating[wanted],
        "weight": weight[wanted],
    }


def lists_program(
    recommender: Recommender, tables: Mapping[str, np.ndarray], own_shape: tuple[int, ...], k: int
) -> tuple[jax.export.Exported, dict[str, Any]]:
    """Returns the program that makes lists of k movies, and what about.json says of it."""
    run, names = recommender.run, sorted(tables)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), recommender.params)

    def program(*arguments):
        params, movies = unpack_tables(dict(zip(names, arguments, strict=False)), shapes, run.model)
        scorer = dataclasses.replace(recommender.scorer, params=params, movies=movies)
        return rank_histories(scorer, arguments[names.index("level")], *arguments[len(names) :], k=k)

    user_arguments = {
        "own": (("users", *own_shape), "float32"),
        "movie_row": (("users", "ratings"), "int32"),
        "rating": (("users", "ratings"), "float32"),
        "weight": (("users", "ratings"), "float32"),
        "is_left_out": (("users", len(run.movies)), "bool"),
    }
    described = {name: (tables[name].shape, str(tables[name].dtype)) for name in names} | user_arguments
    about = {
        "format": export_loader.FORMAT,
        "versions": {name: installed_version(name) for name in ("movierec-jax", "jax")},
        "rating_scale": run.rating_scale,
        "score": recommender.scorer.order.by,
        "top_k": k,
        "platforms": PLATFORMS,
        "arguments": [{"name": name, "shape": shape, "dtype": kind} for name, (shape, kind) in described.items()],
        "results": [
            {"name": name, "shape": ("users", k), "dtype": kind}
            for name, kind in (("movie_row", "int32"), ("score", "float32"), ("predicted_rating", "float32"))
        ],
    }
    with without_source_paths():
        exported = jax.export.export(jax.jit(program, keep_unused=True), platforms=PLATFORMS)(
            *export_loader.argument_shapes(about)
        )
    return exported, about | {"calling_convention": exported.calling_convention_version}


@contextlib.contextmanager
def without_source_paths() -> Iterator[None]:
    """Keeps the paths of this machine's source files out of programs."""
    limit = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, limit)
    jax.config.update(limit, 0)
    try:
        yield
    finally:
        jax.config.update(limit, before)


def unpack_tables(tables: Mapping[str, Array], shapes: Any, model: TwoTowers) -> tuple[Any, Encoded]:
    """Returns parameters, zeros where the program does not need them, and encoded movies from tables by name."""

    def table_or_zeros(path, leaf):
        name = parameter_name(path)
        return tables[name] if name in tables else jnp.zeros(leaf.shape, leaf.dtype)

    bias, factors, hidden, implicit_feedback = (
        tables[f"movies/{name}"] for name in ("bias", "factors", "hidden", "implicit_feedback")
    )
    params = jax.tree.map_with_path(table_or_zeros, shapes)
    return params, Encoded(bias, factors, hidden.astype(model.config.precision), implicit_feedback)


def rank_histories(
    scorer: BlockScorer,
    level: Float[Array, " movies"],
    own: Float[Array, "users members width"],
    movie_row: Int32[Array, "users ratings"],
    rating: Float[Array, "users ratings"],
    weight: Float[Array, "users ratings"],
    is_left_out: Bool[Array, "users movies"],
    *,
    k: int,
) -> tuple[Int32[Array, "users k"], Float[Array, "users k"], Float[Array, "users k"]]:
    """Returns rows, scores and predicted ratings of each user's k best movies that are not left out.

    scorer: with the catalogue's movies alone; its users are not looked at.
    """

    def rank_user(user):
        own, movie_row, rating, weight, is_left_out = user
        is_rated = ~jnp.isnan(rating)
        # A segment for each rating, so that no sum waits for another.
        links = PaddedLinks(
            owner=jnp.zeros_like(movie_row),
            other=movie_row[None],
            link=jnp.where(weight > 0, jnp.where(is_rated, 0, WATCHED), -1)[None],
            values=(jnp.where(is_rated, rating - level[movie_row], 0)[None], weight[None]),
        )
        sequences = None
        if scorer.model.reads_sequences:
            length = scorer.model.config.sequence_length
            sequences = last_of_one_user(movie_row, links.values[0][0], weight > 0, length)
        encoded = encode_histories(scorer.params, own[:, None], links, sequences, model=scorer.model)
        predicted_rating = mean_rating(scorer.params, encoded, scorer.movies, model=scorer.model)
        predicted_rating = scorer.order.known(predicted_rating)
        if scorer.order.by == "predicted_rating":
            implicit_score = jnp.zeros_like(predicted_rating)
        else:
            implicit_score = mean_implicit_score(encoded, scorer.movies, model=scorer.model)[0]
        score, best = best_on_device(scorer.order.score(implicit_score, predicted_rating), is_left_out, k)
        return best, score, predicted_rating[best]

    return jax.lax.map(rank_user, (own, movie_row, rating, weight, is_left_out))


def save_arrays(path: pathlib.Path, arrays: Mapping[str, Any]) -> None:
    """Writes arrays by name to one .npz file."""
    np.savez(path, **arrays)


def parameter_name(path) -> str:
    """Returns the names that lead to a parameter, joined by slashes."""
    return jax.tree_util.keystr(path, simple=True, separator="/")
