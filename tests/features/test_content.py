"""What is known of movies and users becomes features fitted on train alone, each group as loud as any other."""

import math
import zlib

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from movierec_jax.data.readers.features_file import read_features
from movierec_jax.data.schema import GENRES, MOVIE_ID, TAG, TIMESTAMP, TITLE, USER_ID, YEAR, Bags, FeatureTable, no_tags
from movierec_jax.errors import InputError
from movierec_jax.features.content import bags_of, join, kind_of, movie_content, user_content

# The ids of movies in the order of rows; the first three are those of train.
IDS = pd.Index([10, 20, 30, 40])
NUM_TRAIN = 3

many = hypothesis.settings(deadline=None, max_examples=40)


def movies_of(*rows) -> pd.DataFrame:
    """Movies from (id, year, genres)."""
    ids, years, genres = zip(*rows, strict=True) if rows else ((), (), ())
    return pd.DataFrame(
        {
            MOVIE_ID: pd.Series(ids, dtype="int64"),
            TITLE: pd.Series("", index=range(len(rows)), dtype="str"),
            YEAR: np.array(years, np.int32),
            GENRES: pd.Series(genres, dtype="str"),
        }
    )


def tags_of(*rows) -> pd.DataFrame:
    """Tags from (user id, movie id, tag) and perhaps a time."""
    filled = [(*row, 0)[:4] for row in rows]
    return pd.DataFrame(filled, columns=[USER_ID, MOVIE_ID, TAG, TIMESTAMP])


def table_of(ids, id_column=MOVIE_ID, path="mine.csv", **columns) -> FeatureTable:
    """An extra table, as `read_features` makes it of text unless a column is a Series."""
    series = {
        name: values if isinstance(values, pd.Series) else pd.Series([text or None for text in values], dtype="str")
        for name, values in columns.items()
    }
    return FeatureTable(
        path, id_column, pd.Series(ids), np.arange(2, 2 + len(ids)), "line", pd.DataFrame(series), left_out={}
    )


def extra_of(*tables: FeatureTable, tell=lambda line: None) -> Bags:
    """The features of extra tables alone."""
    return movie_content(movies_of(), no_tags(), tables, IDS, NUM_TRAIN, tell=tell)


def as_dicts(bags: Bags, num_rows: int = len(IDS)) -> list[dict[str, float]]:
    """The features of each row by name."""
    rows: list[dict[str, float]] = [{} for _ in range(num_rows)]
    for row, feature, value in zip(bags.row, bags.feature, bags.value, strict=True):
        rows[row][bags.names[feature]] = float(value)
    return rows


def assert_rows(bags: Bags, expected: list[dict[str, float]]) -> None:
    assert as_dicts(bags, len(expected)) == [pytest.approx(row) for row in expected]


# What the data itself tells.


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


def test_only_the_groups_asked_for_are_there():
    movies, tags = movies_of((10, 1995, "War")), tags_of(*((1, movie, "war") for movie in (10, 20, 30)))
    kinds = [
        {name[:4] for name in movie_content(movies, tags, [], IDS, NUM_TRAIN, groups=groups).names}
        for groups in (("genres",), ("year", "age"), ("tags",), ("none",), ())
    ]
    assert kinds == [{"genr"}, {"year"}, {"tag="}, set(), set()]


def test_nothing_known_is_no_features():
    bags = movie_content(movies_of(), no_tags(), [], IDS, NUM_TRAIN)
    assert (len(bags.row), len(bags.feature), len(bags.value), bags.names) == (0, 0, 0, ())


# What a column of an extra table is taken for.


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.Series([1.0, 2.0]), "numbers"),
        (pd.Series(["1", "-2.5", "1e3"], dtype="str"), "numbers"),
        (pd.Series(["1995-11-22", "1996-01-01 10:00"], dtype="str"), "dates"),
        (pd.Series(["true", "false"], dtype="category"), "categories"),
        (pd.Series(["en", "en", "fr"], dtype="str"), "categories"),
        (pd.Series(["True", "False"] * 5, dtype="str"), "categories"),
        (pd.Series([["a", "b"], []]), "sets"),
        (pd.Series(["a|b", *"cdefghijk"], dtype="str"), "sets"),
        (pd.Series(["a|b", *"cdefghijkl"], dtype="str"), "words"),
        (pd.Series(["1", "2", "unrated"], dtype="str"), "words"),
        (pd.Series(["A toy tells.", "A cat sings."], dtype="str"), "words"),
    ],
)
def test_a_column_is_taken_for_what_its_values_are(values, kind):
    assert kind_of(values) == kind


def test_numbers_are_spreads_from_the_mean_of_train_and_no_more_than_three():
    table = table_of(IDS, minutes=["80", "100", "", "999"])
    # The mean of 80 and 100 is 90, the spread 10.
    assert_rows(extra_of(table), [{"minutes": -1}, {"minutes": 1}, {}, {"minutes": 3}])


