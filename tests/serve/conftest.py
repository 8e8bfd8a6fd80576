import pytest
from helpers.served import API_CONFIG

from movierec_jax.serve.engine import Engine


@pytest.fixture(scope="session")
def engine(films):
    """An engine on the bundled ratings, which compiles once for all tests of the API."""
    return Engine(films, API_CONFIG, "one")
