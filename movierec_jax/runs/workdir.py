"""Saves and loads the workdir: all that a run needs to resume, and all that scoring needs.

config.json            format, identity, settings, rating scale, older run of a warm start, fingerprint of the data, and
                       the sha256 of each file below but the checkpoints
vocab/*.parquet        ids in row order
movies.parquet         titles, years and genres
features/*.parquet     weighted features of movies and users by row, and the features' names
reviews.parquet        what texts say about movies
links.parquet          IMDb and TMDb ids of movies
ratings/*.parquet      clean ratings in original ids: the parts, and reviews read as ratings
checkpoints/STEP/      see `checkpoint`
next_run/              see `replacement`
training.lock          see `training_lock`
serving.lock           see `serve.workdir_lock`
ratings_log.sqlite     see `ratings_log`; not part of the run, so --overwrite keeps it
"""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import shutil
from typing import Any

import numpy as np
import pandas as pd
from jax.sharding import Mesh
from jaxtyping import UInt64

from movierec_jax.config import Config, differences
from movierec_jax.data.arrays import blocks_of_rows
from movierec_jax.data.files import (
    SEAL,
    file_sha256,
    json_sha256,
    read_json,
    read_table,
    sealed,
    unsealed,
    write_json,
    write_table,
)
from movierec_jax.data.schema import (
    GENRES,
    IMDB_ID,
    MOVIE_ID,
    RATING,
    TIMESTAMP,
    TITLE,
    TMDB_ID,
    USER_ID,
    WEIGHT,
    YEAR,
    FeatureBags,
)
from movierec_jax.data.splits import Split
from movierec_jax.data.vocab import IN_TRAIN, Vocab
from movierec_jax.errors import InputError
from movierec_jax.features.reviews import REVIEW_COLUMNS
from movierec_jax.runs import distributed
from movierec_jax.runs.run import Run
from movierec_jax.settings import as_flag, from_json, from_json_value, to_json

CONFIG, CHECKPOINTS, UNREADABLE = "config.json", "checkpoints", "unreadable"

# The tables of a run, all of which a workdir has.
TABLES = (
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
)

# Files of a run, as patterns, besides checkpoints/.
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
    *TABLES,
    CONFIG,
)

CONFIG_KEYS = {
    "format",
    "run",
    "fingerprint",
    "rating_scale",
    "movie_id_space",
    "warm_start",
    "settings",
    "files",
}

# Characters of a run's identity.
RUN_CHARS = 16

# Raised with each change after which workdirs written before can no longer be read.
FORMAT = 12


def fingerprint(parts: Split, *content: FeatureBags) -> str:
    """Returns the sha256 of all ratings and their split, of reviews read as ratings, and of features."""
    digest = hashlib.sha256()
    for part in parts.seen():
        for column in (USER_ID, MOVIE_ID, RATING, TIMESTAMP, WEIGHT):
            for rows in blocks_of_rows(len(part)) if column in part else ():
                digest.update(hash_values(part[column].iloc[rows]).tobytes())
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
    """Writes the files of a run, config.json last: a workdir that has it is complete.

    The run keeps the identity that it has there; a new one gets that of its settings and data.
    """
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
    values = {
        "format": FORMAT,
        "fingerprint": run_fingerprint(run),
        "rating_scale": run.rating_scale,
        "movie_id_space": run.movie_id_space,
        "warm_start": run.warm_start,
        "settings": to_json(run.config),
    }
    values["run"] = run_identity(workdir) if (workdir / CONFIG).exists() else json_sha256(values)[:RUN_CHARS]
    values["files"] = {name: file_sha256(workdir / name) for name in TABLES}
    write_json(workdir / CONFIG, sealed(values))


