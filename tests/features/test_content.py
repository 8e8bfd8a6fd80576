"""Features of the data's own tables are fitted on train alone, each group with the same norm."""

import math

import hypothesis
import numpy as np
import pandas as pd
import pytest
from helpers.content import IDS, NUM_TRAIN, as_dicts, assert_rows, movies_of, table_of, tags_of
from hypothesis import strategies as st

from movierec_jax.data.schema import USER_ID, FeatureBags, FeatureTable, no_tags
from movierec_jax.features.content import movie_content, user_content

many = hypothesis.settings(deadline=None, max_examples=40)


def test_a_movie_of_n_genres_has_each_with_one_over_the_root_of_n():
    movies = movies_of((10, 0, "Drama|War"), (20, 0, "Drama"), (30, 0, ""), (40, 0, "War"))
    half = 1 / math.sqrt(2)
    assert_rows(
        movie_content(movies, no_tags(), [], IDS, NUM_TRAIN),
        [{"genre=Drama": half, "genre=War": half}, {"genre=Drama": 1}, {}, {"genre=War": 1}],
    )


def test_a_year_lies_between_the_two_bins_around_it():
    movies = movies_of((10, 1993, ""), (20, 1995, ""), (30, 0, ""))
    length = math.hypot(0.4, 0.6)
    assert_rows(
        movie_content(movies, no_tags(), [], IDS, NUM_TRAIN),
        [{"year~1990": 0.4 / length, "year~1995": 0.6 / length}, {"year~1995": 1}, {}, {}],
    )


def test_a_tag_counts_the_users_who_gave_it_in_whatever_case():
    common = [(1, movie, "War") for movie in (10, 20, 30)]
    tags = tags_of(*common, (2, 10, " war "), (2, 10, "WAR"), *((5, movie, "dull") for movie in (10, 20, 30)))
    bags = movie_content(movies_of(), tags, [], IDS, NUM_TRAIN)
    length = math.hypot(math.log(1 + 2), math.log(1 + 1))
    assert as_dicts(bags)[0] == pytest.approx(
        {"tag=war": math.log(1 + 2) / length, "tag=dull": math.log(1 + 1) / length}
    )


def test_a_tag_is_kept_where_three_movies_of_train_have_it():
    rare = [(user, movie, "rare") for user in range(9) for movie in (10, 20, 40)]
    tags = tags_of(*rare, *((1, movie, "war") for movie in IDS))
    assert movie_content(movies_of(), tags, [], IDS, NUM_TRAIN).names == ("tag=war",)


@pytest.mark.parametrize(
    ("age", "name"),
    [(1, "under 18"), (17, "under 18"), (18, "18-24"), (34, "25-34"), (35, "35-44"), (49, "45-49"), (56, "56+")],
)
def test_a_user_has_an_age_a_gender_and_an_occupation(age, name):
    users = pd.DataFrame({USER_ID: [7], "age": age, "gender": "F", "occupation": "writer"})
    bags = user_content(users, [], pd.Index([7, 8]), 1)
    features = dict.fromkeys([f"age={name}", "gender=F", "occupation=writer"], 1.0)
    assert_rows(bags, [features, {}])


def test_only_the_chosen_groups_are_there():
    movies, tags = movies_of((10, 1995, "War")), tags_of(*((1, movie, "war") for movie in (10, 20, 30)))
    kinds = [
        {name[:4] for name in movie_content(movies, tags, [], IDS, NUM_TRAIN, groups=groups).names}
        for groups in (("genres",), ("year", "age"), ("tags",), ())
    ]
    assert kinds == [{"genr"}, {"year"}, {"tag="}, set()]


def test_without_tables_there_are_no_features():
    bags = movie_content(movies_of(), no_tags(), [], IDS, NUM_TRAIN)
    assert (len(bags.row), len(bags.feature), len(bags.value), bags.names) == (0, 0, 0, ())


# Properties.

GENRE_SETS = st.lists(st.sampled_from(["War", "Drama", "Noir", "Été"]), max_size=4).map("|".join)
TEXTS = st.text("ab c|1é", max_size=8).map(str.strip)


