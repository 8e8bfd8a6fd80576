"""Workdirs, ratings and lists in object storage are those of this machine, whatever happens on the way."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import fsspec
import numpy as np
import pandas as pd
import pytest
from helpers import checkerboard

from movierec_jax.config import Config
from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.readers.ratings_log.entries import Entry
from movierec_jax.data.readers.ratings_log.log import RatingsLog
from movierec_jax.data.readers.ratings_log.reading import FILE_NAME
from movierec_jax.data.storage import Mirror, downloaded, is_url, list_names, replace_path_in_errors, synced_folder
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError
from movierec_jax.recommend.recommender import load
from movierec_jax.train import train_run

ROOT = pathlib.Path(__file__).parents[2]
SMALL = [
    "--embedding_dim=2",
    "--hidden_dims=",
    "--implicit_feedback_dim=2",
    "--batch_size=64",
    "--epochs=30",
    "--eval_k=2",
]


@pytest.fixture
def memory():
    """What memory:// holds, emptied."""
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]
    return filesystem.store


def written(folder: pathlib.Path, **files: str) -> pathlib.Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


# A folder that stands for another.


def test_new_changed_and_deleted_files_are_sent_and_nothing_else(memory, tmp_path):
    mirror = Mirror("memory://bucket/run", written(tmp_path, a="1", sub__b="2", c="3"))
    mirror.send()
    assert {name: file.getvalue() for name, file in memory.items()} == {
        "/bucket/run/a": b"1",
        "/bucket/run/sub/b": b"2",
        "/bucket/run/c": b"3",
    }
    memory["/bucket/run/a"].write(b"changed by another")
    memory["/bucket/other"] = memory["/bucket/run/a"]
    written(tmp_path, sub__b="22")
    (tmp_path / "c").unlink()
    mirror.send()
    assert memory["/bucket/run/a"].getvalue() == b"1changed by another"
    assert memory["/bucket/run/sub/b"].getvalue() == b"22"
    assert memory.keys() == {"/bucket/run/a", "/bucket/run/sub/b", "/bucket/other"}


def test_unfinished_files_are_not_sent(memory, tmp_path):
    unfinished = {"x.parquet.partial": "", "checkpoints__4.orbax-checkpoint-tmp__state": "", "done": ""}
    Mirror("memory://run", written(tmp_path, **unfinished)).send()
    assert memory.keys() == {"/run/done"}


def test_the_config_of_a_workdir_is_sent_last(memory, tmp_path):
    Mirror("memory://run", written(tmp_path, **{"a": "", "config.json": "", "vocab__users": ""})).send()
    assert list(memory)[-1] == "/run/config.json"


def test_the_config_is_sent_after_old_files_are_removed(memory, tmp_path, monkeypatch):
    mirror = Mirror("memory://run", written(tmp_path, **{"config.json": "1", "report.json": "", "vocab": "1"}))
    mirror.send()
    (tmp_path / "report.json").unlink()
    written(tmp_path, **{"config.json": "new", "vocab": "new"})
    states, put = [], mirror.put

    def watched(name, version):
        states.append((name, "/run/report.json" in memory))
        put(name, version)

    monkeypatch.setattr(mirror, "put", watched)
    mirror.send()
    assert states == [("vocab", True), ("config.json", False)]


def test_incomplete_checkpoints_and_folder_marks_are_not_downloaded(memory, tmp_path):
    one, part, of_next = "checkpoints__1__", "checkpoints__2__", "next_run__checkpoints__1__"
    whole = {f"{one}_CHECKPOINT_METADATA": "", f"{one}state__a": "", f"{part}state__a": "", "config.json": ""}
    Mirror("memory://run", written(tmp_path, **whole, **{f"{of_next}state__a": ""})).send()
    memory["/run/checkpoints/"] = memory["/run/vocab/"] = memory["/run/config.json"]
    with synced_folder("memory://run") as (folder, _):
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {"checkpoints/1/_CHECKPOINT_METADATA", "checkpoints/1/state/a", "config.json"}
    assert "" not in list_names("memory://run")


def test_checkpoints_that_are_not_here_are_removed_whoever_sent_them(memory, tmp_path):
    two = {"checkpoints__1___CHECKPOINT_METADATA": "", "checkpoints__1__state__a": "", "checkpoints__2__state__a": ""}
    Mirror("memory://run", written(tmp_path / "other", **two, a="")).send()
    mirror = Mirror("memory://run", written(tmp_path / "one", checkpoints__1__state__b=""))
    mirror.send()
    mirror.remove_absent_checkpoints()
    assert sorted(memory) == [
        "/run/a",
        "/run/checkpoints/1/_CHECKPOINT_METADATA",
        "/run/checkpoints/1/state/a",
        "/run/checkpoints/1/state/b",
    ]


def test_files_that_others_have_sent_are_downloaded_beside_those_that_are_here(memory, tmp_path):
    mirror = Mirror("memory://run", written(tmp_path / "one", a="1"))
    mirror.send()
    Mirror("memory://run", written(tmp_path / "other", b="2")).send()
    written(tmp_path / "one", a="changed")
    mirror.download()
    mirror.send()
    assert {name: file.getvalue() for name, file in memory.items()} == {"/run/a": b"changed", "/run/b": b"2"}
    assert (tmp_path / "one" / "b").read_text() == "2"


def test_a_missing_folder_is_made_or_an_error(tmp_path):
    with synced_folder(f"file://{tmp_path}/new/run") as (folder, _):
        written(folder, a__b="1")
    assert (tmp_path / "new" / "run" / "a" / "b").read_text() == "1"
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OSError, match="cannot be reached") as raised,
        synced_folder(f"file://{tmp_path}/file/run") as (folder, _),
    ):
        written(folder, a="1")
    assert raised.value.filename == f"file://{tmp_path}/file/run"


