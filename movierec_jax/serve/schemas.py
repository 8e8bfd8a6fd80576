"""What requests and responses hold, as the OpenAPI document has it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

from movierec_jax.config import TABLE_TOP_K

# Integers that the data's tables hold.
Int64 = Annotated[StrictInt, Field(ge=-(2**63), le=2**63 - 1)]

Id = Annotated[Int64 | Annotated[StrictStr, Field(max_length=256)], Field(description="as the data writes it")]

Stars = Annotated[float, Field(strict=True, allow_inf_nan=False, description="within the rating scale of the model")]

Year = Annotated[int, Field(ge=1, le=9999)]


class Strict(BaseModel):
    """What comes in: nothing beside what is known."""

    model_config = ConfigDict(extra="forbid")


class ListOptions(Strict):
    """What a list is to be like."""

    k: int | None = Field(
        None, ge=1, description=f"movies at most; without it {TABLE_TOP_K}. The limit is told by /v1/model"
    )
    genres: list[Annotated[str, Field(max_length=100)]] = Field(
        [], max_length=50, description="movies of one of these alone; a query names each by itself"
    )
    praised: list[Annotated[str, Field(max_length=100)]] = Field(
        [], max_length=50, description="movies whose reviews praise one of these alone, as told by /v1/model"
    )
    year_from: Year | None = Field(None, description="movies from this year on alone")
    year_to: Year | None = Field(None, description="movies up to this year alone")
    min_ratings: int = Field(0, ge=0, le=2**31, description="movies with as many ratings in training alone")
    include_seen: bool = Field(False, description="also movies that the user has rated")
    diversity: float = Field(
        0.0, ge=0, le=0.9, allow_inf_nan=False, description="0: the best matches; towards 1: ever less alike"
    )
    explain: bool = Field(False, description="tell what speaks for each movie")

    @model_validator(mode="after")
    def require_years_in_order(self) -> "ListOptions":
        """Refuses years of which none can be meant."""
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            raise ValueError("year_from is after year_to")
        return self


class GivenRating(Strict):
    """A rating of somebody for whom nothing is kept."""

    movie_id: Id
    rating: Stars
    timestamp: Int64 | None = Field(None, description="seconds since 1970; without it, now")


class Visitor(ListOptions):
    """Somebody new, by what they have rated, and the list they want. No ratings: an average user."""

    # JSON has numbers and truth values of its own, where a query has text.
    model_config = ConfigDict(extra="forbid", strict=True)

    ratings: list[GivenRating]


class NewRating(Strict):
    """The stars a user gives a movie."""

    rating: Stars


class Pair(Strict):
    """A user and a movie."""

    user_id: Id
    movie_id: Id


class Pairs(Strict):
    """Users and movies beside them."""

    pairs: list[Pair] = Field(min_length=1)


class Movie(BaseModel):
    """A movie."""

    movie_id: int | str
    title: str
    year: int | None
    genres: list[str]


class MovieFigures(Movie):
    """A movie, and how it was rated in training."""

    num_ratings: int
    mean_rating: float | None


class MovieReviews(BaseModel):
    """What reviews say of a movie."""

    num_texts: int = Field(ge=1, description="reviews that were read")
    praise: float = Field(ge=0, le=1, description="the probability that a review praises the movie, the mean of all")
    spread: float = Field(ge=0, description="the standard deviation of that probability over the reviews")
    praised: list[str] = Field(description="aspects that reviews praise more than those of other movies, most first")
    blamed: list[str] = Field(description="aspects that reviews blame more than those of other movies, most first")


class MovieDetails(MovieFigures):
    """All that is known of a movie. tags: what users have called it; reviews: null where there are none."""

    tags: list[str]
    reviews: MovieReviews | None


class SimilarMovie(Movie):
    """A movie that is like another: 1 the same, 0 as any."""

    similarity: float


class PlacedMovie(MovieFigures):
    """A movie on the map, near those that are like it: from 0 to 1 in both directions."""

    x: float
    y: float


class Reason(BaseModel):
    """What speaks for a movie: one that the user has rated, or written about alone, or a feature of its own.

    share: of what all such movies add to its place in the list; stars: what the feature adds to the predicted stars.
    """

    source: Literal["rated", "text", "content"]
    movie_id: int | str | None = None
    title: str | None = None
    feature: str | None = None
    share: float | None = None
    stars: float | None = None


class ListedMovie(Movie):
    """A movie of a list. score: what the list falls by; predicted_rating: the stars the user would give it."""

    rank: int
    score: float
    predicted_rating: float
    reasons: list[Reason] | None = None


class Movies(BaseModel):
    """Movies that were asked for."""

    movies: list[MovieFigures]


class SimilarMovies(BaseModel):
    """Movies like another, the most alike first."""

    movies: list[SimilarMovie]


class Map(BaseModel):
    """The movies with most ratings, and where they stand."""

    movies: list[PlacedMovie]


class RecommendedMovies(BaseModel):
    """A list, best first. ignored_movies: those rated that training has no rating of, which tell the model nothing."""

    movies: list[ListedMovie]
    ignored_movies: list[int | str]


class UserMovies(RecommendedMovies):
    """The list of a user."""

    user_id: int | str


class User(BaseModel):
    """A user. is_trained: whether training has ratings of this one."""

    user_id: int | str
    num_ratings: int
    is_trained: bool


class RatedMovie(Movie):
    """A movie that a user has rated, and when, in seconds since 1970."""

    rating: float
    timestamp: int | None


class UserRatings(BaseModel):
    """What a user has rated, best first."""

    user_id: int | str
    ratings: list[RatedMovie]


class RecordedRating(BaseModel):
    """A rating that is kept, and when it was given, in seconds since 1970."""

    user_id: int | str
    movie_id: int | str
    rating: float
    timestamp: int


class Prediction(BaseModel):
    """The stars that a user would give a movie. spread: the standard deviation of a rating around them, if known."""

    user_id: int | str
    movie_id: int | str
    predicted_rating: float
    spread: float | None


class Predictions(BaseModel):
    """What was predicted, in the order of the pairs."""

    predictions: list[Prediction]


class Limits(BaseModel):
    """The longest list, and most ratings and pairs of a request."""

    k: int
    ratings: int
    pairs: int


class Model(BaseModel):
    """The model that answers. refused: why a newer checkpoint was not taken, if one was not.

    praised: aspects that reviews of its movies praise, none where it has no reviews.
    """

    version: str
    loaded_at: str
    refused: str | None
    num_users: int
    num_movies: int
    num_ratings: int
    rating_scale: list[float]
    rating_step: float
    genres: list[str]
    praised: list[str]
    years: list[int] | None
    first_user_id: int | str
    limits: Limits


class Status(BaseModel):
    """How the service is."""

    status: str


class Fault(BaseModel):
    """Where a request is wrong."""

    location: str
    message: str


class ProblemDetails(BaseModel):
    """Why a request was not answered as asked (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault] | None = None
