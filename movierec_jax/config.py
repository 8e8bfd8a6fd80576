"""Every setting of a run: its default, its help text and its limits, once. The scripts' flags are made from the fields.

A field's name is its flag's name.
"""

import dataclasses
import math
from typing import Any

from movierec_jax.data_config import LEAVE_LAST_OUT, DataConfig
from movierec_jax.errors import InputError
from movierec_jax.settings import (
    ABOVE_0,
    AT_LEAST_0,
    AT_LEAST_1,
    BELOW_1,
    BETWEEN_0_AND_1,
    UINT32,
    Limits,
    Settings,
    as_flag,
    setting,
)

DEFAULT_WORKDIR = "runs/default"

# Movies per user unless --top_k is given: in a file, and in a printed table.
FILE_TOP_K, TABLE_TOP_K = 100, 10

# Steps per epoch unless --batch_size is given. Each step reads all histories, so only a fixed number of steps keeps the
# cost of an epoch proportional to the number of ratings.
STEPS_PER_EPOCH = 20

# Epochs unless --epochs is given: SMALL_DATA_EPOCHS up to SMALL_DATA ratings, growing with this power of more ratings.
SMALL_DATA, SMALL_DATA_EPOCHS, EPOCHS_POWER = 100_000, 12, 0.22

# The share of the usual epochs that a warm start takes, at the usual learning rate. Chosen on ratings carved out of the
# train part of the bundled data.
WARM_EPOCHS = 1 / 4

# Steps in which the implicit-feedback error covers every user once, unless --users_per_step is given.
USER_BATCHES = 10

# Movies that a step of the sequence encoder finds, unless --sequence_batch_size is given, and the most movies of the
# catalogue for each of them: a step's Adam changes the row of every movie, which is to cost less than the rest.
SEQUENCE_BATCH_SIZE, MOVIES_PER_SLOT = 2048, 64

# Default of --masked_fraction for each --implicit_feedback_target, and of --relevant_rating as a fraction of the way up
# the rating scale: 4 of 1 to 5 stars.
MASKED_FRACTIONS = {"any": 0.5, "next": 0.2}
RELEVANT_FRACTION = 0.75

# The --implicit_feedback_target that masks nothing: each movie of a user is to be found from those before it.
SEQUENCE = "sequence"

# Default of --implicit_feedback_target for each --split, where ratings have times.
TARGET_OF_SPLIT = {"random": "any", "user_time": "next", LEAVE_LAST_OUT: SEQUENCE, "time": "next"}


PAIR_OF_YEARS = Limits(
    "two years, the earlier first, such as 1990,1999",
    lambda years: not years or (len(years) == 2 and years[0] <= years[1]),
)


