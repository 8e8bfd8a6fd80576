"""The workdir: all that a run needs to go on, and all that scoring needs, saved and restored together.

config.json            settings, rating scale, and the fingerprint of the data
vocab/*.parquet        ids in the order of their rows
movies.parquet         titles, years and genres
features/*.parquet     what is known of movies and users by row: weighted features, and their names
reviews.parquet        what texts say of movies
ratings/*.parquet      the clean ratings, part by part, in original ids, and what users wrote of movies as ratings
checkpoints/STEP/      see `checkpoint`
ratings_log.sqlite     see `ratings_log`; no part of the run, and stays when it is overwritten
"""

import hashlib
import pathlib
import shutil

import numpy as np
import pandas as pd
from jax.sharding import Mesh
from jaxtyping import UInt64

from movierec_jax.config import Config, differences
from movierec_jax.data.files import read_json, read_table, write_json, write_table
from movierec_jax.data.schema import GENRES, MOVIE_ID, RATING, TIMESTAMP, TITLE, USER_ID, YEAR, FeatureBags
from movierec_jax.data.splits import Split
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.features.reviews import REVIEW_COLUMNS
from movierec_jax.runs import distributed
from movierec_jax.runs.run import Run
from movierec_jax.settings import from_json, from_json_value, to_json

# What a run leaves in its workdir besides checkpoints/, in the order in which it is removed.
OWN_FILES = (
    "report.json",
    "metrics.jsonl",
    "plots/learning_curve.png",
    "plots/predicted.png",
    "plots/residuals.png",
    "tensorboard/events.out.tfevents.*",
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
    "config.json",
)

# The column of a vocabulary's file that says whether train has an id.
IN_TRAIN = "in_train"

# Raised when files of one version can no longer be read by the next.
FORMAT = 7


def fingerprint(parts: Split, *content: FeatureBags) -> str:
    """The sha256 of all ratings and how they are split, what texts stand for ratings, and features."""
    digest = hashlib.sha256()
    for part in parts.seen():
        for column in (USER_ID, MOVIE_ID, RATING, TIMESTAMP):
            digest.update(hashes(part[column]).tobytes())
    for bags in content:
        for array in (bags.row, bags.feature, bags.value):
            digest.update(array.tobytes())
        digest.update("\n".join(bags.names).encode())
    return digest.hexdigest()


def fingerprint_of(run: Run) -> str:
    """That of all that a run is trained on."""
    return fingerprint(run.parts, run.user_content, run.movie_content)


def hashes(column: pd.Series) -> UInt64[np.ndarray, " ratings"]:
    """A hash of each value; text is made Python objects once for all of the same value."""
    if not isinstance(column.dtype, pd.StringDtype):
        return pd.util.hash_array(column.to_numpy(), categorize=False)
    code, different = pd.factorize(column)
    return pd.util.hash_array(different.to_numpy(), categorize=False)[code]


def save_run(workdir: pathlib.Path, run: Run) -> None:
    """Writes the files of a run, config.json last: a workdir that has it is whole."""
    for folder in ("vocab", "ratings"):
        (workdir / folder).mkdir(parents=True, exist_ok=True)
    save_vocab(workdir, run.users, USER_ID)
    save_vocab(workdir, run.movies, MOVIE_ID)
    save_bags(workdir, "users", run.user_content)
    save_bags(workdir, "movies", run.movie_content)
    write_table(workdir / "movies.parquet", run.movie_table)
    write_table(workdir / "reviews.parquet", run.reviews)
    for name, part in vars(run.parts).items():
        write_table(workdir / "ratings" / f"{name}.parquet", part)
    write_json(
        workdir / "config.json",
        {
            "format": FORMAT,
            "fingerprint": fingerprint_of(run),
            "rating_scale": run.rating_scale,
            "settings": to_json(run.config),
        },
    )


def load_run(workdir: pathlib.Path, mesh: Mesh | None = None) -> Run:
    """The run of a workdir, for these devices.

    Raises InputError where it is no workdir, or its files have been damaged.
    """
    config, rating_scale, _ = read_config(workdir)
    return Run(
        config=config,
        rating_scale=rating_scale,
        users=load_vocab(workdir, "user", USER_ID),
        movies=load_vocab(workdir, "movie", MOVIE_ID),
        user_content=load_bags(workdir, "users"),
        movie_content=load_bags(workdir, "movies"),
        movie_table=read_table(workdir / "movies.parquet", [MOVIE_ID, TITLE, YEAR, GENRES]),
        reviews=read_table(workdir / "reviews.parquet", [MOVIE_ID, *REVIEW_COLUMNS]),
        parts=Split(
            **{
                name: read_table(workdir / "ratings" / f"{name}.parquet", [USER_ID, MOVIE_ID, RATING, TIMESTAMP])
                for name in ("train", "valid", "test", "from_reviews")
            }
        ),
        mesh=mesh,
    )


