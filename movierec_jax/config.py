"""Every default, unit and allowed value, once. The scripts' flags are made from these fields.

Each field carries the help text of its flag; a field's name is the flag's name.
"""

import dataclasses
import math
from typing import Any

from movierec_jax.errors import InputError
from movierec_jax.settings import (
    as_flag,
    choose,
    require,
    require_diversity,
    setting,
)

# Steps of an epoch unless the batch size is given. Every step looks at all histories, so a batch of a fixed share of
# the ratings keeps the cost of an epoch in proportion to them.
STEPS_PER_EPOCH = 20

# Epochs unless they are given: of small data, and how they grow with the number of ratings.
SMALL_DATA = 100_000

SMALL_DATA_EPOCHS = 12

EPOCHS_POWER = 0.22

# Users of a step's error over the whole catalogue unless their number is given: a share of all.
USER_BATCHES = 10

# Numbers of a table of these users by all movies (128 MiB as float32) up to which a step makes it: it costs the least
# where catalogues are small.
TABLE_NUMBERS = 2**25

# Ratings of a batch, for each user and movie of train, up to which a step takes their rows alone from the tables.
RATINGS_PER_ROW = 0.5

# Which of a user's ratings a step may hide from it, and the share of them unless it is given.
MASKED_FRACTIONS = {"any": 0.5, "next": 0.2}

# Where on the scale a rating counts as relevant, unless the config says: 4 of 1 to 5 stars.
RELEVANT_SHARE = 0.75

# Settings that weigh the size of parameters.
DECAYS = (
    "embedding_decay",
    "bias_decay",
    "history_explicit_decay",
    "history_implicit_decay",
    "feature_decay",
    "rating_time_decay",
    "decay_power",
    "shrinkage",
    "weight_decay",
    "implicit_feedback_decay",
)

DEFAULT_WORKDIR = "runs/default"

# Folder beside the workdir for what was read from files of at least so many bytes, and the bytes that it may hold.
CACHE_FOLDER = ".ratings_cache"

CACHED_FROM_BYTES = 2**24

CACHE_BYTES = 2**32

# Feature groups that the data's own tables give of movies and of users.
MOVIE_CONTENT = ("genres", "year", "tags", "reviews")

USER_CONTENT = ("age", "gender", "occupation")

# Movies for each user where nothing else is asked for and the catalogue has as many.
FILE_TOP_K = 100