def load_run(workdir: pathlib.Path, mesh: Mesh | None = None) -> Run:
    """Loads the run of a workdir, to use on these devices.

    Raises InputError for a folder that is not a workdir, and for missing or damaged files.
    """
    values = read_config_values(workdir)
    require_unchanged(workdir, values)
    return Run(
        config=from_json(Config, values["settings"], str(workdir / CONFIG)),
        rating_scale=values["rating_scale"],
        users=load_vocab(workdir, "user", USER_ID),
        movies=load_vocab(workdir, "movie", MOVIE_ID),
        user_content=load_bags(workdir, "users"),
        movie_content=load_bags(workdir, "movies"),
        movie_table=read_table(workdir / "movies.parquet", [MOVIE_ID, TITLE, YEAR, GENRES]),
        reviews=read_table(workdir / "reviews.parquet", [MOVIE_ID, *REVIEW_COLUMNS]),
        parts=read_parts(workdir),
        mesh=mesh,
        links=read_table(workdir / "links.parquet", [MOVIE_ID, IMDB_ID, TMDB_ID]),
        movie_id_space=values["movie_id_space"],
        warm_start=values["warm_start"],
    )


def load_parts(workdir: pathlib.Path) -> Split:
    """Loads the split ratings of a workdir. Raises InputError for missing or damaged files."""
    require_unchanged(workdir, read_config_values(workdir))
    return read_parts(workdir)


def read_parts(workdir: pathlib.Path) -> Split:
    """Reads the split ratings of a workdir whose files have been checked."""
    columns = [USER_ID, MOVIE_ID, RATING, TIMESTAMP]
    return Split(
        **{
            name: read_table(workdir / "ratings" / f"{name}.parquet", columns, optional=[WEIGHT])
            for name in (field.name for field in dataclasses.fields(Split))
        }
    )


def require_unchanged(workdir: pathlib.Path, values: dict[str, Any]) -> None:
    """Raises InputError for the first table that is not what config.json, with these values, says was written."""
    advice = "movierec train with the settings of the run writes it again"
    for name in TABLES:
        path = workdir / name
        try:
            found = file_sha256(path)
        except FileNotFoundError:
            raise InputError(f"{path}: is missing; {advice}") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); {advice}") from None
        if found != values["files"][name]:
            raise InputError(f"{path}: has changed since it was written; {advice}")


def save_vocab(workdir: pathlib.Path, vocab: Vocab, column: str) -> None:
    """Writes ids in row order, and whether train has each."""
    table = pd.DataFrame({column: vocab.ids, IN_TRAIN: vocab.in_train})
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


def read_config(workdir: pathlib.Path) -> tuple[Config, str]:
    """Reads settings and fingerprint of a workdir. Raises InputError if it cannot."""
    values = read_config_values(workdir)
    return from_json(Config, values["settings"], str(workdir / CONFIG)), values["fingerprint"]


def run_identity(workdir: pathlib.Path) -> str:
    """Returns what tells the run of a workdir from all others, and stands in its checkpoints and report.

    Raises InputError if config.json cannot be read.
    """
    return read_config_values(workdir)["run"]


def read_config_values(workdir: pathlib.Path) -> dict[str, Any]:
    """Reads config.json of a workdir. Raises InputError if it is missing, damaged, or of another version."""
    path = workdir / CONFIG
    if not path.exists():
        raise InputError(f"{workdir}: no config.json; name a folder that movierec train has written with --workdir")
    values = read_json(path)
    if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
        raise InputError(
            f"{path}: workdir format {values['format']}, written by another version; this one reads format {FORMAT}. "
            "Train anew, with --overwrite or another --workdir"
        )
    if not isinstance(values, dict) or values.keys() != CONFIG_KEYS | {SEAL}:
        raise InputError(f"{path}: not the settings of a run; restore it, or train with --overwrite")
    values = unsealed(values)
    if values is None:
        raise InputError(f"{path}: has changed since it was written; restore it, or train with --overwrite")
    from_json_value(dict, values["files"], f"{path}: files")
    if values["files"].keys() != set(TABLES):
        raise InputError(f"{path}: does not list the files of a run; restore it, or train with --overwrite")
    scale = from_json_value(tuple[float, ...], values["rating_scale"], f"{path}: rating_scale")
    if len(scale) != 2 or not scale[0] < scale[1]:
        raise InputError(f"{path}: rating_scale is {scale}; expected two numbers, the lower first")
    for name, kind in (("run", str), ("fingerprint", str), ("movie_id_space", str), ("warm_start", str | None)):
        from_json_value(kind, values[name], f"{path}: {name}")
    return {**values, "rating_scale": scale}


