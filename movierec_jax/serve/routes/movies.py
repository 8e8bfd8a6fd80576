"""Routes that search and describe movies."""

from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from movierec_jax.serve import schemas
from movierec_jax.serve.errors import Problem
from movierec_jax.serve.ids import json_response
from movierec_jax.serve.openapi import ok_docs
from movierec_jax.serve.posters import Posters
from movierec_jax.serve.request_schemas import BrowseOptions, MapOptions, SimilarOptions
from movierec_jax.serve.routes.paths import MovieId
from movierec_jax.serve.service import Service

JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}, "description": "a JPEG image"}}


def add_movie_routes(app: FastAPI, service: Service, posters: Posters | None) -> None:
    """Adds the routes that search and describe movies."""

    @app.get("/v1/movies", responses=ok_docs(schemas.Movies), tags=["movies"])
    async def search_movies(options: Annotated[BrowseOptions, Query()]) -> Response:
        """Returns the movies that match best; without a query, the first in an order."""
        return json_response(await run_in_threadpool(service.search, options))

    @app.get("/v1/movies/{movie_id:id}/similar", responses=ok_docs(schemas.SimilarMovies), tags=["movies"])
    async def list_similar_movies(movie_id: MovieId, options: Annotated[SimilarOptions, Query()]) -> Response:
        """Returns the movies most similar to one."""
        return json_response(await run_in_threadpool(service.similar, movie_id, options.k))

    @app.get("/v1/movies/{movie_id:id}/poster", response_class=Response, responses=JPEG, tags=["movies"])
    async def get_poster(movie_id: MovieId) -> Response:
        """Returns the poster of a movie from TMDb; 404 where there is none, or the server has no key of TMDb."""
        tmdb_id = service.tmdb_id(movie_id)
        image = None if posters is None or tmdb_id is None else await posters.poster(tmdb_id)
        if image is None:
            raise Problem("no-poster", f"Movie {movie_id!r} has no poster")
        return Response(image, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    @app.get("/v1/movies/{movie_id:id}", responses=ok_docs(schemas.MovieDetails), tags=["movies"])
    async def get_movie(movie_id: MovieId) -> Response:
        """Describes a movie."""
        return json_response(await run_in_threadpool(service.movie, movie_id))

    @app.get("/v1/map", responses=ok_docs(schemas.MovieMap), tags=["movies"])
    async def get_map(options: Annotated[MapOptions, Query()]) -> Response:
        """Returns the movies with most ratings on a map, where similar movies are close together."""
        return json_response(await run_in_threadpool(service.movie_map, options.k))
