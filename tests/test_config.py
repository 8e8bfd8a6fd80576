"""Configs survive JSON, and a bad setting is named by its flag."""

import dataclasses
import json
import math
import re

import pytest

from movierec_jax.config import (
    STEPS_PER_EPOCH,
    Config,
    DataConfig,
    EvalConfig,
    ModelConfig,
    TrainConfig,
    differences,
)
from movierec_jax.errors import InputError
from movierec_jax.settings import as_flag, from_json, to_json

DECAYS = [field.name for field in dataclasses.fields(TrainConfig) if field.name.endswith("_decay")]

# Every setting away from its default.
OTHER = Config(
    data=DataConfig(
        ratings="a.csv",
        extra_ratings=("g.sqlite", "h.csv"),
        test_ratings="b.csv",
        valid_ratings="c.csv",
        columns=("user", "-", "rating"),
        time_format="%Y",
        unrated_value=-1.0,
        weight_column="weight",
        max_dropped_fraction=1.0,
        extra_user="me",
        rating_scale=(0.5, 5.0),
        min_user_ratings=2,
        min_movie_ratings=3,
        split="time",
        test_fraction=0.2,
        valid_fraction=0.0,
        split_seed=1,
        content=("gender", "year"),
        rating_time=True,
        movie_features=("d.csv", "e.parquet"),
        user_features=("f.tsv.gz",),
        reviews=("i.parquet", "s3://bucket/j.csv"),
        links="links.csv",
        sentiment=("runs/sentiment",),
    ),
    model=ModelConfig(
        embedding_dim=8,
        hidden_dims=(),
        history=("movie",),
        implicit_feedback_dim=0,
        sequence_dim=32,
        sequence_blocks=1,
        sequence_heads=4,
        sequence_length=64,
        sequence_dropout=0.0,
        dropout=0.0,
        precision="bfloat16",
    ),
    train=TrainConfig(
        epochs=1,
        batch_size=1,
        learning_rate=1e-9,
        warmup_fraction=0.0,
        **dict.fromkeys([*DECAYS, "shrinkage"], 0.0),
        held_out_fraction=0.1,
        cold_start_fraction=0.0,
        unobserved_weight=1.0,
        sequence_batch_size=64,
        sequence_passes=1,
        sequence_samples=16,
        implicit_feedback_target="next",
        masked_fraction=0.9,
        half_life_days=30.0,
        users_per_step=3,
        patience=1,
        ensemble_size=2,
        ratings_at_once=5,
        seed=2**32 - 1,
    ),
    evaluation=EvalConfig(eval_k=(1,), relevant_rating=4.0),
)


def settings(config):
    return [
        (field.name, getattr(getattr(config, section.name), field.name))
        for section in dataclasses.fields(config)
        for field in dataclasses.fields(section.type)
    ]


def test_the_other_config_differs_in_every_setting():
    same = [name for (name, one), (_, other) in zip(settings(Config()), settings(OTHER), strict=True) if one == other]
    assert same == []


def test_no_two_settings_share_a_name_since_names_are_flags():
    names = [name for name, _ in settings(Config())]
    assert sorted(names) == sorted(set(names))


# JSON.


@pytest.mark.parametrize("config", [Config(), OTHER], ids=["defaults", "all others"])
def test_a_config_survives_json(config):
    assert from_json(Config, json.loads(json.dumps(to_json(config))), "config.json") == config


def test_a_whole_number_stands_for_a_float():
    values = to_json(EvalConfig()) | {"relevant_rating": 4}
    assert type(from_json(EvalConfig, values, "config.json").relevant_rating) is float


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("train", "epoch", 3, "config.json: train: setting 'epoch' is unknown"),
        ("model", "embedding_dim", "8", "config.json: model: embedding_dim is '8'; expected int"),
        ("model", "embedding_dim", True, "config.json: model: embedding_dim is True; expected int"),
        ("model", "hidden_dims", 64, "config.json: model: hidden_dims is 64; expected tuple"),
        ("model", "hidden_dims", [64, "32"], "config.json: model: hidden_dims is '32'; expected int"),
        ("train", "epochs", 1.5, "config.json: train: epochs is 1.5; expected int | None"),
        ("train", "epochs", 0, "config.json: train: --epochs=0: must be 1 or more"),
        ("train", "seed", None, "config.json: train: seed is None; expected int"),
        ("data", "movie_features", ["a.csv", 3], "config.json: data: movie_features is 3; expected str"),
        ("data", "content", "year", "config.json: data: content is 'year'; expected tuple"),
        ("data", "test_ratings", 3, "config.json: data: test_ratings is 3; expected str | None"),
    ],
)
def test_a_setting_of_a_wrong_type_or_value_is_named_with_its_file(section, key, value, message):
    values = to_json(Config())
    values[section][key] = value
    with pytest.raises(InputError, match="^" + re.escape(message)):
        from_json(Config, values, "config.json")


