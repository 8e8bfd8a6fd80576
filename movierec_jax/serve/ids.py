"""Ids of any text in paths, and ids of any size in JSON, whole."""

import urllib.parse
from typing import Any

import orjson
from pandas.api.types import is_integer_dtype
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.serve.errors import Problem

# Paths in which ids may stand.
API_PATHS = b"/v1/"

# The last integer up to which JavaScript holds every one.
MAX_EXACT = 2**53 - 1


class IdConvertor(Convertor[str]):
    """The parameter `{name:id}` of a route: percent-encoded text, which may have slashes."""

    # Without slashes that are not encoded, where the rest of the route allows it.
    regex = ".+"

    def convert(self, value: str) -> str:
        return urllib.parse.unquote(value)

    def to_string(self, value: str) -> str:
        return urllib.parse.quote(value, safe="")


register_url_convertor("id", IdConvertor())


class EncodedPaths:
    """An application whose routes see the API's paths as they were sent, percent-encoded.

    Servers decode a path first, after which a slash in an id looks like one between parts: the user "a/ratings" would
    be the ratings of the user "a".
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["raw_path"].startswith(API_PATHS):
            scope["path"] = scope["raw_path"].decode("latin-1")
        await self.app(scope, receive, send)


def json_bytes(values: Any) -> bytes:
    """Returns values as JSON, with an integer that JavaScript cannot hold as text."""
    try:
        return orjson.dumps(values, option=orjson.OPT_STRICT_INTEGER)
    except TypeError:
        return orjson.dumps(exact(values))


def exact(values: Any) -> Any:
    """Returns JSON values with text in place of the integers that JavaScript cannot hold."""
    if isinstance(values, dict):
        return {key: exact(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [exact(value) for value in values]
    is_large = isinstance(values, int) and abs(values) > MAX_EXACT
    return str(values) if is_large else values


def parse_id(vocab: Vocab, given: int | str) -> int | str:
    """Returns an id in the type of the data's ids. Raises Problem for text that cannot be one."""
    try:
        return as_data_id(vocab, given)
    except InputError as error:
        raise Problem(f"unknown-{vocab.name}", str(error)) from None


def id_or_text(vocab: Vocab, given: int | str) -> int | str:
    """Returns an id in the type of the data's ids, or as it is where it cannot be one."""
    try:
        return as_data_id(vocab, given)
    except InputError:
        return given


def as_data_id(vocab: Vocab, given: int | str) -> int | str:
    """Returns an id of a request in the type of the data's ids: 318 and "318" are the same id.

    Raises InputError for text where the ids are integers.
    """
    if isinstance(given, str):
        return vocab.parse(given)
    return given if is_integer_dtype(vocab.ids) else str(given)


def json_response(values: Any) -> Response:
    """Returns a JSON response."""
    return Response(json_bytes(values), media_type="application/json")
