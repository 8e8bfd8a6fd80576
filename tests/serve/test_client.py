"""A client generated from the OpenAPI document talks to a running server."""

import importlib
import json
import shutil
import subprocess
import sys

import httpx2
import pytest
from helpers.served import served

GENERATOR = shutil.which("openapi-python-client")


@pytest.fixture(scope="module")
def address(films_workdir, tmp_path_factory):
    with served(shutil.copytree(films_workdir, tmp_path_factory.mktemp("client") / "run")) as (address, _):
        yield address


@pytest.fixture(scope="module")
def client(address, tmp_path_factory):
    """Yields a client of the server, of the package movies_api that is generated."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(httpx2.get(f"{address}/openapi.json").json()))
    # The generator knows no pictures; they are bytes to it.
    (folder / "generator.json").write_text('{"content_type_overrides": {"image/jpeg": "application/octet-stream"}}')
    command = [GENERATOR, "generate", "--path=openapi.json", "--meta=none", "--output-path=movies_api"]
    command += ["--config=generator.json"]
    ended = subprocess.run([*command, "--fail-on-warning"], cwd=folder, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    sys.path.insert(0, str(folder))
    try:
        with importlib.import_module("movies_api").Client(address) as client:
            yield client
    finally:
        sys.path.remove(str(folder))


@pytest.mark.slow
@pytest.mark.skipif(GENERATOR is None, reason="openapi-python-client is not installed")
def test_a_generated_client_rates_and_recommends(client):
    models = importlib.import_module("movies_api.models")

    def ask(operation, *ids, **asked):
        return importlib.import_module(f"movies_api.api.{operation}").sync(*ids, client=client, **asked)

    rated = ask("users.record_rating", "70001", "318", body=models.RatingInput(rating=4.5))
    assert (rated.user_id, rated.rating) == (70001, 4.5)
    listed = ask("lists.recommend_for_user", "70001", k=3, genres=["drama"])
    assert [movie.rank for movie in listed.movies] == [1, 2, 3]
    assert all("Drama" in movie.genres for movie in listed.movies)
    new = models.NewUserRequest(ratings=[models.MovieRatingInput(movie_id=318, rating=5.0)], k=2)
    assert len(ask("lists.recommend_for_new_user", body=new).movies) == 2
    users = [models.BatchUser(user_id=42), models.BatchUser(user_id=70_002)]
    known, unknown = ask("lists.recommend_for_many", body=models.BatchRequest(users=users)).lists
    assert known.user_id == 42
    assert (unknown.index, unknown.type_) == (1, "urn:movierec:unknown-user")
    pairs = [models.UserMoviePair(user_id=user, movie_id=318) for user in (42, 70_002)]
    known, unknown = ask("lists.predict_ratings", body=models.PredictionsRequest(pairs=pairs)).predictions
    assert known.predicted_rating > 0
    assert (unknown.index, unknown.type_) == (1, "urn:movierec:unknown-user")
