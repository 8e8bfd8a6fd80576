"""The HTTP service: routes, each a question to `service` and its answer as JSON."""

import functools
import importlib.metadata
import ipaddress
import pathlib
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Path, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles
from starlette.responses import FileResponse, Response
from starlette.types import ASGIApp

from movierec_jax.serve import errors as problems
from movierec_jax.serve import schemas as bodies
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.guards import Guard, read_tokens
from movierec_jax.serve.metrics import Measured, ServiceMetrics
from movierec_jax.serve.service import Service

PAGE = pathlib.Path(__file__).parent / "page"

# Movies of a search, ratings of a user and movies of a map at most.
MOST_FOUND = 100

MOST_RATED = 10_000

MOST_ON_MAP = 5_000

MOST_SIMILAR = 100

# The names by which a service that listens to this machine alone may be called.
LOCAL_NAMES = ["localhost", "127.0.0.1", "[::1]"]

UserId = Annotated[str, Path(min_length=1, max_length=256, description="a user's id as the data writes it")]

MovieId = Annotated[str, Path(min_length=1, max_length=256, description="a movie's id as the data writes it")]

Options = Annotated[bodies.ListOptions, Query()]


def new_app(service: Service, config: ServeConfig, measures: ServiceMetrics) -> ASGIApp:
    """The application of a service, behind its guards. Raises InputError for a file of tokens that is none."""
    app = FastAPI(
        title="movierec_jax",
        version=importlib.metadata.version("movierec-jax"),
        description="Recommendations for known users and for new ones, in real time.",
        # Their pages are loaded from other hosts.
        docs_url=None,
        redoc_url=None,
        responses={"4XX": problem("the request cannot be answered"), 503: problem("too many requests wait")},
    )
    problems.add_handlers(app)
    add_lists(app, service)
    add_users(app, service, measures)
    add_movies(app, service)
    add_state(app, service, measures)
    add_page(app)
    hosts = list(config.allowed_hosts) or (LOCAL_NAMES if is_local(config.host) else [])
    tokens = read_tokens(config.tokens_file) if config.tokens_file else []
    app.openapi = functools.partial(openapi_of, app, has_tokens=bool(tokens))  # type: ignore[method-assign]
    guarded: ASGIApp = Guard(
        app,
        max_body_bytes=config.max_body_bytes,
        hosts=hosts,
        rate=None if config.rate_limit in (None, "none") else config.rate_limit,
        tokens=tokens,
    )
    if config.cors_origins:
        # Outermost, so that pages may read refusals too.
        guarded = CORSMiddleware(
            guarded, config.cors_origins, allow_methods=["*"], allow_headers=["*"], expose_headers=["Retry-After"]
        )
    return Measured(guarded, measures)


def add_lists(app: FastAPI, service: Service) -> None:
    """Routes that recommend and predict."""

    @app.get("/v1/users/{user_id}/recommendations", responses=of(bodies.UserMovies), tags=["lists"])
    async def user_recommendations(user_id: UserId, options: Options) -> Response:
        """The movies that suit a user best, without those rated."""
        return as_json(await service.recommend(user_id, options))

    @app.post("/v1/recommendations", responses=of(bodies.RecommendedMovies), tags=["lists"])
    async def recommendations(visitor: bodies.Visitor) -> Response:
        """The movies that suit somebody new best, by their ratings; nothing is kept, and nothing trained."""
        return as_json(await service.recommend_for(visitor.ratings, visitor))

    @app.post("/v1/predictions", responses=of(bodies.Predictions), tags=["lists"])
    async def predictions(asked: bodies.Pairs) -> Response:
        """The stars that each user would give the movie beside them, and how far a rating may be from them."""
        pairs = [(pair.user_id, pair.movie_id) for pair in asked.pairs]
        return as_json(await service.predictions.ask(pairs))


