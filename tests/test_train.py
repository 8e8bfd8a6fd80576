"""One training run from ratings to report: what it leaves, how it stops early, and that stopping changes no bit."""

import dataclasses
import functools
import io
import json
import shutil
import signal
import sys
import threading

import jax
import numpy as np
import pytest
from helpers import checkerboard

from movierec_jax.config import DataConfig, EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data.readers.ratings_log import FILE_NAME, Entry, RatingsLog
from movierec_jax.errors import InputError, Interrupted
from movierec_jax.recommend.recommender import load
from movierec_jax.runs.checkpoint import Checkpoints
from movierec_jax.runs.interrupt import interruptible
from movierec_jax.runs.prepare import CACHE_FOLDER, prepare, read_held_out, without_overlap
from movierec_jax.runs.workdir import fingerprint, load_run
from movierec_jax.train import train_run

EPOCHS = 8  # of `workdir`
SMALLEST = ModelConfig(embedding_dim=1, hidden_dims=(), implicit_feedback_dim=1)


class SignalAt(io.StringIO):
    """An output that sends this process a signal, once or more often, as soon as it is told a text."""

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
    return json.loads((workdir / "report.json").read_text())


def epochs_in(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def without_seconds(report):
    return {name: value for name, value in report.items() if name != "seconds"}


# What a finished run leaves.


def test_the_report_tells_figures_counts_timings_versions_and_device(workdir):
    report = report_in(workdir)
    assert {"test", "valid", "train", "counts", "seconds", "versions", "device"} <= report.keys()
    assert {"rmse", "mae", "ndcg@1", "ndcg@5", "recall@5", "coverage@5", "novelty@5"} <= report["test"].keys()
    seconds = report["seconds"]
    assert seconds["total"] == pytest.approx(seconds["data"] + seconds["train"] + seconds["evaluate"])
    assert {"jax", "numpy", "python"} <= report["versions"].keys()
    assert report["device"]["backend"] == jax.default_backend()


def test_the_report_counts_every_rating_and_the_cold_ones_apart(workdir):
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
    assert {path.name for path in (workdir / "plots").iterdir()} == {
        "learning_curve.png",
        "predicted.png",
        "residuals.png",
    }
    assert len(list((workdir / "tensorboard").glob("events.out.tfevents.*"))) == 1


def test_the_same_command_on_a_finished_workdir_says_so_and_gives_its_report(workdir, board_config, tmp_path, capsys):
    copy = shutil.copytree(workdir, tmp_path / "copy")
    assert train_run(board_config, copy) == report_in(workdir)
    out = capsys.readouterr().out
    assert f"{copy} holds this run, finished; --overwrite starts it anew" in out
    assert "epoch" not in out


def test_overwriting_trains_anew_and_gives_the_same_bits(workdir, board_config, tmp_path):
    copy = shutil.copytree(workdir, tmp_path / "copy")
    (copy / "notes.txt").write_text("mine")
    report = train_run(board_config, copy, overwrite=True)
    assert without_seconds(report) == without_seconds(report_in(workdir))
    assert report["seconds"] != report_in(workdir)["seconds"]
    require_equal(last_state(copy), last_state(workdir))
    assert (copy / "notes.txt").exists()


def test_a_figure_that_does_not_exist_is_null(board_config, tmp_path):
    nothing_is_a_hit = dataclasses.replace(board_config, evaluation=EvalConfig(eval_k=(1,), relevant_rating=6.0))
    train_run(nothing_is_a_hit, tmp_path / "run")
    assert report_in(tmp_path / "run")["test"]["ndcg@1"] is None
    assert "NaN" not in (tmp_path / "run" / "report.json").read_text()


@pytest.mark.slow
def test_an_ensemble_that_knows_a_file_of_features_is_trained_scored_and_loaded(board_config, tmp_path, capsys):
    features = tmp_path / "moods.csv"
    features.write_text(
        "movie,mood\n" + "".join(f"{movie},{'dark' * (movie % 2) or 'bright'}\n" for movie in range(500, 520))
    )
    small = board_config.replace(movie_features=(str(features),), ensemble_size=2, epochs=1, hidden_dims=(), content=())
    report = train_run(small, tmp_path / "run")
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


# Stopped and gone on.


@pytest.mark.parametrize(
    ("printed", "number", "done"),
    [
        ("ratings of 1 to 5 stars", signal.SIGTERM, 0),
        ("epoch   1 of 8", signal.SIGTERM, 1),
        ("epoch   3 of 8", signal.SIGINT, 3),
        ("epoch   8 of 8", signal.SIGTERM, 8),
    ],
    ids=["while reading", "first epoch", "third epoch", "last epoch"],
)
def test_a_run_stopped_by_a_signal_goes_on_to_the_bits_of_an_unbroken_one(
    workdir, board_config, tmp_path, monkeypatch, capsys, printed, number, done
):
    folder, handlers = tmp_path / "run", [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", SignalAt(printed, number))
        with pytest.raises(Interrupted, match=rf"stopped by {number.name}; .* goes on: --workdir={folder}$") as stop:
            train_run(board_config, folder)
    assert stop.value.signal_number == number
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert folder.exists() == (done > 0)
    if done:
        with (folder / "metrics.jsonl").open("a") as lines:
            lines.write('{"epoch": 9, "of a killed r')
    report = train_run(board_config, folder)
    assert (f"going on after epoch {done} of 8" in capsys.readouterr().out) == (done > 0)
    require_equal(last_state(folder), last_state(workdir))
    assert without_seconds(report) == without_seconds(report_in(workdir))
    assert [epoch["epoch"] for epoch in epochs_in(folder)] == list(range(1, EPOCHS + 1))


@pytest.fixture
def without_validation(board_config):
    return board_config.replace(valid_ratings=None, valid_fraction=0.0, embedding_dim=2, hidden_dims=())


@pytest.mark.slow
def test_without_validation_a_quick_run_saves_when_it_ends_or_is_stopped(without_validation, tmp_path, monkeypatch):
    quick = without_validation
    # Quick by its definition, however busy the machine is.
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


def test_without_validation_a_slow_run_saves_as_it_goes(without_validation, tmp_path, monkeypatch):
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


def test_signals_are_left_alone_outside_the_main_thread(tmp_path):
    failures = []

    def work():
        try:
            with interruptible("the same command goes on") as stop:
                stop.raise_if_received()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []


# Early ends, and other parts.


@pytest.mark.slow
def test_training_stops_when_validation_gets_no_better_and_takes_the_earliest_of_equals(board_config, tmp_path, capsys):
    too_slow = TrainConfig(epochs=8, batch_size=128, learning_rate=1e-30, patience=2)
    report = train_run(dataclasses.replace(board_config, model=SMALLEST, train=too_slow), tmp_path)
    assert (report["best_epoch"], report["epochs"]) == (1, 1 + 2)
    out = capsys.readouterr().out
    assert "no better validation RMSE in 2 epochs: stopped after epoch 3" in out
    assert "best epoch 1: validation RMSE" in out


def test_without_a_validation_part_all_ratings_train_to_the_last_epoch(board_config, tmp_path):
    whole = DataConfig(ratings=board_config.data.ratings, test_fraction=0.25, valid_fraction=0.0)
    two_epochs = TrainConfig(epochs=2, batch_size=128)
    report = train_run(dataclasses.replace(board_config, data=whole, model=SMALLEST, train=two_epochs), tmp_path)
    assert (report["best_epoch"], report["valid"]["rmse"]) == (2, None)
    counts, ratings = report["counts"], len(checkerboard.parts().train)
    assert (counts["train"], counts["valid"], counts["test"]) == (ratings - ratings // 4, 0, ratings // 4)
    assert [epoch["valid_rmse"] for epoch in epochs_in(tmp_path)] == [None, None]


def test_held_out_ratings_that_are_also_in_train_are_left_out_and_counted(tmp_path, capsys):
    train = checkerboard.table([1, 1], [7, 8], [5, 1])
    path = tmp_path / "test.csv"
    path.write_text("user,movie,rating\n1,7,4\n1,9,3\n2,7,2\n")
    held_out = read_held_out(str(path), train, (1.0, 5.0))
    assert held_out[["user_id", "movie_id"]].to_numpy().tolist() == [[1, 9], [2, 7]]
    assert "left out 1 row (pair of user and movie also in what the model is trained with)" in capsys.readouterr().out


def test_a_validation_file_loses_what_the_test_file_has_too(tmp_path, capsys):
    known = checkerboard.table([1, 2], [7, 8], [5, 1])
    valid = checkerboard.table([1, 2, 3], [7, 9, 9], [5, 1, 2])
    kept = without_overlap(valid, known, "the test part", "valid.csv")
    assert kept[["user_id", "movie_id"]].to_numpy().tolist() == [[2, 9], [3, 9]]
    assert "left out 1 row (pair of user and movie also in the test part)" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"valid\.csv: each of its 2 pairs .* is also in the test part"):
        without_overlap(known, known, "the test part", "valid.csv")


# Extra ratings.


@pytest.fixture
def log(tmp_path):
    """A log of a workdir, open as a server has it, with ratings of user 7000 and of movie 950, both new."""
    (tmp_path / "served").mkdir()
    log = RatingsLog(tmp_path / "served" / FILE_NAME)
    log.append([Entry(7000, 500, 5.0, 10), Entry(7000, 950, 4.0, 11), Entry(1000, 950, 9.0, 12)])
    yield log
    log.close()


def test_extra_ratings_are_part_of_the_data_and_told_of(board_config, log, tmp_path, capsys):
    more = tmp_path / "more.csv"
    more.write_text("user,movie,rating\n1000,950,2\n")
    parts = prepare(board_config).parts
    run = prepare(board_config.replace(extra_ratings=(str(log.path), str(more))))
    out = capsys.readouterr().out
    assert f"  with 3 extra ratings of {log.path}\n  with 1 extra ratings of {more}\n" in out
    assert "left out 1 row (rating outside 1 to 5)" in out
    added = run.parts.train.iloc[len(parts.train) :]
    assert added[["user_id", "movie_id", "rating"]].to_numpy().tolist() == [
        [7000, 500, 5],
        [7000, 950, 4],
        [1000, 950, 2],
    ]
    assert run.movie_table.set_index("movie_id").loc[950].tolist() == ["950", 0, ""]
    assert len(run.parts.test) == len(parts.test)


def test_a_log_with_nothing_in_it_changes_nothing_but_the_settings(board_config, tmp_path, capsys):
    RatingsLog(tmp_path / FILE_NAME).close()
    run = prepare(board_config.replace(extra_ratings=(str(tmp_path / FILE_NAME),)))
    assert f"  with 0 extra ratings of {tmp_path / FILE_NAME}" in capsys.readouterr().out
    assert fingerprint(run.parts) == fingerprint(prepare(board_config).parts)


@pytest.mark.slow
def test_a_run_with_extra_ratings_goes_on_while_they_are_the_same_and_refuses_others(
    board_config, log, tmp_path, monkeypatch
):
    config = board_config.replace(
        extra_ratings=(str(log.path),), epochs=2, embedding_dim=1, hidden_dims=(), implicit_feedback_dim=0
    )
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", SignalAt("epoch   1 of 2", signal.SIGTERM))
        with pytest.raises(Interrupted):
            train_run(config, folder)
    assert train_run(config, folder)["epochs"] == 2
    assert set(load(folder).recommend([7000], 1)["user_id"]) == {7000}
    log.append([Entry(7000, 501, 1.0, 13)])
    with pytest.raises(InputError, match=rf"a run on other data: \S+ or {log.path} has changed since"):
        train_run(config, folder)


@pytest.mark.slow
def test_overwriting_a_served_workdir_keeps_its_log(workdir, board_config, tmp_path):
    small = board_config.replace(epochs=1, embedding_dim=1, hidden_dims=(), implicit_feedback_dim=0)
    shutil.copytree(workdir, tmp_path / "run")
    log = RatingsLog(tmp_path / "run" / FILE_NAME)
    log.append([Entry(7000, 500, 5.0, 10)])
    report = train_run(small.replace(extra_ratings=(str(log.path),)), tmp_path / "run", overwrite=True)
    assert report["counts"]["users"] == checkerboard.NUM_USERS + 1
    log.append([Entry(7000, 501, 1.0, 11)])
    assert len(log.latest()) == 2
    log.close()


def test_what_large_files_hold_is_kept_beside_the_workdir(board_config, log, tmp_path, monkeypatch):
    monkeypatch.setattr("movierec_jax.data.readers.ratings_file.CACHED_FROM_BYTES", 1)
    (tmp_path / "runs" / "mine" / "checkpoints").mkdir(parents=True)
    with pytest.raises(InputError, match="has checkpoints but no config"):  # found out once all was read
        train_run(board_config, tmp_path / "runs" / "mine")
    # The ratings, the validation part and the test part; a log is read anew each time.
    assert len(list((tmp_path / "runs" / CACHE_FOLDER).iterdir())) == 3
    prepare(board_config.replace(extra_ratings=(str(log.path),)), tmp_path / "runs" / CACHE_FOLDER)
    assert len(list((tmp_path / "runs" / CACHE_FOLDER).iterdir())) == 3
