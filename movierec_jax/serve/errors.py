"""Problem details (RFC 9457): the response to every request that fails."""

import http
import sys
from collections.abc import Mapping

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from movierec_jax.errors import InputError
from movierec_jax.serve.batching import Busy

PROBLEM_MEDIA_TYPE = "application/problem+json"

MAX_FIELD_ERRORS = 20

MAX_DETAIL_CHARS = 500

RETRY_AFTER = {"Retry-After": "1"}  # seconds


class Problem(Exception):  # noqa: N818
    """A request that fails with an HTTP status. detail: what was found, and what to do."""

    def __init__(self, status: int, detail: str):
        super().__init__(detail)
        self.status, self.detail = status, detail


def problem_response(
    status: int, detail: str, headers: Mapping[str, str] | None = None, errors: list[dict[str, str]] | None = None
) -> Response:
    """Returns a response with problem details. errors: `location` and `message` of each invalid field."""
    body = {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status}
    body["detail"] = printable(detail)
    if errors is not None:
        body["errors"] = errors
    return Response(orjson.dumps(body), status, headers, PROBLEM_MEDIA_TYPE)


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
    return problem_response(503, "Too many requests are waiting; retry later", RETRY_AFTER)


def add_error_handlers(app: FastAPI) -> None:
    """Makes an application answer every error with problem details."""

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> Response:
        return problem_response(problem.status, problem.detail)

    @app.exception_handler(InputError)
    async def on_input_error(request: Request, error: InputError) -> Response:
        return problem_response(422, str(error))

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> Response:
        return problem_response(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def on_validation_error(request: Request, error: RequestValidationError) -> Response:
        errors = field_errors(error)
        first = f"{errors[0]['location']}: {errors[0]['message']}" if errors else "The request cannot be read"
        return problem_response(422, first, errors=errors)

    @app.exception_handler(Busy)
    async def on_busy(request: Request, error: Busy) -> Response:
        return busy_response()

    @app.exception_handler(OSError)
    async def on_os_error(request: Request, error: OSError) -> Response:
        warn(str(error))
        return problem_response(503, "Cannot write to disk at the moment; retry later", RETRY_AFTER)

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> Response:
        return problem_response(500, "Internal error; it has been logged")


def field_errors(error: RequestValidationError) -> list[dict[str, str]]:
    """Returns the location and message of each invalid field, without its value, which can be of any length."""
    return [
        {
            "location": printable("/".join(map(str, found["loc"]))),
            "message": printable(found["msg"].removeprefix("Value error, ")),
        }
        for found in error.errors()[:MAX_FIELD_ERRORS]
    ]