@st.composite
def cases(draw):
    """Movies, tags, an extra table, ids in the order of rows, and how many of them are those of train."""
    ids = draw(st.lists(st.integers(1, 30), min_size=1, max_size=8, unique=True))
    rows = [(id, draw(st.sampled_from([0, 1990, 1993, 2004])), draw(GENRE_SETS)) for id in ids]
    one_tag = st.tuples(st.integers(1, 3), st.sampled_from(ids), st.sampled_from(["war", "War ", "dull", ""]))
    tags = draw(st.lists(one_tag, max_size=30))
    columns = {name: draw(st.lists(TEXTS, min_size=len(ids), max_size=len(ids))) for name in ("x", "y")}
    numbers = draw(st.lists(st.floats(-1e9, 1e9) | st.just(math.nan), min_size=len(ids), max_size=len(ids)))
    extra = table_of(ids, z=pd.Series(numbers, dtype="float64"), **columns)
    return movies_of(*rows), tags_of(*tags), extra, pd.Index(ids), draw(st.integers(0, len(ids)))


def content_of(movies, tags, extra, ids, num_train) -> FeatureBags:
    return movie_content(movies, tags, [extra], ids, num_train, log=lambda line: None)


def assert_equal(one: FeatureBags, other: FeatureBags) -> None:
    assert one.names == other.names
    for field in ("row", "feature", "value"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field), strict=True)


@many
@hypothesis.given(case=cases())
def test_entries_are_sorted_and_no_pair_comes_twice(case):
    bags = content_of(*case)
    pairs = list(zip(bags.row.tolist(), bags.feature.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert all(0 <= row < len(case[3]) and 0 <= feature < len(bags.names) for row, feature in pairs)
    assert len(set(bags.names)) == len(bags.names)
    assert np.isfinite(bags.value).all()


@many
@hypothesis.given(case=cases())
def test_the_squares_of_each_group_sum_to_one_and_those_of_numbers_average_one_in_train(case):
    bags = content_of(*case)
    num_train = case[-1]
    groups: dict[tuple[str, int], float] = {}
    for row, feature, value in zip(bags.row, bags.feature, bags.value, strict=True):
        group = bags.names[feature].replace("~", "=").split("=")[0]
        groups[group, int(row)] = groups.get((group, int(row)), 0.0) + float(value) ** 2
    is_number = {name for name in bags.names if "=" not in name and "~" not in name}
    for (group, _), total in groups.items():
        assert group in is_number or total == pytest.approx(1, abs=1e-5)
    for name in is_number:
        squares = [total for (group, row), total in groups.items() if group == name and row < num_train]
        assert np.mean(squares) == pytest.approx(1, abs=1e-4) or max(squares) == pytest.approx(9)


@many
@hypothesis.given(case=cases(), seed=st.integers(0, 99))
def test_the_order_of_input_rows_does_not_matter(case, seed):
    movies, tags, extra, ids, num_train = case
    order = np.random.default_rng(seed).permutation(len(extra.ids))
    shuffled = FeatureTable(
        extra.path,
        extra.id_column,
        extra.ids.iloc[order].reset_index(drop=True),
        extra.line,
        extra.unit,
        extra.columns.iloc[order].reset_index(drop=True),
        {},
    )
    shuffled_tables = [table.sample(frac=1, random_state=seed) for table in (movies, tags)]
    assert_equal(
        content_of(movies, tags, extra, ids, num_train), content_of(*shuffled_tables, shuffled, ids, num_train)
    )


@many
@hypothesis.given(case=cases())
def test_cold_ids_change_nothing_for_those_of_train(case):
    movies, tags, extra, ids, num_train = case
    # A table that has none of the ids is an error, not a case of this.
    hypothesis.assume(num_train > 0)
    warm = ids[:num_train]
    without_cold = FeatureTable(
        extra.path,
        extra.id_column,
        extra.ids[extra.ids.isin(warm)].reset_index(drop=True),
        extra.line[extra.ids.isin(warm)],
        extra.unit,
        extra.columns[extra.ids.isin(warm)].reset_index(drop=True),
        {},
    )
    bags = content_of(*case)
    is_warm = bags.row < num_train
    kept = FeatureBags(bags.row[is_warm], bags.feature[is_warm], bags.value[is_warm], bags.names)
    assert_equal(kept, content_of(movies, tags, without_cold, warm, num_train))
    assert set(bags.feature.tolist()) == set(kept.feature.tolist()) == set(range(len(bags.names)))
