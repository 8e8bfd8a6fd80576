"""Files of texts about movies, in every form, and texts that are labelled praise or blame."""

import datetime
import gzip
import io
import pathlib

import hypothesis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from helpers.damage import mutated_files
from hypothesis import strategies as st

from movierec_jax.config import DataConfig
from movierec_jax.data.cleaning import clean
from movierec_jax.data.readers.labelled_file import MIN_TEXTS, read_labelled
from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.readers.reviews_file import read_reviews
from movierec_jax.data.schema import LabelledTexts
from movierec_jax.errors import InputError
from movierec_jax.features.review_cleaning import clean_reviews

ROOT = pathlib.Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "reviews" / "aclimdb_labelled_50k.parquet"
LONG = "so very long " * 20_000


def write(folder: pathlib.Path, content: str | bytes, name: str = "mine.csv") -> pathlib.Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def parquet(**columns) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), stream)
    return stream.getvalue()


def read(folder: pathlib.Path, content: str | bytes, name: str = "mine.csv") -> dict[str, list]:
    """The columns of a file, None where a value is missing."""
    table = read_reviews(write(folder, content, name)).table
    return {column: [None if pd.isna(value) else value for value in table[column]] for column in table}


def refusal(reader, folder: pathlib.Path, content: str | bytes, name: str = "mine.csv") -> str:
    with pytest.raises(InputError) as error:
        reader(write(folder, content, name))
    return str(error.value).replace(f"{folder}/", "")


# Reviews.


@pytest.mark.parametrize(
    "header",
    [
        "movieId,text,userId,rating,timestamp",
        "asin,reviewText,reviewerID,overall,unixReviewTime",
        "item,Review,user,STARS,date",
        "film id,comment,member,score,time",
        "mid,tag,uid,value,ts",
        "movie,body,profile,stars,created_at",
        '"movie","content","user","rating","rated at"',
    ],
)
def test_usual_spellings_are_known(tmp_path, header):
    columns = read(tmp_path, f"{header}\n7,good,3,4.5,100\n")
    expected = {"movie_id": [7], "text": ["good"], "user_id": [3], "stars": ["4.5"], "timestamp": ["100"]}
    assert columns == expected


@pytest.mark.parametrize("name", ["imdbId", "imdb", "tconst", "IMDB Title Id"])
def test_imdb_ids_are_told_from_movie_ids_which_come_first(tmp_path, name):
    assert read(tmp_path, f"{name},text\ntt01,a\n") == {"imdb_id": ["tt01"], "text": ["a"]}
    assert read(tmp_path, f"{name},movie,text\ntt01,7,a\n") == {"movie_id": [7], "text": ["a"]}


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::"])
def test_the_separator_is_seen_from_the_header(tmp_path, separator):
    columns = read(tmp_path, f"n{separator}movie{separator}text\n1{separator}7{separator}so so\n")
    assert columns == {"movie_id": [7], "text": ["so so"]}


def test_text_keeps_quotes_line_ends_emoji_and_length_and_lines_are_those_of_the_file(tmp_path):
    path = write(
        tmp_path, f'movie,text\r\n7,"""so"",\r\n\r\nso"\r\n\r\n8,🎬 née <br />\r\n9,{LONG}\r\n10,\r\n11, NA \r\n'
    )
    raw = read_reviews(path)
    assert raw.table["text"].tolist()[:3] == ['"so",\n\nso', "🎬 née <br />", LONG.strip()]
    assert raw.table["text"].isna().tolist() == [False, False, False, True, True]
    assert (raw.path, raw.unit, raw.line.tolist()) == (str(path), "line", [4, 6, 7, 8, 9])
    assert (raw.table["text"].dtype, raw.table["movie_id"].dtype) == ("str", "int64")


def test_text_may_be_packed_or_latin1_or_have_a_byte_order_mark(tmp_path):
    for content, name in [
        (gzip.compress("movie\ttext\n7,é\n".replace(",", "\t").encode()), "a.tsv.gz"),
        ("movie,text\n7,é\n".encode("latin-1"), "a.csv"),
        (b"\xef\xbb\xbf" + "movie,text\n7,é\n".encode(), "a.txt"),
        (parquet(movie=[7], text=["é"]), "a.parquet"),
        (gzip.compress(parquet(movie=[7], text=["é"])), "a.pq.gz"),
    ]:
        assert read(tmp_path, content, name) == {"movie_id": [7], "text": ["é"]}