@pytest.mark.parametrize("path", [("train", "epochs"), ("model",)], ids=" ".join)
def test_a_missing_setting_or_section_is_named_with_its_file(path):
    values = to_json(Config())
    *sections, key = path
    del (values[sections[0]] if sections else values)[key]
    with pytest.raises(InputError, match=rf"^config\.json: .*setting '{key}' is missing"):
        from_json(Config, values, "config.json")


@pytest.mark.parametrize("values", [[], 3, None, "{}"])
def test_json_other_than_an_object_is_refused(values):
    with pytest.raises(InputError, match=r"^config\.json: .* where an object of settings was expected"):
        from_json(Config, values, "config.json")


# Values.


@pytest.mark.parametrize(
    ("section", "flag", "value"),
    [
        (DataConfig, "split", "user"),
        (DataConfig, "test_fraction", 0.0),
        (DataConfig, "test_fraction", 1.0),
        (DataConfig, "test_fraction", math.nan),
        (DataConfig, "valid_fraction", -0.1),
        (DataConfig, "valid_fraction", 1.0),
        (DataConfig, "min_user_ratings", 0),
        (DataConfig, "min_movie_ratings", 0),
        (DataConfig, "split_seed", -1),
        (DataConfig, "rating_scale", (5.0, 0.5)),
        (DataConfig, "rating_scale", (5.0, 5.0)),
        (DataConfig, "rating_scale", (1.0,)),
        (DataConfig, "rating_scale", (1.0, 3.0, 5.0)),
        (DataConfig, "rating_scale", (1.0, math.inf)),
        (DataConfig, "rating_scale", (-math.inf, 5.0)),
        (ModelConfig, "embedding_dim", 0),
        (ModelConfig, "hidden_dims", (64, 0)),
        (ModelConfig, "dropout", -0.1),
        (ModelConfig, "dropout", 1.0),
        (ModelConfig, "precision", "float16"),
        (TrainConfig, "epochs", 0),
        (TrainConfig, "batch_size", 0),
        (TrainConfig, "learning_rate", 0.0),
        (TrainConfig, "learning_rate", math.inf),
        (TrainConfig, "learning_rate", math.nan),
        (TrainConfig, "warmup_fraction", 1.0),
        (TrainConfig, "warmup_fraction", -0.1),
        *((TrainConfig, name, value) for name in (*DECAYS, "shrinkage") for value in (-1.0, math.inf, math.nan)),
        (TrainConfig, "cold_start_fraction", -0.1),
        (TrainConfig, "cold_start_fraction", 1.0),
        (TrainConfig, "ensemble_size", 0),
        (TrainConfig, "patience", -1),
        (TrainConfig, "seed", -1),
        (TrainConfig, "seed", 2**32),
        (EvalConfig, "eval_k", ()),
        (EvalConfig, "eval_k", (10, 0)),
        (EvalConfig, "relevant_rating", math.nan),
        (EvalConfig, "relevant_rating", math.inf),
    ],
)
def test_an_invalid_value_is_refused_and_its_flag_named(section, flag, value):
    with pytest.raises(InputError, match=rf"^--{flag}={re.escape(as_flag(value))}: must be "):
        section(**{flag: value})


def test_sentiment_is_one_folder_or_one_per_review_file_and_one_for_tags():
    reviews = ("english.csv", "german.csv")
    for num_folders in (0, 1, 3):
        DataConfig(reviews=reviews, sentiment=("folder",) * num_folders)
    with pytest.raises(InputError, match=r"^--sentiment=a,b: must be one folder, or 3: one for each file of --reviews"):
        DataConfig(reviews=reviews, sentiment=("a", "b"))


