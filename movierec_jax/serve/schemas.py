"""Request and response bodies of the API, from which the OpenAPI document is made."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

from movierec_jax.config import TABLE_TOP_K

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


class ListOptions(RequestModel):
    """Length and filters of a list."""

    k: int | None = Field(
        None, ge=1, description=f"maximum number of movies; default {TABLE_TOP_K}, upper limit in /v1/model"
    )
    genres: list[Name] = Field([], max_length=50, description="only movies of any of these; repeat the query parameter")
    praised: list[Name] = Field(
        [], max_length=50, description="only movies praised in reviews for any of these aspects, listed in /v1/model"
    )
    year_from: Year | None = Field(None, description="only movies from this year on")
    year_to: Year | None = Field(None, description="only movies up to this year")
    min_ratings: int = Field(0, ge=0, le=2**31, description="only movies with at least this many ratings in training")
    include_seen: bool = Field(False, description="include movies that the user has rated")
    diversity: float = Field(
        0.0, ge=0, le=0.9, allow_inf_nan=False, description="0: the best matches; towards 1: less similar movies"
    )
    explain: bool = Field(False, description="include the reasons for each movie")

    @model_validator(mode="after")
    def require_years_in_order(self) -> "ListOptions":
        """Raises ValueError for a first year after the last."""
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            raise ValueError("year_from is after year_to")
        return self


class MovieRatingInput(RequestModel):
    """A rating of a new user, which is not stored."""

    movie_id: Id
    rating: RatingValue
    timestamp: Int64 | None = Field(None, description="seconds since 1970; default: now")


class NewUserRequest(ListOptions):
    """Ratings of a new user, and the list requested; without ratings, the list of an average user."""

    # A query has text only; JSON has numbers and booleans, so text is no substitute for them here.
    model_config = ConfigDict(extra="forbid", strict=True)

    ratings: list[MovieRatingInput]
    watched: list[Id] = Field(
        [], max_length=20_000, description="movies watched without a rating: not listed; unknown ones have no effect"
    )
    not_interested: list[Id] = Field(
        [], max_length=20_000, description="movies not to be shown: never listed; unknown ones have no effect"
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
    """Pairs of users and movies to predict."""

    pairs: list[UserMoviePair] = Field(min_length=1)


class Movie(BaseModel):
    """A movie."""

    movie_id: int | str
    title: str
    year: int | None
    genres: list[str]


class MovieStats(Movie):
    """A movie with its ratings in training."""

    num_ratings: int
    mean_rating: float | None


class MovieReviews(BaseModel):
    """What reviews say about a movie."""

    num_texts: int = Field(ge=1, description="number of reviews")
    praise: float = Field(ge=0, le=1, description="mean probability that a review is positive")
    spread: float = Field(ge=0, description="standard deviation of that probability over the reviews")
    praised: list[str] = Field(description="aspects praised more than in reviews of other movies, most first")
    blamed: list[str] = Field(description="aspects blamed more than in reviews of other movies, most first")


class MovieDetails(MovieStats):
    """A movie with the tags that users gave it, and its reviews, null if there are none."""

    tags: list[str]
    reviews: MovieReviews | None


class SimilarMovie(Movie):
    """A movie with its similarity to another: 1 identical, 0 unrelated."""

    similarity: float


class MapMovie(MovieStats):
    """A movie with its position on the map, from 0 to 1 in both directions; similar movies are close together."""

    x: float
    y: float


class Reason(BaseModel):
    """A reason for a movie: another that the user rated or reviewed ("text"), or one of its features ("content").

    share: of the total that such movies contribute to the score. stars: what the feature adds to the predicted rating.
    """

    source: Literal["rated", "text", "content"]
    movie_id: int | str | None = None
    title: str | None = None
    feature: str | None = None
    share: float | None = None
    stars: float | None = None


class RecommendedMovie(Movie):
    """A movie of a list, which is sorted by score, and the rating predicted for the user.

    predicted_rating: null where the model has learnt from no ratings, only from what was watched.
    """

    rank: int
    score: float
    predicted_rating: float | None
    reasons: list[Reason] | None = None


class Movies(BaseModel):
    """Movies found by a search."""

    movies: list[MovieStats]


class SimilarMovies(BaseModel):
    """Movies similar to another, the most similar first."""

    movies: list[SimilarMovie]


class MovieMap(BaseModel):
    """The movies with most ratings, and their positions."""

    movies: list[MapMovie]


class Recommendations(BaseModel):
    """A list, best first. ignored_movies: rated movies without ratings in training, which cannot inform the model."""

    movies: list[RecommendedMovie]
    ignored_movies: list[int | str]


class ImportedRating(Movie):
    """A rating of a file, on the rating scale of the model. matched_by: what the movie was found by."""

    rating: float
    timestamp: int | None
    matched_by: str


class ImportedMovie(Movie):
    """A movie that a file says was watched, without a rating."""

    matched_by: str


class MovieNotFound(BaseModel):
    """A movie of a file that the model does not have. is_ambiguous: several have the title, and none was taken."""

    title: str
    year: int | None
    is_ambiguous: bool


class ImportedRatings(Recommendations):
    """What was found of the ratings in a file, newest first, and the list that they give."""

    kind: str = Field(description="what the file is, such as a Letterboxd export")
    summary: list[str] = Field(description="what was read, found and left out, as sentences")
    num_films: int
    ratings: list[ImportedRating]
    watched: list[ImportedMovie]
    not_found: list[MovieNotFound]


class UserRecommendations(Recommendations):
    """The list of a user."""

    user_id: int | str


class User(BaseModel):
    """A user. is_trained: whether the user has ratings in training."""

    user_id: int | str
    num_ratings: int
    is_trained: bool


class RatedMovie(Movie):
    """A movie with a user's rating, null if only watched, and its time in seconds since 1970, null if unknown."""

    rating: float | None
    timestamp: int | None


class UserRatings(BaseModel):
    """A user's ratings, best first."""

    user_id: int | str
    ratings: list[RatedMovie]


class RecordedRating(BaseModel):
    """A recorded rating and its time in seconds since 1970."""

    user_id: int | str
    movie_id: int | str
    rating: float
    timestamp: int


class NotInterestedMovie(BaseModel):
    """A movie that a user is not interested in."""

    user_id: int | str
    movie_id: int | str


class NotInterestedMovies(BaseModel):
    """The movies that a user is not interested in, newest first."""

    movies: list[Movie]


class Prediction(BaseModel):
    """The rating predicted for a user and a movie. spread: its standard deviation, null if unknown.

    predicted_rating: null where the model has learnt from no ratings.
    """

    user_id: int | str
    movie_id: int | str
    predicted_rating: float | None
    spread: float | None


class Predictions(BaseModel):
    """Predictions in the order of the pairs."""

    predictions: list[Prediction]


class RequestLimits(BaseModel):
    """Maximum length of a list, and maximum ratings and pairs per request."""

    k: int
    ratings: int
    pairs: int


class ModelInfo(BaseModel):
    """The current model. refused: why a newer checkpoint could not be loaded, null if it could.

    praised: aspects that reviews praise, empty without reviews.
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
    limits: RequestLimits


class Status(BaseModel):
    """State of the service."""

    status: str


class FieldError(BaseModel):
    """An invalid field of a request."""

    location: str
    message: str


class ProblemDetails(BaseModel):
    """Why a request failed (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None
