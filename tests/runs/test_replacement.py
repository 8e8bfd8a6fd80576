"""A run takes the place of another in one step, even where it is broken off within it."""

import dataclasses
import os
import pathlib
import shutil

import pytest
from helpers import checkerboard

from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.readers.ratings_log.reading import FILE_NAME
from movierec_jax.errors import InputError
from movierec_jax.runs.prepare import new_run
from movierec_jax.runs.replacement import FINISHED, NEXT, consistent, finish_replacement, replace_run, training_folder
from movierec_jax.runs.workdir import load_run, save_run

PARTS = checkerboard.parts(num_users=18, num_movies=9)
RUN = new_run(
    Config(model=ModelConfig(embedding_dim=2, hidden_dims=(), implicit_feedback_dim=1), train=TrainConfig(epochs=3)),
    checkerboard.clean_data(PARTS),
    PARTS,
)
OTHER = dataclasses.replace(RUN, config=RUN.config.replace(epochs=9))
OF_RUNS = ("report.json", "plots/calibration.png", "tensorboard/events.out.tfevents.1", "checkpoints/1/about")
NOT_OF_RUNS = ("notes.txt", "own/x.csv", "ratings/mine.csv", "plots/mine.png", FILE_NAME, f"{FILE_NAME}-wal")


def write_files(folder, names, text):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def workdir(tmp_path):
    """A workdir that holds one run, and another, finished, that is to replace it."""
    save_run(tmp_path, RUN)
    write_files(tmp_path, [*OF_RUNS, "unreadable/1/about", "metrics.jsonl"], "old")
    write_files(tmp_path, NOT_OF_RUNS, "mine")
    folder = training_folder(tmp_path, overwrite=True)
    assert folder == tmp_path / NEXT
    save_run(folder, OTHER)
    write_files(folder, OF_RUNS, "new")
    return tmp_path


def break_off_after(num_changes, patch):
    """Lets so many calls that change a folder succeed; the next one fails, a removal when it is half done."""
    left = num_changes

    def breaking(original):
        def call(*arguments, **named):
            nonlocal left
            if left:
                left -= 1
                return original(*arguments, **named)
            if original is remove_tree:
                for path in [path for path in sorted(arguments[0].rglob("*")) if path.is_file()][::2]:
                    os.unlink(path)
            raise KeyboardInterrupt

        return call

    remove_tree = shutil.rmtree
    for owner, name in (
        (os, "replace"),
        (shutil, "rmtree"),
        *((pathlib.Path, n) for n in ("rename", "touch", "unlink")),
    ):
        patch.setattr(owner, name, breaking(getattr(owner, name)))


def require_replaced(workdir):
    """The workdir holds the other run, nothing of the old one, and all files of others."""
    assert load_run(workdir).config == OTHER.config
    assert {(workdir / name).read_text() for name in OF_RUNS} == {"new"}
    assert {(workdir / name).read_text() for name in NOT_OF_RUNS} == {"mine"}
    assert not (workdir / "unreadable").exists()
    assert not (workdir / "metrics.jsonl").exists()
    assert not list(workdir.glob(f"{NEXT}*"))


def test_until_it_is_finished_the_next_run_changes_nothing(workdir):
    assert load_run(workdir).config == RUN.config
    assert {(workdir / name).read_text() for name in OF_RUNS} == {"old"}
    assert training_folder(workdir, overwrite=False) == workdir / NEXT
    assert load_run(workdir / NEXT).config == OTHER.config


def test_a_finished_run_takes_the_place_of_the_old_one_and_of_nothing_else(workdir):
    replace_run(workdir, workdir / NEXT)
    require_replaced(workdir)
    assert training_folder(workdir, overwrite=False) == workdir


def test_a_replacement_broken_off_at_any_moment_is_finished_by_the_next_reader(workdir, tmp_path_factory, monkeypatch):
    (workdir / NEXT).rename(workdir / FINISHED)
    for num_changes in range(100):
        copy = shutil.copytree(workdir, tmp_path_factory.mktemp("broken") / "run")
        with monkeypatch.context() as patch:
            break_off_after(num_changes, patch)
            try:
                finish_replacement(copy)
                break
            except KeyboardInterrupt:
                pass
        assert consistent(copy, lambda folder=copy: load_run(folder)).config == OTHER.config
        require_replaced(copy)
    assert 20 < num_changes < 99


def test_overwriting_begins_anew_where_it_had_begun(workdir):
    write_files(workdir, [f"{NEXT}/checkpoints/2/about"], "begun")
    assert training_folder(workdir, overwrite=True) == workdir / NEXT
    assert not (workdir / NEXT).exists()


def test_a_folder_without_a_run_is_trained_in_directly(tmp_path):
    write_files(tmp_path, ["plots/mine.png"], "mine")
    assert training_folder(tmp_path, overwrite=True) == tmp_path


def test_a_config_that_is_not_of_a_run_is_not_replaced(tmp_path):
    write_files(tmp_path, ["config.json"], "{}")
    with pytest.raises(InputError, match=r"its config\.json is not of a run"):
        training_folder(tmp_path, overwrite=True)
    assert (tmp_path / "config.json").read_text() == "{}"


def test_a_reader_whose_run_is_replaced_meanwhile_reads_the_new_one(workdir):
    def read():
        config = load_run(workdir).config
        if (workdir / NEXT).exists():
            replace_run(workdir, workdir / NEXT)
        load_run(workdir)
        return config

    assert consistent(workdir, read) == OTHER.config


def test_a_damaged_workdir_is_an_error_at_once(workdir):
    (workdir / "movies.parquet").unlink()
    with pytest.raises(InputError, match=r"movies\.parquet: is missing"):
        consistent(workdir, lambda: load_run(workdir))
