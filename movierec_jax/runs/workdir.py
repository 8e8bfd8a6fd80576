"""Saves and loads the workdir: all that a run needs to resume, and all that scoring needs.

config.json            format, settings, rating scale, older run of a warm start, and fingerprint of the data
vocab/*.parquet        ids in row order
movies.parquet         titles, years and genres
features/*.parquet     weighted features of movies and users by row, and the features' names
reviews.parquet        what texts say about movies
links.parquet          IMDb and TMDb ids of movies
ratings/*.parquet      clean ratings in original ids: the parts, and reviews read as ratings
checkpoints/STEP/      see `checkpoint`
ratings_log.sqlite     see `ratings_log`; not part of the run, so --overwrite keeps it
"""

import dataclasses
import hashlib
import pathlib
import shutil

import numpy as np
import pandas as pd
from jax.sharding import Mesh
from jaxtyping import UInt64

from movierec_jax.config import Config, differences
from movierec_jax.data.files import read_json, read_table, write_json, write_table
from movierec_jax.data.schema import (
    GENRES,
    IMDB_ID,
    MOVIE_ID,
    OWN,
    RATING,
    TIMESTAMP,
    TITLE,
    TMDB_ID,
    USER_ID,
    WEIGHT,
    YEAR,
    FeatureBags,
    no_links,
)
from movierec_jax.data.splits import Split
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.features.reviews import REVIEW_COLUMNS
from movierec_jax.runs import distributed
from movierec_jax.runs.run import Run
from movierec_jax.settings import as_flag, from_json, from_json_value, to_json

# Files of a run besides checkpoints/, in the order of their removal.
OWN_FILES = (
    "report.json",
    "report.html",
    "metrics.jsonl",
    "plots/learning_curve.png",
    "plots/calibration.png",
    "plots/residuals_by_movie.png",
    "plots/residuals_by_user.png",
    "tensorboard/events.out.tfevents.*",
    "wandb_run.txt",
    "mlflow_run.txt",
    "ratings/train.parquet",
    "ratings/valid.parquet",
    "ratings/test.parquet",
    "ratings/from_reviews.parquet",
    "vocab/users.parquet",
    "vocab/movies.parquet",
    "features/users.parquet",
    "features/users_names.parquet",
    "features/movies.parquet",
    "features/movies_names.parquet",
    "movies.parquet",
    "reviews.parquet",
    "links.parquet",
    "config.json",
)

# Keys of config.json that every version has written.
CONFIG_KEYS = {"format", "fingerprint", "rating_scale", "settings"}

# Keys that earlier versions did not write.
LATER_KEYS = {"movie_id_space", "warm_start"}

# Column of a vocabulary's file: whether train has the id.
IN_TRAIN = "in_train"

# Raised with each change after which workdirs written before can no longer be read.
FORMAT = 10


def fingerprint(parts: Split, *content: FeatureBags) -> str:
    """Returns the sha256 of all ratings and their split, of reviews read as ratings, and of features."""
    digest = hashlib.sha256()
    for part in parts.seen():
        for column in (USER_ID, MOVIE_ID, RATING, TIMESTAMP, WEIGHT):
            if column in part:
                digest.update(hash_values(part[column]).tobytes())
    for bags in content:
        for array in (bags.row, bags.feature, bags.value):
            digest.update(array.tobytes())
        digest.update("\n".join(bags.names).encode())
    return digest.hexdigest()


def run_fingerprint(run: Run) -> str:
    """Returns the fingerprint of everything that a run is trained on."""
    return fingerprint(run.parts, run.user_content, run.movie_content)


def hash_values(column: pd.Series) -> UInt64[np.ndarray, " ratings"]:
    """Hashes each value; converts each distinct text to a Python object only once."""
    if not isinstance(column.dtype, pd.StringDtype):
        return pd.util.hash_array(column.to_numpy(), categorize=False)
    code, distinct = pd.factorize(column)
    return pd.util.hash_array(distinct.to_numpy(), categorize=False)[code]


