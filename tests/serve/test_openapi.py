"""Tests with generated requests: no response is a server error, and all match the OpenAPI document."""

import contextlib
import dataclasses

import hypothesis
import pytest
import schemathesis
from helpers.served import API_CONFIG
from schemathesis import checks

from movierec_jax.serve.app import new_app
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.service import Service

SETTINGS = hypothesis.settings(max_examples=25, deadline=None, derandomize=True, database=None)
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
CONFIG = dataclasses.replace(API_CONFIG, allowed_hosts=("testserver",))


@pytest.fixture(scope="module")
def document(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("openapi")
    with contextlib.closing(Service(folder, engine, CONFIG)) as service:
        yield schemathesis.openapi.from_asgi("/openapi.json", new_app(service, CONFIG, ServiceMetrics()))


@pytest.mark.slow
def test_every_generated_request_is_answered_as_documented(document):
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) == 20
    for operation in operations:
        SETTINGS(hypothesis.given(operation.as_strategy())(answered_as_documented))()


def answered_as_documented(case):
    response = case.call()
    assert response.status_code < 500
    case.validate_response(response, checks=CHECKS)
