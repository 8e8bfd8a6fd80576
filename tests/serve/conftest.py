import pytest
from helpers.api import in_service
from helpers.served import API_CONFIG

from movierec_jax.serve.engine import Engine


@pytest.fixture(scope="session")
def engine(films):
    """An engine on the bundled ratings, which compiles once for all tests of the API."""
    return Engine(films, API_CONFIG, "one")


@pytest.fixture(scope="module")
def client(engine, tmp_path_factory):
    with in_service(tmp_path_factory.mktemp("service"), engine) as client:
        yield client