def save_run(workdir: pathlib.Path, run: Run) -> None:
    """Writes the files of a run, config.json last: a workdir that has it is complete."""
    for folder in ("vocab", "ratings"):
        (workdir / folder).mkdir(parents=True, exist_ok=True)
    save_vocab(workdir, run.users, USER_ID)
    save_vocab(workdir, run.movies, MOVIE_ID)
    save_bags(workdir, "users", run.user_content)
    save_bags(workdir, "movies", run.movie_content)
    write_table(workdir / "movies.parquet", run.movie_table)
    write_table(workdir / "reviews.parquet", run.reviews)
    write_table(workdir / "links.parquet", run.links)
    for name, part in vars(run.parts).items():
        write_table(workdir / "ratings" / f"{name}.parquet", part)
    write_json(
        workdir / "config.json",
        {
            "format": FORMAT,
            "fingerprint": run_fingerprint(run),
            "rating_scale": run.rating_scale,
            "movie_id_space": run.movie_id_space,
            "warm_start": run.warm_start,
            "settings": to_json(run.config),
        },
    )


def load_run(workdir: pathlib.Path, mesh: Mesh | None = None) -> Run:
    """Loads the run of a workdir, to use on these devices.

    Raises InputError for a folder that is not a workdir, and for missing or damaged files.
    """
    config, rating_scale, _ = read_config(workdir)
    links, movie_id_space = load_links(workdir)
    return Run(
        config=config,
        rating_scale=rating_scale,
        users=load_vocab(workdir, "user", USER_ID),
        movies=load_vocab(workdir, "movie", MOVIE_ID),
        user_content=load_bags(workdir, "users"),
        movie_content=load_bags(workdir, "movies"),
        movie_table=read_table(workdir / "movies.parquet", [MOVIE_ID, TITLE, YEAR, GENRES]),
        reviews=read_table(workdir / "reviews.parquet", [MOVIE_ID, *REVIEW_COLUMNS]),
        parts=load_parts(workdir),
        mesh=mesh,
        links=links,
        movie_id_space=movie_id_space,
        warm_start=load_warm_start(workdir),
    )


def load_parts(workdir: pathlib.Path) -> Split:
    """Loads the split ratings of a workdir. Raises InputError for missing or damaged files."""
    columns = [USER_ID, MOVIE_ID, RATING, TIMESTAMP]
    return Split(
        **{
            name: read_table(workdir / "ratings" / f"{name}.parquet", columns, optional=[WEIGHT])
            for name in (field.name for field in dataclasses.fields(Split))
        }
    )


def load_warm_start(workdir: pathlib.Path) -> str | None:
    """Returns the older workdir from which the run of a workdir began; None where it began from random parameters."""
    path = workdir / "config.json"
    return from_json_value(str | None, read_json(path).get("warm_start"), f"{path}: warm_start")


def load_links(workdir: pathlib.Path) -> tuple[pd.DataFrame, str]:
    """Loads the links of a workdir, as `Run.links`, and the space of its movie ids.

    Without the file of links, which earlier versions did not write, there are none. Raises InputError where it is
    damaged.
    """
    space = read_json(workdir / "config.json").get("movie_id_space", OWN)
    if not (workdir / "links.parquet").exists():
        return no_links(), space
    return read_table(workdir / "links.parquet", [MOVIE_ID, IMDB_ID, TMDB_ID]), space


def save_vocab(workdir: pathlib.Path, vocab: Vocab, column: str) -> None:
    """Writes ids in row order, and whether train has each."""
    table = pd.DataFrame({column: vocab.ids, IN_TRAIN: np.arange(len(vocab.ids)) < len(vocab)})
    write_table(workdir / "vocab" / f"{vocab.name}s.parquet", table)


def load_vocab(workdir: pathlib.Path, name: str, column: str) -> Vocab:
    """Loads what `save_vocab` wrote. Raises InputError for missing or damaged files."""
    table = read_table(workdir / "vocab" / f"{name}s.parquet", [column, IN_TRAIN])
    return Vocab(pd.Index(table[column]), name, num_others=int((~table[IN_TRAIN]).sum()))


def save_bags(workdir: pathlib.Path, name: str, bags: FeatureBags) -> None:
    """Writes the weighted features of "movies" or "users", and the features' names."""
    (workdir / "features").mkdir(parents=True, exist_ok=True)
    entries = pd.DataFrame({"row": bags.row, "feature": bags.feature, "value": bags.value})
    write_table(workdir / "features" / f"{name}.parquet", entries)
    write_table(
        workdir / "features" / f"{name}_names.parquet", pd.DataFrame({"name": pd.Series(bags.names, dtype="str")})
    )


