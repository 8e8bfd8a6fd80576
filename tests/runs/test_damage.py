"""No flipped bit in a file of a workdir changes an answer unnoticed; `flips.py` flips many more."""

import re
import subprocess
import sys

import pytest
from helpers import flips


@pytest.mark.slow
def test_a_flipped_bit_in_any_file_is_named_or_changes_no_list(workdir):
    # In a process of its own, which ends with what Orbax leaves of failed readings.
    command = [sys.executable, flips.__file__, str(workdir), "2"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    refused, same = map(int, re.fullmatch(r"(\d+) refused, (\d+) the same lists\n", ended.stdout).groups())
    assert refused > same / 2 > 0
