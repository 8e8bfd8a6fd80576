"""Bodies of the API's responses, from which the OpenAPI document is made. `request_schemas` has those of requests."""

from typing import Literal

from pydantic import BaseModel, Field


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
    """A movie with the tags that users gave it, its reviews and its pages at IMDb and TMDb, null if there are none."""

    tags: list[str]
    reviews: MovieReviews | None
    imdb_url: str | None
    tmdb_url: str | None


class SimilarMovie(Movie):
    """A movie with its similarity to another."""

    similarity: float = Field(description="1 identical, 0 unrelated, below 0 opposed")


class MapMovie(MovieStats):
    """A movie with its position on the map, from 0 to 1 in both directions; similar movies are close together."""

    x: float
    y: float


class Reason(BaseModel):
    """A reason for a movie: another that the user liked or watched, or reviewed ("text"), or a feature ("content").

    rating: of that movie; null if it was watched without a rating.
    """

    source: Literal["rated", "text", "content"]
    movie_id: int | str | None = None
    title: str | None = None
    rating: float | None = None
    feature: str | None = None
    share: float | None = Field(None, description="of the total that movies liked or watched contribute to the score")
    stars: float | None = Field(None, description="what the feature adds to the predicted rating")


class RecommendedMovie(Movie):
    """A movie of a list, which is sorted by score, and the rating predicted for the user.

    predicted_rating: null where the model has learnt from no ratings, only from what was watched, and in a list of
    popular movies.
    """

    rank: int
    score: float | None = Field(
        description="what the list is sorted by, on no fixed scale; null in a list of popular movies"
    )
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
    """A list, best first."""

    movies: list[RecommendedMovie]
    ignored_movies: list[int | str] = Field(
        description="rated movies without ratings in training, which cannot inform the model, and such among the "
        "candidates in `movies`, which cannot be ranked"
    )


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
    num_movies: int = Field(description="different movies that the file tells of, found or not")
    ratings: list[ImportedRating]
    watched: list[ImportedMovie]
    not_found: list[MovieNotFound]


class UserRecommendations(Recommendations):
    """The list of a user. fallback: whether it holds popular movies, since nothing is known of the user."""

    user_id: int | str
    fallback: bool


class User(BaseModel):
    """A user. is_trained: whether the user has ratings in training."""

    user_id: int | str
    num_ratings: int
    is_trained: bool


class RatedMovie(Movie):
    """A movie with a user's rating, null if only watched, and its time in seconds since 1970, null if unknown."""

    rating: float | None
    timestamp: int | None
    is_recorded: bool = Field(description="whether the rating was given since training, and can be taken back")


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
    """The rating predicted for a user and a movie.

    predicted_rating: null where the model has learnt from no ratings.
    """

    user_id: int | str
    movie_id: int | str
    predicted_rating: float | None
    spread: float | None = Field(description="standard deviation of the rating around the predicted, null if unknown")


class RequestLimits(BaseModel):
    """Maximum length of a list, and maximum ratings, pairs and users per request."""

    k: int
    ratings: int
    pairs: int
    users: int


class ModelInfo(BaseModel):
    """The current model. refused: why a newer checkpoint could not be loaded, null if it could.

    praised: aspects that reviews praise, empty without reviews. has_posters: whether pages can show posters.
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
    has_posters: bool
    limits: RequestLimits


class Status(BaseModel):
    """State of the service."""

    status: str


class Readiness(Status):
    """Whether the service answers requests, and what will soon keep it from recording ratings."""

    warnings: list[str]


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


class BatchList(Recommendations):
    """The list of one of many users, as by itself. user_id: null for a new user."""

    user_id: int | str | None
    fallback: bool


class BatchProblem(ProblemDetails):
    """Why there is no answer for one of many users or pairs. index: its place in the request, from 0."""

    index: int


class BatchLists(BaseModel):
    """For each user of the request, in order, the list or the problem with it."""

    lists: list[BatchList | BatchProblem]


class Predictions(BaseModel):
    """For each pair of the request, in order, the prediction or the problem with it."""

    predictions: list[Prediction | BatchProblem]
