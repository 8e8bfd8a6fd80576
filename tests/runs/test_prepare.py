"""Preparing a run: held-out files, extra ratings, and the cache of large files."""

import pytest
from helpers import checkerboard

from movierec_jax.data.readers.ratings_log import FILE_NAME, Entry, RatingsLog
from movierec_jax.errors import InputError
from movierec_jax.runs.prepare import CACHE_FOLDER, prepare, read_held_out, without_overlap
from movierec_jax.runs.workdir import fingerprint
from movierec_jax.train import train_run


def test_held_out_ratings_also_in_train_are_dropped_and_counted(tmp_path, capsys):
    train = checkerboard.table([1, 1], [7, 8], [5, 1])
    path = tmp_path / "test.csv"
    path.write_text("user,movie,rating\n1,7,4\n1,9,3\n2,7,2\n")
    held_out = read_held_out(str(path), train, (1.0, 5.0))
    assert held_out[["user_id", "movie_id"]].to_numpy().tolist() == [[1, 9], [2, 7]]
    assert "left out 1 row (pair of user and movie also in what the model is trained with)" in capsys.readouterr().out


def test_a_validation_file_loses_the_pairs_of_the_test_file(tmp_path, capsys):
    other = checkerboard.table([1, 2], [7, 8], [5, 1])
    valid = checkerboard.table([1, 2, 3], [7, 9, 9], [5, 1, 2])
    kept = without_overlap(valid, other, "the test part", "valid.csv")
    assert kept[["user_id", "movie_id"]].to_numpy().tolist() == [[2, 9], [3, 9]]
    assert "left out 1 row (pair of user and movie also in the test part)" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"valid\.csv: each of its 2 pairs .* is also in the test part"):
        without_overlap(other, other, "the test part", "valid.csv")


@pytest.fixture
def log(tmp_path):
    """A log of a workdir, open as a server has it, with ratings of user 7000 and of movie 950, both new."""
    (tmp_path / "served").mkdir()
    log = RatingsLog(tmp_path / "served" / FILE_NAME)
    log.append([Entry(7000, 500, 5.0, 10), Entry(7000, 950, 4.0, 11), Entry(1000, 950, 9.0, 12)])
    yield log
    log.close()


def test_extra_ratings_join_the_train_part_and_are_printed(board_config, log, tmp_path, capsys):
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


def test_an_empty_log_changes_only_the_settings(board_config, tmp_path, capsys):
    RatingsLog(tmp_path / FILE_NAME).close()
    run = prepare(board_config.replace(extra_ratings=(str(tmp_path / FILE_NAME),)))
    assert f"  with 0 extra ratings of {tmp_path / FILE_NAME}" in capsys.readouterr().out
    assert fingerprint(run.parts) == fingerprint(prepare(board_config).parts)


def test_large_files_are_cached_beside_the_workdir(board_config, log, tmp_path, monkeypatch):
    monkeypatch.setattr("movierec_jax.data.readers.ratings_file.CACHED_FROM_BYTES", 1)
    (tmp_path / "runs" / "mine" / "checkpoints").mkdir(parents=True)
    with pytest.raises(InputError, match="has checkpoints but no config"):  # found out once all was read
        train_run(board_config, tmp_path / "runs" / "mine")
    # The ratings, the validation part and the test part; a log is read anew each time.
    assert len(list((tmp_path / "runs" / CACHE_FOLDER).iterdir())) == 3
    prepare(board_config.replace(extra_ratings=(str(log.path),)), tmp_path / "runs" / CACHE_FOLDER)
    assert len(list((tmp_path / "runs" / CACHE_FOLDER).iterdir())) == 3
