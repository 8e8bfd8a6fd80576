"""The types of problems that the API reports, which docs/serving.md lists. A name never changes its meaning."""

from typing import NamedTuple


class ProblemType(NamedTuple):
    """A type of problem. status: of the response, unless it says otherwise. title: what the type means."""

    status: int
    title: str


# Begins the URI of every type.
PREFIX = "urn:movierec:"

PROBLEM_TYPES = {
    "unknown-user": ProblemType(404, "Nothing is known of this user"),
    "unknown-movie": ProblemType(404, "The data has no such movie"),
    "no-poster": ProblemType(404, "The server has no poster of this movie"),
    "not-recorded": ProblemType(404, "There is nothing recorded to take back"),
    "unknown-genre": ProblemType(422, "The data has no such genre"),
    "unknown-aspect": ProblemType(422, "No reviews of the run praise such an aspect"),
    "no-train-ratings": ProblemType(422, "The model has learnt nothing of this movie"),
    "over-limit": ProblemType(422, "More is asked for than /v1/model allows"),
    "invalid-request": ProblemType(422, "The request is not as the API describes it"),
    "unknown-path": ProblemType(404, "The API has no such path"),
    "wrong-method": ProblemType(405, "The path has no such method"),
    "too-slow": ProblemType(408, "The body has not come in time"),
    "too-large": ProblemType(413, "The body, path or headers are too long"),
    "wrong-host": ProblemType(421, "The server does not answer to this name"),
    "foreign-page": ProblemType(403, "Pages of other sites may not change anything here"),
    "token-required": ProblemType(401, "The request needs a bearer token"),
    "token-read-only": ProblemType(403, "The token may read, but not change anything"),
    "read-only": ProblemType(403, "The server records nothing"),
    "rate-limit-exceeded": ProblemType(429, "The client has sent too many requests"),
    "busy": ProblemType(503, "Too many requests are waiting"),
    "storage-unavailable": ProblemType(503, "Nothing can be recorded at the moment"),
    "internal-error": ProblemType(500, "The server has failed"),
}

# The type of an error that only has a status.
BY_STATUS = {
    **{one.status: name for name, one in reversed(PROBLEM_TYPES.items())},
    404: "unknown-path",
    422: "invalid-request",
    414: "too-large",
    431: "too-large",
    503: "busy",
}


def type_of_status(status: int) -> str:
    """Returns the name of the type of an error that only has a status."""
    return BY_STATUS.get(status, "internal-error" if status >= 500 else "invalid-request")
