"""Searches settings with Optuna.

Each trial trains on the train part of every data set; its value is the mean validation RMSE. The test part is never
used. Trials whose first epochs are worse than the median are stopped early.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from movierec_jax.config import Config
from movierec_jax.data.splits import valid_fraction
from movierec_jax.errors import InputError
from movierec_jax.packages import import_extra
from movierec_jax.runs.config import TuneConfig
from movierec_jax.runs.prepare import prepare
from movierec_jax.runs.run import Run
from movierec_jax.settings import as_flag, choose
from movierec_jax.training.loop import train_epochs
from movierec_jax.training.state import new_state

# Settings that can be tuned: lowest and highest value, and whether to search on a log scale.
RANGES: dict[str, tuple[float, float, bool]] = {
    "learning_rate": (0.001, 0.02, True),
    "embedding_decay": (5.0, 300.0, True),
    "bias_decay": (1.0, 100.0, True),
    "history_explicit_decay": (5.0, 300.0, True),
    "history_implicit_decay": (0.5, 100.0, True),
    "feature_decay": (5.0, 500.0, True),
    "shrinkage": (0.05, 5.0, True),
    "weight_decay": (0.0005, 0.05, True),
    "dropout": (0.0, 0.7, False),
    "embedding_dim": (16, 256, True),
    "epochs": (6, 30, True),
}


def tune(config: Config, settings: TuneConfig) -> dict[str, Any]:
    """Runs trials, besides those already in the study, and returns the best settings.

    Several processes may work on one study at once. Raises InputError without Optuna, without a validation part, and
    for a setting that cannot be tuned.
    """
    optuna = import_extra("optuna", "tune")
    for name in settings.tune:
        choose("tune", name, tuple(RANGES))
    if not valid_fraction(config.data) and not config.data.valid_ratings:
        raise InputError(
            "--valid_fraction=0: settings are compared on the validation part; give it a fraction of train"
        )
    data_sets = config.data.ratings.split(",")
    study = open_study(optuna, pathlib.Path(settings.study), data_sets, settings.tune)
    if not study.trials:
        study.enqueue_trial({name: default_value(config, name) for name in settings.tune})
    # Reading and cleaning do not depend on the tuned settings.
    runs = [prepare(config.replace(ratings=path)) for path in data_sets]

    def objective(trial) -> float:
        chosen = {name: suggest(trial, name) for name in settings.tune}

        def prune(step: int, rmse: float) -> None:
            trial.report(rmse, step)
            if trial.should_prune():
                raise optuna.TrialPruned

        with jax.default_device(jax.devices()[trial.number % jax.device_count()]):
            return mean_rmse(config.replace(**chosen), runs, prune)

    def print_trial(study, trial) -> None:
        value = f"{trial.value:.4f}" if trial.state.name == "COMPLETE" else trial.state.name.lower()
        flags = " ".join(f"--{name}={as_flag(trial.params[name])}" for name in sorted(trial.params))
        print(f"trial {trial.number}: {value}  {flags}", flush=True)

    study.optimize(objective, n_trials=settings.trials, n_jobs=jax.device_count(), callbacks=[print_trial])
    best = study.best_trial
    print(f"best of {len(study.trials)}: mean validation RMSE {best.value:.4f}, with")
    print(" ".join(f"--{name}={as_flag(value)}" for name, value in best.params.items()))
    return best.params


def open_study(optuna, path: pathlib.Path, data_sets: list[str], tuned: Sequence[str]):
    """Opens the study of a file, or makes one. Raises InputError for a study of other data or settings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="movierec_jax",
        storage=f"sqlite:///{path}",
        sampler=optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=None),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        load_if_exists=True,
    )
    wanted = {"data": data_sets, "tune": sorted(tuned)}
    found = {name: study.user_attrs.get(name, value) for name, value in wanted.items()}
    if found != wanted:
        raise InputError(f"{path} holds a study of other data or settings: {found}; give another --study")
    for name, value in wanted.items():
        study.set_user_attr(name, value)
    return study


def mean_rmse(config: Config, runs: Sequence[Run], report: Callable[[int, float], None]) -> float:
    """Trains the config's model on each data set and returns the mean of the validation RMSEs after the last epoch.

    runs: the prepared data sets. report: called after each epoch with a running number and the sum of the RMSEs of
    finished data sets and of the current one.
    """
    total, step = 0.0, 0
    for run in runs:
        # A prepared dataset has data settings of its own.
        setup = dataclasses.replace(run, config=dataclasses.replace(config, data=run.config.data)).setup
        rmse = np.nan
        for _, record in train_epochs(new_state(setup), run.train, run.valid, run.interactions, setup=setup):
            rmse = float(record.valid_rmse or np.nan)
            report(step, total + rmse)
            step += 1
        total += rmse
    return total / len(runs)


def default_value(config: Config, name: str) -> float:
    """Returns the config's value of a setting."""
    return next(getattr(section, name) for section in (config.model, config.train) if hasattr(section, name))


def suggest(trial, name: str) -> float:
    """Lets the trial choose a value of a setting within its range."""
    low, high, is_log = RANGES[name]
    suggest_number = trial.suggest_int if isinstance(low, int) else trial.suggest_float
    return suggest_number(name, low, high, log=is_log)
