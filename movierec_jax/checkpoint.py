"""The workdir: all that a run needs to go on, and all that scoring needs, saved and restored together.

config.json            settings, rating scale, and the fingerprint of the ratings
vocab/*.parquet        ids in the order of their rows
movies.parquet         titles, years and genres
features/*.parquet     what is known of movies and users by row: weighted features, and their names
ratings/*.parquet      the clean ratings, part by part, in original ids
checkpoints/EPOCH/     training state (Orbax), the record of all epochs so far, and how many rows the tables have
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
import optax
import orbax.checkpoint as ocp
import pandas as pd
from jax.sharding import Mesh
from jaxtyping import Int, Int32, Int64, UInt64

from movierec_jax import config as configs
from movierec_jax.batches import num_steps
from movierec_jax.config import Config
from movierec_jax.content import movie_content, user_content
from movierec_jax.features_file import read_features
from movierec_jax.known import NO_MOMENTS, known_of
from movierec_jax.model import TwoTowers
from movierec_jax.moments import Moments, moments_of
from movierec_jax.recipe import Recipe, TrainState, new_state, shapes_of_state
from movierec_jax.schema import (
    GENRES,
    MOVIE_ID,
    NO_TIMESTAMP,
    RATING,
    TIMESTAMP,
    TITLE,
    USER_ID,
    YEAR,
    Bags,
    CleanData,
    InputError,
    Known,
    Ratings,
)
from movierec_jax.sharding import grid_of
from movierec_jax.splits import Split
from movierec_jax.train import EpochRecord, best_record
from movierec_jax.vocab import Vocab, places, to_rows

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
    "vocab/users.parquet",
    "vocab/movies.parquet",
    "features/users.parquet",
    "features/users_names.parquet",
    "features/movies.parquet",
    "features/movies_names.parquet",
    "movies.parquet",
    "config.json",
)

# The column of a vocabulary's file that says whether train has an id.
IN_TRAIN = "in_train"

# Raised when files of one version can no longer be read by the next.
FORMAT = 4


@dataclasses.dataclass(frozen=True)
class Run:
    """What a workdir knows besides the training state: settings, ids, movies and ratings.

    movie_table: one row per movie (`movie_id`, `title`, `year`, `genres`), also movies without ratings.
    parts: the clean ratings in original ids.
    user_content, movie_content: features of the rows of the vocabularies.
    mesh: the devices that this process has for it, which are no part of what the workdir keeps.
    """

    config: Config
    rating_scale: tuple[float, float]
    users: Vocab
    movies: Vocab
    movie_table: pd.DataFrame
    parts: Split
    user_content: Bags
    movie_content: Bags
    mesh: Mesh | None = None

    @functools.cached_property
    def model(self) -> TwoTowers:
        rating_mean = float(self.parts.train[RATING].mean())
        grid, rows = grid_of(self.mesh), (self.users.unknown + 1, self.movies.unknown + 1)
        return TwoTowers(
            num_users=len(self.users),
            num_movies=len(self.movies),
            num_user_features=len(self.user_content.names),
            num_movie_features=len(self.movie_content.names),
            config=self.config.model,
            rating_mean=rating_mean,
            num_moments=len(self.moments) if self.moments else 0,
            num_shared_moments=self.moments.num_shared if self.moments else 0,
            mesh=self.mesh,
            num_rows=(grid.padded(rows[0]), grid.padded(rows[1])) if self.mesh else None,
        )

    @functools.cached_property
    def recipe(self) -> Recipe:
        num_ratings = len(self.parts.train)
        is_by_time = self.config.data.split != "random" and has_times(self.parts.train)
        config = self.config.train.for_ratings(num_ratings, is_by_time)
        recipe = Recipe(self.model, config, 0, self.rating_scale, self.relevant_rating)
        steps = num_steps(num_ratings, recipe.batch_size)
        return dataclasses.replace(recipe, total_steps=steps * recipe.epochs)

    @property
    def relevant_rating(self) -> float:
        """Stars from which a rating is relevant."""
        return self.config.evaluation.relevant_from(self.rating_scale)

    @functools.cached_property
    def genres(self) -> pd.DataFrame:
        """Whether each movie of train, in the order of rows, is of each genre: a column for each, by name."""
        ids = self.movies.ids[: len(self.movies)]
        table = self.movie_table.set_index(MOVIE_ID)[GENRES].reindex(ids).fillna("").str.get_dummies("|").astype(bool)
        # pandas takes what a movie without genres has for one of no name.
        return table.drop(columns="", errors="ignore")

    @functools.cached_property
    def moments(self) -> Moments | None:
        """The times of the train ratings; None where they do not count."""
        if not self.config.data.rating_time:
            return None
        train = to_rows(self.parts.train, self.users, self.movies)
        return moments_of(train, self.users.unknown)

    @functools.cached_property
    def train(self) -> Ratings:
        """The train ratings by row."""
        return self.to_rows(self.parts.train)

    @functools.cached_property
    def valid(self) -> Ratings:
        """The validation ratings by row."""
        return self.to_rows(self.parts.valid)

    def to_rows(self, part: pd.DataFrame) -> Ratings:
        """Ratings by row, with their moments if times count."""
        ratings = to_rows(part, self.users, self.movies)
        return dataclasses.replace(ratings, moment=self.moment(ratings.user_row, ratings.timestamp))

    def moment(self, user_row: Int32[np.ndarray, " n"], timestamp: Int64[np.ndarray, " n"]) -> Int32[np.ndarray, "n m"]:
        """What the model knows of when each user rates; nothing unless times count."""
        return self.moments.rows(user_row, timestamp) if self.moments else np.zeros((len(user_row), 0), np.int32)

    @functools.cached_property
    def known(self) -> Known:
        """What the towers see: the train ratings and the content."""
        sizes = self.users.unknown, self.movies.unknown
        moment_count = self.moments.count(self.train) if self.moments else NO_MOMENTS
        content = self.user_content, self.movie_content
        return known_of(
            self.train,
            *sizes,
            *content,
            moment_count,
            has_ratings=self.config.model.looks_at_ratings,
            is_recent_most=self.recipe.looks_at_next,
            grid=grid_of(self.mesh),
        )


def places_and_rows(
    run: Run, users: pd.Index, parts: Sequence[pd.DataFrame]
) -> tuple[Int[np.ndarray, " ratings"], Int32[np.ndarray, " ratings"]]:
    """For each rating of the parts its user's place in a list of users, -1 for others, and its movie row."""
    table = pd.concat(parts, ignore_index=True)
    return places(users, pd.Index(table[USER_ID])), run.movies.rows(table[MOVIE_ID])


