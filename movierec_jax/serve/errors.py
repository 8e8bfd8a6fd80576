"""What was wrong with a request, as problem details (RFC 9457)."""

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

MEDIA_TYPE = "application/problem+json"

# Errors of one request that are told, and letters of each.
MOST_ERRORS = 20

MOST_LETTERS = 500

# Seconds after which those are to come again who came at a busy time.
RETRY_SECONDS = 1


class Problem(Exception):  # noqa: N818
    """A request that is not answered as asked. detail: for people, what was found and what to do."""

    def __init__(self, status: int, detail: str):
        super().__init__(detail)
        self.status, self.detail = status, detail


def response(
    status: int, detail: str, headers: Mapping[str, str] | None = None, errors: list[dict[str, str]] | None = None
) -> Response:
    """The response that tells of a problem. errors: what is wrong where in the request."""
    body = {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status}
    body["detail"] = printable(detail)
    if errors is not None:
        body["errors"] = errors
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)


def printable(text: str) -> str:
    """A text without what may not be in JSON or would be written to a terminal as it stands; not too long."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:MOST_LETTERS])


def warn(text: str) -> None:
    """Tells those who run the service, on standard error, in one line."""
    print(f"warning: {printable(text)}", file=sys.stderr, flush=True)


def too_busy() -> Response:
    """The response to those who come when too many wait already."""
    return response(503, "too many requests wait; come again", {"Retry-After": str(RETRY_SECONDS)})


def add_handlers(app: FastAPI) -> None:
    """Has an application tell of every error as problem details."""

    @app.exception_handler(Problem)
    async def of_problem(request: Request, problem: Problem) -> Response:
        return response(problem.status, problem.detail)

    @app.exception_handler(InputError)
    async def of_input(request: Request, error: InputError) -> Response:
        return response(422, str(error))

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        return response(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def of_validation(request: Request, error: RequestValidationError) -> Response:
        # The input is not repeated: it may be anything, and as long as a request may be.
        errors = [
            {
                "location": printable("/".join(map(str, found["loc"]))),
                "message": printable(found["msg"].removeprefix("Value error, ")),
            }
            for found in error.errors()[:MOST_ERRORS]
        ]
        first = f"{errors[0]['location']}: {errors[0]['message']}" if errors else "the request cannot be read"
        return response(422, first, errors=errors)

    @app.exception_handler(Busy)
    async def of_busy(request: Request, error: Busy) -> Response:
        return too_busy()

    @app.exception_handler(OSError)
    async def of_disk(request: Request, error: OSError) -> Response:
        warn(str(error))
        headers = {"Retry-After": str(RETRY_SECONDS)}
        return response(503, "the service cannot write at the moment; come again", headers)

    @app.exception_handler(Exception)
    async def of_bug(request: Request, error: Exception) -> Response:
        return response(500, "an error of the service; it has been logged")