def test_dates_are_numbers_of_days():
    table = table_of(IDS, released=["1995-01-01", "1995-01-03", "", "1995-01-04 12:00"])
    assert_rows(extra_of(table), [{"released": -1}, {"released": 1}, {}, {"released": 2.5}])


@pytest.mark.parametrize("numbers", [["5", "5", "5", "9"], ["", "", "", "9"], ["inf", "inf", "1", "2"]])
def test_numbers_that_do_not_differ_in_train_are_left_out(numbers):
    told: list[str] = []
    assert extra_of(table_of(IDS, minutes=numbers), tell=told.append).names == ()
    assert told[1] == "  minutes: left out (movies of train have nothing in it, or all the same number)"


def test_numbers_of_any_size_are_finite_values():
    table = table_of(IDS, budget=["1e308", "-1e308", "1e-308", "1e308"], cents=["1e-300", "0", "0", "1e300"])
    bags = extra_of(table)
    assert bags.names == ("budget", "cents")
    assert np.isfinite(bags.value).all()


def test_categories_are_one_feature_each():
    assert_rows(
        extra_of(table_of(IDS, language=["en", "fr", "en", "fr"])),
        [{"language=en": 1}, {"language=fr": 1}, {"language=en": 1}, {"language=fr": 1}],
    )


@pytest.mark.parametrize(
    "cast", [["Ann | Bob|Ann", "Bob", "", "Ann|Cid"], pd.Series([["Ann", "Bob"], ["Bob"], None, ["Ann", "Cid"]])]
)
def test_sets_are_lists_or_texts_with_bars_and_have_each_member_once(cast):
    half = 1 / math.sqrt(2)
    assert_rows(
        extra_of(table_of(IDS, cast=cast)),
        [{"cast=Ann": half, "cast=Bob": half}, {"cast=Bob": 1}, {}, {"cast=Ann": 1}],
    )


def test_words_weigh_more_the_fewer_texts_have_them():
    bags = extra_of(table_of(IDS, plot=["A toy, a TOY!", "a war", "", "toy spaceships"]))
    toy, war, article = (f"plot~{zlib.crc32(word) % 4096}" for word in (b"toy", b"war", b"a"))
    # Of the two texts of train one has "toy" (twice), one "war" and both "a"; "spaceships" is in none.
    rare, common = math.log((1 + 2) / 1), math.log((1 + 2) / 2)
    first, second = math.hypot(2 * rare, 2 * common), math.hypot(rare, common)
    assert_rows(
        bags,
        [
            {toy: 2 * rare / first, article: 2 * common / first},
            {war: rare / second, article: common / second},
            {},
            {toy: 1},
        ],
    )


def test_a_column_is_judged_and_fitted_by_train_alone():
    table = table_of(IDS, minutes=["80", "100", "90", "long"], language=["en", "fr", "en", "a very long story"])
    bags = extra_of(table)
    assert bags.names == ("minutes", "language=en", "language=fr")
    assert as_dicts(bags)[3] == {}