def add_users(app: FastAPI, service: Service, measures: ServiceMetrics) -> None:
    """Routes that tell of users and keep their ratings."""

    @app.get("/v1/users/{user_id}", responses=of(bodies.User), tags=["users"])
    async def user(user_id: UserId) -> Response:
        """What is known of a user."""
        return as_json(await run_in_threadpool(service.user, user_id))

    @app.get("/v1/users/{user_id}/ratings", responses=of(bodies.UserRatings), tags=["users"])
    async def user_ratings(
        user_id: UserId, limit: Annotated[int, Query(ge=1, le=MOST_RATED, description="ratings at most")] = 100
    ) -> Response:
        """What a user has rated, best first."""
        return as_json(await run_in_threadpool(service.ratings, user_id, limit))

    @app.put("/v1/users/{user_id}/ratings/{movie_id}", responses=of(bodies.RecordedRating), tags=["users"])
    async def record(user_id: UserId, movie_id: MovieId, given: bodies.NewRating) -> Response:
        """Keeps a rating. It is on the disk when this answers, and the next list knows it. A new user begins so."""
        found = await service.record(user_id, movie_id, given.rating)
        measures.recorded.inc()
        return as_json(found)

    @app.delete("/v1/users/{user_id}/ratings/{movie_id}", status_code=204, tags=["users"])
    async def take_back(user_id: UserId, movie_id: MovieId) -> Response:
        """Takes back a rating that was recorded here; one of the data then counts again."""
        await service.take_back(user_id, movie_id)
        measures.recorded.inc()
        return Response(status_code=204)


def add_movies(app: FastAPI, service: Service) -> None:
    """Routes that tell of movies."""

    @app.get("/v1/movies", responses=of(bodies.Movies), tags=["movies"])
    async def movies(
        query: Annotated[str, Query(max_length=200, description="words of the title, perhaps misspelt")] = "",
        limit: Annotated[int, Query(ge=1, le=MOST_FOUND, description="movies at most")] = 10,
    ) -> Response:
        """The movies whose titles match best; without a query those with most ratings."""
        return as_json(await run_in_threadpool(service.search, query, limit))

    @app.get("/v1/movies/{movie_id}", responses=of(bodies.MovieDetails), tags=["movies"])
    async def movie(movie_id: MovieId) -> Response:
        """All that is known of a movie."""
        return as_json(await run_in_threadpool(service.movie, movie_id))

    @app.get("/v1/movies/{movie_id}/similar", responses=of(bodies.SimilarMovies), tags=["movies"])
    async def similar(
        movie_id: MovieId, k: Annotated[int, Query(ge=1, le=MOST_SIMILAR, description="movies at most")] = 10
    ) -> Response:
        """The movies most like one."""
        return as_json(await run_in_threadpool(service.similar, movie_id, k))

    @app.get("/v1/map", responses=of(bodies.Map), tags=["movies"])
    async def on_map(
        limit: Annotated[int, Query(ge=1, le=MOST_ON_MAP, description="movies at most")] = 1000,
    ) -> Response:
        """The movies with most ratings on a map, where those that are alike stand near each other."""
        return as_json(await run_in_threadpool(service.on_map, limit))


def add_state(app: FastAPI, service: Service, measures: ServiceMetrics) -> None:
    """Routes that tell of the service itself."""

    @app.get("/v1/model", responses=of(bodies.Model), tags=["state"])
    async def model() -> Response:
        """The model that answers, and what can be asked of it."""
        return as_json(service.about())

    @app.get("/health", responses=of(bodies.Status), tags=["state"])
    async def health() -> Response:
        """Whether the process runs."""
        return as_json({"status": "ok"})

    @app.get("/ready", responses=of(bodies.Status), tags=["state"])
    async def ready() -> Response:
        """Whether requests are answered: the model is loaded, and not too many wait."""
        if not service.is_answering():
            return problems.too_busy()
        return as_json({"status": "ready"})

    @app.get("/metrics", response_class=Response, tags=["state"])
    async def metrics() -> Response:
        """Numbers for Prometheus."""
        measures.waiting.set(service.lists.num_waiting)
        measures.loaded_at.set(service.loaded_at.timestamp())
        return Response(measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def add_page(app: FastAPI) -> None:
    """The page and its files."""
    if PAGE.is_dir():
        app.mount("/page", StaticFiles(directory=PAGE), name="page")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")


def is_local(host: str) -> bool:
    """Whether an address is that of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def as_json(values: Any) -> Response:
    """A response with values as JSON."""
    return Response(orjson.dumps(values), media_type="application/json")


def of(model: type) -> dict[int | str, dict[str, Any]]:
    """What a route answers with, for the OpenAPI document."""
    return {200: {"model": model}}


def problem(description: str) -> dict[str, Any]:
    """A response of problem details, for the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {"description": description, "content": {problems.MEDIA_TYPE: {"schema": schema}}}


def openapi_of(app: FastAPI, *, has_tokens: bool) -> dict[str, Any]:
    """The OpenAPI document, with what problem details are, and how requests carry their token where they need one."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        parts = document["components"]
        problem_schema = bodies.ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        parts["schemas"] |= problem_schema.pop("$defs", {}) | {"ProblemDetails": problem_schema}
        if has_tokens:
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}]
        app.openapi_schema = document
    return app.openapi_schema
