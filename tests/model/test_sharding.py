"""The same outcome on any mesh: epochs, runs that go on elsewhere, lists. A CPU stands for the devices."""

import concurrent.futures
import functools
import json
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import drill

from movierec_jax.errors import InputError
from movierec_jax.model.sharding import grid_of, new_mesh, parse_axes

PROGRAM = pathlib.Path(__file__).parents[1] / "helpers" / "on_devices.py"
# How far sums in another order may be apart.
TOLERANCE = 2e-5


def on_devices(num_devices: int, mesh: str, task: str, folder="") -> dict:
    """What `on_devices.py` says."""
    arguments = [str(num_devices), mesh, task, str(folder)]
    done = subprocess.run([sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def on_two_processes(mesh: str, task: str) -> dict:
    """What it says on two processes of four devices each."""
    arguments = [sys.executable, str(PROGRAM), "4", mesh, task, "", str(drill.free_port()), "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    other, first = (subprocess.Popen([*arguments, number], **pipes) for number in "10")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        (printed, errors), (_, others_errors) = pool.map(subprocess.Popen.communicate, (first, other))
    assert (first.returncode, other.returncode) == (0, 0), errors + others_errors
    return json.loads(printed.splitlines()[-1])


@functools.cache
def one_device(task: str) -> dict:
    """Returns the curve of one device."""
    return on_devices(1, "data:1", task)


@pytest.mark.parametrize(
    ("num_devices", "mesh", "task"),
    [
        pytest.param(4, "model:4", "all", marks=pytest.mark.slow),
        pytest.param(8, "data:4,model:2", "all", marks=pytest.mark.slow),
        pytest.param(8, "data:8", "next", marks=pytest.mark.slow),
        pytest.param(4, "data:2,model:2", "sequence", marks=pytest.mark.slow),
        (4, "data:4", "ids"),
    ],
)
def test_every_mesh_has_the_same_curve_and_tables_in_equal_parts(num_devices, mesh, task):
    found = on_devices(num_devices, mesh, task)
    np.testing.assert_allclose(found["records"], one_device(task)["records"], rtol=TOLERANCE)
    assert found["shares"] == [1 / num_devices]
    assert one_device(task)["shares"] == [1.0]


@pytest.mark.slow
def test_two_processes_of_four_devices_train_as_one_device_does():
    found = on_two_processes("data:4,model:2", "all")
    np.testing.assert_allclose(found["records"], one_device("all")["records"], rtol=TOLERANCE)
    assert found["shares"] == [1 / 8]


@pytest.mark.slow
@pytest.mark.parametrize("mesh", ["data:4,model:2", "model:8"])
def test_sums_within_and_across_two_processes_are_exact(mesh):
    # As those of `psum_scatter` are not at this size.
    assert not any(on_two_processes(mesh, "sums")["wrong"])


@pytest.mark.slow
@pytest.mark.parametrize("mesh", ["data:4", "data:2,model:2"])
def test_a_warm_start_begins_with_the_same_bits_on_every_mesh(mesh):
    found = on_devices(4, mesh, "warm")
    assert found["checksums"] == one_device("warm")["checksums"]
    assert found["shares"] == [1 / 4]


@pytest.mark.slow
def test_a_run_goes_on_and_scores_on_other_devices_than_it_began_on(tmp_path):
    first, then = (4, "data:2,model:2"), (1, "data:1")
    expected = on_devices(*first, "trained", tmp_path)
    one, other = (on_devices(*devices, "lists", tmp_path) for devices in (first, then))
    assert one["movies"] == other["movies"]
    np.testing.assert_allclose(np.concatenate(one["scores"]), np.concatenate(other["scores"]), rtol=1e-4)
    np.testing.assert_allclose(one["stars"], other["stars"], rtol=TOLERANCE)
    # As if it had been stopped after its first epoch.
    (tmp_path / "report.json").unlink()
    for epoch in sorted((tmp_path / "checkpoints").iterdir())[1:]:
        shutil.rmtree(epoch)
    found = on_devices(*then, "trained", tmp_path)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-3)


@pytest.mark.parametrize("text", ["rows:2", "data", "data:0", "data:2,data:2", "data:-1", "data:2;model:2", "data:x"])
def test_a_malformed_mesh_is_refused_with_the_expected_form(text):
    with pytest.raises(InputError, match=f"--mesh={text}: expected lengths of the axes data and model"):
        parse_axes(text)


def test_a_mesh_of_more_devices_than_there_are_is_refused():
    with pytest.raises(InputError, match=r"--mesh=data:400: takes 400 devices; 1 of kind cpu can be used"):
        new_mesh("data:400", jax.devices()[:1])


def test_one_device_is_the_grid_of_one_cell_and_needs_no_mesh():
    assert new_mesh("data:1,model:1") is None
    assert grid_of(new_mesh("model:1")).num_cells == 1