TABLE_TOP_K = 10


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where ratings come from, which count, and how they are split."""

    ratings: str = setting(
        "data/ml-latest-small",
        "MovieLens folder or zip of any edition, or a CSV/TSV/Parquet file (also .gz) of user, movie, rating and "
        "perhaps timestamp",
    )
    extra_ratings: tuple[str, ...] = setting(
        (),
        "more ratings, of users and movies that may be new: ratings_log.sqlite of a workdir, or what --ratings takes; "
        "of a pair of user and movie that comes again the latest counts, and at equal times the one read last",
    )
    test_ratings: str | None = setting(None, "file with the test part; without it, --split makes one")
    valid_ratings: str | None = setting(None, "file with the validation part; without it, carved from train")
    rating_scale: tuple[float, ...] | None = setting(
        None, "lowest and highest rating in stars, such as 0.5,5; without it, what the format states or the data show"
    )
    min_user_ratings: int = setting(1, "drop users with fewer ratings than this, counted before movies are dropped")
    min_movie_ratings: int = setting(1, "drop movies with fewer ratings than this")
    split: str = setting(
        "random",
        "how the test part is chosen: random (of all ratings), user_time (each user's last ratings) or time (all "
        "ratings after one date)",
    )
    test_fraction: float = setting(0.1, "share of the ratings that become the test part, between 0 and 1")
    valid_fraction: float = setting(
        0.05,
        "share of the train ratings carved out for validation, between 0 and 1; 0 trains on all, to the last epoch",
    )
    split_seed: int = setting(0, "seed of the random split")
    content: tuple[str, ...] = setting(
        MOVIE_CONTENT + USER_CONTENT,
        f"what of the data's own tables the model knows besides ids, any of {', '.join(MOVIE_CONTENT + USER_CONTENT)}, "
        "or none; reviews: what tags say, read as texts",
    )
    rating_time: bool = setting(
        False,
        "also learn from when a rating was given: the date, the user's time since their first rating, and the user's "
        "day. Test ratings are then predicted with their times; lists know none",
    )
    movie_features: tuple[str, ...] = setting(
        (),
        "CSV, TSV or Parquet files (also .gz) with more of the movies: a column of movie ids, and others of numbers, "
        'categories, lists joined by "|" or text',
    )
    user_features: tuple[str, ...] = setting((), "such files with more of the users, and a column of user ids")
    reviews: tuple[str, ...] = setting(
        (),
        "CSV, TSV or Parquet files (also .gz) with what people wrote about movies: a column of movie ids or IMDb ids, "
        "one of text, and perhaps user, stars and timestamp",
    )
    links: str | None = setting(
        None,
        "file with columns movieId and imdbId, such as MovieLens' links.csv, by which reviews with IMDb ids find their "
        "movies; without it, the links.csv beside the ratings",
    )
    sentiment: tuple[str, ...] = setting(
        (),
        "folder that scripts/train_sentiment.py has written, by which texts are understood, or one for each file of "
        "--reviews and one for tags; without it the one that comes with the package, for English reviews of films",
    )

    def __post_init__(self):
        choose("split", self.split, ("random", "user_time", "time"))
        require(0 < self.test_fraction < 1, "test_fraction", self.test_fraction, "above 0 and below 1")
        require(0 <= self.valid_fraction < 1, "valid_fraction", self.valid_fraction, "0 or more and below 1")
        require(self.min_user_ratings >= 1, "min_user_ratings", self.min_user_ratings, "1 or more")
        require(self.min_movie_ratings >= 1, "min_movie_ratings", self.min_movie_ratings, "1 or more")
        require(self.split_seed >= 0, "split_seed", self.split_seed, "0 or more")
        for group in self.content if self.content != ("none",) else ():
            choose("content", group, MOVIE_CONTENT + USER_CONTENT)
        is_one_each = len(self.sentiment) == len(self.reviews) + 1
        expected = f"one folder, or {len(self.reviews) + 1}: one for each file of --reviews and one for tags"
        require(len(self.sentiment) < 2 or is_one_each, "sentiment", self.sentiment, expected)
        if self.rating_scale is not None:
            require(
                len(self.rating_scale) == 2 and -math.inf < self.rating_scale[0] < self.rating_scale[1] < math.inf,
                "rating_scale",
                self.rating_scale,
                "two numbers, the lower first, such as 0.5,5",
            )


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The shape of the two towers and the head."""

    embedding_dim: int = setting(64, "numbers per user and per movie embedding")
    hidden_dims: tuple[int, ...] = setting(
        (64, 32), "width of each dense layer of the head, such as 64,32; empty: none"
    )
    history: tuple[str, ...] = setting(
        ("user", "movie"),
        "towers that also see who was rated and how: user (the movies a user rated), movie (the users who rated a "
        "movie); empty: neither",
    )
    implicit_feedback_dim: int = setting(
        256,
        "numbers per user and per movie vector that tell whether the one comes to rate the other; lists are ordered by "
        "that and the stars, or with 0 by the stars alone",
    )
    dropout: float = setting(0.5, "share of hidden units dropped in training, 0 or more and below 1")
    precision: str = setting("float32", "arithmetic of the dense layers and products: float32 or bfloat16")

    @property
    def looks_at_ratings(self) -> bool:
        """Whether users or movies are known by who has rated what, and not by their ids and content alone."""
        return bool(self.history) or self.implicit_feedback_dim > 0

    def __post_init__(self):
        require(self.embedding_dim >= 1, "embedding_dim", self.embedding_dim, "1 or more")
        require(all(width >= 1 for width in self.hidden_dims), "hidden_dims", self.hidden_dims, "widths of 1 or more")
        for side in self.history:
            choose("history", side, ("user", "movie"))
        require(self.implicit_feedback_dim >= 0, "implicit_feedback_dim", self.implicit_feedback_dim, "0 or more")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "0 or more and below 1")
        choose("precision", self.precision, ("float32", "bfloat16"))


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How Adam walks, for how long, and when it stops."""

    epochs: int | None = setting(
        None,
        "passes over the train ratings, over which the learning rate falls to 0; without it 12 for up to 100,000 "
        "ratings, 20 for a million, 40 for 25 million",
    )
    batch_size: int | None = setting(
        None, f"ratings per step; without it 1/{STEPS_PER_EPOCH} of the train ratings, so that steps do not multiply"
    )
    learning_rate: float = setting(0.004, "highest learning rate of Adam")
    warmup_fraction: float = setting(0.1, "share of all steps in which the learning rate rises from 0; 0 to below 1")
    embedding_decay: float = setting(0.235, "weight of the squared embeddings of users and movies")
    bias_decay: float = setting(0.1, "weight of the squared biases of users and movies")
    history_explicit_decay: float = setting(
        0.43, "weight of the squared history rows that say how a movie or user was rated"
    )
    history_implicit_decay: float = setting(0.014, "weight of the squared history rows that say that it was rated")
    feature_decay: float = setting(0.1, "weight of the squared rows of features")
    rating_time_decay: float = setting(0.9, "weight of the squared rows of what tells the time of a rating")
    decay_power: float = setting(
        0.5, "power of its number of ratings by which a row decays: 1 as often as it is used, 0 all rows alike"
    )
    shrinkage: float = setting(
        1.2, "variance ascribed to factors learnt from n ratings, times n: those met with few ratings pull to 0"
    )
    cold_start_fraction: float = setting(
        0.05,
        "share of users and of movies that a step knows as it will know new ones: movies by their content alone, users "
        "by theirs and a few ratings",
    )
    weight_decay: float = setting(0.005, "weight of the squared kernels of the dense layers")
    unobserved_weight: float = setting(
        0.3, "weight of the squared error on a movie that the user has not rated, where that on one they have is 1"
    )
    implicit_feedback_target: str | None = setting(
        None,
        "which of a user's ratings a step hides, to be told by others: any of them, by chance, or the next ones after "
        "a moment, by those before it, of which the latest count most; without it next where --split goes by time, "
        "else any",
    )
    masked_fraction: float | None = setting(
        None,
        "share of a user's ratings that a step hides; without it "
        + ", ".join(f"{share:g} for {which}" for which, share in MASKED_FRACTIONS.items()),
    )
    implicit_feedback_decay: float = setting(
        6.0, "weight of the squared rows by which exposure is told, beside a squared error on all ratings of a user"
    )
    users_per_step: int | None = setting(
        None,
        f"users in a step's error over the whole catalogue; without it 1/{USER_BATCHES} of them",
    )
    patience: int = setting(0, "stop after this many epochs without a better validation RMSE; 0: never")
    ensemble_size: int = setting(1, "members trained at once from other initial values; predictions are their mean")
    ratings_at_once: int = setting(
        2**21,
        "ratings, in whole steps, that devices are given at once; only between them a run is saved or stopped, and "
        "fewer take less memory",
    )
    seed: int = setting(0, "seed of initial values, order of ratings and dropout")

    def __post_init__(self):
        require(self.epochs is None or self.epochs >= 1, "epochs", self.epochs, "1 or more")
        require(self.batch_size is None or self.batch_size >= 1, "batch_size", self.batch_size, "1 or more")
        require(0 < self.learning_rate < float("inf"), "learning_rate", self.learning_rate, "above 0")
        require(0 <= self.warmup_fraction < 1, "warmup_fraction", self.warmup_fraction, "0 or more and below 1")
        for flag in DECAYS:
            require(0 <= getattr(self, flag) < float("inf"), flag, getattr(self, flag), "0 or more")
        require(
            0 <= self.cold_start_fraction < 1, "cold_start_fraction", self.cold_start_fraction, "0 or more and below 1"
        )
        require(self.ensemble_size >= 1, "ensemble_size", self.ensemble_size, "1 or more")
        require(self.ratings_at_once >= 1, "ratings_at_once", self.ratings_at_once, "1 or more")
        require(0 < self.unobserved_weight < float("inf"), "unobserved_weight", self.unobserved_weight, "above 0")
        if self.implicit_feedback_target is not None:
            choose("implicit_feedback_target", self.implicit_feedback_target, tuple(MASKED_FRACTIONS))
        is_share = self.masked_fraction is None or 0 < self.masked_fraction < 1
        require(is_share, "masked_fraction", self.masked_fraction, "above 0 and below 1")
        is_count = self.users_per_step is None or self.users_per_step >= 1
        require(is_count, "users_per_step", self.users_per_step, "1 or more")
        require(self.patience >= 0, "patience", self.patience, "0 or more")
        require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 4294967295")

    def for_ratings(self, num_ratings: int, is_by_time: bool) -> "ResolvedTrainConfig":
        """Fills in the settings left unset, from the number of train ratings and from whether time splits them off."""
        growth = max(1.0, num_ratings / SMALL_DATA) ** EPOCHS_POWER
        implicit_feedback_target = self.implicit_feedback_target or ("next" if is_by_time else "any")
        resolved = {
            "epochs": self.epochs or round(SMALL_DATA_EPOCHS * growth),
            "batch_size": self.batch_size or -(-num_ratings // STEPS_PER_EPOCH),
            "implicit_feedback_target": implicit_feedback_target,
            "masked_fraction": self.masked_fraction or MASKED_FRACTIONS[implicit_feedback_target],
        }
        return ResolvedTrainConfig(**(vars(self) | resolved))


@dataclasses.dataclass(frozen=True)
class ResolvedTrainConfig(TrainConfig):
    """A TrainConfig with nothing left unset that depends on the train ratings."""

    epochs: int = dataclasses.field(kw_only=True)
    batch_size: int = dataclasses.field(kw_only=True)
    implicit_feedback_target: str = dataclasses.field(kw_only=True)
    masked_fraction: float = dataclasses.field(kw_only=True)


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """What counts as a hit, and how deep the lists go."""

    eval_k: tuple[int, ...] = setting((10, 20, 100), "list lengths at which ranking is measured, such as 10,20,100")
    relevant_rating: float | None = setting(
        None,
        "stars from which a rating is relevant: a hit, and in training what lists are to be ordered for; without it, "
        "three quarters up the scale (4 of 1 to 5)",
    )

    def __post_init__(self):
        require(
            len(self.eval_k) > 0 and all(k >= 1 for k in self.eval_k), "eval_k", self.eval_k, "lengths of 1 or more"
        )
        is_number = self.relevant_rating is None or math.isfinite(self.relevant_rating)
        require(is_number, "relevant_rating", self.relevant_rating, "a number of stars")

    def relevant_from(self, rating_scale: tuple[float, float]) -> float:
        """Stars from which a rating is relevant."""
        lowest, highest = rating_scale
        return lowest + RELEVANT_SHARE * (highest - lowest) if self.relevant_rating is None else self.relevant_rating


@dataclasses.dataclass(frozen=True)
class ScoreConfig:
    """What each user's list holds, and how many are made at once."""

    top_k: int | None = setting(
        None,
        f"movies for each user; without it {FILE_TOP_K} in a file, {TABLE_TOP_K} in a table, or all if they are fewer",
    )
    include_seen: bool = setting(False, "also list movies that the user has rated")
    genres: tuple[str, ...] = setting((), "list only movies of one of these genres, such as Comedy,Drama; empty: any")
    years: tuple[int, ...] = setting((), "list only movies from the first to the last of two years; empty: any")
    min_ratings: int = setting(0, "list only movies with as many ratings in train")
    praised: tuple[str, ...] = setting(
        (), "list only movies whose reviews praise one of these aspects, such as humour,suspense; empty: any"
    )
    exclude_movies: tuple[str, ...] = setting((), "ids of movies that no list may hold")
    diversity: float = setting(
        0.0, "how much being like movies above it counts against a movie: 0 not at all, towards 1 nothing else counts"
    )
    explain: bool = setting(False, "with --user_id, also say what speaks for each movie, and what reviews say of it")
    block_users: int = setting(256, "users worked on at once; more take more memory")

    def __post_init__(self):
        require(self.top_k is None or self.top_k >= 1, "top_k", self.top_k, "1 or more")
        is_range = len(self.years) == 2 and self.years[0] <= self.years[1]
        require(not self.years or is_range, "years", self.years, "two years, the earlier first, such as 1990,1999")
        require(self.min_ratings >= 0, "min_ratings", self.min_ratings, "0 or more")
        require_diversity("diversity", self.diversity)
        require(self.block_users >= 1, "block_users", self.block_users, "1 or more")


