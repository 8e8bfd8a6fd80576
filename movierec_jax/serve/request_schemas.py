"""Options and bodies of the API's requests, from which the OpenAPI document is made."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

from movierec_jax.config import TABLE_TOP_K
from movierec_jax.serve.browse import Order

MAX_SEARCH_RESULTS = 100

MAX_SIMILAR_MOVIES = 100

MAX_MAP_MOVIES = 5_000

MAX_USER_RATINGS = 10_000

# The integers that tables hold.
Int64 = Annotated[StrictInt, Field(ge=-(2**63), le=2**63 - 1)]

Id = Annotated[
    Int64 | Annotated[StrictStr, Field(max_length=256)],
    Field(description="as in the data; an integer may also be text"),
]

RatingValue = Annotated[float, Field(strict=True, allow_inf_nan=False, description="on the rating scale of the model")]

Year = Annotated[int, Field(ge=1, le=9999)]

Name = Annotated[str, Field(max_length=100)]


class RequestModel(BaseModel):
    """A request body, which may hold no other fields."""

    model_config = ConfigDict(extra="forbid")


class FilterOptions(RequestModel):
    """Options that choose movies by genre and year."""

    genres: list[Name] = Field(
        [], max_length=50, description="only movies of any of these, in any case; repeat the query parameter"
    )
    year_from: Year | None = Field(None, description="only movies from this year on")
    year_to: Year | None = Field(None, description="only movies up to this year")

    @model_validator(mode="after")
    def require_years_in_order(self) -> "FilterOptions":
        """Raises ValueError for a first year after the last."""
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            raise ValueError("year_from is after year_to")
        return self


class ListOptions(FilterOptions):
    """Page and filters of a list."""

    k: int | None = Field(
        None, ge=1, description=f"maximum number of movies; default {TABLE_TOP_K}, upper limit in /v1/model"
    )
    offset: int = Field(
        0,
        ge=0,
        description="how many of the first movies to skip: k=10 and offset=10 give ranks 11 to 20; the limit of k "
        "holds for both together",
    )
    praised: list[Name] = Field(
        [], max_length=50, description="only movies praised in reviews for any of these aspects, listed in /v1/model"
    )
    min_ratings: int = Field(0, ge=0, le=2**31, description="only movies with at least this many ratings in training")
    movies: list[Id] | None = Field(
        None, max_length=20_000, description="only these movies; those without ratings in training cannot be ranked"
    )
    exclude_movies: list[Id] = Field([], max_length=20_000, description="not these movies")
    include_seen: bool = Field(False, description="include movies that the user has rated")
    diversity: float = Field(0.0, ge=0, le=0.9, allow_inf_nan=False, description="0 = off; near 1 = diversity only")
    explain: bool = Field(False, description="include the reasons for each movie")


class UserListOptions(ListOptions):
    """Page and filters of a known user's list."""

    fallback: Literal["popular"] | None = Field(
        None, description="popular: the movies with most ratings for a user of whom nothing is known, in place of 404"
    )


class BrowseOptions(FilterOptions):
    """Which movies to find, and their order."""

    query: str = Field("", max_length=200, description="title, year, tag or person; typos are allowed")
    k: int = Field(10, ge=1, le=MAX_SEARCH_RESULTS, description="maximum number of movies")
    sort: Order | None = Field(None, description="default: with a query the best match first, else popularity")

    def is_plain(self) -> bool:
        """Whether neither a filter nor an order is set."""
        return not self.genres and self.year_from is None and self.year_to is None and self.sort is None


class SimilarOptions(RequestModel):
    """How many similar movies to return."""

    k: int = Field(10, ge=1, le=MAX_SIMILAR_MOVIES, description="maximum number of movies")


class MapOptions(RequestModel):
    """How many movies the map has."""

    k: int = Field(1000, ge=1, le=MAX_MAP_MOVIES, description="maximum number of movies")


class RatingsOptions(RequestModel):
    """How many of a user's ratings to return."""

    k: int = Field(100, ge=1, le=MAX_USER_RATINGS, description="maximum number of ratings")


class MovieRatingInput(RequestModel):
    """A rating of a new user, which is not stored."""

    movie_id: Id
    rating: RatingValue
    timestamp: Int64 | None = Field(None, description="seconds since 1970; default: now")


Watched = Annotated[
    list[Id],
    Field(max_length=20_000, description="movies watched without a rating: not listed; unknown ones have no effect"),
]

NotInterestedIn = Annotated[
    list[Id],
    Field(max_length=20_000, description="movies not to be shown: never listed; unknown ones have no effect"),
]

# A query has text only; JSON has numbers and booleans, so text is no substitute for them here.
STRICT = ConfigDict(extra="forbid", strict=True)


class NewUserRequest(ListOptions):
    """Ratings of a new user, and the list requested; without ratings, the list of an average user."""

    model_config = STRICT

    ratings: list[MovieRatingInput]
    watched: Watched = []
    not_interested: NotInterestedIn = []


class BatchUser(UserListOptions):
    """One of many users: a known one by `user_id`, or a new one by `ratings`.

    Options of a user replace those that all have in common.
    """

    model_config = STRICT

    user_id: Id | None = None
    ratings: list[MovieRatingInput] | None = None
    watched: Watched = []
    not_interested: NotInterestedIn = []

    @model_validator(mode="after")
    def require_one_user(self) -> "BatchUser":
        """Raises ValueError unless there is either an id, or what a new user has rated."""
        if (self.user_id is None) == (self.ratings is None):
            raise ValueError("send either user_id or ratings")
        if self.user_id is not None and (self.watched or self.not_interested):
            raise ValueError("watched and not_interested go with ratings, not with user_id")
        return self


class BatchRequest(UserListOptions):
    """Many users, and the options that their lists have in common.

    A user that is not as described has a problem in place of a list; the others have their lists.
    """

    model_config = STRICT

    # Each is checked by itself, as a BatchUser.
    users: list[Any] = Field(
        min_length=1,
        description="upper limit in /v1/model",
        json_schema_extra={"items": {"$ref": "#/components/schemas/BatchUser"}},
    )


class ImportOptions(ListOptions):
    """The list requested for the ratings in a file."""

    filename: str = Field("ratings.csv", max_length=256, description="name of the file, for messages")


class RatingInput(RequestModel):
    """A rating to record."""

    rating: RatingValue


class UserMoviePair(RequestModel):
    """A user and a movie."""

    user_id: Id
    movie_id: Id


class PredictionsRequest(RequestModel):
    """Pairs of users and movies to predict.

    A pair that is not as described has a problem in place of a prediction; the others have their predictions.
    """

    # Each is checked by itself, as a UserMoviePair.
    pairs: list[Any] = Field(
        min_length=1,
        description="upper limit in /v1/model",
        json_schema_extra={"items": {"$ref": "#/components/schemas/UserMoviePair"}},
    )
