"""The HTTP application: one route per request, each answered by `service` as JSON."""

import functools
import importlib.metadata
import ipaddress
import pathlib
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles
from starlette.responses import FileResponse, Response
from starlette.types import ASGIApp

from movierec_jax.serve import schemas
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.errors import PROBLEM_MEDIA_TYPE, add_error_handlers, busy_response
from movierec_jax.serve.guards import Guard, read_tokens
from movierec_jax.serve.ids import EncodedPaths, json_bytes
from movierec_jax.serve.metrics import MetricsMiddleware, ServiceMetrics
from movierec_jax.serve.service import Service

PAGE = pathlib.Path(__file__).parent / "page"

MAX_SEARCH_RESULTS = 100

MAX_USER_RATINGS = 10_000

MAX_MAP_MOVIES = 5_000

MAX_SIMILAR_MOVIES = 100

# Host names accepted when the service listens on this machine only.
LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

UserId = Annotated[str, Path(min_length=1, max_length=256, description="user id as in the data")]

MovieId = Annotated[str, Path(min_length=1, max_length=256, description="movie id as in the data")]

# Takes a file of another site.
IMPORTS = "/v1/imports"

FILE_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

Options = Annotated[schemas.ListOptions, Query()]


def new_app(service: Service, config: ServeConfig, metrics: ServiceMetrics) -> ASGIApp:
    """Returns the application of a service, behind its guards. Raises InputError for an invalid file of tokens."""
    app = FastAPI(
        title="movierec_jax",
        version=importlib.metadata.version("movierec-jax"),
        description="Recommendations for known and new users, in real time.",
        # FastAPI's documentation pages load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        responses={"4XX": problem_docs("the request cannot be answered"), 503: problem_docs("too many requests wait")},
    )
    add_error_handlers(app)
    add_list_routes(app, service)
    add_user_routes(app, service, metrics)
    add_movie_routes(app, service)
    add_state_routes(app, service, metrics)
    add_page(app)
    hosts = list(config.allowed_hosts) or (LOCAL_HOSTS if is_local(config.host) else [])
    tokens = read_tokens(config.tokens_file) if config.tokens_file else []
    app.openapi = functools.partial(openapi_document, app, has_tokens=bool(tokens))  # type: ignore[method-assign]
    guarded: ASGIApp = Guard(
        EncodedPaths(app),
        max_body_bytes=config.max_body_bytes,
        path_limits={IMPORTS: config.max_import_bytes},
        hosts=hosts,
        rate=config.rate_limit,
        tokens=tokens,
    )
    if config.cors_origins:
        # Outside the guard, so that pages of other origins can read refusals too.
        guarded = CORSMiddleware(
            guarded, config.cors_origins, allow_methods=["*"], allow_headers=["*"], expose_headers=["Retry-After"]
        )
    return MetricsMiddleware(guarded, metrics)


def add_list_routes(app: FastAPI, service: Service) -> None:
    """Adds the routes that recommend and predict."""

    @app.get("/v1/users/{user_id:id}/recommendations", responses=ok_docs(schemas.UserRecommendations), tags=["lists"])
    async def user_recommendations(user_id: UserId, options: Options) -> Response:
        """Returns the best movies for a user, without those already rated."""
        return json_response(await service.recommend(user_id, options))

    @app.post("/v1/recommendations", responses=ok_docs(schemas.Recommendations), tags=["lists"])
    async def recommendations(new_user: schemas.NewUserRequest) -> Response:
        """Returns the best movies for a new user from their ratings; nothing is stored or retrained."""
        return json_response(await service.recommend_for(new_user))

    @app.post(IMPORTS, responses=ok_docs(schemas.ImportedRatings), openapi_extra=FILE_BODY, tags=["lists"])
    async def import_ratings(request: Request, options: Annotated[schemas.ImportOptions, Query()]) -> Response:
        """Returns the best movies for somebody whose ratings come in a file: as Letterboxd, IMDb, TMDb, Trakt or
        MovieLens export them, or any table of movies and ratings. The body is the file; nothing is stored.
        """
        engine, own = await run_in_threadpool(service.read_import, await request.body(), options.filename)
        return json_response(await service.recommend_import(engine, own, options))

    @app.post("/v1/predictions", responses=ok_docs(schemas.Predictions), tags=["lists"])
    async def predictions(request: schemas.PredictionsRequest) -> Response:
        """Predicts the rating of each pair of user and movie, with its standard deviation."""
        pairs = [(pair.user_id, pair.movie_id) for pair in request.pairs]
        return json_response(await service.predictions.ask(pairs))