def test_reviews_may_be_at_a_url(tmp_path):
    write(tmp_path, "movie,text\n7,good\n")
    raw = read_reviews(f"file://{tmp_path}/mine.csv")
    assert (raw.path, raw.table["text"].tolist()) == (f"file://{tmp_path}/mine.csv", ["good"])


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("movie", pa.array([7, None], pa.int32()), [7, None]),
        ("movie", pa.array([7.0, 8.0]), [7, 8]),
        ("movie", pa.array(["007", ""]), ["007", None]),
        ("text", pa.array([" a ", "null"], pa.large_string()), ["a", None]),
        ("text", pa.array(["a", None]).dictionary_encode(), ["a", None]),
        ("user", pa.array([1, None]), [1, None]),
        ("user", pa.array(["ann", None], pa.large_string()), ["ann", None]),
        ("stars", pa.array([9, None], pa.int8()), [9.0, None]),
        ("stars", pa.array(["9.5", "good"]), ["9.5", "good"]),
        ("timestamp", pa.array([5, None]), [5, None]),
        ("timestamp", pa.array([5.5, float("nan")]), [5.5, None]),
        ("timestamp", pa.array([datetime.date(1970, 1, 3), None]), [pd.Timestamp("1970-01-03"), None]),
        ("timestamp", pa.array(["1970-01-03", None]), ["1970-01-03", None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_parquet_columns_may_have_any_type_that_can_be_what_they_say(tmp_path, column, values, expected):
    columns = {"movie": [1, 2], "text": ["a", "b"]} | {column: values}
    name = {"movie": "movie_id", "user": "user_id"}.get(column, column)
    assert read(tmp_path, parquet(**columns), "a.parquet")[name] == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "mine.csv: empty; expected columns of a movie_id or imdb_id, and of text"),
        ("movie,text\n", "mine.csv: no rows below the columns movie, text"),
        (
            "thing,text\n1,a\n",
            "mine.csv:1: no movie_id or imdb_id column among 'thing', 'text'; accepted names: movie, ",
        ),
        ("movie,plot\n1,a\n", "mine.csv:1: no text column among 'movie', 'plot'; accepted names: text, review, "),
        ("movie,text,review\n1,a,b\n", "mine.csv:1: columns 'text' and 'review' could each be the text; keep one"),
        ("movie,text,stars,score\n1,a,1,1\n", "mine.csv:1: columns 'stars' and 'score' could each be the stars; keep"),
        ("movie,Movie,text\n1,2,a\n", "mine.csv:1: columns 'movie' and 'Movie' could each be the movie_id; keep one"),
        ("movie,text,text\n1,a,b\n", "mine.csv:1: column 'text' twice; rename one of them"),
        ("movie,text\n1,a\n\n1,a,b\n", "mine.csv:4: 3 columns; line 1 has 2, split by ','"),
        ('movie,text\n1,"a\n', "mine.csv:2: unexpected end of data"),
        ('movie,text\n1,"a" b\n', "mine.csv:2: ',' expected after '\"'"),
        ("movie,text\n1,a\n".encode("utf-16"), "mine.csv: a binary file; expected text or Parquet"),
        (b"PAR1movie,text\n1,a\n", "mine.csv: cannot be read as Parquet: "),
    ],
)
def test_a_file_that_has_no_reviews_is_refused(tmp_path, content, message):
    assert refusal(read_reviews, tmp_path, content).startswith(message)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"movie": [[1]], "text": ["a"]}, "a.parquet: column 'movie' cannot be the movie_id: "),
        ({"movie": [1], "text": [["a"]]}, "a.parquet: column 'text' cannot be the text: "),
        ({"movie": [1], "text": ["a"], "stars": [[1]]}, "a.parquet: column 'stars' cannot be the stars: "),
        ({"movie": [1], "text": ["a"], "user": [{"a": 1}]}, "a.parquet: column 'user' cannot be the user_id: "),
        ({"movie": [], "text": []}, "a.parquet: no rows below the columns movie, text"),
        ({"text": ["a"]}, "a.parquet: no movie_id or imdb_id column among 'text'; accepted names: movie, "),
    ],
)
def test_parquet_that_has_no_reviews_is_refused(tmp_path, columns, message):
    assert refusal(read_reviews, tmp_path, parquet(**columns), "a.parquet").startswith(message)


def test_a_missing_file_and_cut_ones_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: no such file$"):
        read_reviews(tmp_path / "none.csv")
    packed = gzip.compress(b"movie,text\n1,a\n")
    assert refusal(read_reviews, tmp_path, packed[:-9], "a.csv.gz").startswith("a.csv.gz: cannot be read: ")
    whole = parquet(movie=[1], text=["a"])
    assert refusal(read_reviews, tmp_path, whole[:-9], "a.pq").startswith("a.pq: cannot be read as Parquet: ")


