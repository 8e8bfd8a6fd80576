"""A training run from ratings to report: what it writes, how it stops, and that resuming changes no bit."""

import dataclasses
import functools
import io
import json
import shutil
import signal
import sys

import jax
import numpy as np
import pandas as pd
import pytest
from helpers import checkerboard
from helpers.kept_figures import Kept

from movierec_jax.config import EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data.files import read_sealed_json
from movierec_jax.data.readers.ratings_log.entries import Entry
from movierec_jax.data.readers.ratings_log.log import RatingsLog
from movierec_jax.data.readers.ratings_log.reading import FILE_NAME
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError, Interrupted
from movierec_jax.recommend.recommender import load
from movierec_jax.runs.checkpoint import Checkpoints
from movierec_jax.runs.workdir import load_run
from movierec_jax.train import train_run

EPOCHS = 8  # of `workdir`
SMALLEST = ModelConfig(embedding_dim=1, hidden_dims=(), implicit_feedback_dim=1)


class SignalAt(io.StringIO):
    """An output that sends this process a signal, once or more often, when a text is written to it."""

    def __init__(self, text: str, number: signal.Signals, times: int = 1):
        super().__init__()
        self.text, self.number, self.times = text, number, times

    def write(self, text: str) -> int:
        if self.text in text:
            for _ in range(self.times):
                signal.raise_signal(self.number)
        return super().write(text)


def last_state(workdir):
    return Checkpoints(workdir, read_only=True).latest(load_run(workdir).setup, pytest.fail)[0]