@pytest.mark.parametrize(
    ("num_rows", "num_features", "square"),
    [(4, 100, 1), (4, 101, 0.04), (2000, 200, 1), (2000, 201, 0.04)],
    ids=["few", "many", "few for its rows", "many for its rows"],
)
def test_a_column_that_tells_movies_apart_has_small_values(num_rows, num_features, square):
    members = [[] for _ in range(num_rows)]
    for number in range(max(num_rows, num_features)):
        members[number % num_rows].append(f"a{number % num_features}")
    ids = pd.Index(range(num_rows))
    table = table_of(ids, keywords=pd.Series(members), extra=pd.Series(["a", "b"] * (num_rows // 2)))
    bags = movie_content(movies_of(), no_tags(), [table], ids, num_rows, tell=lambda line: None)
    is_keyword = bags.feature < num_features
    for which, expected in ((is_keyword, square), (~is_keyword, 1)):
        squares = np.bincount(bags.row[which], bags.value[which].astype(np.float64) ** 2)
        np.testing.assert_allclose(squares, expected, rtol=1e-5)


# Tables and ids.


def test_each_table_and_column_is_told_of():
    told: list[str] = []
    table = table_of([99, 10, 98, 20], minutes=["1", "2", "3", "4"], text=["a", "b", "c", "d"])
    extra_of(table, tell=told.append)
    assert told == [
        "mine.csv: tells of 2 of 4 movies; 2 movies that the data does not have left out",
        "  minutes: numbers, 1 feature of 2 movies",
        "  text: words, 2 features of 2 movies",
    ]


def test_columns_that_cannot_be_features_are_told_of(tmp_path):
    (tmp_path / "a.csv").write_text("movieId,imdbId,x\n10,1,2\n20,2,3\n")
    told: list[str] = []
    extra_of(read_features(tmp_path / "a.csv", MOVIE_ID), tell=told.append)
    assert told[1:] == ["  x: numbers, 1 feature of 2 movies", "  imdbId: left out (another id)"]


def test_a_column_named_as_another_group_has_its_file_before_its_name():
    movies = movies_of((10, 0, "War"))
    tables = [table_of([10, 20], path=f"{folder}/a.csv", genre=["War", "War"]) for folder in "xyz"]
    bags = movie_content(movies, no_tags(), tables, IDS, NUM_TRAIN, tell=lambda line: None)
    assert bags.names == ("genre=War", "a.csv:genre=War", "y/a.csv:genre=War", "z/a.csv:genre=War")


def test_a_table_given_twice_is_refused():
    table = table_of(IDS, minutes=["1", "2", "3", "4"])
    with pytest.raises(InputError, match=r"^mine\.csv: given twice$"):
        extra_of(table, table)


@pytest.mark.parametrize("ids", [["10", "x", "030.0"], pd.Series([10, 50, 30])])
def test_text_stands_for_the_integer_it_spells_where_the_ids_are_integers(ids):
    assert extra_of(table_of(ids, minutes=["1", "2", "3"])).row.tolist() == [0, 2]


def test_strangers_may_come_twice_where_they_are_no_integers():
    assert extra_of(table_of(["10", "x", "30", "x"], minutes=["1", "2", "3", "4"])).row.tolist() == [0, 2]


def test_ids_of_text_are_matched_letter_by_letter():
    table = table_of(["007", "7", "a"], minutes=["1", "2", "3"])
    bags = movie_content(movies_of(), no_tags(), [table], pd.Index(["007", "a", "b"]), 3, tell=lambda line: None)
    assert bags.row.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([10, 20, 10], r"^mine\.csv:4: movie_id 10 again, first in line 2; keep one$"),
        (["10", "20", "10.0"], r"^mine\.csv:4: movie_id 10\.0 again, first in line 2; keep one$"),
        (["10", None, "20"], r"^mine\.csv:3: no movie_id; leave out the line, or fill it in$"),
        (
            ["tt1", "tt2", "tt3"],
            r"^mine\.csv: none of its 3 movie_ids, such as 'tt1', 'tt2', 'tt3', is among those of the data, such as",
        ),
        (
            [1, 2, 3],
            r"^mine\.csv: none of its 3 movie_ids, such as 1, 2, 3, is among those of the data, such as 10, 20",
        ),
    ],
)
def test_ids_that_cannot_be_used_are_refused_with_their_line(ids, message):
    table = table_of(ids, minutes=["1", "2", "3"])
    with pytest.raises(InputError, match=message):
        extra_of(table)


def test_a_row_of_parquet_is_named_as_a_row():
    table = FeatureTable("a.parquet", USER_ID, pd.Series([5, 5]), np.array([1, 2]), "row", pd.DataFrame(), {})
    with pytest.raises(InputError, match=r"^a\.parquet: row 2: user_id 5 again, first in row 1; keep one$"):
        user_content(
            pd.DataFrame({USER_ID: [], "age": [], "gender": [], "occupation": []}).astype(
                {USER_ID: "int64", "age": "int64", "gender": "str", "occupation": "str"}
            ),
            [table],
            pd.Index([5]),
            1,
        )


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


def content_of(movies, tags, extra, ids, num_train) -> Bags:
    return movie_content(movies, tags, [extra], ids, num_train, tell=lambda line: None)


def assert_equal(one: Bags, other: Bags) -> None:
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
def test_what_cold_ids_have_changes_nothing_for_those_of_train(case):
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
    kept = Bags(bags.row[is_warm], bags.feature[is_warm], bags.value[is_warm], bags.names)
    assert_equal(kept, content_of(movies, tags, without_cold, warm, num_train))
    assert set(bags.feature.tolist()) == set(kept.feature.tolist()) == set(range(len(bags.names)))


def test_bags_keep_the_first_of_a_pair_and_sort_names():
    bags = bags_of([1, 0, 1], ["b", "a", "b"], [0.5, 1.0, 9.0])
    assert (bags.row.tolist(), bags.feature.tolist(), bags.value.tolist()) == ([0, 1], [0, 1], [1.0, 0.5])
    assert bags.names == ("a", "b")


def test_groups_joined_keep_their_features_apart():
    one, other = bags_of([0, 2], ["a", "b"]), bags_of([0, 1], ["a", "c"])
    assert as_dicts(join([one, other]), 3) == [{"a": 1.0}, {"c": 1.0}, {"b": 1.0}]
    assert join([one, other]).feature.tolist() == [0, 2, 3, 1]
    assert join([one, other]).names == ("a", "b", "a", "c")
