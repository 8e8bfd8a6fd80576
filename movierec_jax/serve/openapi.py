"""The OpenAPI document: what routes add to it, and what it has beyond them."""

from typing import Any

from fastapi import FastAPI

from movierec_jax.serve.errors import PROBLEM_MEDIA_TYPE
from movierec_jax.serve.examples import EXAMPLES, IMPORTED_FILE
from movierec_jax.serve.request_schemas import BatchUser, UserMoviePair
from movierec_jax.serve.schemas import ProblemDetails


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
        # Routes do not name these models themselves.
        for model in (ProblemDetails, BatchUser, UserMoviePair):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            components["schemas"] |= schema.pop("$defs", {}) | {model.__name__: schema}
        if has_tokens:
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}]
        add_examples(document)
        app.openapi_schema = document
    return app.openapi_schema


def add_examples(document: dict[str, Any]) -> None:
    """Adds its example to every body of requests and responses in an OpenAPI document."""
    for operation in (one for methods in document["paths"].values() for one in methods.values()):
        for body in (operation.get("requestBody", {}), *operation["responses"].values()):
            for content in body.get("content", {}).values():
                schema = content.get("schema", {})
                if schema.get("format") == "binary":
                    content["example"] = IMPORTED_FILE
                elif "$ref" in schema:
                    content["example"] = EXAMPLES[schema["$ref"].rpartition("/")[2]]
