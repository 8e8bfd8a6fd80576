"""The ranking suites end to end on two crowds, and the cases of trained and new users."""

import json

import pandas as pd
import pytest
from helpers.checkerboard import crowds, table
from helpers.suites import suite_config

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_MODEL
from movierec_jax.benchmark.folds import Fold
from movierec_jax.benchmark.process import FitError
from movierec_jax.benchmark.suites import ranking
from movierec_jax.benchmark.suites.ranking import new_users, trained_users
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.data.splits import Split
from movierec_jax.errors import InputError


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The two crowds as a MovieLens folder, and a small model."""
    folder = tmp_path_factory.mktemp("crowds")
    whole = crowds().train
    return suite_config(folder, Split.of(whole, whole[:0], whole[:0]), valid_fraction=0.0, embedding_dim=2, epochs=20)


@pytest.mark.slow
@pytest.mark.parametrize("new_case", [trained_users, new_users])
def test_both_suites_measure_our_model_and_baselines_on_the_same_users(config, tmp_path, new_case, capsys):
    suite = {trained_users: "ranking", new_users: "ranking_new_users"}[new_case]
    benchmark = BenchmarkConfig(suite=suite, baselines=("popularity", "ease"), output=str(tmp_path))
    figures = ranking.run_suite(config, benchmark, "the command", new_case)
    by_label = {row["label"]: row for row in figures["rows"]}
    assert list(by_label) == [
        "movierec_jax",
        "movierec_jax, ids + history",
        "movierec_jax, by predicted rating alone",
        "popularity",
        "EASE^R",
    ]
    # Half of the twenty movies are of the user's own crowd: a model that learns this finds twice as much.
    for label in ("movierec_jax", "EASE^R"):
        assert by_label[label]["recall@20"] > 0.9
        assert by_label[label]["ndcg@10"] > 1.2 * by_label["popularity"]["ndcg@10"]
    assert by_label["popularity"]["differences"]["ndcg@10"]["to"] == "EASE^R"
    assert ("rmse" in by_label["movierec_jax"]["fits"][0]) == (new_case is trained_users)
    written = json.loads((tmp_path / f"{suite}.json").read_text())
    assert [row["ndcg@10"] for row in written["rows"]] == [row["ndcg@10"] for row in figures["rows"]]
    assert "EASE^R" in (tmp_path / f"{suite}.md").read_text()
    assert "best baseline" in capsys.readouterr().out


def fold_of(train: pd.DataFrame, test: pd.DataFrame) -> Fold:
    return Fold(Config(), train, test, (1.0, 5.0))


def test_trained_users_are_those_with_a_relevant_test_rating():
    test = table([3, 1, 2], [10, 20, 20], [4, 5, 3])
    case = trained_users(fold_of(table([1, 2, 3], [10, 10, 20], [5, 5, 5]), test), 0)
    assert case.task.users.tolist() == [1, 3]
    assert case.task.given.empty
    assert case.task.relevant_rating == 4


def test_new_users_are_not_in_train_and_given_ratings_are_not_held_out():
    whole = crowds(num_movies=60).train
    case = new_users(fold_of(whole[::2].reset_index(drop=True), whole[1::2].reset_index(drop=True)), seed=3)
    given, held_out = case.task.given, case.held_out
    assert set(case.task.users).isdisjoint(case.task.train[USER_ID])
    assert set(case.task.users) == set(given[USER_ID])
    assert len(case.task.users) == 60 * ranking.NEW_USERS
    pairs = [set(zip(part[USER_ID], part[MOVIE_ID], strict=True)) for part in (given, held_out, case.task.train)]
    assert not pairs[0] & pairs[1]
    assert len(pairs[0] | pairs[1] | pairs[2]) == len(whole)
    count = given[USER_ID].value_counts() / whole[whole[USER_ID].isin(given[USER_ID])][USER_ID].value_counts()
    assert (count >= ranking.GIVEN).all()


def test_a_fit_that_fails_is_named_and_the_others_stand(config, tmp_path, monkeypatch, capsys):
    measure = ranking.measure

    def fails_for_ours(entrant, case, *others):
        if entrant.model == OUR_MODEL:
            raise FitError("no memory")
        return measure(entrant, case, *others)

    monkeypatch.setattr(ranking, "measure", fails_for_ours)
    benchmark = BenchmarkConfig(suite="ranking", baselines=("popularity",), output=str(tmp_path))
    with pytest.raises(InputError, match=r"no figures for movierec_jax, .*; the other rows stand"):
        ranking.run_suite(config, benchmark, "the command", trained_users)
    written = json.loads((tmp_path / "ranking.json").read_text())
    assert [row["label"] for row in written["rows"]] == ["popularity"]
    assert written["failures"]["movierec_jax"] == "fold 1, seed 0: no memory"