def add_user_routes(app: FastAPI, service: Service, metrics: ServiceMetrics) -> None:
    """Adds the routes that describe users and record their ratings."""

    @app.get("/v1/users/{user_id:id}/ratings", responses=ok_docs(schemas.UserRatings), tags=["users"])
    async def user_ratings(
        user_id: UserId, limit: Annotated[int, Query(ge=1, le=MAX_USER_RATINGS, description="maximum ratings")] = 100
    ) -> Response:
        """Returns a user's ratings, best first."""
        return json_response(await run_in_threadpool(service.ratings, user_id, limit))

    @app.put("/v1/users/{user_id:id}/ratings/{movie_id:id}", responses=ok_docs(schemas.RecordedRating), tags=["users"])
    async def record_rating(user_id: UserId, movie_id: MovieId, body: schemas.RatingInput) -> Response:
        """Records a rating: on disk before the response, and used by the next list. Creates the user if new."""
        recorded = await service.record_rating(user_id, movie_id, body.rating)
        metrics.rating_changes.inc()
        return json_response(recorded)

    @app.delete("/v1/users/{user_id:id}/ratings/{movie_id:id}", status_code=204, tags=["users"])
    async def delete_rating(user_id: UserId, movie_id: MovieId) -> Response:
        """Deletes a recorded rating; the data's own rating of the movie, if any, counts again."""
        await service.delete_rating(user_id, movie_id)
        metrics.rating_changes.inc()
        return Response(status_code=204)

    @app.get("/v1/users/{user_id:id}/not_interested", responses=ok_docs(schemas.NotInterestedMovies), tags=["users"])
    async def not_interested_movies(user_id: UserId) -> Response:
        """Returns the movies that a user is not interested in, newest first."""
        return json_response(await run_in_threadpool(service.not_interested, user_id))

    @app.put(
        "/v1/users/{user_id:id}/not_interested/{movie_id:id}",
        responses=ok_docs(schemas.NotInterestedMovie),
        tags=["users"],
    )
    async def add_not_interested(user_id: UserId, movie_id: MovieId) -> Response:
        """Records that a user is not interested in a movie, which no list of theirs has from then on."""
        return json_response(await service.add_not_interested(user_id, movie_id))

    @app.delete("/v1/users/{user_id:id}/not_interested/{movie_id:id}", status_code=204, tags=["users"])
    async def remove_not_interested(user_id: UserId, movie_id: MovieId) -> Response:
        """Undoes that a user is not interested in a movie."""
        await service.remove_not_interested(user_id, movie_id)
        return Response(status_code=204)

    # After the routes that begin like it, since an id may have slashes.
    @app.get("/v1/users/{user_id:id}", responses=ok_docs(schemas.User), tags=["users"])
    async def user(user_id: UserId) -> Response:
        """Describes a user."""
        return json_response(await run_in_threadpool(service.user, user_id))


def add_movie_routes(app: FastAPI, service: Service) -> None:
    """Adds the routes that search and describe movies."""

    @app.get("/v1/movies", responses=ok_docs(schemas.Movies), tags=["movies"])
    async def movies(
        query: Annotated[str, Query(max_length=200, description="words of the title; typos are tolerated")] = "",
        limit: Annotated[int, Query(ge=1, le=MAX_SEARCH_RESULTS, description="maximum movies")] = 10,
    ) -> Response:
        """Returns the movies whose titles match best; without a query, those with most ratings."""
        return json_response(await run_in_threadpool(service.search, query, limit))

    @app.get("/v1/movies/{movie_id:id}/similar", responses=ok_docs(schemas.SimilarMovies), tags=["movies"])
    async def similar_movies(
        movie_id: MovieId, k: Annotated[int, Query(ge=1, le=MAX_SIMILAR_MOVIES, description="maximum movies")] = 10
    ) -> Response:
        """Returns the movies most similar to one."""
        return json_response(await run_in_threadpool(service.similar, movie_id, k))

    @app.get("/v1/movies/{movie_id:id}", responses=ok_docs(schemas.MovieDetails), tags=["movies"])
    async def movie(movie_id: MovieId) -> Response:
        """Describes a movie."""
        return json_response(await run_in_threadpool(service.movie, movie_id))

    @app.get("/v1/map", responses=ok_docs(schemas.MovieMap), tags=["movies"])
    async def movie_map(
        limit: Annotated[int, Query(ge=1, le=MAX_MAP_MOVIES, description="maximum movies")] = 1000,
    ) -> Response:
        """Returns the movies with most ratings on a map, where similar movies are close together."""
        return json_response(await run_in_threadpool(service.movie_map, limit))


def add_state_routes(app: FastAPI, service: Service, metrics: ServiceMetrics) -> None:
    """Adds the routes that describe the service itself."""

    @app.get("/v1/model", responses=ok_docs(schemas.ModelInfo), tags=["state"])
    async def model() -> Response:
        """Describes the current model and the limits of requests."""
        return json_response(service.model_info())

    @app.get("/health", responses=ok_docs(schemas.Status), tags=["state"])
    async def health() -> Response:
        """Answers 200 while the process runs."""
        return json_response({"status": "ok"})

    @app.get("/ready", responses=ok_docs(schemas.Status), tags=["state"])
    async def ready() -> Response:
        """Answers 200 while lists are computed and the queue is not full."""
        if not service.is_ready():
            return busy_response()
        return json_response({"status": "ready"})

    @app.get("/metrics", response_class=Response, tags=["state"])
    async def prometheus_metrics() -> Response:
        """Returns metrics in the text format of Prometheus."""
        metrics.waiting.set(service.lists.num_waiting)
        metrics.loaded_at.set(service.loaded_at.timestamp())
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def add_page(app: FastAPI) -> None:
    """Adds the web page and its files."""
    if PAGE.is_dir():
        app.mount("/page", StaticFiles(directory=PAGE), name="page")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")


def is_local(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def json_response(values: Any) -> Response:
    """Returns a JSON response."""
    return Response(json_bytes(values), media_type="application/json")


def ok_docs(model: type) -> dict[int | str, dict[str, Any]]:
    """Returns the OpenAPI entry of a successful response."""
    return {200: {"model": model}}


def problem_docs(description: str) -> dict[str, Any]:
    """Returns the OpenAPI entry of a response with problem details."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {"description": description, "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}}}


def openapi_document(app: FastAPI, *, has_tokens: bool) -> dict[str, Any]:
    """Returns the OpenAPI document, with the schema of problem details and, if required, the bearer token."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        components = document["components"]
        problem_schema = schemas.ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        components["schemas"] |= problem_schema.pop("$defs", {}) | {"ProblemDetails": problem_schema}
        if has_tokens:
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}]
        app.openapi_schema = document
    return app.openapi_schema
