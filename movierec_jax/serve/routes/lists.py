"""Routes that recommend and predict."""

from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from movierec_jax.serve import request_schemas, schemas
from movierec_jax.serve.ids import json_response
from movierec_jax.serve.openapi import ok_docs
from movierec_jax.serve.routes.paths import UserId
from movierec_jax.serve.service import Service

# Takes a file of another site.
IMPORTS = "/v1/imports"

FILE_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

Options = Annotated[request_schemas.UserListOptions, Query()]


def add_list_routes(app: FastAPI, service: Service) -> None:
    """Adds the routes that recommend and predict."""
    lists = service.lists

    @app.get("/v1/users/{user_id:id}/recommendations", responses=ok_docs(schemas.UserRecommendations), tags=["lists"])
    async def recommend_for_user(user_id: UserId, options: Options) -> Response:
        """Returns the best movies for a user, without those already rated."""
        return json_response(await lists.recommend_for_user(service.engine, user_id, options))

    @app.post("/v1/recommendations", responses=ok_docs(schemas.Recommendations), tags=["lists"])
    async def recommend_for_new_user(body: request_schemas.NewUserRequest) -> Response:
        """Returns the best movies for a new user from their ratings; nothing is stored or retrained."""
        new_user = body.ratings, body.watched, body.not_interested
        return json_response(await lists.recommend_for_new_user(service.engine, *new_user, body))

    @app.post("/v1/recommendations:batch", responses=ok_docs(schemas.BatchLists), tags=["lists"])
    async def recommend_for_many(body: request_schemas.BatchRequest) -> Response:
        """Returns the best movies for each of many users, known and new, in order. A user that is unknown or not as
        described has a problem in place of a list, and changes nothing for the others.
        """
        return json_response(await lists.recommend_for_many(service.engine, body))

    @app.post(IMPORTS, responses=ok_docs(schemas.ImportedRatings), openapi_extra=FILE_BODY, tags=["lists"])
    async def recommend_for_import(
        request: Request, options: Annotated[request_schemas.ImportOptions, Query()]
    ) -> Response:
        """Returns the best movies for somebody whose ratings come in a file: as Letterboxd, IMDb, TMDb, Trakt or
        MovieLens export them, or any table of movies and ratings. The body is the file; nothing is stored.
        """
        engine, own = await run_in_threadpool(service.read_import, await request.body(), options.filename)
        return json_response(await lists.recommend_for_import(engine, own, options))

    @app.post("/v1/predictions", responses=ok_docs(schemas.Predictions), tags=["lists"])
    async def predict_ratings(body: request_schemas.PredictionsRequest) -> Response:
        """Predicts the rating of each pair of user and movie, with its standard deviation, in order. A pair that is
        unknown or not as described has a problem in place of a prediction, and changes nothing for the others.
        """
        return json_response(await service.predictions.ask(body.pairs))
