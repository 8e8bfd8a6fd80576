"""Runs on movies that were watched: files without ratings, and a value that stands for "watched, not rated"."""

import contextlib
import dataclasses
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from helpers import checkerboard
from helpers.served import API_CONFIG

from movierec_jax.config import Config, EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID, WEIGHT
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError
from movierec_jax.evaluation.evaluate import evaluate
from movierec_jax.evaluation.report import closing_table, without_nan
from movierec_jax.recommend.export import export_lists
from movierec_jax.recommend.export_loader import load as load_export
from movierec_jax.recommend.recommender import load
from movierec_jax.recommend.write_lists import readable_lists, score_to_file
from movierec_jax.runs.workdir import load_run
from movierec_jax.serve.engine import Engine, ListQuery
from movierec_jax.serve.request_schemas import BrowseOptions
from movierec_jax.serve.service import Service
from movierec_jax.serve.users import Rating, RequestUser
from movierec_jax.train import train_run

NUM_MOVIES = 20
USER = 1003


def config_of(path, **settings) -> Config:
    config = Config(
        data=DataConfig(ratings=str(path)),
        model=ModelConfig(embedding_dim=4, hidden_dims=(4,), implicit_feedback_dim=8),
        train=TrainConfig(epochs=6, learning_rate=0.02),
        evaluation=EvalConfig(eval_k=(3,)),
    )
    return config.replace(**settings)


def write_ratings(path, rating) -> None:
    """A file of users who watch movies of their own parity."""
    watched = checkerboard.crowds(num_movies=NUM_MOVIES).train
    table = {"userId": watched[USER_ID], "movieId": watched[MOVIE_ID], "rating": rating(watched)}
    pd.DataFrame(table).to_csv(path, index=False)


@pytest.fixture(scope="module")
def without_ratings(made_once, shared_folder):
    """The workdir of a run on a file in which no two ratings differ."""

    def train(folder) -> None:
        write_ratings(shared_folder / "ones.csv", lambda table: 1)
        train_run(config_of(shared_folder / "ones.csv"), folder)

    return made_once("run_without_ratings", train)


@pytest.fixture(scope="module")
def with_unrated(made_once, shared_folder):
    """The workdir of a run on a file in which 0 stands for a movie watched but not rated."""

    def train(folder) -> None:
        write_ratings(shared_folder / "unrated.csv", lambda table: np.where(table.index % 3, table[RATING], 0))
        train_run(config_of(shared_folder / "unrated.csv", unrated_value=0.0, rating_scale=(1.0, 5.0)), folder)

    return made_once("run_with_unrated", train)


def is_of_own_parity(lists: pd.DataFrame) -> bool:
    return bool(checkerboard.agree(lists[USER_ID], lists[MOVIE_ID]).all())


def test_a_run_without_ratings_reports_lists_alone(without_ratings):
    report = json.loads((without_ratings / "report.json").read_text())
    assert report["test"]["rmse"] is report["train"]["rmse"] is report["valid"]["rmse"] is None
    assert report["test"]["ndcg@3"] > 0.3
    assert sorted(path.name for path in (without_ratings / "plots").iterdir()) == ["learning_curve.png"]
    records = [json.loads(line) for line in (without_ratings / "metrics.jsonl").read_text().splitlines()]
    assert records[-1]["catalogue_error"] < records[0]["catalogue_error"]


def test_lists_of_a_run_without_ratings_are_by_the_implicit_feedback_score_and_have_no_stars(without_ratings, tmp_path):
    recommender = load(without_ratings)
    lists = recommender.recommend([USER, USER + 1], 3)
    assert is_of_own_parity(lists)
    assert lists["predicted_rating"].isna().all()
    assert np.isnan(recommender.predict([USER], [500])).all()
    # Any value says that a movie was watched.
    new = [recommender.recommend_for({501: stars, 503: stars}, 3) for stars in (1.0, 4.5)]
    pd.testing.assert_frame_equal(*new)
    assert (new[0][MOVIE_ID] % 2 == 1).all()
    assert (recommender.similar(500, 3)[MOVIE_ID] % 2 == 0).all()
    assert not recommender.explain(USER, lists[MOVIE_ID][:1])["predicted_rating"].any()
    score_to_file(recommender, recommender.user_ids()[:2], tmp_path / "lists.csv", 3)
    assert pd.read_csv(tmp_path / "lists.csv")["predicted_rating"].isna().all()
    text = readable_lists(recommender, pd.Index([USER]), 3, explain=True)
    assert "movies watched, such as" in text
    assert "stars" not in text
    assert "nan" not in text


