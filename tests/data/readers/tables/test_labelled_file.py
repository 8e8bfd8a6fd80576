"""Checks files of texts that are labelled praise or blame."""

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from helpers.input_files import parquet_bytes, refusal_by, write_file

from movierec_jax.data.readers.tables.labelled_file import MIN_TEXTS, read_labelled
from movierec_jax.data.schema import LabelledTexts


def labelled(folder: pathlib.Path, header: str, rows, others: str = "") -> LabelledTexts:
    """What is read of rows and, after them, of enough others, half of praise, half of blame."""
    return read_labelled(write_file(folder, f"{header}\n" + "".join(f"{row}\n" for row in rows) + others))


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
    content = parquet_bytes(text=[f"text {n}" for n in range(40)], label=labels)
    assert read_labelled(write_file(tmp_path, content, "a.parquet")).is_praise.tolist() == [True, False] * 20


@pytest.mark.parametrize(
    ("stars", "expected", "scale"),
    [
        (["5", "1", "3.5", "2", "3"], [True, False, True, False], (1, 5)),
        (["10", "1", "6", "5"], [True, False, True, False], (1, 10)),
        (["100", "0", "51", "49", "50"], [True, False, True, False], (0, 100)),
        (["1", "0", "0.6", "0.4", "0.5"], [True, False, True, False], (0, 1)),
    ],
)
def test_without_a_label_stars_above_the_middle_praise_and_the_middle_is_left_out(tmp_path, stars, expected, scale):
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


def test_texts_of_a_movie_are_a_group_and_so_are_equal_texts_without_a_movie(tmp_path):
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


def test_a_file_with_a_train_part_alone_sets_no_texts_aside(tmp_path):
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
    assert refusal_by(read_labelled, write_file(tmp_path, content)).startswith(message)