def save_vocab(workdir: pathlib.Path, vocab: Vocab, column: str) -> None:
    """Writes ids in the order of their rows, and which of them train has."""
    table = pd.DataFrame({column: vocab.ids, IN_TRAIN: np.arange(len(vocab.ids)) < len(vocab)})
    write_table(workdir / "vocab" / f"{vocab.name}s.parquet", table)


def load_vocab(workdir: pathlib.Path, name: str, column: str) -> Vocab:
    """The ids that `save_vocab` wrote. Raises InputError where they are missing or damaged."""
    table = read_table(workdir / "vocab" / f"{name}s.parquet", [column, IN_TRAIN])
    return Vocab(pd.Index(table[column]), name, num_others=int((~table[IN_TRAIN]).sum()))


def save_bags(workdir: pathlib.Path, name: str, bags: FeatureBags) -> None:
    """Writes weighted features of movies or users, as `name` says, and the names of the features."""
    (workdir / "features").mkdir(parents=True, exist_ok=True)
    entries = pd.DataFrame({"row": bags.row, "feature": bags.feature, "value": bags.value})
    write_table(workdir / "features" / f"{name}.parquet", entries)
    write_table(
        workdir / "features" / f"{name}_names.parquet", pd.DataFrame({"name": pd.Series(bags.names, dtype="str")})
    )


def load_bags(workdir: pathlib.Path, name: str) -> FeatureBags:
    """The features that `save_bags` wrote. Raises InputError where they are missing or damaged."""
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
    """Settings, rating scale and fingerprint of a workdir. Raises InputError where they cannot be read."""
    path = workdir / "config.json"
    if not path.exists():
        raise InputError(f"{workdir}: no config.json; name a folder that scripts/train.py has written with --workdir")
    values = read_json(path)
    wanted = {"format", "fingerprint", "rating_scale", "settings"}
    if not isinstance(values, dict) or values.keys() != wanted or values["format"] != FORMAT:
        raise InputError(f"{path}: not the settings of a run of this version; restore it, or train with --overwrite")
    scale = from_json_value(tuple[float, ...], values["rating_scale"], f"{path}: rating_scale")
    if len(scale) != 2 or not scale[0] < scale[1]:
        raise InputError(f"{path}: rating_scale is {scale}; expected two numbers, the lower first")
    return from_json(Config, values["settings"], str(path)), scale, values["fingerprint"]


def open_workdir(workdir: pathlib.Path, run: Run, *, overwrite: bool) -> None:
    """Makes the workdir hold this run, begun here or before; of many processes all look, and the first writes.

    Raises InputError where it holds another run, unless that is to be overwritten.
    """
    if overwrite:
        require_own(workdir)
    elif (workdir / "config.json").exists():
        require_same(workdir, run)
    elif (workdir / "checkpoints").exists():
        raise InputError(f"{workdir}: has checkpoints but no config.json; restore it, or start anew with --overwrite")
    distributed.barrier("workdir looked at")
    if distributed.is_primary():
        if overwrite:
            clear(workdir)
        save_run(workdir, run)
    distributed.barrier("workdir written")


def require_same(workdir: pathlib.Path, run: Run) -> None:
    """Raises InputError, naming the difference, where a workdir holds a run with other settings or ratings."""
    config, _, known = read_config(workdir)
    changes = differences(run.config, config)
    if changes:
        raise InputError(
            f"{workdir} holds a run with other settings: {', '.join(changes)}. Give the same settings to go on, "
            "another --workdir, or --overwrite to start anew"
        )
    if known != fingerprint_of(run):
        data = run.config.data
        sources = (data.ratings, *data.extra_ratings, *data.reviews, *data.movie_features, *data.user_features)
        raise InputError(
            f"{workdir} holds a run on other data: {' or '.join(sources)} has changed since. Give another --workdir, "
            "or --overwrite to start anew"
        )


def require_own(workdir: pathlib.Path) -> None:
    """Raises InputError where config.json stands alone, and so is not of a run."""
    others = ("vocab", "checkpoints", "movies.parquet")
    if (workdir / "config.json").exists() and not any((workdir / name).exists() for name in others):
        raise InputError(f"{workdir}: its config.json is not of a run; name another --workdir")


def clear(workdir: pathlib.Path) -> None:
    """Removes the files of a run and nothing else; config.json goes last, so that a kill leaves it to be cleared."""
    if not (workdir / "config.json").exists() and not (workdir / "checkpoints").exists():
        return
    for folder in ("checkpoints", "unreadable"):
        shutil.rmtree(workdir / folder, ignore_errors=True)
    for pattern in OWN_FILES:
        for path in workdir.glob(pattern):
            path.unlink()
            if path.parent != workdir and not any(path.parent.iterdir()):
                path.parent.rmdir()