@dataclasses.dataclass(frozen=True)
class ModelConfig(Settings):
    """The model: two towers and a head."""

    embedding_dim: int = setting(
        64, "size of each user and movie embedding", AT_LEAST_1, heading="Model", is_common=True
    )
    hidden_dims: tuple[int, ...] = setting(
        (64, 32),
        "width of each dense layer of the head. Empty: no dense layers",
        Limits("widths of 1 or more", lambda widths: all(width >= 1 for width in widths)),
        is_common=True,
    )
    history: tuple[str, ...] = setting(
        ("user", "movie"),
        "towers that also read rating histories: user (the movies that a user rated, and how), movie (the users who "
        "rated a movie, and how). Empty: neither",
        choices=("user", "movie"),
    )
    implicit_feedback_dim: int = setting(
        256,
        "size of the vectors that predict whether a user rates a movie at all. Lists are ordered by this "
        "implicit-feedback score and the predicted rating; with 0 by the predicted rating alone",
        AT_LEAST_0,
    )
    sequence_dim: int = setting(
        64, "width of the transformer that reads what a user rated in order, and of its movies' vectors", AT_LEAST_1
    )
    sequence_blocks: int = setting(2, "blocks of that transformer", AT_LEAST_1)
    sequence_heads: int = setting(2, "attention heads of each block; they share the width", AT_LEAST_1)
    sequence_length: int = setting(
        128,
        "movies of a user that are read, the latest ones",
        Limits("a power of two from 4", lambda length: length >= 4 and length & (length - 1) == 0),
    )
    sequence_dropout: float = setting(0.2, "fraction of that transformer's units dropped in training", BELOW_1)
    dropout: float = setting(0.5, "fraction of the head's hidden units dropped in training", BELOW_1)
    precision: str = setting(
        "float32",
        "number type of dense layers and products: float32 or bfloat16",
        choices=("float32", "bfloat16"),
    )

    @property
    def looks_at_ratings(self) -> bool:
        """Whether the model reads who rated what, besides ids and content."""
        return bool(self.history) or self.implicit_feedback_dim > 0


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """How the model is trained."""

    epochs: int | None = setting(
        None,
        f"passes over the train ratings. Unset: {SMALL_DATA_EPOCHS} up to {SMALL_DATA:,} ratings, 20 for a million, "
        "40 for 25 million",
        AT_LEAST_1,
        heading="Training",
        is_common=True,
    )
    batch_size: int | None = setting(
        None, f"ratings per step. Unset: 1/{STEPS_PER_EPOCH} of the train ratings", AT_LEAST_1, is_common=True
    )
    learning_rate: float = setting(0.004, "peak learning rate of Adam", ABOVE_0, is_common=True)
    warmup_fraction: float = setting(
        0.1, "fraction of all steps in which the learning rate rises from 0; after them it falls back to 0", BELOW_1
    )
    patience: int = setting(0, "stop after this many epochs without a better validation RMSE; 0: never", AT_LEAST_0)
    ensemble_size: int = setting(
        1,
        "models trained together from different initial values; predictions are their mean",
        AT_LEAST_1,
        is_common=True,
    )
    seed: int = setting(0, "seed of initial values, order of ratings, and dropout", UINT32, is_common=True)
    ratings_at_once: int = setting(
        2**21,
        "ratings sent to the devices at once, in whole steps. A run is saved or stopped only in between; fewer take "
        "less memory",
        AT_LEAST_1,
    )
    embedding_decay: float = setting(
        40.0,
        "L2 penalty on user and movie embeddings, in ratings: it weighs as much as that many of them",
        AT_LEAST_0,
        heading="Regularisation",
    )
    bias_decay: float = setting(10.0, "L2 penalty on user and movie biases, in ratings", AT_LEAST_0)
    history_explicit_decay: float = setting(40.0, "L2 penalty on history rows times the rating, in ratings", AT_LEAST_0)
    history_implicit_decay: float = setting(
        10.0, "L2 penalty on history rows that count a rating whatever its value, in ratings", AT_LEAST_0
    )
    held_out_fraction: float = setting(
        0.02,
        "fraction of the train ratings (65,536 at most) held out in the first epochs, from which the strength of the "
        "penalties on embeddings and history rows is learnt; 0: the flags set it",
        BELOW_1,
    )
    feature_decay: float = setting(40.0, "L2 penalty on rows of movie and user features, in ratings", AT_LEAST_0)
    rating_time_decay: float = setting(50.0, "L2 penalty on rows of rating-time features, in ratings", AT_LEAST_0)
    weight_decay: float = setting(0.005, "L2 penalty on the kernels of the dense layers", AT_LEAST_0)
    shrinkage: float = setting(0.4, "strength of shrinkage towards 0 for users and movies with few ratings", AT_LEAST_0)
    implicit_feedback_target: str | None = setting(
        None,
        "which ratings of a user a step learns to predict: any, from all others; next (those after a random time, from "
        "those before it, the latest weighted most); or sequence (each from those before it, by a transformer that "
        "reads them in order). Unset: "
        + ", ".join(f"{target} with --split={split}" for split, target in TARGET_OF_SPLIT.items()),
        choices=(*MASKED_FRACTIONS, SEQUENCE),
        heading="Implicit feedback (whether a user rates a movie at all)",
    )
    masked_fraction: float | None = setting(
        None,
        "fraction of a user's ratings that a step masks. Unset: "
        + ", ".join(f"{fraction:g} for {target}" for target, fraction in MASKED_FRACTIONS.items()),
        BETWEEN_0_AND_1,
    )
    half_life_days: float | None = setting(
        None,
        "lists follow trends: days after which a rating counts half in what people rate lately; 0: no trends, as "
        f"always with the target {SEQUENCE}. Unset: with --split=time as many as foretell the latest train ratings "
        "best, else 0",
        AT_LEAST_0,
    )
    unobserved_weight: float = setting(
        0.3,
        "weight of the squared error on unrated movies; masked ones have weight 1",
        ABOVE_0,
    )
    implicit_feedback_decay: float = setting(
        6.0, "L2 penalty on the vectors of the implicit-feedback score, but not on those of sequences", AT_LEAST_0
    )
    users_per_step: int | None = setting(
        None, f"users per step of the implicit-feedback loss. Unset: 1/{USER_BATCHES} of them", AT_LEAST_1
    )
    sequence_batch_size: int | None = setting(
        None,
        f"movies that the transformer learns to predict in a step, with the target {SEQUENCE}. Unset: "
        f"{SEQUENCE_BATCH_SIZE:,}, or 1/{MOVIES_PER_SLOT} of the movies where these are more",
        AT_LEAST_1,
    )
    sequence_passes: int = setting(2, "passes of the transformer over the train ratings in an epoch", AT_LEAST_1)
    sequence_samples: int = setting(
        4096,
        "random movies that the next one is compared with in a step of the transformer; all movies of a smaller "
        "catalogue",
        AT_LEAST_1,
    )
    cold_start_fraction: float = setting(
        0.05,
        "fraction of users and movies treated as cold-start in each step: movies by content alone, users by content "
        "and a few ratings",
        BELOW_1,
        heading="Cold start",
    )

    def for_ratings(
        self,
        num_ratings: int,
        target: str,
        rating_weight: float | None = None,
        *,
        is_warm: bool = False,
        half_life_days: float = 0.0,
    ) -> "ResolvedTrainConfig":
        """Fills in the settings left unset, from the number of train ratings.

        target: what the implicit-feedback score learns to predict unless that is set.
        rating_weight: the sum of the ratings' weights; None: each counts 1.
        is_warm: whether training begins from the parameters of an older run. It then takes fewer epochs unless their
            number is set, and the older run's decays: ratings that this one has learnt cannot be held out.
        half_life_days: that of the train ratings, used unless it is set.
        """
        target = self.implicit_feedback_target or target
        growth = max(1.0, num_ratings / SMALL_DATA) ** EPOCHS_POWER
        resolved = {
            "num_ratings": num_ratings,
            "rating_weight": float(num_ratings) if rating_weight is None else rating_weight,
            "epochs": self.epochs or max(1, round(SMALL_DATA_EPOCHS * growth * (WARM_EPOCHS if is_warm else 1))),
            "batch_size": self.batch_size or -(-num_ratings // STEPS_PER_EPOCH),
            "implicit_feedback_target": target,
            "masked_fraction": self.masked_fraction or MASKED_FRACTIONS.get(target, 0.0),
            "half_life_days": float(half_life_days if self.half_life_days is None else self.half_life_days),
        }
        if is_warm:
            resolved["held_out_fraction"] = 0.0
        return ResolvedTrainConfig(**(vars(self) | resolved))


@dataclasses.dataclass(frozen=True)
class ResolvedTrainConfig(TrainConfig):
    """A TrainConfig for `num_ratings` train ratings, in which nothing that depends on them is unset.

    num_ratings: also counts movies watched but not rated. rating_weight: the sum of the weights, 0 without any rating.
    """

    num_ratings: int = dataclasses.field(kw_only=True)
    rating_weight: float = dataclasses.field(kw_only=True)
    epochs: int = dataclasses.field(kw_only=True)
    batch_size: int = dataclasses.field(kw_only=True)
    implicit_feedback_target: str = dataclasses.field(kw_only=True)
    half_life_days: float = dataclasses.field(kw_only=True)
    masked_fraction: float = dataclasses.field(kw_only=True)


@dataclasses.dataclass(frozen=True)
class EvalConfig(Settings):
    """Which ratings are relevant, and at which lengths lists are measured."""

    eval_k: tuple[int, ...] = setting(
        (10, 20, 100),
        "list lengths at which ranking metrics are computed",
        Limits("lengths of 1 or more", lambda lengths: len(lengths) > 0 and all(k >= 1 for k in lengths)),
        heading="Evaluation",
    )
    relevant_rating: float | None = setting(
        None,
        "stars from which a rating is relevant, in training and in ranking metrics. Unset: three quarters up the scale "
        "(4 of 1 to 5), or less where hardly any rating reaches that",
        Limits("a number of stars", math.isfinite),
    )


@dataclasses.dataclass(frozen=True)
class ScoreConfig(Settings):
    """Which movies each user's list holds."""

    top_k: int | None = setting(
        None,
        f"movies per user. Unset: {FILE_TOP_K} in a file, {TABLE_TOP_K} in a printed table, or all if there are fewer",
        AT_LEAST_1,
        heading="Lists",
        is_common=True,
    )
    include_seen: bool = setting(False, "also list movies that the user has rated", is_common=True)
    genres: tuple[str, ...] = setting(
        (), "list only movies of at least one of these genres, such as Comedy,Drama. Empty: any", is_common=True
    )
    years: tuple[int, ...] = setting(
        (), "list only movies from the first to the last of two years. Empty: any", PAIR_OF_YEARS, is_common=True
    )
    min_ratings: int = setting(0, "list only movies with at least this many train ratings", AT_LEAST_0)
    praised: tuple[str, ...] = setting(
        (),
        "list only movies whose reviews praise at least one of these aspects, such as humour,suspense. Empty: any",
    )
    exclude_movies: tuple[str, ...] = setting((), "ids of movies to leave out of all lists")
    diversity: float = setting(
        0.0,
        "weight against movies similar to those above them in the list: 0 = off; near 1 = diversity only",
        BELOW_1,
        is_common=True,
    )
    explain: bool = setting(
        False, "with --user_id, also print the reasons for each movie and what its reviews say", is_common=True
    )
    titles: bool = setting(False, "write title, year and genres too", is_common=True)
    csv_safe: bool = setting(
        False, "in a CSV file, write ' before texts that begin with = + - or @, which spreadsheets take for formulas"
    )
    block_users: int = setting(256, "users scored at once; more take more memory", AT_LEAST_1)


@dataclasses.dataclass(frozen=True)
class DeviceConfig(Settings):
    """Which devices do the work. A run may continue, and be scored, on other devices than it began on."""

    mesh: str | None = setting(
        None,
        "layout of the devices, such as data:4,model:2: users are sharded over data, movies over model. Unset: all "
        "devices along data",
        heading="Devices",
    )


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings that decide the result of a training run on given data."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    evaluation: EvalConfig = EvalConfig()

    def target(self, has_times: bool) -> str:
        """Returns what the implicit-feedback score learns to predict: as set, else as suits the split.

        has_times: whether any train rating has a time.
        """
        return self.train.implicit_feedback_target or (TARGET_OF_SPLIT[self.data.split] if has_times else "any")

    def replace(self, **settings: Any) -> "Config":
        """Returns the config with other settings, by flag name: `config.replace(embedding_dim=128, epochs=20)`.

        Raises InputError for a name that is not a setting, and for a value that is not allowed.
        """
        sections = {}
        for section in dataclasses.fields(self):
            value = getattr(self, section.name)
            names = [field.name for field in dataclasses.fields(value) if field.name in settings]
            sections[section.name] = dataclasses.replace(value, **{name: settings.pop(name) for name in names})
        if settings:
            raise InputError(f"{', '.join(settings)}: not a setting; movierec train --helpfull lists all")
        return Config(**sections)


def flag_values(config: Config) -> dict[str, str]:
    """Returns every setting as on the command line, by flag name."""
    sections = [getattr(config, section.name) for section in dataclasses.fields(config)]
    return {
        field.name: as_flag(getattr(section, field.name))
        for section in sections
        for field in dataclasses.fields(section)
    }


def differences(ours: Config, theirs: Config, word: str = "was") -> list[str]:
    """Lists the settings in which two configs differ, as "--flag=ours (was theirs)", or with another word."""
    others = flag_values(theirs)
    return [
        f"--{name}={value} ({word} {others[name]})"
        for name, value in flag_values(ours).items()
        if value != others[name]
    ]
