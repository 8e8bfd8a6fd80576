"""Problem details (RFC 9457): the response to every request that fails."""

import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from movierec_jax.errors import InputError
from movierec_jax.serve.batching import Busy
from movierec_jax.serve.problem_types import PREFIX, PROBLEM_TYPES, type_of_status

PROBLEM_MEDIA_TYPE = "application/problem+json"

MAX_FIELD_ERRORS = 20

MAX_DETAIL_CHARS = 500

RETRY_AFTER = {"Retry-After": "1"}  # seconds


class Problem(Exception):  # noqa: N818
    """A request that fails.

    kind: a name of PROBLEM_TYPES. detail: what was found, and what to do. status: that of the type unless given.
    errors: `location` and `message` of each invalid field.
    """

    def __init__(self, kind: str, detail: str, status: int | None = None, errors: list[dict[str, str]] | None = None):
        super().__init__(detail)
        self.kind, self.detail, self.errors = kind, detail, errors
        self.status = PROBLEM_TYPES[kind].status if status is None else status

    def body(self) -> dict[str, Any]:
        """Returns the problem details."""
        title = PROBLEM_TYPES[self.kind].title
        body = {"type": PREFIX + self.kind, "title": title, "status": self.status, "detail": printable(self.detail)}
        return body if self.errors is None else {**body, "errors": self.errors}

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """Returns the response with the problem details."""
        return Response(orjson.dumps(self.body()), self.status, headers, PROBLEM_MEDIA_TYPE)


def problem_of(error: Problem | InputError | ValidationError | RequestValidationError) -> Problem:
    """Returns the problem of a request that cannot be answered as it is."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, InputError):
        return Problem("invalid-request", str(error))
    errors = field_errors(error)
    # What is wrong with a body as a whole has no location.
    first = ": ".join(filter(None, errors[0].values())) if errors else "The request cannot be read"
    return Problem("invalid-request", first, errors=errors)


def printable(text: str) -> str:
    """Returns the start of a text with control characters replaced, safe for JSON and terminals."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:MAX_DETAIL_CHARS]
    )


def warn(text: str) -> None:
    """Prints a one-line warning to standard error."""
    print(f"warning: {printable(text)}", file=sys.stderr, flush=True)


def busy_response() -> Response:
    """Returns the response to a request that finds the queue full."""
    return Problem("busy", "Too many requests are waiting; retry later").response(RETRY_AFTER)


def add_error_handlers(app: FastAPI) -> None:
    """Makes an application answer every error with problem details."""

    @app.exception_handler(Problem)
    @app.exception_handler(InputError)
    @app.exception_handler(RequestValidationError)
    async def on_problem(request: Request, error: Problem | InputError | RequestValidationError) -> Response:
        return problem_of(error).response()

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> Response:
        status, detail = error.status_code, str(error.detail)
        if status == HTTPStatus.NOT_FOUND:
            detail = f"{request.scope['path']} is no path of the API; /openapi.json lists them"
        elif status == HTTPStatus.METHOD_NOT_ALLOWED:
            methods = methods_of(request)
            detail = f"{request.method}: this path takes {' and '.join(methods)}"
            return Problem("wrong-method", detail).response({"Allow": ", ".join(methods)})
        return Problem(type_of_status(status), detail, status).response(error.headers)

    @app.exception_handler(Busy)
    async def on_busy(request: Request, error: Busy) -> Response:
        return busy_response()

    @app.exception_handler(OSError)
    async def on_os_error(request: Request, error: OSError) -> Response:
        warn(str(error))
        detail = "This cannot be recorded: the disk cannot be written to at the moment; retry later"
        return Problem("storage-unavailable", detail).response(RETRY_AFTER)

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> Response:
        return Problem("internal-error", "Internal error; it has been logged").response()


def methods_of(request: Request) -> list[str]:
    """Returns the methods that the routes of a request's path answer."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] != Match.NONE]
    methods = {method for route in routes for method in getattr(route, "methods", None) or ()}
    # Files of pages are no routes.
    return sorted(methods or {"GET", "HEAD"})


def field_errors(error: ValidationError | RequestValidationError) -> list[dict[str, str]]:
    """Returns the location and message of each invalid field, without its value, which can be of any length."""
    return [field_error(found) for found in error.errors()[:MAX_FIELD_ERRORS]]


def field_error(found: Mapping[str, Any]) -> dict[str, str]:
    """Returns the location and message of an invalid field; the location of a body as a whole is empty."""
    location = found["loc"]
    if found["type"] == "json_invalid":
        reason = found.get("ctx", {}).get("error", "it cannot be read")
        return {"location": "", "message": printable(f"the body is not JSON ({reason} at character {location[-1]})")}
    if location == ("body",) and found["type"] in ("missing", "model_attributes_type", "model_type"):
        return {"location": "", "message": "the body must be a JSON object, with Content-Type: application/json"}
    return {
        "location": printable("/".join(map(str, location))),
        "message": printable(found["msg"].removeprefix("Value error, ")),
    }