def new_run(config: Config, data: CleanData, parts: Split, mesh: Mesh | None = None) -> Run:
    """A run on clean, split data; its vocabularies and features are fitted on the train part alone.

    Users and movies of the other parts and of the data's tables have rows too, without an embedding: of them the model
    knows the content. Raises InputError for a table of features that cannot be used, and for settings that need to know
    when ratings were given where none has a time.
    """
    needs_times = {"rating_time": config.data.rating_time, "exposure_to=next": config.train.exposure_to == "next"}
    for flag, is_asked in needs_times.items():
        if is_asked and not has_times(parts.train):
            raise InputError(f"--{flag}: no rating of {config.data.ratings} has a time; leave the flag out")
    everybody = pd.concat([*(part[USER_ID].drop_duplicates() for part in parts.all()), data.users[USER_ID]])
    users = Vocab.of(parts.train[USER_ID], "user", others=everybody)
    movies = Vocab.of(parts.train[MOVIE_ID], "movie", others=data.movies[MOVIE_ID])
    settings = config.data
    return Run(
        config=config,
        rating_scale=data.rating_scale,
        users=users,
        movies=movies,
        movie_table=data.movies,
        parts=parts,
        user_content=user_content(
            data.users,
            [read_features(path, USER_ID) for path in settings.user_features],
            users.ids,
            len(users),
            groups=settings.content,
        ),
        movie_content=movie_content(
            data.movies,
            data.tags,
            [read_features(path, MOVIE_ID) for path in settings.movie_features],
            movies.ids,
            len(movies),
            groups=settings.content,
        ),
        mesh=mesh,
    )


def has_times(ratings: pd.DataFrame) -> bool:
    """Whether any of the ratings has a time."""
    return bool((ratings[TIMESTAMP] != NO_TIMESTAMP).any())


