"""Routes that search and describe movies."""

from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from movierec_jax.serve import schemas
from movierec_jax.serve.ids import json_response
from movierec_jax.serve.openapi import ok_docs
from movierec_jax.serve.routes.paths import MovieId
from movierec_jax.serve.service import Service

MAX_SEARCH_RESULTS = 100

MAX_MAP_MOVIES = 5_000

MAX_SIMILAR_MOVIES = 100


def add_movie_routes(app: FastAPI, service: Service) -> None:
    """Adds the routes that search and describe movies."""

    @app.get("/v1/movies", responses=ok_docs(schemas.Movies), tags=["movies"])
    async def search_movies(
        query: Annotated[str, Query(max_length=200, description="title, year, tag or person; typos are allowed")] = "",
        limit: Annotated[int, Query(ge=1, le=MAX_SEARCH_RESULTS, description="maximum movies")] = 10,
    ) -> Response:
        """Returns the movies that match best; without a query, those with most ratings."""
        return json_response(await run_in_threadpool(service.search, query, limit))

    @app.get("/v1/movies/{movie_id:id}/similar", responses=ok_docs(schemas.SimilarMovies), tags=["movies"])
    async def list_similar_movies(
        movie_id: MovieId, k: Annotated[int, Query(ge=1, le=MAX_SIMILAR_MOVIES, description="maximum movies")] = 10
    ) -> Response:
        """Returns the movies most similar to one."""
        return json_response(await run_in_threadpool(service.similar, movie_id, k))

    @app.get("/v1/movies/{movie_id:id}", responses=ok_docs(schemas.MovieDetails), tags=["movies"])
    async def get_movie(movie_id: MovieId) -> Response:
        """Describes a movie."""
        return json_response(await run_in_threadpool(service.movie, movie_id))

    @app.get("/v1/map", responses=ok_docs(schemas.MovieMap), tags=["movies"])
    async def get_map(
        limit: Annotated[int, Query(ge=1, le=MAX_MAP_MOVIES, description="maximum movies")] = 1000,
    ) -> Response:
        """Returns the movies with most ratings on a map, where similar movies are close together."""
        return json_response(await run_in_threadpool(service.movie_map, limit))