def saved_epochs(workdir):
    steps = epochs_in(workdir)[0]["step"]
    return sorted(int(path.name) // steps for path in (workdir / "checkpoints").iterdir())


def require_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def report_in(workdir):
    return read_sealed_json(workdir / "report.json")


def epochs_in(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def without_seconds(report):
    return {name: value for name, value in report.items() if name != "seconds"}


# What a finished run writes.


def test_the_report_has_figures_counts_timings_versions_and_device(workdir):
    report = report_in(workdir)
    assert {"test", "valid", "train", "counts", "seconds", "versions", "device"} <= report.keys()
    assert {"rmse", "mae", "ndcg@1", "ndcg@5", "recall@5", "coverage@5", "novelty@5"} <= report["test"].keys()
    seconds = report["seconds"]
    assert seconds["total"] == pytest.approx(seconds["data"] + seconds["train"] + seconds["evaluate"])
    assert {"jax", "numpy", "python"} <= report["versions"].keys()
    assert report["device"]["backend"] == jax.default_backend()


def test_the_report_counts_all_ratings_and_the_cold_ones_separately(workdir):
    report, board = report_in(workdir), checkerboard.parts()
    counts = {name: report["counts"][name] for name in ("train", "valid", "test", "users", "movies")}
    assert counts == {
        "train": len(board.train),
        "valid": len(board.valid),
        "test": len(board.test) + 3,
        "users": checkerboard.NUM_USERS,
        "movies": checkerboard.NUM_MOVIES,
    }
    held_out = report["held_out"]["counts"]
    assert (held_out["cold_rows"], held_out["cold_users"], held_out["cold_movies"]) == (3, 1, 1)


def test_every_epoch_has_a_line_of_metrics_and_the_best_is_in_the_report(workdir):
    epochs, report = epochs_in(workdir), report_in(workdir)
    assert [epoch["epoch"] for epoch in epochs] == list(range(1, EPOCHS + 1))
    best = min(epochs, key=lambda epoch: epoch["valid_rmse"])
    assert (report["best_epoch"], report["valid"]["rmse"], report["epochs"]) == (
        best["epoch"],
        best["valid_rmse"],
        EPOCHS,
    )


def test_a_run_leaves_plots_and_events(workdir):
    assert len(list((workdir / "plots").glob("*.png"))) == 4
    assert len(list((workdir / "tensorboard").glob("events.out.tfevents.*"))) == 1


def test_repeating_the_command_on_a_finished_workdir_returns_its_report(workdir, board_config, tmp_path, capsys):
    copy = shutil.copytree(workdir, tmp_path / "copy")
    assert train_run(board_config, copy).report == report_in(workdir)
    out = capsys.readouterr().out
    assert f"{copy} holds this run, finished; --overwrite starts it anew" in out
    assert "epoch" not in out


@pytest.mark.slow
def test_overwriting_trains_anew_and_gives_the_same_bits(workdir, board_config, tmp_path):
    copy = shutil.copytree(workdir, tmp_path / "copy")
    (copy / "notes.txt").write_text("mine")
    report = train_run(board_config, copy, overwrite=True).report
    assert without_seconds(report) == without_seconds(report_in(workdir))
    assert report["seconds"] != report_in(workdir)["seconds"]
    require_equal(last_state(copy), last_state(workdir))
    assert (copy / "notes.txt").exists()


@pytest.mark.slow
def test_an_undefined_figure_is_null(board_config, tmp_path):
    nothing_is_relevant = dataclasses.replace(board_config, evaluation=EvalConfig(eval_k=(1,), relevant_rating=6.0))
    train_run(nothing_is_relevant, tmp_path / "run")
    assert report_in(tmp_path / "run")["test"]["ndcg@1"] is None
    assert "NaN" not in (tmp_path / "run" / "report.json").read_text()


@pytest.mark.slow
def test_an_ensemble_with_a_feature_file_is_trained_evaluated_and_loaded(board_config, tmp_path, capsys):
    features = tmp_path / "moods.csv"
    features.write_text(
        "movie,mood\n" + "".join(f"{movie},{'dark' * (movie % 2) or 'bright'}\n" for movie in range(500, 520))
    )
    small = board_config.replace(movie_features=(str(features),), ensemble_size=2, epochs=1, hidden_dims=(), content=())
    report = train_run(small, tmp_path / "run").report
    out = capsys.readouterr().out
    assert f"{features}: describes 20 of 25 movies" in out
    assert "  mood: categories, 2 features of 20 movies" in out
    # As in test_report, with two members that know two features.
    assert report["counts"]["parameters"] == 2 * ((3 * (150 + 24) + 2) * (4 + 1) + 1)
    assert 0 < report["held_out"]["intervals"]["mean_spread"] < 4
    assert "The 50% interval covers " in out
    features.unlink()
    recommender = load(tmp_path / "run")
    assert recommender.spread([1000, 1001], [500, 500]).min() > 0
    assert recommender.run.movie_content.names == ("mood=bright", "mood=dark")


# Stopped and resumed.


@pytest.mark.parametrize(
    ("printed", "number", "done"),
    [
        pytest.param("ratings of 1 to 5 stars", signal.SIGTERM, 0, marks=pytest.mark.slow),
        pytest.param("epoch   1 of 8", signal.SIGTERM, 1, marks=pytest.mark.slow),
        ("epoch   3 of 8", signal.SIGINT, 3),
        pytest.param("epoch   8 of 8", signal.SIGTERM, 8, marks=pytest.mark.slow),
    ],
    ids=["while reading", "first epoch", "third epoch", "last epoch"],
)
def test_a_run_stopped_by_a_signal_resumes_to_the_same_bits_as_an_unbroken_one(
    workdir, board_config, tmp_path, monkeypatch, capsys, printed, number, done
):
    folder, handlers = tmp_path / "run", [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", SignalAt(printed, number))
        with pytest.raises(
            Interrupted, match=rf"stopped by {number.name}; .* To resume, repeat the command: --workdir={folder}$"
        ) as stop:
            train_run(board_config, folder)
    assert stop.value.signal_number == number
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert folder.exists() == (done > 0)
    if done:
        with (folder / "metrics.jsonl").open("a") as lines:
            lines.write('{"epoch": 9, "of a killed r')
    mine = Kept()
    report = train_run(board_config, folder, loggers=[mine]).report
    assert (f"resuming after epoch {done} of 8" in capsys.readouterr().out) == (done > 0)
    require_equal(last_state(folder), last_state(workdir))
    assert without_seconds(report) == without_seconds(report_in(workdir))
    assert [epoch["epoch"] for epoch in epochs_in(folder)] == list(range(1, EPOCHS + 1))
    *epochs, (_, test) = mine.logged
    assert [epoch for epoch, _ in epochs] == list(range(done + 1, EPOCHS + 1))
    assert test["test_rmse"] == report["test"]["rmse"]
    assert mine.is_closed


@pytest.fixture
def without_validation(board_config):
    return board_config.replace(valid_ratings=None, valid_fraction=0.0, embedding_dim=2, hidden_dims=())


@pytest.mark.slow
def test_without_validation_a_quick_run_saves_only_at_its_end(without_validation, tmp_path, monkeypatch):
    quick = without_validation
    # However busy the machine is, the run counts as quick.
    monkeypatch.setattr("movierec_jax.train.SAVE_SECONDS", 3600.0)
    train_run(quick, tmp_path / "whole")
    assert saved_epochs(tmp_path / "whole") == [EPOCHS]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", SignalAt("epoch   3 of 8", signal.SIGTERM))
        with pytest.raises(Interrupted):
            train_run(quick, tmp_path / "stopped")
    assert saved_epochs(tmp_path / "stopped") == [3]
    train_run(quick, tmp_path / "stopped")
    assert saved_epochs(tmp_path / "stopped") == [3, EPOCHS]
    require_equal(last_state(tmp_path / "stopped"), last_state(tmp_path / "whole"))


@pytest.mark.slow
def test_without_validation_a_slow_run_saves_at_intervals(without_validation, tmp_path, monkeypatch):
    monkeypatch.setattr("movierec_jax.train.SAVE_SECONDS", 0.0)
    train_run(without_validation, tmp_path)
    assert saved_epochs(tmp_path) == [EPOCHS - 1, EPOCHS]


def test_a_second_signal_acts_at_once(board_config, tmp_path, monkeypatch, request):
    # What starts the tests may have SIGINT ignored.
    request.addfinalizer(functools.partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", SignalAt("epoch   2 of 8", signal.SIGINT, times=2))
        with pytest.raises(KeyboardInterrupt):
            train_run(board_config, tmp_path)
    assert not (tmp_path / "report.json").exists()


# Ratings that are given, and the result.


def test_a_table_of_ratings_trains_the_run_that_its_file_does(board_config, tmp_path):
    small = dataclasses.replace(board_config, model=SMALLEST).replace(epochs=1, content=(), eval_k=(1,))
    path = small.data.ratings + "/ratings.csv"
    table = pd.read_csv(path).rename(columns={"userId": "User ID"})
    of_path, of_table = (
        train_run(small, tmp_path / name, ratings=ratings) for name, ratings in (("path", path), ("table", table))
    )
    assert of_table.report["test"] == of_path.report["test"] == report_in(tmp_path / "path")["test"]
    lists = [one.recommender.recommend([1000, 1001], 3) for one in (of_path, of_table)]
    pd.testing.assert_frame_equal(*lists)
    with pytest.raises(InputError, match="a run on other data: DataFrame has changed since"):
        train_run(small, tmp_path / "table", ratings=table[1:])


# Warm starts.


def test_a_warm_start_resumes_without_the_older_run_to_the_same_bits(workdir, board_config, tmp_path, monkeypatch):
    warm = board_config.replace(epochs=2)
    old = shutil.copytree(workdir, tmp_path / "old")
    whole = train_run(warm, tmp_path / "whole", warm_start=old)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", SignalAt("warm start from", signal.SIGTERM))
        with pytest.raises(Interrupted):
            train_run(warm, tmp_path / "stopped", warm_start=old)
    assert [path.name for path in (tmp_path / "stopped" / "checkpoints").iterdir()] == ["0"]
    shutil.rmtree(old)
    report = train_run(warm, tmp_path / "stopped", warm_start=old).report
    assert without_seconds(report) == without_seconds(whole.report)
    require_equal(last_state(tmp_path / "stopped"), last_state(tmp_path / "whole"))
    # It knows from the start what the older run has learnt.
    assert epochs_in(tmp_path / "whole")[0]["train_rmse"] < epochs_in(workdir)[1]["train_rmse"]
    with pytest.raises(InputError, match=rf"other settings: --warm_start=unset \(was {old}\)"):
        train_run(warm, tmp_path / "stopped")


def test_a_warm_start_from_the_workdir_itself_is_refused(workdir, board_config):
    with pytest.raises(InputError, match=rf"--warm_start={workdir}: is the workdir itself; give another --workdir"):
        train_run(board_config, workdir, warm_start=workdir, overwrite=True)


def test_held_out_files_of_what_the_older_run_has_learnt_are_refused(workdir, board_config, tmp_path):
    path = tmp_path / "test.csv"
    checkerboard.parts().train[:5].drop(columns="timestamp").to_csv(path, index=False)
    config = board_config.replace(test_ratings=str(path), ratings=board_config.data.test_ratings)
    with pytest.raises(InputError, match=r"test\.csv: each of its 5 pairs of user and movie is also in what the older"):
        train_run(config, tmp_path / "run", warm_start=workdir)
    assert not (tmp_path / "run").exists()


# Early stopping, and other parts.


@pytest.mark.slow
def test_training_stops_early_and_keeps_the_earliest_of_equally_good_epochs(board_config, tmp_path, capsys):
    too_slow = TrainConfig(epochs=8, batch_size=128, learning_rate=1e-30, patience=2)
    with pytest.raises(InputError, match="the model has learnt nothing"):
        train_run(dataclasses.replace(board_config, model=SMALLEST, train=too_slow), tmp_path)
    report = report_in(tmp_path)
    assert (report["best_epoch"], report["epochs"]) == (1, 1 + 2)
    out = capsys.readouterr().out
    assert "no better validation RMSE in 2 epochs: stopped after epoch 3" in out
    assert "best epoch 1: validation RMSE" in out


@pytest.mark.slow
def test_without_a_validation_part_all_ratings_are_trained_on_to_the_last_epoch(board_config, tmp_path):
    whole = DataConfig(ratings=board_config.data.ratings, test_fraction=0.25, valid_fraction=0.0)
    two_epochs = TrainConfig(epochs=2, batch_size=128)
    report = train_run(dataclasses.replace(board_config, data=whole, model=SMALLEST, train=two_epochs), tmp_path).report
    assert (report["best_epoch"], report["valid"]["rmse"]) == (2, None)
    counts, ratings = report["counts"], len(checkerboard.parts().train)
    assert (counts["train"], counts["valid"], counts["test"]) == (ratings - ratings // 4, 0, ratings // 4)
    assert [epoch["valid_rmse"] for epoch in epochs_in(tmp_path)] == [None, None]


# Extra ratings.


@pytest.mark.slow
def test_a_run_resumes_with_the_same_extra_ratings_and_refuses_others(board_config, tmp_path, monkeypatch):
    log = RatingsLog(tmp_path / FILE_NAME)
    log.append([Entry(7000, 500, 5.0, 10)])
    config = board_config.replace(
        extra_ratings=(str(log.path),), epochs=2, embedding_dim=1, hidden_dims=(), implicit_feedback_dim=0
    )
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", SignalAt("epoch   1 of 2", signal.SIGTERM))
        with pytest.raises(Interrupted):
            train_run(config, folder)
    assert train_run(config, folder).report["epochs"] == 2
    assert set(load(folder).recommend([7000], 1)["user_id"]) == {7000}
    log.append([Entry(7000, 501, 1.0, 13)])
    with pytest.raises(InputError, match=rf"a run on other data: \S+ or {log.path} has changed since"):
        train_run(config, folder)
    log.close()


@pytest.mark.slow
def test_overwriting_a_served_workdir_keeps_its_log(workdir, board_config, tmp_path):
    small = board_config.replace(epochs=1, embedding_dim=1, hidden_dims=(), implicit_feedback_dim=0)
    shutil.copytree(workdir, tmp_path / "run")
    log = RatingsLog(tmp_path / "run" / FILE_NAME)
    log.append([Entry(7000, 500, 5.0, 10)])
    report = train_run(small.replace(extra_ratings=(str(log.path),)), tmp_path / "run", overwrite=True).report
    assert report["counts"]["users"] == checkerboard.NUM_USERS + 1
    log.append([Entry(7000, 501, 1.0, 11)])
    assert len(log.latest()) == 2
    log.close()
