"""A run survives saving to its workdir, and a workdir accepts no other run."""

import dataclasses
import json

import jax
import numpy as np
import pandas as pd
import pytest
from helpers import checkerboard

from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.schema import IMDB_ID, MOVIE_ID, RATING, TMDB_ID, USER_ID, FeatureBags
from movierec_jax.data.splits import Split
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError
from movierec_jax.runs.prepare import new_run
from movierec_jax.runs.workdir import (
    FORMAT,
    TABLES,
    fingerprint,
    load_bags,
    load_run,
    open_workdir,
    read_config,
    read_config_values,
    run_fingerprint,
    save_bags,
    save_run,
)

PARTS = checkerboard.parts(num_users=18, num_movies=9)
CONFIG = Config(
    model=ModelConfig(embedding_dim=2, hidden_dims=(4,), implicit_feedback_dim=3),
    train=TrainConfig(epochs=3, batch_size=32),
)
RUN = new_run(CONFIG, checkerboard.clean_data(PARTS), PARTS)


def require_equal(one, other) -> None:
    """Every leaf equal, of equal dtype."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


# Features.

BAGS = FeatureBags(
    np.array([0, 0, 3], np.int32), np.array([0, 1, 1], np.int32), np.array([0.6, 0.8, 1], np.float32), ("é=a,b", "x~7")
)
NO_BAGS = FeatureBags(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32), ())


@pytest.mark.parametrize("bags", [BAGS, NO_BAGS], ids=["some", "none"])
def test_features_survive_saving(tmp_path, bags):
    save_bags(tmp_path, "movies", bags)
    loaded = load_bags(tmp_path, "movies")
    assert loaded.names == bags.names
    for field in ("row", "feature", "value"):
        np.testing.assert_array_equal(getattr(loaded, field), getattr(bags, field), strict=True)


def test_links_and_the_space_of_movie_ids_survive_saving(tmp_path):
    links = pd.DataFrame({MOVIE_ID: [500, 501], IMDB_ID: [114709, None], TMDB_ID: [862, 8844]})
    links = links.astype({IMDB_ID: "Int64", TMDB_ID: "Int64"})
    save_run(tmp_path, dataclasses.replace(RUN, links=links, movie_id_space="imdb"))
    loaded = load_run(tmp_path)
    pd.testing.assert_frame_equal(loaded.links, links)
    assert loaded.movie_id_space == "imdb"


def test_features_without_their_names_are_refused(tmp_path):
    save_bags(tmp_path, "users", BAGS)
    (tmp_path / "features" / "users_names.parquet").unlink()
    with pytest.raises(InputError, match=r"users_names\.parquet: cannot be read \(it is missing\)"):
        load_bags(tmp_path, "users")


def test_features_beside_the_names_of_other_features_are_refused(tmp_path):
    save_bags(tmp_path, "movies", BAGS)
    save_bags(tmp_path, "users", NO_BAGS)
    (tmp_path / "features" / "users_names.parquet").rename(tmp_path / "features" / "movies_names.parquet")
    with pytest.raises(InputError, match=r"movies\.parquet: has features that are not among the 0 of movies_names"):
        load_bags(tmp_path, "movies")


# The run of a workdir.


def with_text_ids(parts: Split) -> Split:
    """The parts with text ids."""
    return Split.of(*(part.astype({USER_ID: "str", MOVIE_ID: "str"}) for part in parts.all()))


def with_cold(parts: Split) -> Split:
    """The parts with a test rating of a user and a movie outside train."""
    return dataclasses.replace(
        parts, test=pd.concat([parts.test, checkerboard.table([900], [901], [5])], ignore_index=True)
    )


def require_equal_content(loaded, run):
    """Content, interactions and training setup are equal."""
    for ours, theirs in ((loaded.user_content, run.user_content), (loaded.movie_content, run.movie_content)):
        require_equal(*([*vars(bags).values()][:3] for bags in (ours, theirs)))
        assert ours.names == theirs.names
    require_equal(loaded.interactions, run.interactions)
    assert loaded.setup == run.setup


@pytest.mark.parametrize(
    "parts",
    [PARTS, with_text_ids(PARTS), with_cold(PARTS), with_text_ids(with_cold(PARTS))],
    ids=["integers", "text", "cold", "both"],
)
def test_a_run_survives_saving(tmp_path, parts):
    run = new_run(CONFIG, checkerboard.clean_data(parts), parts)
    save_run(tmp_path, run)
    loaded = load_run(tmp_path)
    require_equal_content(loaded, run)
    assert (loaded.config, loaded.rating_scale) == (run.config, run.rating_scale)
    for ours, theirs in ((loaded.users, run.users), (loaded.movies, run.movies)):
        pd.testing.assert_index_equal(ours.ids, theirs.ids, check_names=False)
        assert (ours.name, len(ours), ours.unknown) == (theirs.name, len(theirs), theirs.unknown)
    pd.testing.assert_frame_equal(loaded.movie_table, run.movie_table)
    for ours, theirs in zip(loaded.parts.all(), parts.all(), strict=True):
        pd.testing.assert_frame_equal(ours, theirs)
    assert read_config(tmp_path)[1] == run_fingerprint(loaded) == run_fingerprint(run)


def test_a_run_with_feature_files_survives_saving_without_the_files(tmp_path):
    (tmp_path / "users.csv").write_text("user,age\n1000,20\n1003,30\n")
    (tmp_path / "movies.csv").write_text("movie,mood\n500,dark\n501,bright\n503,dark\n")
    features = DataConfig(user_features=(f"{tmp_path}/users.csv",), movie_features=(f"{tmp_path}/movies.csv",))
    run = new_run(dataclasses.replace(CONFIG, data=features), checkerboard.clean_data(PARTS), PARTS)
    assert run.user_content.names == ("age",)
    assert {"mood=bright", "mood=dark"} < set(run.movie_content.names)
    save_run(tmp_path / "run", run)
    for path in tmp_path.glob("*.csv"):
        path.unlink()
    require_equal_content(load_run(tmp_path / "run"), run)


def test_ids_outside_train_come_after_those_of_train():
    run = new_run(CONFIG, checkerboard.clean_data(with_cold(PARTS)), with_cold(PARTS))
    assert (len(run.users), run.users.ids.tolist()) == (18, [*range(1000, 1018), 900])
    assert (len(run.movies), run.movies.ids.tolist()) == (9, [*range(500, 509), 901])
    assert (run.model.num_users, run.model.num_movies) == (18, 9)
    assert (len(run.interactions.user_count), len(run.interactions.movie_count)) == (18 + 1 + 1, 9 + 1 + 1)


@pytest.mark.parametrize("name", TABLES)
def test_a_file_that_is_lost_or_changed_by_a_bit_is_named_and_restored_when_the_run_is_saved_again(tmp_path, name):
    save_run(tmp_path, RUN)
    path = tmp_path / name
    content = path.read_bytes()
    for position in np.random.default_rng(0).integers(len(content), size=3):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(InputError, match=rf"{name}: has changed since it was written; movierec train with the"):
            load_run(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=rf"{name}: is missing; movierec train with the settings"):
        load_run(tmp_path)
    open_workdir(tmp_path, RUN)
    assert path.read_bytes() == content


def test_no_flipped_bit_of_the_config_changes_anything_unnoticed(tmp_path):
    save_run(tmp_path, RUN)
    path, wanted = tmp_path / "config.json", read_config_values(tmp_path)
    content = path.read_bytes()
    num_refused, bits = 0, range(0, 8 * len(content), 13)
    for bit in bits:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            found = read_config_values(tmp_path)
        except InputError:
            num_refused += 1
        else:
            # White space has changed.
            assert found == wanted
    assert num_refused > 0.8 * len(bits)


def test_a_config_nested_too_deep_is_refused(tmp_path):
    save_run(tmp_path, RUN)
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"config\.json: not JSON"):
        load_run(tmp_path)


@pytest.mark.parametrize("name", ["metrics.jsonl", "plots", "tensorboard", "checkpoints", "ratings/train.parquet"])
def test_a_link_in_the_place_of_a_run_s_file_is_refused(tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run" / name).parent.mkdir(parents=True)
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=rf"{name}: is a link to .*/elsewhere, where a run has its own files"):
        open_workdir(tmp_path / "run", RUN)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_fingerprint_depends_on_ratings_parts_and_order():
    def rated_again(part):
        return part.assign(**{RATING: np.nextafter(part[RATING], np.float32(9))})

    train, valid, test = PARTS.all()
    others = [
        Split.of(rated_again(train), valid, test),
        Split.of(train.iloc[:-1], pd.concat([train.iloc[-1:], valid]), test),
        Split.of(train.iloc[::-1], valid, test),
        Split.of(train, test, valid),
    ]
    assert len({fingerprint(parts) for parts in (PARTS, *others)}) == 5


def test_a_fingerprint_depends_on_ratings_from_reviews_and_on_features():
    from_reviews = dataclasses.replace(PARTS, from_reviews=PARTS.test)
    content = RUN.movie_content
    other = dataclasses.replace(content, names=tuple(f"{name}x" for name in content.names))
    more = FeatureBags(*(np.zeros(1, kind) for kind in (np.int32, np.int32, np.float32)), ("x",))
    found = {fingerprint(PARTS), fingerprint(from_reviews), fingerprint(PARTS, more), fingerprint(PARTS, other)}
    assert len(found) == (4 if content.names else 3)


def with_config(**sections):
    return dataclasses.replace(RUN, config=dataclasses.replace(CONFIG, **sections))


def with_train(part: pd.DataFrame):
    parts = dataclasses.replace(PARTS, train=part)
    return new_run(CONFIG, checkerboard.clean_data(parts), parts)


REFUSED = {
    "epochs": (with_config(train=TrainConfig(epochs=4, batch_size=32)), r"other settings: --epochs=4 \(was 3\)\. Give"),
    "ratings": (with_config(data=DataConfig(ratings="b.csv")), r"--ratings=b\.csv \(was data/ml-latest-small\)\."),
    "extra ratings": (with_config(data=DataConfig(extra_ratings=("a", "b"))), r"--extra_ratings=a,b \(was \)\. Give"),
    "content": (with_train(PARTS.train.iloc[1:]), r"other data: data/ml-latest-small has changed since"),
}


@pytest.mark.parametrize(("run", "message"), REFUSED.values(), ids=REFUSED)
def test_a_workdir_of_another_run_is_refused_and_left_as_it_was(tmp_path, run, message):
    open_workdir(tmp_path, RUN)
    with pytest.raises(InputError, match=message):
        open_workdir(tmp_path, run)
    assert load_run(tmp_path).config == CONFIG
    pd.testing.assert_frame_equal(load_run(tmp_path).parts.train, PARTS.train)


def test_a_workdir_of_an_older_version_is_refused(tmp_path):
    open_workdir(tmp_path, RUN)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": FORMAT - 1}))
    message = rf"config\.json: workdir format {FORMAT - 1}, .* this one reads format {FORMAT}\. Train anew"
    with pytest.raises(InputError, match=message):
        open_workdir(tmp_path, RUN)


def test_checkpoints_without_config_are_refused(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputError, match=r"has checkpoints but no config\.json"):
        open_workdir(tmp_path, RUN)