def holds_run(folder: pathlib.Path) -> bool:
    """Whether a folder holds the files of a run, or what is left of them."""
    return (folder / CONFIG).exists() or (folder / CHECKPOINTS).exists()


def open_workdir(workdir: pathlib.Path, run: Run, *, is_own: bool = False) -> None:
    """Makes the workdir hold this run, new or resumed. All processes check it; process 0 writes.

    is_own: whether each process has a folder of its own, and so writes to it.
    Raises InputError if it holds another run, or links in the place of files, which could lead anywhere.
    """
    require_no_links(workdir)
    if (workdir / CONFIG).exists():
        require_same(workdir, run)
    elif (workdir / CHECKPOINTS).exists():
        raise InputError(f"{workdir}: has checkpoints but no config.json; restore it, or start anew with --overwrite")
    distributed.barrier("workdir checked")
    if distributed.writes_to_folder(is_own):
        save_run(workdir, run)
    distributed.barrier("workdir written")


def require_same(workdir: pathlib.Path, run: Run) -> None:
    """Raises InputError, naming the difference, if a workdir holds a run with other settings or ratings."""
    values = read_config_values(workdir)
    changes = differences(run.config, from_json(Config, values["settings"], str(workdir / CONFIG)))
    if run.warm_start != values["warm_start"]:
        changes.append(f"--warm_start={as_flag(run.warm_start)} (was {as_flag(values['warm_start'])})")
    if changes:
        raise InputError(
            f"{workdir} holds a run with other settings: {', '.join(changes)}. Give the same settings to go on, "
            "another --workdir, or --overwrite to start anew"
        )
    if values["fingerprint"] != run_fingerprint(run):
        data = run.config.data
        sources = (data.ratings, *data.extra_ratings, *data.reviews, *data.movie_features, *data.user_features)
        raise InputError(
            f"{workdir} holds a run on other data: {' or '.join(sources)} has changed since. Give another --workdir, "
            "or --overwrite to start anew"
        )


def require_no_links(workdir: pathlib.Path) -> None:
    """Raises InputError for a link among a run's files and folders: training would write to wherever it leads."""
    folders = {name.split("/")[0] for name in OWN_FILES} | {CHECKPOINTS, UNREADABLE}
    for path in [*(workdir / name for name in sorted(folders)), *(workdir / name for name in own_files(workdir))]:
        if path.is_symlink():
            raise InputError(f"{path}: is a link to {os.readlink(path)}, where a run has its own files; remove it")


def own_files(folder: pathlib.Path) -> list[str]:
    """Returns the names of the files of a run in a folder, besides its checkpoints."""
    return [path.relative_to(folder).as_posix() for pattern in OWN_FILES for path in sorted(folder.glob(pattern))]


def require_own(workdir: pathlib.Path) -> None:
    """Raises InputError if config.json is the only file of a run, so that it must be somebody else's."""
    others = ("vocab", CHECKPOINTS, "movies.parquet")
    if (workdir / CONFIG).exists() and not any((workdir / name).exists() for name in others):
        raise InputError(f"{workdir}: its config.json is not of a run; name another --workdir")


def remove_run(workdir: pathlib.Path) -> None:
    """Removes the files of a run but config.json, which shows that the folder is a workdir, and nothing else."""
    for folder in (CHECKPOINTS, UNREADABLE):
        shutil.rmtree(workdir / folder, ignore_errors=True)
    for name in own_files(workdir):
        if name != CONFIG:
            (workdir / name).unlink()
            with contextlib.suppress(OSError):  # Somebody else's files are there too.
                (workdir / name).parent.rmdir()
