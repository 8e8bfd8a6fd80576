"""`movierec train` goes on with a run, or begins one like it, without its flags being written again."""

import json
import shutil

import pytest
from helpers.commands import run_command


def settings_in(folder):
    return json.loads((folder / "config.json").read_text())["settings"]


@pytest.fixture
def unfinished(workdir, tmp_path):
    """A copy of the run on the checkerboard that was stopped before its report."""
    folder = shutil.copytree(workdir, tmp_path / "run")
    (folder / "report.json").unlink()
    return folder


def test_an_unfinished_run_goes_on_with_its_workdir_alone_and_says_which_settings_it_keeps(unfinished, workdir):
    status, printed, messages = run_command(f"train --workdir={unfinished}")
    assert (status, messages) == (0, "")
    assert f"settings of the run in {unfinished}, as no flag says otherwise: --ratings=" in printed
    assert ", --embedding_dim=4 (instead of 64), " in printed
    assert "resuming after epoch 8 of 8" in printed
    assert settings_in(unfinished) == settings_in(workdir)


def test_a_flag_that_contradicts_the_run_is_refused(unfinished):
    status, _, message = run_command(f"train --workdir={unfinished} --embedding_dim=64 --epochs=8")
    assert status == 1
    assert "holds a run with other settings: --embedding_dim=64 (was 4). Give" in message


@pytest.mark.slow
def test_the_config_of_a_workdir_begins_a_like_run_elsewhere(workdir, tmp_path):
    status, _, messages = run_command(f"train --config={workdir}/config.json --workdir={tmp_path}/new --epochs=1")
    assert (status, messages) == (0, "")
    expected = settings_in(workdir)
    expected["train"]["epochs"] = 1
    assert settings_in(tmp_path / "new") == expected