def test_an_unknown_choice_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"must be one of random, user_time, leave_last_out, time$"):
        DataConfig(split="user")


@pytest.mark.parametrize("content", [(), ("genres",), ("gender", "age")])
def test_content_may_be_any_groups_or_none(content):
    assert DataConfig(content=content).content == content


@pytest.mark.parametrize("content", [("genre",), ("none",), ("year", "none")])
def test_unknown_content_is_refused_with_the_known_groups(content):
    expected = r"--content=.*: must be one of genres, year, tags, reviews, age, gender, occupation$"
    with pytest.raises(InputError, match=expected):
        DataConfig(content=content)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unset"),
        (3, "3"),
        ("time", "time"),
        (5.0, "5"),
        (0.5, "0.5"),
        (0.0060000001, "0.0060000001"),
        ((0.5, 5.0), "0.5,5"),
        ((), ""),
    ],
)
def test_a_setting_is_shown_as_on_the_command_line(value, text):
    assert as_flag(value) == text


# Differences.


def test_a_config_has_no_differences_from_itself():
    assert differences(OTHER, dataclasses.replace(OTHER)) == []


def test_differences_show_both_values_of_each_setting():
    ours = Config(data=DataConfig(rating_scale=(0.5, 5.0)), train=TrainConfig(epochs=3))
    assert differences(ours, Config(train=TrainConfig(epochs=4))) == [
        "--rating_scale=0.5,5 (was unset)",
        "--epochs=3 (was 4)",
    ]


def test_differences_cover_every_setting():
    assert [row.split("=")[0] for row in differences(Config(), OTHER)] == [f"--{name}" for name, _ in settings(OTHER)]


def test_replace_changes_settings_of_any_section_by_name():
    config = Config().replace(split="time", embedding_dim=8, epochs=3)
    assert (config.data.split, config.model.embedding_dim, config.train.epochs) == ("time", 8, 3)
    assert config.replace(split="random", embedding_dim=64, epochs=None) == Config()


def test_replace_refuses_a_name_that_is_not_a_setting():
    with pytest.raises(InputError, match="embeding_dim: not a setting"):
        Config().replace(embeding_dim=8)


# Settings that depend on the number of ratings.


@pytest.mark.parametrize(
    ("num_ratings", "epochs"), [(1, 12), (100_000, 12), (1_000_000, 20), (25_000_000, 40), (100_000_000, 55)]
)
def test_unset_epochs_grow_slowly_with_the_ratings(num_ratings, epochs):
    assert TrainConfig().for_ratings(num_ratings, "any").epochs == epochs
    assert TrainConfig(epochs=3).for_ratings(num_ratings, "any").epochs == 3


@pytest.mark.parametrize(
    "num_ratings", [1, STEPS_PER_EPOCH - 1, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 1, 10**6, 10**6 + 1]
)
def test_an_unset_batch_size_gives_at_most_the_usual_steps_per_epoch(num_ratings):
    size = TrainConfig().for_ratings(num_ratings, "any").batch_size
    assert size * STEPS_PER_EPOCH >= num_ratings
    assert (size - 1) * STEPS_PER_EPOCH < num_ratings
    assert TrainConfig(batch_size=7).for_ratings(num_ratings, "any").batch_size == 7


def test_settings_that_are_given_stay():
    config = TrainConfig(
        epochs=3,
        batch_size=7,
        implicit_feedback_target="any",
        masked_fraction=0.3,
        half_life_days=2.5,
        unobserved_weight=0.1,
        seed=4,
    )
    assert vars(config.for_ratings(1000, "next")) == vars(config) | {
        "num_ratings": 1000,
        "rating_weight": 1000.0,
    }


@pytest.mark.parametrize(
    ("split", "target", "share"), [("random", "any", 0.5), ("time", "next", 0.2), ("leave_last_out", "sequence", 0.0)]
)
def test_the_split_decides_what_the_implicit_feedback_score_predicts(split, target, share):
    config = Config().replace(split=split)
    resolved = config.train.for_ratings(1000, config.target(has_times=True))
    assert (resolved.implicit_feedback_target, resolved.masked_fraction) == (target, share)
    assert config.target(has_times=False) == "any"
    assert config.replace(implicit_feedback_target="next").target(has_times=True) == "next"
