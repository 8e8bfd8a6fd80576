"""Settings of input data: where ratings and other data come from, how files are read, and how ratings are split."""

import dataclasses
import math

from movierec_jax.settings import (
    AT_LEAST_0,
    AT_LEAST_1,
    BELOW_1,
    BETWEEN_0_AND_1,
    UP_TO_1,
    Limits,
    Settings,
    require,
    setting,
)

# The ratings that come with the code. An installed package has them too, for use from any folder.
BUNDLED_RATINGS = "data/ml-latest-small"

# What the model can learn about movies and users from the data's own tables.
MOVIE_CONTENT = ("genres", "year", "tags", "reviews")
USER_CONTENT = ("age", "gender", "occupation")

# Each user's last rating, whatever the fractions.
LEAVE_LAST_OUT = "leave_last_out"

# Default of --valid_fraction for each --split: of each user's few ratings a fiftieth would be none, and a model of the
# next movie needs the latest ones, and its last epoch.
VALID_FRACTIONS = {"random": 0.02, "user_time": 0.05, LEAVE_LAST_OUT: 0.0, "time": 0.02}

# The settings that decide which ratings are left and which part each belongs to: those of a prepared dataset.
PREPARED_SETTINGS = (
    "rating_scale",
    "columns",
    "time_format",
    "unrated_value",
    "weight_column",
    "max_dropped_fraction",
    "min_user_ratings",
    "min_movie_ratings",
    "split",
    "test_fraction",
    "valid_fraction",
    "split_seed",
    "links",
)

PAIR_OF_RATINGS = Limits(
    "two numbers, the lower first, such as 0.5,5",
    lambda scale: len(scale) == 2 and -math.inf < scale[0] < scale[1] < math.inf,
)


@dataclasses.dataclass(frozen=True)
class DataConfig(Settings):
    """Where ratings and other data come from, and how ratings are split."""

    ratings: str = setting(
        BUNDLED_RATINGS,
        "a MovieLens folder or zip of any edition, or a CSV, TSV or Parquet file (also .gz) with columns of "
        "user, movie, rating and optionally timestamp, or a folder written by movierec prepare",
        heading="Ratings",
        is_common=True,
    )
    extra_ratings: tuple[str, ...] = setting(
        (),
        "more ratings, also of new users and movies: the ratings_log.sqlite of a workdir, or any format of --ratings. "
        "The latest rating of a user and movie counts; at equal times, the one read last",
    )
    extra_user: str | None = setting(
        None, "id of the user whose ratings --extra_ratings hold, where they have no column of users"
    )
    rating_scale: tuple[float, ...] | None = setting(
        None,
        "lowest and highest rating in stars. Unset: stated by the format, or inferred from the ratings",
        PAIR_OF_RATINGS,
    )
    columns: tuple[str, ...] = setting(
        (),
        "what the columns of --ratings hold, from the first, such as user,item,rating,timestamp; - for a column that "
        "is not used. Or columns by name or number: user=Username,item=2. Unset: known by their names, or by the order "
        "user, movie, rating, timestamp",
    )
    time_format: str | None = setting(
        None,
        "how times are written: s, ms, us or ns (since 1970), excel (days since 1900), or as in %d/%m/%Y %H:%M. Unset: "
        "found from all values of the column",
    )
    unrated_value: float | None = setting(
        None,
        "rating that stands for a movie watched but not rated, such as 0 or -1. It counts as watched, not as stars",
    )
    weight_column: str | None = setting(
        None,
        "column of --ratings with weights: a rating counts that much in the squared error. Unset: all count 1",
    )
    max_dropped_fraction: float = setting(
        0.5, "fraction of the ratings that may be dropped for one reason; more is an error", UP_TO_1
    )
    min_user_ratings: int = setting(1, "drop users with fewer ratings, counted before movies are dropped", AT_LEAST_1)
    min_movie_ratings: int = setting(1, "drop movies with fewer ratings", AT_LEAST_1)
    split: str = setting(
        "random",
        "how test ratings are chosen: random (any ratings), user_time (the last ratings of each user), leave_last_out "
        "(the last rating of each user, and for validation the one before) or time (all ratings after one date)",
        choices=("random", "user_time", LEAVE_LAST_OUT, "time"),
        heading="Split into train, validation and test",
        is_common=True,
    )
    test_fraction: float = setting(
        0.1, "fraction of all ratings in the test part; leave_last_out needs none", BETWEEN_0_AND_1
    )
    valid_fraction: float | None = setting(
        None,
        "fraction of the train ratings in the validation part; with 0 all of them are trained on, to the last epoch. "
        "Unset: "
        + ", ".join(f"{fraction:g} with --split={split}" for split, fraction in VALID_FRACTIONS.items())
        + f". --split={LEAVE_LAST_OUT} takes a rating of each user, unless it is 0",
        BELOW_1,
    )
    split_seed: int = setting(0, "seed of the random split", AT_LEAST_0)
    test_ratings: str | None = setting(None, "file with the test ratings. Unset: chosen by --split")
    valid_ratings: str | None = setting(
        None, "file with the validation ratings. Unset: --valid_fraction of the train ratings"
    )
    content: tuple[str, ...] = setting(
        MOVIE_CONTENT + USER_CONTENT,
        "what the model learns about movies and users from the data's own tables: any of "
        f"{', '.join(MOVIE_CONTENT + USER_CONTENT)}; reviews: tags, read as short reviews. Empty: nothing",
        choices=MOVIE_CONTENT + USER_CONTENT,
        heading="Data about movies and users",
        is_common=True,
    )
    movie_features: tuple[str, ...] = setting(
        (),
        "CSV, TSV or Parquet files (also .gz) of movie features: a column of movie ids, and columns of numbers, "
        'categories, lists joined by "|", or text',
    )
    user_features: tuple[str, ...] = setting((), "files of user features: as --movie_features, with user ids")
    rating_time: bool = setting(
        False,
        "also learn from the time of a rating: its date, the time since the user's first rating, and the user's day. "
        "Predictions for test ratings use their times; lists of recommendations use none",
    )
    reviews: tuple[str, ...] = setting(
        (),
        "CSV, TSV or Parquet files (also .gz) of reviews: a column of movie ids or IMDb ids, one of text, and "
        "optionally columns of user, stars and timestamp",
        is_common=True,
    )
    links: str | None = setting(
        None,
        "file with columns movieId and imdbId or tmdbId, such as MovieLens' links.csv: joins files that name movies by "
        "ids of IMDb or TMDb. Unset: links.csv beside the ratings",
    )
    sentiment: tuple[str, ...] = setting(
        (),
        "sentiment model that reads texts: a folder written by movierec train_sentiment for all texts, or one folder "
        "per file of --reviews and one for tags. Empty: the included model, for English film reviews",
    )

    def __post_init__(self):
        super().__post_init__()
        is_one_each = len(self.sentiment) == len(self.reviews) + 1
        expected = f"one folder, or {len(self.reviews) + 1}: one for each file of --reviews and one for tags"
        require(len(self.sentiment) < 2 or is_one_each, "sentiment", self.sentiment, expected)


# The flags of `movierec prepare`.
PrepareConfig = dataclasses.make_dataclass(
    "PrepareConfig",
    [
        (field.name, field.type, dataclasses.field(default=field.default, metadata=field.metadata))
        for field in dataclasses.fields(DataConfig)
        if field.name in ("ratings", *PREPARED_SETTINGS)
    ],
    bases=(Settings,),
    namespace={"__doc__": "Which ratings are left, and which part each belongs to."},
    frozen=True,
)
