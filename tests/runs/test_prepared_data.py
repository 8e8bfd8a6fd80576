"""A run on a prepared dataset is the run on its ratings; what does not fit the dataset is refused by name."""

import dataclasses
import pathlib

import jax
import numpy as np
import pandas as pd
import pytest
from helpers.commands import run_command
from helpers.small_runs import SMALLEST

from movierec_jax.config import Config, TrainConfig
from movierec_jax.data.prepared.manifest import MANIFEST, MOVIES
from movierec_jax.data.prepared.prepare import prepare_dataset
from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError
from movierec_jax.runs.prepare import prepare
from movierec_jax.runs.workdir import run_fingerprint
from movierec_jax.training.loop import train_epochs
from movierec_jax.training.state import new_state


@pytest.fixture
def ratings(tmp_path) -> pathlib.Path:
    """Ratings with repeated pairs, text ids and weights."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "user": [f"u{number}" for number in rng.integers(0, 30, 300)],
            "movie": rng.integers(0, 20, 300),
            "rating": rng.integers(1, 6, 300),
            "timestamp": 1_400_000_000 + rng.integers(0, 1000, 300),
            "count": rng.integers(1, 4, 300),
        }
    )
    table.to_csv(tmp_path / "ratings.csv", index=False)
    return tmp_path / "ratings.csv"


@pytest.fixture
def config(ratings) -> Config:
    data = DataConfig(ratings=str(ratings), weight_column="count", split="time", valid_fraction=0.1)
    return Config(data=data, model=SMALLEST, train=TrainConfig(epochs=1, batch_size=64))


@pytest.fixture
def dataset(config, tmp_path) -> Config:
    """The config of a run on the prepared dataset, which states none of its settings."""
    folder = tmp_path / "prepared"
    prepare_dataset(config.data, folder)
    return dataclasses.replace(config, data=DataConfig(ratings=str(folder)))


def trained(config: Config):
    run = prepare(config)
    return [
        state.params
        for state, _ in train_epochs(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup)
    ]


def test_training_from_a_prepared_dataset_gives_the_same_bits(config, dataset):
    ours, theirs = trained(dataset), trained(config)
    assert jax.tree.all(jax.tree.map(lambda one, other: bool((one == other).all()), ours, theirs))


def test_the_settings_of_the_dataset_are_those_of_the_run(config, dataset, capsys):
    run = prepare(dataset)
    assert run.config.data == dataclasses.replace(config.data, ratings=dataset.data.ratings)
    assert "with its settings: " in capsys.readouterr().out
    assert run_fingerprint(run) == run_fingerprint(prepare(config))


def test_another_dataset_in_its_place_is_noticed(config, dataset, tmp_path):
    before = run_fingerprint(prepare(dataset))
    other = dataclasses.replace(config.data, split="random")
    prepare_dataset(other, tmp_path / "prepared", overwrite=True)
    assert run_fingerprint(prepare(dataset)) != before


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"split": "user_time"}, r"--split=user_time: .*prepared with --split=time"),
        ({"min_user_ratings": 3}, r"--min_user_ratings=3: .*--min_user_ratings=1"),
        ({"extra_ratings": ("more.csv",)}, "--extra_ratings=more.csv: .* fixed"),
        ({"test_ratings": "test.csv"}, "--test_ratings=test.csv: .* fixed"),
        ({"valid_ratings": "valid.csv"}, "--valid_ratings=valid.csv: .* fixed"),
    ],
)
def test_a_setting_that_the_dataset_does_not_have_is_refused(dataset, setting, message):
    with pytest.raises(InputError, match=message):
        prepare(dataset.replace(**setting))


def test_a_flag_with_the_default_is_refused_where_the_dataset_has_another(dataset, tmp_path):
    status, _, err = run_command(f"train --ratings={dataset.data.ratings} --split=random --workdir={tmp_path / 'run'}")
    assert (status, "--split=random" in err, "--split=time" in err) == (1, True, True)


@pytest.mark.parametrize("name", ["train/users-00000-movies-00000.parquet", MOVIES, MANIFEST])
@pytest.mark.parametrize("is_lost", [True, False])
def test_a_file_that_is_lost_or_changed_is_named(dataset, tmp_path, name, is_lost):
    path = tmp_path / "prepared" / name
    content = path.read_bytes()
    middle = len(content) // 2
    changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.unlink() if is_lost else path.write_bytes(changed)
    if (name, is_lost) == (MANIFEST, True):
        return  # Then it is a folder like any other.
    with pytest.raises(InputError, match=rf"{path.name}: .*prepare again"):
        prepare(dataset)


def test_a_prepared_dataset_is_no_file_of_ratings(dataset):
    with pytest.raises(InputError, match="prepared: a prepared dataset"):
        read_ratings(dataset.data.ratings)
