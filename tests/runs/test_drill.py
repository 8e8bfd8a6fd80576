"""However a run is broken, it resumes to the same end as an unbroken one; `drill.py` breaks many more."""

import sys

import pytest
from helpers import drill

# Tests of `train` and of bad input have a single process that is asked to end, and one whose disk is full.
TESTED_ELSEWHERE = {"asked to end", "disk full"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder in which all forms share the unbroken runs."""
    return tmp_path_factory.mktemp("drill")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what another process may write")
@pytest.mark.parametrize("name", sorted(drill.FORMS.keys() - TESTED_ELSEWHERE))
def test_a_broken_run_resumes_to_the_same_end_as_an_unbroken_one(name, folder):
    drill.drill(name, folder, 1)
