"""The OpenAPI document is complete, and generated requests are answered as it says, never with a server error."""

import contextlib
import dataclasses

import hypothesis
import pytest
import schemathesis
from helpers.served import API_CONFIG
from schemathesis import checks

from movierec_jax.serve import request_schemas, schemas
from movierec_jax.serve.app import new_app
from movierec_jax.serve.examples import EXAMPLES
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.service import Service

SETTINGS = hypothesis.settings(max_examples=25, deadline=None, derandomize=True, database=None)
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
# Clients have functions of these names.
OPERATIONS = [
    *("recommend_for_user", "recommend_for_new_user", "recommend_for_many", "recommend_for_import", "predict_ratings"),
    *("list_ratings", "record_rating", "delete_rating", "get_user"),
    *("list_not_interested", "add_not_interested", "remove_not_interested"),
    *("search_movies", "get_movie", "get_poster", "list_similar_movies", "get_map"),
    *("get_model", "check_health", "check_ready", "get_metrics"),
]
CONFIG = dataclasses.replace(API_CONFIG, allowed_hosts=("testserver",))


@pytest.fixture(scope="module")
def document(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("openapi")
    with contextlib.closing(Service(folder, engine, CONFIG)) as service:
        yield schemathesis.openapi.from_asgi("/openapi.json", new_app(service, CONFIG, ServiceMetrics()))


def test_operations_keep_their_names(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert sorted(one["operationId"] for path in paths.values() for one in path.values()) == sorted(OPERATIONS)


def test_every_body_has_an_example(client):
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            contents = [content for body in bodies for content in body.get("content", {}).items()]
            written = [content for kind, content in contents if kind != "image/jpeg"]
            assert path == "/metrics" or all(content["example"] for content in written), (method, path)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_as_their_schemas_say(name):
    model = getattr(schemas, name, None) or getattr(request_schemas, name)
    found = model.model_validate(EXAMPLES[name], strict=True)
    assert model.model_validate(found.model_dump()) == found
    assert found.model_dump(exclude_unset=True) == EXAMPLES[name]


@pytest.mark.slow
def test_every_generated_request_is_answered_as_documented(document):
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) == 21
    for operation in operations:
        SETTINGS(hypothesis.given(operation.as_strategy())(answered_as_documented))()


def answered_as_documented(case):
    response = case.call()
    assert response.status_code < 500
    case.validate_response(response, checks=CHECKS)
