"""Routes that describe users and record what they rate and are not interested in."""

from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from movierec_jax.serve import request_schemas, schemas
from movierec_jax.serve.ids import json_response
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.openapi import ok_docs
from movierec_jax.serve.routes.paths import MovieId, UserId
from movierec_jax.serve.service import Service


def add_user_routes(app: FastAPI, service: Service, metrics: ServiceMetrics) -> None:
    """Adds the routes that describe users and record their ratings."""

    @app.get("/v1/users/{user_id:id}/ratings", responses=ok_docs(schemas.UserRatings), tags=["users"])
    async def list_ratings(user_id: UserId, options: Annotated[request_schemas.RatingsOptions, Query()]) -> Response:
        """Returns a user's ratings, best first."""
        return json_response(await run_in_threadpool(service.ratings, user_id, options.k))

    @app.put("/v1/users/{user_id:id}/ratings/{movie_id:id}", responses=ok_docs(schemas.RecordedRating), tags=["users"])
    async def record_rating(user_id: UserId, movie_id: MovieId, body: request_schemas.RatingInput) -> Response:
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
    async def list_not_interested(user_id: UserId) -> Response:
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
    async def get_user(user_id: UserId) -> Response:
        """Describes a user."""
        return json_response(await run_in_threadpool(service.user, user_id))
