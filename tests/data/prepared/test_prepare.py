"""A prepared dataset holds what reading, cleaning and splitting in memory gives, whatever the ratings look like."""

import dataclasses
import pathlib

import hypothesis
import numpy as np
import pandas as pd
import pytest
from helpers.input_files import write_folder
from helpers.movielens import ML_CSV
from hypothesis import strategies as st

from movierec_jax.data.cleaning import clean
from movierec_jax.data.matching.id_join import join_tables, known_movies
from movierec_jax.data.prepared.manifest import read_manifest
from movierec_jax.data.prepared.prepare import prepare_dataset
from movierec_jax.data.prepared.reading import read_clean_data, read_split
from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.readers.text.stated_columns import StatedColumns
from movierec_jax.data.schema import CleanData
from movierec_jax.data.splits import Split, split
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError

RULES = ("random", "user_time", "leave_last_out", "time")


def in_memory(config: DataConfig) -> tuple[CleanData, Split]:
    """What a training run makes of the raw ratings."""
    raw = join_tables(read_ratings(config.ratings, stated=StatedColumns(config.columns, config.weight_column)))
    data = clean(raw, config)
    data = dataclasses.replace(data, links=raw.links, movie_id_space=known_movies(raw).space)
    return dataclasses.replace(data, ratings=data.ratings.head(0)), split(data.ratings, config)


def prepared(config: DataConfig, folder: pathlib.Path) -> tuple[CleanData, Split]:
    """What a training run makes of the prepared dataset."""
    prepare_dataset(config, folder, overwrite=True)
    manifest = read_manifest(folder)
    return read_clean_data(folder, manifest), read_split(folder, manifest)


def error_or(function, *arguments):
    try:
        return function(*arguments)
    except InputError as error:
        return str(error)


def assert_alike(config: DataConfig, folder: pathlib.Path) -> None:
    expected, found = error_or(in_memory, config), error_or(prepared, config, folder)
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return
    for one, other in zip(found, expected, strict=True):
        for field in dataclasses.fields(one):
            ours, theirs = getattr(one, field.name), getattr(other, field.name)
            if isinstance(ours, pd.DataFrame):
                pd.testing.assert_frame_equal(ours, theirs)
            else:
                assert ours == theirs, field.name


