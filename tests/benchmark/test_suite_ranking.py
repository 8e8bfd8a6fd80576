"""The ranking suites end to end on two crowds, and figures from lists whose hits are known."""

import json

import pandas as pd
import pytest
from helpers.checkerboard import crowds, table, write

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.folds import Fold
from movierec_jax.benchmark.suites import ranking
from movierec_jax.benchmark.suites.ranking import known_users, new_users
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.data.splits import Split


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The two crowds as a MovieLens folder, and a small model."""
    folder = tmp_path_factory.mktemp("crowds")
    whole = crowds().train
    write(folder, Split.of(whole, whole[:0], whole[:0]))
    return Config().replace(
        ratings=str(folder / "ml"),
        valid_fraction=0.0,
        rating_scale=(1.0, 5.0),
        embedding_dim=2,
        hidden_dims=(),
        implicit_feedback_dim=8,
        epochs=20,
        users_per_step=20,
        learning_rate=0.03,
    )


@pytest.mark.slow
@pytest.mark.parametrize("cases", [known_users, new_users])
def test_both_protocols_measure_ours_and_others_on_the_same_users(config, tmp_path, cases, capsys):
    suite = {known_users: "ranking", new_users: "ranking_new_users"}[cases]
    benchmark = BenchmarkConfig(suite=suite, rankers=("popularity", "ease"), output=str(tmp_path))
    figures = ranking.run_suite(config, benchmark, "the command", cases)
    by_label = {row["label"]: row for row in figures["rows"]}
    assert list(by_label) == [
        "movierec_jax",
        "movierec_jax, ids + history",
        "movierec_jax, by stars alone",
        "popularity",
        "EASE^R",
    ]
    # Of twenty movies half are of one's own crowd: who knows that finds twice as much as who does not.
    for label in ("movierec_jax", "EASE^R"):
        assert by_label[label]["recall@20"] > 0.9
        assert by_label[label]["ndcg@10"] > 1.2 * by_label["popularity"]["ndcg@10"]
    assert by_label["popularity"]["differences"]["ndcg@10"]["to"] == "EASE^R"
    assert ("rmse" in by_label["movierec_jax"]["fits"][0]) == (cases is known_users)
    written = json.loads((tmp_path / f"{suite}.json").read_text())
    assert [row["ndcg@10"] for row in written["rows"]] == [row["ndcg@10"] for row in figures["rows"]]
    assert "EASE^R" in (tmp_path / f"{suite}.md").read_text()
    assert "best other" in capsys.readouterr().out


def fold_of(train: pd.DataFrame, test: pd.DataFrame) -> Fold:
    return Fold(Config(), train, test, (1.0, 5.0))


def test_known_users_are_those_with_something_to_find():
    test = table([3, 1, 2], [10, 20, 20], [4, 5, 3])
    case = known_users(fold_of(table([1, 2, 3], [10, 10, 20], [5, 5, 5]), test), 0)
    assert case.task.users.tolist() == [1, 3]
    assert case.task.given.empty
    assert case.relevant_rating == 4


def test_new_users_are_not_in_train_and_what_they_gave_is_not_to_be_found():
    whole = crowds(num_movies=60).train
    case = new_users(fold_of(whole[::2].reset_index(drop=True), whole[1::2].reset_index(drop=True)), seed=3)
    given, hidden = case.task.given, case.hidden
    assert set(case.task.users).isdisjoint(case.task.train[USER_ID])
    assert set(case.task.users) == set(given[USER_ID])
    assert len(case.task.users) == 60 * ranking.NEW_USERS
    pairs = [set(zip(part[USER_ID], part[MOVIE_ID], strict=True)) for part in (given, hidden, case.task.train)]
    assert not pairs[0] & pairs[1]
    assert len(pairs[0] | pairs[1] | pairs[2]) == len(whole)
    count = given[USER_ID].value_counts() / whole[whole[USER_ID].isin(given[USER_ID])][USER_ID].value_counts()
    assert (count >= ranking.GIVEN).all()


def test_a_fit_that_fails_is_named_and_the_others_stand(config, tmp_path, monkeypatch, capsys):
    measure = ranking.measure

    def fails_for_ours(entrant, case, seed):
        if entrant.recommender == ranking.OURS:
            raise ranking.FitError("no luck")
        return measure(entrant, case, seed)

    monkeypatch.setattr(ranking, "measure", fails_for_ours)
    benchmark = BenchmarkConfig(suite="ranking", rankers=("popularity",), output=str(tmp_path))
    with pytest.raises(ranking.InputError, match=r"no figures for movierec_jax, .*; the other rows stand"):
        ranking.run_suite(config, benchmark, "the command", known_users)
    written = json.loads((tmp_path / "ranking.json").read_text())
    assert [row["label"] for row in written["rows"]] == ["popularity"]
    assert written["failures"]["movierec_jax"] == "no luck"
