"""Whatever breaks a run, it goes on to the end of an unbroken one; `drill.py` breaks many more."""

import sys

import drill
import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what another process may write")
@pytest.mark.parametrize("name", drill.FORMS)
def test_a_broken_run_goes_on_to_the_end_of_an_unbroken_one(name, tmp_path):
    drill.drill(name, tmp_path, 2)
