"""Trials are kept in the study, resumed, and the best is found."""

import pytest

from movierec_jax.config import Config
from movierec_jax.errors import InputError
from movierec_jax.runs.config import TuneConfig

optuna = pytest.importorskip("optuna")


@pytest.fixture
def config(tiny_ratings):
    return Config().replace(
        ratings=str(tiny_ratings), valid_fraction=0.2, epochs=1, embedding_dim=2, hidden_dims=(), content=()
    )


@pytest.fixture
def tiny_ratings(tmp_path):
    rows = [f"{user},{movie},{1 + (user * movie) % 5}" for user in range(20) for movie in range(10)]
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,movie_id,rating\n" + "\n".join(rows) + "\n")
    return path


def test_the_first_trial_is_the_config_and_a_study_resumes(config, tmp_path, capsys):
    from movierec_jax.runs.tuning import tune

    settings = TuneConfig(tune=("learning_rate", "shrinkage"), trials=1, study=str(tmp_path / "new" / "tune.db"))
    assert tune(config, settings) == {"learning_rate": config.train.learning_rate, "shrinkage": config.train.shrinkage}
    best = tune(config, settings)
    assert best.keys() == {"learning_rate", "shrinkage"}
    assert "best of 2: mean validation RMSE" in capsys.readouterr().out


def test_a_study_of_other_settings_is_refused(config, tmp_path):
    from movierec_jax.runs.tuning import tune

    study = str(tmp_path / "tune.db")
    tune(config, TuneConfig(tune=("shrinkage",), trials=1, study=study))
    with pytest.raises(InputError, match="other data or settings"):
        tune(config, TuneConfig(tune=("learning_rate",), trials=1, study=study))


@pytest.mark.parametrize(
    ("changes", "tuned", "message"),
    [({}, ("seed",), "--tune=seed: must be one of"), ({"valid_fraction": 0.0}, ("epochs",), "--valid_fraction=0")],
)
def test_a_setting_that_cannot_be_tuned_is_refused(config, tmp_path, changes, tuned, message):
    from movierec_jax.runs.tuning import tune

    with pytest.raises(InputError, match=message):
        tune(config.replace(**changes), TuneConfig(tune=tuned, trials=1, study=str(tmp_path / "tune.db")))


@pytest.mark.slow
def test_a_trials_value_is_the_mean_over_data_sets(config):
    from movierec_jax.runs.prepare import prepare
    from movierec_jax.runs.tuning import mean_rmse

    run = prepare(config)
    seen = []
    once = mean_rmse(config, [run], lambda step, rmse: seen.append((step, rmse)))
    assert seen == [(0, once)]
    assert mean_rmse(config, [run, run], lambda step, rmse: None) == pytest.approx(once)