VALID = [
    b'movie,text,user,stars,date\n1,"a, b",2,5,1970-01-02\n2,"c\n\nd",,x,\n',
    "imdbId::text::label\ntt1::né::pos\n".encode(),
    gzip.compress(b"movie\ttext\n1\ta\n"),
    parquet(movie=[1, 2], text=["a", None], stars=[1.5, None], timestamp=[1, 2]),
]


@hypothesis.settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(content=mutated_files(VALID), name=st.sampled_from(["a.csv", "a.csv.gz", "a.parquet", "a"]))
def test_any_damage_to_a_good_file_is_read_or_refused_with_the_name_of_the_file(tmp_path, content, name):
    path = write(tmp_path, content, name)
    try:
        read_labelled(path)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017
    try:
        raw = read_reviews(path)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017
        return
    assert len(raw.table) == len(raw.line) > 0
    assert raw.table["text"].dtype == "str"
    assert np.all(np.diff(raw.line) > 0)


def test_the_real_reviews_are_about_1210_movies_of_the_bundled_data(tmp_path):
    # Without them, one text about the first movie of the bundled data that they name, as they write it.
    path, num_movies = REAL, 1210
    if not REAL.exists():
        path = write(tmp_path, parquet(text=["Good."], imdbId=["0114709"], stars=[9], label=["pos"]), "one.parquet")
        num_movies = 1
    data = clean(read_ratings(ROOT / "data" / "ml-latest-small"), DataConfig())
    raw = read_reviews(path)
    table, dropped = clean_reviews(raw, data)
    assert table["movie_id"].nunique() == num_movies
    assert len(table) + sum(dropped.values()) == len(raw.table)
    assert table["stars"].between(0.5, 5).all()
    if path == REAL:
        labelled = read_labelled(path)
        assert (len(labelled), labelled.is_praise.sum(), labelled.scale) == (50_000, 25_000, (1.0, 10.0))
        assert labelled.is_test is not None
        assert labelled.is_test.sum() == 25_000
        # The parts are of different movies, its README says: all but "The Guardian". Praise has 7 stars or more of 10.
        assert len(set(labelled.group[labelled.is_test]) & set(labelled.group[~labelled.is_test])) == 1
        np.testing.assert_array_equal(labelled.is_praise, labelled.stars >= 7)


# Labelled texts.


def labelled(folder: pathlib.Path, header: str, rows, others: str = "") -> LabelledTexts:
    """What is read of rows and, after them, of enough others, half of praise, half of blame."""
    return read_labelled(write(folder, f"{header}\n" + "".join(f"{row}\n" for row in rows) + others))


def enough(praise: str, blame: str) -> str:
    """As many lines of either kind as are needed, with a text of its own in each."""
    return "".join(f"text {n}{kind}\n" for n in range(MIN_TEXTS) for kind in (praise, blame))


LABELS = enough(",pos", ",neg")


@pytest.mark.parametrize(
    ("praise", "blame"),
    [
        ("pos", "neg"),
        ("Positive", "NEGATIVE"),
        ("praise", "blame"),
        ("1", "0"),
        ("1.0", "0.0"),
        ("1", "-1"),
        ("True", "false"),
        (" yes ", "No"),
    ],
)
def test_labels_may_be_any_usual_words_in_any_case(tmp_path, praise, blame):
    found = labelled(tmp_path, "text,sentiment", [f"a,{praise}", f"b,{blame}"], LABELS)
    assert found.is_praise.tolist()[:2] == [True, False]
    assert found.text.tolist()[:3] == ["a", "b", "text 0"]
    assert (found.text.dtype, found.scale, found.is_test, found.dropped) == ("str", None, None, {})
    assert np.isnan(found.stars).all()
    assert len(found) == 2 + 2 * MIN_TEXTS


@pytest.mark.parametrize("labels", [pa.array([True, False] * 20), pa.array([1, 0] * 20), pa.array([1.0, 0.0] * 20)])
def test_labels_of_parquet_may_be_of_any_type(tmp_path, labels):
    content = parquet(text=[f"text {n}" for n in range(40)], label=labels)
    assert read_labelled(write(tmp_path, content, "a.parquet")).is_praise.tolist() == [True, False] * 20