@dataclasses.dataclass(frozen=True)
class DeviceConfig:
    """Which devices do the work. A run may go on, and be scored, on others than those it began on."""

    mesh: str | None = setting(
        None,
        "devices along two axes, such as data:4,model:2: users are spread over the first, movies over the second; "
        "without it all devices along data",
    )


@dataclasses.dataclass(frozen=True)
class Config:
    """All that decides what a training run gives, given the same data."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    evaluation: EvalConfig = EvalConfig()

    def replace(self, **settings: Any) -> "Config":
        """The config with other settings, by flag name: `config.replace(embedding_dim=128, epochs=10)`.

        Raises InputError for a name that is no setting, and for a value that is not allowed.
        """
        sections = {}
        for section in dataclasses.fields(self):
            value = getattr(self, section.name)
            names = [field.name for field in dataclasses.fields(value) if field.name in settings]
            sections[section.name] = dataclasses.replace(value, **{name: settings.pop(name) for name in names})
        if settings:
            raise InputError(f"{', '.join(settings)}: not a setting; scripts/train.py --help lists them all")
        return Config(**sections)


def differences(ours: Config, theirs: Config) -> list[str]:
    """The settings in which two configs differ, as "--flag=ours, theirs was theirs"."""
    rows = []
    for section in dataclasses.fields(Config):
        one, other = (getattr(config, section.name) for config in (ours, theirs))
        rows += [
            f"--{field.name}={as_flag(getattr(one, field.name))} (was {as_flag(getattr(other, field.name))})"
            for field in dataclasses.fields(one)
            if getattr(one, field.name) != getattr(other, field.name)
        ]
    return rows
