"""Lists ranked after each epoch: the same figure as evaluation gives, for a sample of users."""

import dataclasses

import pytest
from helpers import small_runs

from movierec_jax.config import EvalConfig
from movierec_jax.data.splits import Split
from movierec_jax.evaluation.epoch_ranking import epoch_ranker
from movierec_jax.evaluation.evaluate import evaluate
from movierec_jax.training.state import new_state


@pytest.fixture(scope="module")
def run():
    return small_runs.run_of()[0]


@pytest.fixture(scope="module")
def params(run):
    return new_state(run.setup).params


def test_all_users_together_have_the_figure_of_an_evaluation_of_the_validation_part(run, params):
    parts = dataclasses.replace(run.parts, valid=run.parts.valid[:0])
    evaluation = evaluate(dataclasses.replace(run, parts=parts), params, run.parts.valid, EvalConfig(eval_k=(10,)))
    ndcg = epoch_ranker(run, 10**6)(params, run.interactions)
    assert 0 < ndcg == pytest.approx(evaluation.ranking["model"]["ndcg@10"])


def test_a_sample_is_the_same_each_time(run, params):
    one, other = (epoch_ranker(run, 5)(params, run.interactions) for _ in range(2))
    assert one == other != epoch_ranker(run, 10**6)(params, run.interactions)


def test_nothing_is_ranked_without_users_without_validation_and_without_an_implicit_feedback_score(run):
    no_valid = Split.of(run.parts.train, run.parts.valid[:0], run.parts.test)
    without_lists, *_ = small_runs.run_of(small_runs.NO_DROPOUT)
    assert epoch_ranker(run, 0) is None
    assert epoch_ranker(dataclasses.replace(run, parts=no_valid), 5) is None
    assert epoch_ranker(without_lists, 5) is None
