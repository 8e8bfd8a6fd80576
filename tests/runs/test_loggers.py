"""Figures reach every logger, of which a broken one does not end a run."""

import importlib.util
import json
import sys

import pytest
from helpers.kept_figures import Kept

from movierec_jax.config import Config, flag_values
from movierec_jax.errors import InputError
from movierec_jax.runs.config import LOGGERS
from movierec_jax.runs.epoch_log import EpochLog
from movierec_jax.runs.loggers import OPENERS, Loggers, require_installed
from movierec_jax.training.progress import EpochRecord, ErrorTotals, Progress


def test_every_value_of_the_flag_opens_a_logger():
    assert tuple(OPENERS) == LOGGERS


def test_loggers_are_given_the_figures_of_each_epoch_that_were_measured(tmp_path):
    mine = Kept()
    records = (EpochRecord(1, 5, 0.9, 0.0, 0.8, 0.1, valid_ndcg_at_10=0.25), EpochRecord(2, 10, None, 0.5, None, 0.1))
    with EpochLog(tmp_path, (), 100, epochs=2, loggers=Loggers((), [mine])) as log:
        for num_epochs in (1, 2):
            log.show(Progress(records[:num_epochs]))
    assert mine.logged == [
        (1, {"train_rmse": 0.9, "catalogue_error": 0.0, "valid_rmse": 0.8, "valid_ndcg_at_10": 0.25, "seconds": 0.1}),
        (2, {"catalogue_error": 0.5, "seconds": 0.1}),
    ]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["epoch"], line["valid_ndcg_at_10"]) for line in lines] == [(1, 0.25), (2, None)]


def test_the_bar_moves_within_an_epoch_and_says_nothing_of_it(tmp_path, capsys):
    with EpochLog(tmp_path, (), 100, epochs=2, loggers=Loggers(())) as log:
        log.show(Progress(since=ErrorTotals(num_steps=3, num_ratings=30.0)))
    assert capsys.readouterr().out == ""


def test_a_logger_that_fails_is_left_out_with_a_warning_and_the_others_go_on():
    good, bad = Kept(), Kept(broken_at=2)
    loggers = Loggers((), [bad, good])
    loggers.log(1, {"rmse": 0.9})
    with pytest.warns(UserWarning, match="Kept fails .no network.; the run goes on without it"):
        loggers.log(2, {"rmse": 0.8})
    loggers.log(3, {"rmse": 0.7})
    assert bad.logged == [(1, {"rmse": 0.9})]
    assert [epoch for epoch, _ in good.logged] == [1, 2, 3]


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_package_is_named_with_what_installs_it(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=rf"^{name} cannot be imported .*pip install -e '\.\[{name}\]'$"):
        require_installed((name,))


def needs(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


@needs("mlflow")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Of MLflow's own dependencies.
def test_mlflow_keeps_settings_and_figures_of_a_run_that_resumes(tmp_path, monkeypatch):
    import mlflow

    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    for epoch in (1, 2):
        loggers = Loggers(("mlflow",))
        loggers.open(tmp_path, flag_values(Config()), epochs_done=epoch - 1)
        loggers.log(epoch, {"valid_rmse": 1 / epoch})
        loggers.close()
    (run,) = mlflow.MlflowClient().search_runs(mlflow.get_experiment_by_name("movierec_jax").experiment_id)
    assert run.data.params["embedding_dim"] == "64"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "valid_rmse")
    assert [(metric.step, metric.value) for metric in history] == [(1, 1.0), (2, 0.5)]


@needs("wandb")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Of W&B's own dependencies.
def test_wandb_keeps_a_run_offline_under_one_id(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for epoch in (1, 2):
        loggers = Loggers(("wandb",))
        loggers.open(tmp_path, flag_values(Config()), epochs_done=epoch - 1)
        loggers.log(epoch, {"valid_rmse": 1 / epoch})
        loggers.close()
    run_id = (tmp_path / "wandb_run.txt").read_text()
    assert list((tmp_path / "wandb").glob(f"offline-run-*-{run_id}/run-{run_id}.wandb"))