@pytest.mark.parametrize(
    ("stars", "expected", "scale"),
    [
        (["5", "1", "3.5", "2", "3"], [True, False, True, False], (1, 5)),
        (["10", "1", "6", "5"], [True, False, True, False], (1, 10)),
        (["100", "0", "51", "49", "50"], [True, False, True, False], (0, 100)),
        (["1", "0", "0.6", "0.4", "0.5"], [True, False, True, False], (0, 1)),
    ],
)
def test_without_a_label_stars_above_the_middle_praise_and_those_in_it_are_left_out(tmp_path, stars, expected, scale):
    best, worst = stars[:2]
    rows = [f"a{n},{value}" for n, value in enumerate(stars)]
    found = labelled(tmp_path, "text,stars", rows, enough(f",{best}", f",{worst}"))
    assert (found.is_praise.tolist()[:4], found.scale) == (expected, scale)
    assert found.dropped == ({"stars in the middle of their scale": 1} if len(stars) == 5 else {})
    assert found.stars.tolist()[0] == float(best)


def test_a_label_comes_before_stars_and_stars_stand_in_for_it(tmp_path):
    rows = ["a,neg,5", "b,,5", "c,pos,3", "d,,3", "e,,", "f,,good", ",pos,5", "<br />,pos,5", "g,pos,99"]
    found = labelled(tmp_path, "text,label,stars", rows, enough(",pos,5", ",neg,1") * 4)
    assert list(zip(found.text, found.is_praise, strict=True))[:4] == [
        ("a", False),
        ("b", True),
        ("c", True),
        ("g", True),
    ]
    assert found.stars.tolist()[:3] == [5, 5, 3]
    assert np.isnan(found.stars[3])
    assert found.dropped == {"no text": 2, "no label and no stars": 2, "stars in the middle of their scale": 1}


def test_texts_of_a_movie_are_a_group_and_of_no_movie_those_that_are_the_same(tmp_path):
    rows = ["a,pos,tt7", "b,neg,007", "c,pos,8", "d,pos,", "e,pos,", "d,neg,", "f,pos,x"]
    found = labelled(tmp_path, "text,label,imdbId", rows, enough(",pos,9", ",neg,9"))
    assert found.group.tolist()[:8] == [0, 0, 1, 2, 3, 2, 4, 5]
    assert found.group.dtype == np.int32
    assert set(found.group[7:]) == {5}


def test_without_a_column_of_movies_the_same_text_is_a_group(tmp_path):
    found = labelled(tmp_path, "text,label", ["a,pos", "b,pos", "a,neg"], LABELS)
    assert found.group.tolist()[:4] == [0, 1, 0, 2]


def test_a_file_may_name_its_test_part(tmp_path):
    found = labelled(tmp_path, "text,label,split", ["a,pos,Test", ",pos,train"], enough(",pos,train", ",neg,train"))
    assert found.is_test is not None
    assert found.is_test.tolist() == [True] + [False] * 2 * MIN_TEXTS


def test_a_file_all_of_whose_texts_are_to_train_on_sets_none_aside(tmp_path):
    assert labelled(tmp_path, "text,label,split", [], enough(",pos,train", ",neg,train")).is_test is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "mine.csv: empty; expected columns of text, and of a label or stars"),
        ("label,plot\npos,a\n", "mine.csv:1: no text column among 'label', 'plot'; accepted names: text, "),
        ("text,movie\na,1\n", "mine.csv:1: no label or stars column among 'text', 'movie'; accepted names: label, "),
        ("text,label\na,pos\nb,unsup\n", "mine.csv:3: label 'unsup'; expected one of pos, positive, praise, 1, "),
        ('text,label\n"a\n\nb",pos\nc,2\n', "mine.csv:5: label '2'; expected one of pos"),
        ("text,label,sentiment\na,1,1\n", "mine.csv:1: columns 'label' and 'sentiment' could each be the label; keep"),
        (f"text,label\n{enough(',pos', ',1')}", "mine.csv: all 40 labelled texts are praise; texts of both kinds are"),
        (f"text,stars\n{enough(',1', ',2.5')}", "mine.csv: all 40 labelled texts are blame; texts of both kinds are"),
        ("text,label\na,pos\n,neg\n", "mine.csv: 1 labelled texts; at least 20 are needed, after dropping 1 row (no t"),
        ("text,label,split\na,pos,dev\n", "mine.csv:2: split 'dev'; expected one of train, training, test"),
        ("text,label,split\na,pos,train\nb,neg,\n", "mine.csv:3: no split, where other rows have one; fill it in, or"),
        (
            "text,label,split\n" + enough(",pos,test", ",neg,test"),
            "mine.csv: 0 labelled texts of the split train; at least 20 are needed",
        ),
        (
            "text,label,split\n" + enough(",pos,train", ",neg,test"),
            "mine.csv: all 20 labelled texts of the split train are praise; texts of both kinds are needed",
        ),
    ],
)
def test_a_file_from_which_praise_and_blame_cannot_be_learnt_is_refused(tmp_path, content, message):
    assert refusal(read_labelled, tmp_path, content).startswith(message)