def test_files_are_downloaded_as_they_were_sent(memory, tmp_path):
    Mirror("memory://bucket/run", written(tmp_path / "one", a="1", sub__b="2")).send()
    with synced_folder("memory://bucket/run") as (folder, _):
        assert {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()} == {"a": "1", "b": "2"}
        written(folder, sub__c="3")
    assert not folder.exists()
    assert list_names("memory://bucket/run") == ["a", "b", "c"]
    with downloaded("memory://bucket/run/sub/b") as path:
        assert (path.name, path.read_text()) == ("b", "2")


def test_a_local_path_is_used_without_a_copy(tmp_path):
    with synced_folder(tmp_path) as (folder, send):
        send()
        assert folder == tmp_path
    assert list_names(tmp_path / "none") == []
    assert not is_url(tmp_path)


# Errors.


def test_an_empty_url_is_refused(memory):
    with pytest.raises(InputError, match="memory://none: there is nothing"), downloaded("memory://none"):
        pass


def test_a_url_of_an_unsupported_kind_is_refused():
    with pytest.raises(InputError, match=r"ftq://x: .*s3:// and gs:// are known"), synced_folder("ftq://x"):
        pass


def test_errors_name_the_url_and_not_the_copy(tmp_path):
    with (
        pytest.raises(InputError, match=r"^s3://b/run/config\.json: damaged$"),
        replace_path_in_errors(tmp_path, "s3://b/run"),
    ):
        raise InputError(f"{tmp_path}/config.json: damaged")
    with pytest.raises(OSError, match="No such") as raised, replace_path_in_errors(tmp_path, "s3://b/run"):
        (tmp_path / "x").read_text()
    assert raised.value.filename == "s3://b/run/x"


def test_ratings_that_cannot_be_read_are_named_by_their_url(memory, tmp_path):
    Mirror("memory://data", written(tmp_path, **{"bad.csv": "user,movie,rating\n1,2\n"})).send()
    config = Config(data=DataConfig(ratings="memory://data/bad.csv"))
    with pytest.raises(InputError, match=r"^memory://data/bad\.csv:2: "):
        train_run(config, tmp_path / "run")


def test_a_log_in_storage_is_read(memory, tmp_path):
    (tmp_path / "workdir").mkdir()
    log = RatingsLog(tmp_path / "workdir" / FILE_NAME)
    log.append([Entry(7, 8, 4.0, 90)])
    log.close()
    Mirror("memory://runs/one", tmp_path / "workdir").send()
    data = read_ratings(f"memory://runs/one/{FILE_NAME}")
    assert (data.ratings["user_id"].tolist(), data.source) == ([7], f"memory://runs/one/{FILE_NAME}")


# Runs.


@pytest.mark.slow
def test_a_run_in_storage_is_the_run_of_this_machine(memory, workdir, board_config, capsys):
    report = train_run(board_config, "memory://runs/one").report
    assert report["test"] == json.loads((workdir / "report.json").read_text())["test"]
    assert "open memory://runs/one/report.html" in capsys.readouterr().out
    tables = [load(one).recommend([1000, 1001], 3) for one in (workdir, "memory://runs/one")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    files = {path.relative_to(workdir).as_posix() for path in workdir.rglob("*") if path.is_file()}
    there = {name.removeprefix("/runs/one/") for name in memory}
    stable = [name for name in files | there if not name.startswith(("tensorboard", "checkpoints"))]
    assert {*stable} & files == {*stable} & there
    assert train_run(board_config, "memory://runs/one").report == report
    assert "memory://runs/one holds this run, finished" in capsys.readouterr().out


def script(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-u", str(ROOT / "scripts" / f"{name}.py"), *arguments]


def test_a_run_in_an_emulated_s3_is_trained_killed_resumed_and_scored(s3, tmp_path):
    checkerboard.write(tmp_path, checkerboard.parts())
    s3.put(str(tmp_path / "ml"), "bucket/ml", recursive=True)
    there = script("train", "--ratings=s3://bucket/ml", "--workdir=s3://bucket/runs/one", *SMALL)
    process = subprocess.Popen(there, stdout=subprocess.PIPE, text=True)
    while not next(process.stdout).startswith("epoch  10"):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not s3.exists("bucket/runs/one/report.json")
    ended = subprocess.run(there, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "resuming after epoch" in ended.stdout
    here = script("train", f"--ratings={tmp_path / 'ml'}", f"--workdir={tmp_path / 'run'}", *SMALL)
    subprocess.run(here, capture_output=True, check=True)
    report = json.loads(s3.cat_file("bucket/runs/one/report.json"))
    expected = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["test"] == expected["test"]
    lists = script("score", "--workdir=s3://bucket/runs/one", "--output=s3://bucket/lists.parquet", "--num_processes=2")
    parts = [subprocess.Popen([*lists, f"--process_id={number}"], stdout=subprocess.DEVNULL) for number in range(2)]
    assert [part.wait() for part in parts] == [0, 0]
    whole = script("score", f"--workdir={tmp_path / 'run'}", f"--output={tmp_path / 'lists.parquet'}")
    subprocess.run(whole, capture_output=True, check=True)
    s3.invalidate_cache()
    s3.get("bucket/lists.parquet", str(tmp_path / "fetched.parquet"), recursive=True)
    assert len(os.listdir(tmp_path / "fetched.parquet")) == 2
    tables = [pd.read_parquet(tmp_path / name) for name in ("fetched.parquet", "lists.parquet")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert np.isfinite(tables[0]["score"]).all()
