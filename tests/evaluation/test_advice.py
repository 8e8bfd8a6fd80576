"""What a run is advised to change, and when it counts as having learnt nothing."""

import dataclasses

import pytest

from movierec_jax.config import Config
from movierec_jax.errors import InputError
from movierec_jax.evaluation.advice import advise, overfit, require_learnt
from movierec_jax.training.progress import EpochRecord


def records_of(*valid_rmses):
    return [EpochRecord(n, 10 * n, 1.0, 0.0, rmse, 0.1) for n, rmse in enumerate(valid_rmses, start=1)]


def held_out(model=0.8, constant=1.0, biases=0.9, ndcg=0.3, popular=0.1, rated_rows=1000):
    rmses = {"model": model, "constant": constant, "biases": biases}
    return {
        "rating": {name: {"all": {"rmse": rmse}} for name, rmse in rmses.items()},
        "ranking": {"model": {"ndcg@10": ndcg}, "popularity": {"ndcg@10": popular}},
        "counts": {"rated_rows": rated_rows},
    }


def test_a_run_that_beats_its_baselines_needs_no_advice():
    assert advise(records_of(0.9, 0.8), held_out(), Config()) == []


@pytest.mark.parametrize(
    "valid_rmses",
    [(0.9, 0.85, 0.8, 0.85), (0.9, 0.8, 0.79), (0.8, 0.8005, 0.8005), (None, None, None), (0.8,)],
    ids=["best late", "best last", "hardly worse", "no validation", "one epoch"],
)
def test_a_run_does_not_overfit_if(valid_rmses):
    assert overfit(records_of(*valid_rmses)) == []


def test_a_run_whose_best_epoch_is_long_past_is_told_to_take_fewer():
    (advice,) = overfit(records_of(0.9, 0.8, 0.81, 0.82))
    assert advice.startswith("best epoch 2 of 4: the later ones overfit (validation RMSE 0.8200 after 0.8000)")
    assert advice.endswith("Try --epochs=2, with which the learning rate falls sooner")


def test_lists_that_still_become_better_speak_for_the_later_epochs():
    records = [dataclasses.replace(one, valid_ndcg_at_10=one.epoch / 10) for one in records_of(0.9, 0.8, 0.81, 0.82)]
    assert overfit(records)[0].endswith("unless lists matter more: NDCG@10 rose from 0.2000 to 0.4000")


def test_a_run_worse_than_a_baseline_is_told_which_settings_to_leave_out():
    config = Config().replace(learning_rate=1.0, seed=3, ratings="other.csv")
    rating, lists = advise(records_of(0.9, 0.8), held_out(model=0.95, ndcg=0.05), config)
    assert (
        rating == "test RMSE 0.9500 is no better than the 0.9000 of user and movie biases: leave out --learning_rate=1"
    )
    assert lists == "NDCG@10 0.0500 is no better than the 0.1000 of popularity: leave out --learning_rate=1"


def test_a_run_with_usual_settings_is_told_how_to_find_others():
    (advice,) = advise(records_of(0.8), held_out(model=0.95), Config())
    assert advice.endswith("the ratings may be too few for more; movierec tune finds settings that suit them")


def test_figures_that_do_not_exist_are_no_reason_for_advice():
    assert advise(records_of(None), held_out(model=None, biases=None, ndcg=None), Config()) == []


def test_a_run_no_better_than_a_constant_has_learnt_nothing():
    config = Config().replace(learning_rate=1000.0)
    with pytest.raises(
        InputError, match=r"^runs/x: the model has learnt nothing; its test RMSE is 1\.8000, and 1\.0000"
    ):
        require_learnt({"held_out": held_out(model=1.8)}, config, "runs/x")


@pytest.mark.parametrize(
    "figures", [{"model": 0.99}, {"model": None, "constant": None}, {"model": 2, "rated_rows": 99}]
)
def test_a_run_has_learnt_something_if_it_is_better_or_nobody_can_tell(figures):
    require_learnt({"held_out": held_out(**figures)}, Config(), "runs/x")
