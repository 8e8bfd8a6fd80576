"""A run that does not fit into memory is refused with the figures, before it trains."""

import jax
import pytest
from helpers.small_runs import input_of, run_of

from movierec_jax.errors import InputError
from movierec_jax.runs.memory import UNKNOWN, FreeMemory, free_memory, memory_check
from movierec_jax.training.loop import initial_state
from movierec_jax.training.memory import StepsMemory, StepsShapes, bytes_on_device
from movierec_jax.training.state import new_state


def num_bytes(tree) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


@pytest.fixture(scope="module")
def small_run():
    return run_of()


def test_memory_is_that_of_the_arrays_on_the_device(small_run):
    run, train, _ = small_run
    steps, user_batches = input_of(run, train)
    memory = StepsShapes.of(steps, run.interactions, user_batches, run.setup).memory
    assert memory.state == num_bytes(new_state(run.setup))
    assert memory.data == num_bytes((run.interactions, user_batches)) + 2 * num_bytes(steps)
    assert memory.between == 0


def test_a_device_of_a_mesh_holds_its_part(small_run):
    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    rows = 3 * jax.device_count()
    shapes = [
        jax.ShapeDtypeStruct((rows, 5), "float32", sharding=sharding),
        jax.ShapeDtypeStruct((7,), "int8"),
    ]
    assert bytes_on_device(shapes) == 3 * 5 * 4 + 7


def test_training_is_told_what_it_will_hold_before_and_after_it_is_compiled(small_run):
    run, train, _ = small_run
    told = []
    initial_state(train, run.interactions, setup=run.setup, check=told.append)
    before, after = told
    assert (before.state, before.data) == (after.state, after.data)
    assert (before.between, after.between > 0) == (0, True)


def test_too_little_memory_is_refused_with_the_number_of_devices_that_have_enough(small_run):
    run, *_ = small_run
    check = memory_check(run.setup, FreeMemory(10**12, 30 * 10**9))
    with pytest.raises(InputError, match=r"needs at least 100.00 GB on each device \(40.00 for parameters.* 30.00 GB"):
        check(StepsMemory(40 * 10**9, 60 * 10**9))
    # Four devices have 120 GB.
    with pytest.raises(InputError, match=r"needs 100.00 GB .* on 4 such devices or more \(--mesh=data:4\)"):
        check(StepsMemory(40 * 10**9, 40 * 10**9, 20 * 10**9))


def test_enough_memory_is_said_and_what_is_not_known_is_not_judged(small_run, capsys):
    run, *_ = small_run
    memory_check(run.setup, FreeMemory(10**12, 10**9))(StepsMemory(10**8, 2 * 10**8, 3 * 10**8))
    memory_check(run.setup, UNKNOWN)(StepsMemory(10**12, 0, 1))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("memory: 0.60 GB on each device (0.10 for parameters")
    assert first.endswith("of 1.00 GB free")
    assert second.startswith("memory: 1000.00 GB")


def test_ratings_that_cannot_be_laid_out_are_refused(small_run):
    run, *_ = small_run
    with pytest.raises(InputError, match=r"ratings take about 0\.00 GB of this machine's memory .* 0\.00 GB are free"):
        memory_check(run.setup, FreeMemory(host=1000))


def test_free_memory_is_that_of_this_machine():
    host, device = free_memory()
    assert host is None or device * jax.local_device_count() <= host < 2**50
