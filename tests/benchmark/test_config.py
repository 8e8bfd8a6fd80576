"""Which baselines a suite compares with."""

import pytest

from movierec_jax.benchmark.baselines import baselines_of
from movierec_jax.benchmark.config import SUITES, BenchmarkConfig
from movierec_jax.errors import InputError


@pytest.mark.parametrize(("suite", "kind"), SUITES.items())
def test_a_suite_takes_all_baselines_of_its_kind_unless_some_are_named(suite, kind):
    names = BenchmarkConfig(suite=suite, rectools_python="python").baseline_names()
    assert names == (tuple(baselines_of(kind)) if kind else ())


def test_sequence_baselines_need_a_python_of_their_own():
    names = BenchmarkConfig(suite="next").baseline_names()
    assert "ease" in names
    assert "sasrec" not in names
    with pytest.raises(InputError, match=r"^--baselines=sasrec: needs --rectools_python=PYTHON"):
        BenchmarkConfig(suite="next", baselines=("sasrec",))


def test_named_baselines_are_taken_in_their_order_and_none_where_none_is_named():
    names = ("popularity", "ease")
    assert BenchmarkConfig(suite="ranking", baselines=names).baseline_names() == names
    assert BenchmarkConfig(baselines=()).baseline_names() == ()


@pytest.mark.parametrize(
    ("suite", "name", "message"),
    [
        ("rating", "oracle", "must be one of biases, "),
        ("rating", "ease", "is a ranking baseline; the suite rating takes biases, "),
        ("sentiment", "biases", "is a rating baseline; the suite sentiment takes tfidf_logistic, "),
        ("cold", "biases", "the suite cold compares with no baselines"),
    ],
)
def test_a_baseline_that_the_suite_does_not_take_is_refused(suite, name, message):
    with pytest.raises(InputError, match=f"^--baselines={name}: {message}"):
        BenchmarkConfig(suite=suite, baselines=(name,))