def messy_ratings(num_rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Ratings with repeated pairs, missing ids and ratings, and ratings outside the scale."""
    rng = np.random.default_rng(seed)
    rating = rng.choice([0.5, 1, 2, 3, 4, 4.5, 5, 99, np.nan, np.inf], num_rows, p=[0.1, *[0.14] * 6, 0.02, 0.02, 0.02])
    return pd.DataFrame(
        {
            "user": rng.integers(1, 40, num_rows),
            "movie": rng.integers(100, 150, num_rows),
            "rating": rating,
            "timestamp": 1_400_000_000 + rng.integers(0, 500, num_rows),
        }
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_every_split_of_messy_ratings_is_that_of_the_pandas_path(tmp_path, rule, ending):
    table, path = messy_ratings(), tmp_path / f"ratings.{ending}"
    table.to_parquet(path) if ending == "parquet" else table.to_csv(path, index=False)
    assert_alike(DataConfig(ratings=str(path), split=rule, valid_fraction=0.1), tmp_path / "prepared")


COLUMNS = {
    "ids of text": {"user": lambda t: "u" + t["user"].astype(str), "movie": lambda t: "Ä" + t["movie"].astype(str)},
    "ids mostly numbers": {"user": lambda t: t["user"].astype(str).where(t.index != 5, "x")},
    "ids with a word for none": {"user": lambda t: t["user"].astype(str).where(t.index % 50 > 0, "None")},
    "missing ids": {"user": lambda t: t["user"].astype("Int64").where(t.index % 7 > 0)},
    "missing ids of text": {"movie": lambda t: ("m" + t["movie"].astype(str)).where(t.index % 7 > 0)},
    "IMDb's ids": {"movie": lambda t: "tt0000" + t["movie"].astype(str)},
    "ratings as fractions": {"rating": lambda t: (t.index % 5 + 1).astype(str) + "/5"},
    "ratings of text with words": {"rating": lambda t: t["rating"].astype(str).where(t.index % 9 > 0, "bad")},
    "ratings with a 0 for none": {"rating": lambda t: t["rating"].where(t.index % 4 > 0, 0)},
    "equal ratings": {"rating": lambda t: 4.0},
    "weights": {"weight": lambda t: np.where(t.index % 11 > 0, t.index % 3 / 2, np.nan)},
    "weights all 1": {"weight": lambda t: 1.0},
    "times in milliseconds": {"timestamp": lambda t: t["timestamp"] * 1000 + 7},
    "times with gaps": {"timestamp": lambda t: t["timestamp"].astype("Int64").where(t.index % 7 > 0)},
    "times with zeros": {"timestamp": lambda t: t["timestamp"].where(t.index % 40 > 0, 0)},
    "times as dates": {"timestamp": lambda t: pd.to_datetime(t["timestamp"], unit="s")},
    "times as texts": {"timestamp": lambda t: pd.to_datetime(t["timestamp"], unit="s").astype(str)},
    "times with a word": {"timestamp": lambda t: t["timestamp"].astype(str).where(t.index % 80 > 0, "unknown")},
    "times in two forms": {"timestamp": lambda t: t["timestamp"].where(t.index % 2 > 0, t["timestamp"] * 1000)},
    "times as days": {"timestamp": lambda t: 20140501 + t.index % 40},
    "times as years": {"timestamp": lambda t: 1990 + t.index % 10},
    "times that are early": {"timestamp": lambda t: t.index},
    "times with fractions": {"timestamp": lambda t: t["timestamp"] + 0.5},
}


# Those that Parquet has types for.
TYPED = ("ids of text", "missing ids", "missing ids of text", "weights", "times with gaps", "times as dates")


@pytest.mark.parametrize(
    ("name", "ending"), [*((name, "csv") for name in COLUMNS), *((name, "parquet") for name in TYPED)]
)
def test_every_form_of_a_column_is_read_as_the_pandas_path_reads_it(tmp_path, name, ending):
    table, path = messy_ratings(), tmp_path / f"ratings.{ending}"
    table = table.assign(**COLUMNS[name])
    table.to_parquet(path) if ending == "parquet" else table.to_csv(path, index=False)
    weight = "weight" if "weight" in table else None
    assert_alike(DataConfig(ratings=str(path), weight_column=weight), tmp_path / "prepared")


SETTINGS = {
    "frequent users and movies": {"min_user_ratings": 8, "min_movie_ratings": 7},
    "a stated scale": {"rating_scale": (1.0, 4.0)},
    "a strict limit": {"max_dropped_fraction": 0.01},
    "an unrated value": {"unrated_value": 4.0},
    "rows without a rating": {"unrated_value": float("nan")},
    "all frequent": {"min_user_ratings": 1000},
    "no validation part": {"valid_fraction": 0.0},
    "another seed": {"split_seed": 7},
    "times stated": {"time_format": "ms"},
    "columns stated": {"columns": ("movie=user", "user=movie", "rating=rating")},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_works_as_in_the_pandas_path(tmp_path, name):
    messy_ratings().to_csv(tmp_path / "ratings.csv", index=False)
    assert_alike(DataConfig(ratings=str(tmp_path / "ratings.csv"), **SETTINGS[name]), tmp_path / "prepared")


def test_a_movielens_folder_is_prepared_with_its_tables(tmp_path):
    assert_alike(DataConfig(ratings=str(write_folder(tmp_path / "ml", ML_CSV))), tmp_path / "prepared")


@pytest.mark.slow
def test_the_bundled_ratings_are_prepared_as_the_pandas_path_reads_them(tmp_path):
    assert_alike(DataConfig(), tmp_path / "prepared")


def test_data_without_ratings_counts_as_watched(tmp_path):
    messy_ratings().drop(columns="rating").to_csv(tmp_path / "seen.csv", index=False)
    assert_alike(DataConfig(ratings=str(tmp_path / "seen.csv")), tmp_path / "prepared")


@pytest.mark.parametrize("row", ["1,2,", ",2,3", ",,", "1,2,inf"])
def test_ratings_of_which_none_is_left_are_refused_alike(tmp_path, row):
    (tmp_path / "ratings.csv").write_text(f"user,movie,rating\n{row}\n{row}\n")
    assert_alike(DataConfig(ratings=str(tmp_path / "ratings.csv"), max_dropped_fraction=1.0), tmp_path / "prepared")


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_parts_are_read_in_their_order(tmp_path, ending):
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in (0, 1, 2, 10):
        path, table = folder / f"part.{number}.{ending}", messy_ratings(100, seed=number)
        table.to_parquet(path) if ending == "parquet" else table.to_csv(path, index=False)
    assert_alike(DataConfig(ratings=str(folder)), tmp_path / "prepared")


cells = {
    "user": st.sampled_from(["1", "2", "3", "x", "", "NA", "04", " 5"]),
    "movie": st.sampled_from(["7", "8", "9", "10", ""]),
    "rating": st.sampled_from(["1", "2.5", "4", "5", "", "nan", "bad", "99", "3/5", "inf"]),
    "timestamp": st.sampled_from(["1400000000", "1400000001", "1400000001", "2014-05-13", "", "0", "1e9"]),
}


@st.composite
def messy_columns(draw):
    """A table of text; of each column the first values occur, or all: most columns have one form."""
    length = draw(st.integers(4, 40))
    columns = {}
    for name, values in cells.items():
        chosen = draw(st.sampled_from([values, st.sampled_from(values.elements[: draw(st.integers(2, 4))])]))
        columns[name] = draw(st.lists(chosen, min_size=length, max_size=length))
    return pd.DataFrame(columns)


@hypothesis.settings(deadline=None, max_examples=8, suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.given(table=messy_columns(), rule=st.sampled_from(RULES), minimum=st.integers(1, 2))
def test_random_messy_tables_are_cleaned_and_split_as_by_the_pandas_path(tmp_path_factory, table, rule, minimum):
    folder = tmp_path_factory.mktemp("random")
    table.to_csv(folder / "ratings.csv", index=False)
    config = DataConfig(
        ratings=str(folder / "ratings.csv"), split=rule, min_user_ratings=minimum, max_dropped_fraction=1.0
    )
    assert_alike(config, folder / "prepared")
