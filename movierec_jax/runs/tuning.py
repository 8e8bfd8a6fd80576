"""Settings that predict best on ratings carved from train, found by trial: Optuna proposes, our training answers.

A trial trains on the train part of every data set without its validation part, and its value is the mean of the
validation RMSEs. The test part is not looked at. Trials whose first epochs promise nothing are broken off.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from movierec_jax.config import Config
from movierec_jax.errors import InputError
from movierec_jax.packages import import_extra
from movierec_jax.runs.config import TuneConfig
from movierec_jax.runs.prepare import prepare
from movierec_jax.runs.run import Run
from movierec_jax.settings import as_flag
from movierec_jax.training.loop import fit
from movierec_jax.training.state import new_state

# Lowest and highest value of a setting that can be tuned, and whether its logarithm is what counts.
RANGES: dict[str, tuple[float, float, bool]] = {
    "learning_rate": (0.001, 0.02, True),
    "embedding_decay": (0.03, 1.0, True),
    "bias_decay": (0.01, 0.5, True),
    "history_explicit_decay": (0.05, 2.0, True),
    "history_implicit_decay": (0.002, 0.2, True),
    "feature_decay": (0.02, 2.0, True),
    "decay_power": (0.0, 1.0, False),
    "shrinkage": (0.1, 10.0, True),
    "weight_decay": (0.0005, 0.05, True),
    "dropout": (0.0, 0.7, False),
    "embedding_dim": (16, 256, True),
    "epochs": (6, 30, True),
}


def tune(config: Config, settings: TuneConfig) -> dict[str, Any]:
    """Runs trials, goes on with those of the study if there are any, and returns the best settings.

    Several processes may work on one study at once. Raises InputError without Optuna, without a validation part, and
    for a setting that cannot be tuned.
    """
    optuna = import_extra("optuna", "tune")
    odd = [name for name in settings.tune if name not in RANGES]
    if odd:
        raise InputError(f"--tune={odd[0]}: must be one of {', '.join(RANGES)}")
    if not config.data.valid_fraction and not config.data.valid_ratings:
        raise InputError("--valid_fraction=0: settings are judged on a validation part; give it a share of train")
    data_sets = config.data.ratings.split(",")
    path = pathlib.Path(settings.study)
    path.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="movierec_jax",
        storage=f"sqlite:///{path}",
        sampler=optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=None),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        load_if_exists=True,
    )
    described = {"data": data_sets, "tune": sorted(settings.tune)}
    known = {name: study.user_attrs.get(name, value) for name, value in described.items()}
    if known != described:
        raise InputError(f"{path} holds a study of other data or settings: {known}; give another --study")
    for name, value in described.items():
        study.set_user_attr(name, value)
    if not study.trials:
        study.enqueue_trial({name: value_of(config, name) for name in settings.tune})

    # What is read and left out is the same in every trial.
    runs = [prepare(config.replace(ratings=path)) for path in data_sets]

    def objective(trial) -> float:
        chosen = {name: suggest(trial, name) for name in settings.tune}

        def stop_if_hopeless(step: int, rmse: float) -> None:
            trial.report(rmse, step)
            if trial.should_prune():
                raise optuna.TrialPruned

        with jax.default_device(jax.devices()[trial.number % jax.device_count()]):
            return mean_rmse(config.replace(**chosen), runs, stop_if_hopeless)

    def tell(study, trial) -> None:
        value = f"{trial.value:.4f}" if trial.state.name == "COMPLETE" else trial.state.name.lower()
        flags = " ".join(f"--{name}={as_flag(trial.params[name])}" for name in sorted(trial.params))
        print(f"trial {trial.number}: {value}  {flags}", flush=True)

    study.optimize(objective, n_trials=settings.trials, n_jobs=jax.device_count(), callbacks=[tell])
    best = study.best_trial
    print(f"best of {len(study.trials)}: mean validation RMSE {best.value:.4f}, with")
    print(" ".join(f"--{name}={as_flag(value)}" for name, value in best.params.items()))
    return best.params


def mean_rmse(config: Config, runs: Sequence[Run], tell: Callable[[int, float], None]) -> float:
    """The mean over data sets of the validation RMSE after the last epoch, with the model and training of the config.

    runs: one for each data set, of which the ratings and content count.
    tell: takes a running number and the sum of the RMSEs so far, of finished data sets and of the one at work.
    """
    total, step = 0.0, 0
    for run in runs:
        setup = dataclasses.replace(run, config=config).setup
        rmse = np.nan
        for _, record in fit(new_state(setup), run.train, run.valid, run.interactions, setup=setup):
            rmse = float(record.valid_rmse or np.nan)
            tell(step, total + rmse)
            step += 1
        total += rmse
    return total / len(runs)


def value_of(config: Config, name: str) -> float:
    """The config's own value of a setting."""
    return next(getattr(section, name) for section in (config.model, config.train) if hasattr(section, name))


def suggest(trial, name: str) -> float:
    """The trial's value of a setting, within its range."""
    low, high, is_log = RANGES[name]
    suggest_number = trial.suggest_int if isinstance(low, int) else trial.suggest_float
    return suggest_number(name, low, high, log=is_log)