def load_bags(workdir: pathlib.Path, name: str) -> FeatureBags:
    """Loads what `save_bags` wrote. Raises InputError for missing or damaged files."""
    path = workdir / "features" / f"{name}.parquet"
    entries = read_table(path, ["row", "feature", "value"])
    names = read_table(workdir / "features" / f"{name}_names.parquet", ["name"])["name"]
    if (entries["feature"] >= len(names)).any():
        raise InputError(
            f"{path}: has features that are not among the {len(names):,} of {name}_names.parquet beside it"
        )
    row, feature, value = (entries[column].to_numpy() for column in ("row", "feature", "value"))
    return FeatureBags(row, feature, value, tuple(names))


def read_config(workdir: pathlib.Path) -> tuple[Config, tuple[float, float], str]:
    """Reads settings, rating scale and fingerprint of a workdir. Raises InputError if it cannot."""
    path = workdir / "config.json"
    if not path.exists():
        raise InputError(f"{workdir}: no config.json; name a folder that movierec train has written with --workdir")
    values = read_json(path)
    if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
        raise InputError(
            f"{path}: workdir format {values['format']}, written by another version; this one reads format {FORMAT}. "
            "Train anew, with --overwrite or another --workdir"
        )
    if not isinstance(values, dict) or values.keys() - LATER_KEYS != CONFIG_KEYS:
        raise InputError(f"{path}: not the settings of a run; restore it, or train with --overwrite")
    scale = from_json_value(tuple[float, ...], values["rating_scale"], f"{path}: rating_scale")
    if len(scale) != 2 or not scale[0] < scale[1]:
        raise InputError(f"{path}: rating_scale is {scale}; expected two numbers, the lower first")
    return from_json(Config, values["settings"], str(path)), scale, values["fingerprint"]


def open_workdir(workdir: pathlib.Path, run: Run, *, overwrite: bool) -> None:
    """Makes the workdir hold this run, new or resumed. All processes check it; process 0 writes.

    Raises InputError if it holds another run, unless that is to be overwritten.
    """
    if overwrite:
        require_own(workdir)
    elif (workdir / "config.json").exists():
        require_same(workdir, run)
    elif (workdir / "checkpoints").exists():
        raise InputError(f"{workdir}: has checkpoints but no config.json; restore it, or start anew with --overwrite")
    distributed.barrier("workdir checked")
    if distributed.is_primary():
        if overwrite:
            clear(workdir)
        save_run(workdir, run)
    distributed.barrier("workdir written")


def require_same(workdir: pathlib.Path, run: Run) -> None:
    """Raises InputError, naming the difference, if a workdir holds a run with other settings or ratings."""
    config, _, found = read_config(workdir)
    changes, warm_start = differences(run.config, config), load_warm_start(workdir)
    if run.warm_start != warm_start:
        changes.append(f"--warm_start={as_flag(run.warm_start)} (was {as_flag(warm_start)})")
    if changes:
        raise InputError(
            f"{workdir} holds a run with other settings: {', '.join(changes)}. Give the same settings to go on, "
            "another --workdir, or --overwrite to start anew"
        )
    if found != run_fingerprint(run):
        data = run.config.data
        sources = (data.ratings, *data.extra_ratings, *data.reviews, *data.movie_features, *data.user_features)
        raise InputError(
            f"{workdir} holds a run on other data: {' or '.join(sources)} has changed since. Give another --workdir, "
            "or --overwrite to start anew"
        )


def require_own(workdir: pathlib.Path) -> None:
    """Raises InputError if config.json is the only file of a run, so that it must be somebody else's."""
    others = ("vocab", "checkpoints", "movies.parquet")
    if (workdir / "config.json").exists() and not any((workdir / name).exists() for name in others):
        raise InputError(f"{workdir}: its config.json is not of a run; name another --workdir")


def clear(workdir: pathlib.Path) -> None:
    """Removes the files of a run and nothing else; config.json last, so that a killed removal can be repeated."""
    if not (workdir / "config.json").exists() and not (workdir / "checkpoints").exists():
        return
    for folder in ("checkpoints", "unreadable"):
        shutil.rmtree(workdir / folder, ignore_errors=True)
    for pattern in OWN_FILES:
        for path in workdir.glob(pattern):
            path.unlink()
            if path.parent != workdir and not any(path.parent.iterdir()):
                path.parent.rmdir()