def fingerprint(parts: Split) -> str:
    """The sha256 of all ratings and of how they are split."""
    digest = hashlib.sha256()
    for part in parts.all():
        for column in (USER_ID, MOVIE_ID, RATING, TIMESTAMP):
            digest.update(hashes(part[column]).tobytes())
    return digest.hexdigest()


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
    for name, part in vars(run.parts).items():
        write_table(workdir / "ratings" / f"{name}.parquet", part)
    write_json(
        workdir / "config.json",
        {
            "format": FORMAT,
            "fingerprint": fingerprint(run.parts),
            "rating_scale": run.rating_scale,
            "settings": configs.to_json(run.config),
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
        parts=Split(
            **{
                name: read_table(workdir / "ratings" / f"{name}.parquet", [USER_ID, MOVIE_ID, RATING, TIMESTAMP])
                for name in ("train", "valid", "test")
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


def save_bags(workdir: pathlib.Path, name: str, bags: Bags) -> None:
    """Writes weighted features of movies or users, as `name` says, and the names of the features."""
    (workdir / "features").mkdir(parents=True, exist_ok=True)
    entries = pd.DataFrame({"row": bags.row, "feature": bags.feature, "value": bags.value})
    write_table(workdir / "features" / f"{name}.parquet", entries)
    write_table(
        workdir / "features" / f"{name}_names.parquet", pd.DataFrame({"name": pd.Series(bags.names, dtype="str")})
    )


def load_bags(workdir: pathlib.Path, name: str) -> Bags:
    """The features that `save_bags` wrote. Raises InputError where they are missing or damaged."""
    path = workdir / "features" / f"{name}.parquet"
    entries = read_table(path, ["row", "feature", "value"])
    names = read_table(workdir / "features" / f"{name}_names.parquet", ["name"])["name"]
    if (entries["feature"] >= len(names)).any():
        raise InputError(
            f"{path}: has features that are not among the {len(names):,} of {name}_names.parquet beside it"
        )
    row, feature, value = (entries[column].to_numpy() for column in ("row", "feature", "value"))
    return Bags(row, feature, value, tuple(names))


def read_config(workdir: pathlib.Path) -> tuple[Config, tuple[float, float], str]:
    """Settings, rating scale and fingerprint of a workdir. Raises InputError where they cannot be read."""
    path = workdir / "config.json"
    if not path.exists():
        raise InputError(f"{workdir}: no config.json; name a folder that scripts/train.py has written with --workdir")
    values = read_json(path)
    wanted = {"format", "fingerprint", "rating_scale", "settings"}
    if not isinstance(values, dict) or values.keys() != wanted or values["format"] != FORMAT:
        raise InputError(f"{path}: not the settings of a run of this version; restore it, or train with --overwrite")
    scale = configs.from_json_value(tuple[float, ...], values["rating_scale"], f"{path}: rating_scale")
    if len(scale) != 2 or not scale[0] < scale[1]:
        raise InputError(f"{path}: rating_scale is {scale}; expected two numbers, the lower first")
    return configs.from_json(Config, values["settings"], str(path)), scale, values["fingerprint"]


def open_workdir(workdir: pathlib.Path, run: Run, *, overwrite: bool) -> None:
    """Makes the workdir hold this run, begun here or before.

    Raises InputError where it holds another run, unless that is to be overwritten.
    """
    if overwrite:
        clear(workdir)
    if (workdir / "config.json").exists():
        require_same(workdir, run)
    elif (workdir / "checkpoints").exists():
        raise InputError(f"{workdir}: has checkpoints but no config.json; restore it, or start anew with --overwrite")
    save_run(workdir, run)


def require_same(workdir: pathlib.Path, run: Run) -> None:
    """Raises InputError, naming the difference, where a workdir holds a run with other settings or ratings."""
    config, _, known = read_config(workdir)
    changes = configs.differences(run.config, config)
    if changes:
        raise InputError(
            f"{workdir} holds a run with other settings: {', '.join(changes)}. Give the same settings to go on, "
            "another --workdir, or --overwrite to start anew"
        )
    if known != fingerprint(run.parts):
        raise InputError(
            f"{workdir} holds a run on other ratings: {run.config.data.ratings} has changed since. Give another "
            "--workdir, or --overwrite to start anew"
        )


def clear(workdir: pathlib.Path) -> None:
    """Removes the files of a run and nothing else; config.json goes last, so that a kill leaves it to be cleared.

    Raises InputError where config.json stands alone, and so is not of a run.
    """
    if not (workdir / "config.json").exists() and not (workdir / "checkpoints").exists():
        return
    if not any((workdir / name).exists() for name in ("vocab", "checkpoints", "movies.parquet")):
        raise InputError(f"{workdir}: its config.json is not of a run; name another --workdir")
    shutil.rmtree(workdir / "checkpoints", ignore_errors=True)
    for pattern in OWN_FILES:
        for path in workdir.glob(pattern):
            path.unlink()
            if path.parent != workdir and not any(path.parent.iterdir()):
                path.parent.rmdir()


class Checkpoints:
    """The training states of a workdir, by epoch: the best by validation and the latest two.

    Saving copies the state and goes on; files are written in the background, under another name until they are whole.
    """

    def __init__(self, workdir: pathlib.Path, *, read_only: bool = False):
        # Orbax takes absolute paths alone.
        self.folder = (workdir / "checkpoints").absolute()
        self.read_only = read_only
        self.best_epoch: int | None = None
        options = ocp.CheckpointManagerOptions(
            preservation_policy=self,
            cleanup_tmp_directories=not read_only,
            create=not read_only,
            # Threads that wait for a folder would hold up the end of a process for ten minutes if it cannot be made.
            async_options=ocp.AsyncOptions(create_directories_asynchronously=False),
        )
        handlers = {"state": ocp.StandardCheckpointHandler(), "about": ocp.JsonCheckpointHandler()}
        self.manager = ocp.CheckpointManager(self.folder, options=options, item_handlers=handlers)

    def save(self, state: TrainState, records: list[EpochRecord], recipe: Recipe) -> None:
        """Begins to write the state after the last of the records. Raises OSError where the one before went wrong."""
        self.best_epoch = best_record(records).epoch
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            about=ocp.args.JsonSave(
                {
                    "records": [dataclasses.asdict(record) for record in records],
                    "train_rows": train_rows(recipe),
                    "table_rows": list(recipe.model.table_rows),
                }
            ),
        )
        with self.errors_named():
            self.manager.save(records[-1].epoch, args=items, force=True)

    def should_preserve(self, checkpoints: Sequence, *, context) -> list[bool]:
        """Which checkpoints stay, of all in rising order; Orbax asks at each save.

        Two of the latest do, so that a damaged last one costs what came after the one before.
        """
        latest = [checkpoint.step for checkpoint in checkpoints[-2:]]
        return [checkpoint.step in (*latest, self.best_epoch) for checkpoint in checkpoints]

    def latest(self, recipe: Recipe, warn: Callable[[str], None]) -> tuple[TrainState, list[EpochRecord]] | None:
        """The newest state that can be read whole, with its records; None where there is no checkpoint.

        Says through `warn` which checkpoints it had to step over, and unless it may only read moves them out of the
        way, to the workdir's unreadable/. Raises InputError where there are checkpoints and none can be read.
        """
        unreadable = []
        for epoch in sorted(self.manager.all_steps(), reverse=True):
            try:
                newest = self.restore(epoch, recipe)
            except (MemoryError, jax.errors.JaxRuntimeError):  # Not the checkpoint's fault.
                raise
            except Exception as error:  # Orbax raises whatever the damaged file happens to break.
                warn(f"{self.folder / str(epoch)} cannot be read and is skipped ({first_line(error)})")
                unreadable.append(epoch)
                continue
            if not self.read_only:
                self.set_aside(unreadable)
            return newest
        if unreadable:
            raise InputError(f"{self.folder}: no checkpoint can be read; restore one, or start anew with --overwrite")
        return None

    def set_aside(self, epochs: list[int]) -> None:
        """Moves checkpoints to the workdir's unreadable/, so that their epochs can be saved again."""
        for epoch in epochs:
            target = self.folder.parent / "unreadable" / f"{epoch}-{time.time_ns()}"
            target.parent.mkdir(exist_ok=True)
            (self.folder / str(epoch)).rename(target)
        self.manager.reload()

    def restore(self, epoch: int, recipe: Recipe) -> tuple[TrainState, list[EpochRecord]]:
        """The state after an epoch, with the records up to it, on whichever devices it was saved.

        Raises InputError for a state of another model.
        """
        about = self.manager.restore(epoch, args=ocp.args.Composite(about=ocp.args.JsonRestore()))["about"]
        rows = tuple(about["table_rows"])
        # Tables are as long as suits the devices; what is beyond the rows of train is filling, and zero.
        as_saved = jax.eval_shape(
            lambda: new_state(dataclasses.replace(recipe, model=recipe.model.clone(mesh=None, num_rows=rows)))
        )
        # Orbax would notice only while it reads, and leave readers behind.
        saved = jax.tree.leaves(self.manager.item_metadata(epoch)["state"])
        shapes = [sorted(leaf.shape for leaf in leaves) for leaves in (saved, jax.tree.leaves(as_saved))]
        if about["train_rows"] != train_rows(recipe) or (saved and shapes[0] != shapes[1]):
            raise InputError("its arrays are of other shapes than the settings and ids beside it ask for")
        wanted = shapes_of_state(recipe)
        if recipe.model.mesh is None:
            one_device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
            wanted = jax.tree.map(lambda leaf: leaf.update(sharding=one_device), wanted)
        state = ocp.args.StandardRestore(wanted, strict=rows == recipe.model.table_rows)
        items = self.manager.restore(epoch, args=ocp.args.Composite(state=state))
        return items["state"], [EpochRecord(**record) for record in about["records"]]

    def best_params(self, recipe: Recipe, warn: Callable[[str], None]) -> optax.Params:
        """The parameters after the best epoch of the newest state that can be read.

        Raises InputError where no checkpoint can be read, or not that of the best epoch.
        """
        newest = self.latest(recipe, warn)
        if newest is None:
            raise InputError(f"{self.folder}: no checkpoint; run scripts/train.py on this workdir first")
        state, records = newest
        best = best_record(records).epoch
        if best == records[-1].epoch:
            return state.params
        try:
            return self.restore(best, recipe)[0].params
        except Exception as error:  # As above.
            raise InputError(
                f"{self.folder / str(best)}: the checkpoint of the best epoch cannot be read ({first_line(error)}); "
                "restore it, or train anew with --overwrite"
            ) from error

    def wait(self) -> None:
        """Returns once all that was saved is on disk. Raises OSError where it could not be written."""
        with self.errors_named():
            self.manager.wait_until_finished()

    @contextlib.contextmanager
    def errors_named(self) -> Iterator[None]:
        """Turns whatever Orbax raises when it cannot write into an OSError that names the folder."""
        try:
            yield
        except Exception as error:
            raise OSError(None, f"checkpoint cannot be written ({first_line(error)})", str(self.folder)) from error

    def close(self) -> None:
        self.manager.close()


def train_rows(recipe: Recipe) -> list[int]:
    """How many users and movies train has."""
    return [recipe.model.num_users, recipe.model.num_movies]


@contextlib.contextmanager
def whole_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives another name to write to, and moves it to `path` at the end; after an error nothing is left of it.

    So no reader sees a part of a file, and a full disk leaves the file that was there.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        # Arrow does not name the file.
        raise OSError(error.errno, error.strerror or first_line(error), str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: pathlib.Path, values) -> None:
    """Writes JSON for programs and people."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_json(path: pathlib.Path):
    """The values of a JSON file of a workdir. Raises InputError where it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); restore it, or train anew with --overwrite") from None


def write_table(path: pathlib.Path, table: pd.DataFrame) -> None:
    """Writes a Parquet table of a workdir, without its index."""
    with whole_file(path) as partial:
        table.to_parquet(partial, index=False)


def read_table(path: pathlib.Path, columns: list[str]) -> pd.DataFrame:
    """Columns of a Parquet table of a workdir. Raises InputError where it is missing or damaged."""
    try:
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError) as error:
        reason = first_line(error) if path.exists() else "it is missing"
        raise InputError(
            f"{path}: cannot be read ({reason}); scripts/train.py with the settings of the run writes it again"
        ) from None


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its kind where it has none."""
    return str(error).split("\n")[0][:200] or type(error).__name__
