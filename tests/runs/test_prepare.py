"""Preparing a run: held-out files, extra ratings, and the cache of large files."""

import pytest
from helpers import checkerboard

from movierec_jax.config import Config
from movierec_jax.data.readers.ratings_log.entries import Entry, NotInterested
from movierec_jax.data.readers.ratings_log.log import RatingsLog
from movierec_jax.data.readers.ratings_log.reading import FILE_NAME
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError
from movierec_jax.runs.prepare import CACHE_FOLDER, prepare, read_held_out, without_overlap
from movierec_jax.runs.workdir import fingerprint
from movierec_jax.train import train_run


def test_held_out_ratings_also_in_train_are_dropped_and_counted(tmp_path, capsys):
    train = checkerboard.table([1, 1], [7, 8], [5, 1])
    path = tmp_path / "test.csv"
    path.write_text("user,movie,rating\n1,7,4\n1,9,3\n2,7,2\n")
    held_out = read_held_out(str(path), train, (1.0, 5.0), DataConfig())
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
    log.append([NotInterested(7000, 501, True, 13)])
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
    assert "left out 1 row (not interested, which is no rating)" in out
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


@pytest.fixture
def linked_config(board_config, tmp_path):
    """The config of the board with links of movies 500 to 509 to IMDb's 90 to 99 and TMDb's 1 to 10."""
    links = tmp_path / "links.csv"
    rows = "".join(f"{500 + n},{90 + n:07d},{1 + n}\n" for n in range(10))
    links.write_text(f"movieId,imdbId,tmdbId\n{rows}")
    return board_config.replace(links=str(links))


def test_extra_ratings_by_imdb_ids_are_of_the_movies_that_links_name(linked_config, tmp_path, capsys):
    extra = tmp_path / "extra.csv"
    extra.write_text("userId,imdbId,rating\n7000,tt0000090,5\n7000,0000091,4\n7000,500,3\n")
    run = prepare(linked_config.replace(extra_ratings=(str(extra),)))
    added = run.parts.train[run.parts.train["user_id"] == 7000]
    assert added[["movie_id", "rating"]].to_numpy().tolist() == [[500, 5], [501, 4]]
    assert len(run.movies.ids) == len(prepare(linked_config).movies.ids)
    said = f"{extra}: 1 of 3 rows has an IMDb id without a link to a movie, such as 500: left out\n"
    assert said in capsys.readouterr().out


def test_extra_ratings_by_imdb_ids_are_refused_without_links(board_config, tmp_path):
    extra = tmp_path / "extra.csv"
    extra.write_text("userId,imdbId,rating\n7000,500,5\n")
    with pytest.raises(InputError, match=r"extra\.csv: column 'imdbId' has IMDb ids, .*--links=links\.csv"):
        prepare(board_config.replace(extra_ratings=(str(extra),)))


def test_test_ratings_by_tmdb_ids_are_of_the_movies_that_links_name(linked_config, tmp_path):
    test = tmp_path / "test.csv"
    test.write_text("userId,tmdbId,rating\n7000,1,5\n7000,2,4\n")
    run = prepare(linked_config.replace(test_ratings=str(test)))
    assert run.parts.test[["movie_id", "rating"]].to_numpy().tolist() == [[500, 5], [501, 4]]


def test_features_by_imdb_ids_are_of_the_movies_that_links_name(linked_config, tmp_path):
    # 500 is a movie of the board, but not its IMDb id.
    features = tmp_path / "features.csv"
    features.write_text("tconst,length\ntt0000090,80\n0000091,100\n500,90\n")
    content = prepare(linked_config.replace(content=(), movie_features=(str(features),))).movie_content
    # The mean of 80 and 100 is 90, the spread 10; the first movie of the board is 500.
    assert (content.names, content.row.tolist(), content.value.tolist()) == (("length",), [0, 1], [-1, 1])


def test_a_run_by_imdb_ids_needs_no_links(tmp_path, capsys):
    ratings, extra, features = (tmp_path / f"{name}.csv" for name in ("ratings", "extra", "features"))
    rows = [f"{user},tt{movie:07d},{1 + (user + movie) % 5}" for user in range(6) for movie in range(1, 9)]
    ratings.write_text("\n".join(["userId,imdb_id,rating", *rows]))
    extra.write_text("userId,imdbId,rating\n99,9,5\n99,8,5\n")
    features.write_text("tconst\tgenres\ntt0000001\tDrama\ntt0000002\t\\N\ntt0000003\tWar\n")
    config = Config().replace(ratings=str(ratings), extra_ratings=(str(extra),), movie_features=(str(features),))
    run = prepare(config)
    assert run.movies.ids.tolist() == [f"tt{movie:07d}" for movie in range(1, 10)]
    assert f"{features}: describes 3 of 9 movies" in capsys.readouterr().out
    assert run.links[["movie_id", "imdb_id"]].to_numpy().tolist() == [
        [f"tt{movie:07d}", movie] for movie in range(1, 10)
    ]


def test_ratings_with_ids_of_two_spaces_link_them(tmp_path):
    ratings, features = tmp_path / "ratings.csv", tmp_path / "features.csv"
    rows = [f"{user},{movie},{90 + movie},{1 + (user + movie) % 5}" for user in range(6) for movie in range(1, 9)]
    ratings.write_text("\n".join(["userId,movieId,imdbId,rating", *rows]))
    features.write_text("imdbId,length\n91,80\n92,90\n1,100\n")
    run = prepare(Config().replace(ratings=str(ratings), movie_features=(str(features),)))
    assert run.movies.ids[run.movie_content.row].tolist() == [1, 2]


def test_large_files_are_cached_beside_the_workdir(board_config, log, tmp_path, monkeypatch):
    monkeypatch.setattr("movierec_jax.data.readers.ratings_file.CACHED_FROM_BYTES", 1)
    (tmp_path / "runs" / "mine" / "checkpoints").mkdir(parents=True)
    with pytest.raises(InputError, match="has checkpoints but no config"):  # found out once all was read
        train_run(board_config, tmp_path / "runs" / "mine")
    # The ratings, the validation part and the test part; a log is read anew each time.
    assert len(list((tmp_path / "runs" / CACHE_FOLDER).iterdir())) == 3
    prepare(board_config.replace(extra_ratings=(str(log.path),)), tmp_path / "runs" / CACHE_FOLDER)
    assert len(list((tmp_path / "runs" / CACHE_FOLDER).iterdir())) == 3