def test_a_model_without_an_implicit_feedback_score_has_nothing_to_learn_from_such_a_file(without_ratings, tmp_path):
    config = load_run(without_ratings).config.replace(implicit_feedback_dim=0)
    with pytest.raises(InputError, match=r"--implicit_feedback_dim=0: .*ones\.csv has no ratings to learn from"):
        train_run(config, tmp_path / "run")


def test_what_is_watched_but_not_rated_counts_in_no_error_and_is_not_listed(with_unrated):
    recommender = load(with_unrated)
    run = recommender.run
    assert run.rating_scale == (1.0, 5.0)
    whole = pd.concat(run.parts.all())
    assert 0.3 < whole[RATING].isna().mean() < 0.37
    assert (whole[WEIGHT] == 0).equals(whole[RATING].isna())
    evaluation = evaluate(run, recommender.params, run.parts.test, run.config.evaluation)
    rated = run.parts.test[run.parts.test[WEIGHT] > 0]
    alone = evaluate(run, recommender.params, rated, run.config.evaluation)
    assert without_nan(evaluation.rating) == without_nan(alone.rating)
    assert without_nan(evaluation.ranking) == without_nan(alone.ranking)
    num_watched = len(run.parts.test) - len(rated)
    assert f"{len(rated)} ratings and {num_watched} movies watched but not rated" in closing_table(evaluation)
    assert not set(whole[MOVIE_ID][whole[USER_ID] == USER]) & set(recommender.recommend([USER], 9)[MOVIE_ID])
    stars = readable_lists(recommender, pd.Index([USER]), 3)
    assert re.search(r"^      -  +5\d\d  ", stars, re.M)


def test_where_no_held_out_row_is_rated_every_movie_watched_is_relevant(with_unrated):
    recommender = load(with_unrated)
    watched = recommender.run.parts.test.assign(**{RATING: np.float32(np.nan), WEIGHT: np.float32(0)})
    evaluation = evaluate(recommender.run, recommender.params, watched, recommender.run.config.evaluation)
    assert evaluation.counts["rated_rows"] == 0
    assert evaluation.counts["ranked_users"] == watched[USER_ID].nunique()
    assert math.isnan(evaluation.figures()["rmse"])


@pytest.fixture(scope="module", params=["without_ratings", "with_unrated"])
def any_run(request):
    """The recommender of either run."""
    return load(request.getfixturevalue(request.param))


def own_history(recommender, user_id) -> pd.DataFrame:
    """What a user has watched in train, as `with_new_users` takes it."""
    train = recommender.run.parts.train
    return train[train[USER_ID] == user_id]


def first_of(history: pd.DataFrame) -> dict[int, Rating]:
    """The first row of a history, as if it were recorded anew."""
    return {int(history[MOVIE_ID].iloc[0]): Rating(float(history[RATING].iloc[0]), 0)}


def test_a_new_user_with_the_history_of_another_gets_the_same_implicit_feedback_score(any_run):
    new = any_run.with_new_users(own_history(any_run, USER))
    known, folded = (one.scorer.encode_on_host(one.users.rows([USER])).implicit_feedback for one in (any_run, new))
    np.testing.assert_allclose(folded, known, rtol=1e-4, atol=1e-5)


def test_an_export_gives_the_same_lists(any_run, tmp_path):
    export_lists(any_run, tmp_path / "export", 3)
    found = load_export(tmp_path / "export").recommend([USER], 3)[USER]
    expected = any_run.recommend([USER], 3)
    assert [entry.movie_id for entry in found] == expected[MOVIE_ID].tolist()
    for column in ("score", "predicted_rating"):
        np.testing.assert_allclose([getattr(entry, column) for entry in found], expected[column], rtol=1e-4)


def test_a_server_gives_the_same_lists_with_null_for_what_is_not_known(any_run, tmp_path):
    engine = Engine(any_run, dataclasses.replace(API_CONFIG, max_batch=1), "one")
    with contextlib.closing(Service(tmp_path, engine, engine.config)) as service:
        ratings = service.ratings(str(USER), 100)["ratings"]
        assert {one[RATING] for one in ratings} >= {None}
        json.dumps(ratings, allow_nan=False)
        json.dumps(engine.catalogue.search(BrowseOptions(k=5)), allow_nan=False)
        assert engine.facts["rating_step"] == 1
    expected = any_run.recommend([USER], 3)
    # The second is encoded anew, from the same history in another order.
    own = own_history(any_run, USER)
    for user in (RequestUser(USER, {}), RequestUser(USER, first_of(own))):
        ranked = engine.answer([ListQuery(user, 3)])[0]
        assert any_run.run.movies.ids[ranked.movie_row].tolist() == expected[MOVIE_ID].tolist()
        np.testing.assert_allclose(ranked.score, expected["score"], rtol=1e-4)
