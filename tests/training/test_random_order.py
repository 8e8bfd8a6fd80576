"""Random orders of many ratings: known in part, the same on the host and on devices, and as good as shuffled."""

import hypothesis
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.config import TrainConfig
from movierec_jax.training import random_order
from movierec_jax.training.batches import num_steps, step_of_ratings
from movierec_jax.training.keyed_steps import KeyedSteps, positions
from movierec_jax.training.random_order import RandomOrder, digits_of
from movierec_jax.training.step import step_of_links

lengths, seeds = st.integers(1, 3000), st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 99))


@pytest.fixture(params=["shuffled", "keyed"])
def way(request, monkeypatch):
    """Both ways to make an order, whatever the number of ratings."""
    monkeypatch.setattr(random_order, "SHUFFLED_AT_MOST", 2**25 if request.param == "shuffled" else 0)


both_ways = hypothesis.settings(
    max_examples=30, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)


@both_ways
@hypothesis.given(lengths, seeds, st.data())
def test_every_rating_has_one_position_and_any_part_is_that_of_the_whole(way, length, seed, data):
    order = RandomOrder(length, seed)
    whole = order.ratings(0, length)
    assert np.sort(whole).tolist() == list(range(length))
    assert order.positions(whole).tolist() == list(range(length))
    first = data.draw(st.integers(0, length))
    end = data.draw(st.integers(first, length + 5))
    assert RandomOrder(length, seed).ratings(first, end).tolist() == whole[first:end].tolist()
    some = whole[first:end][::-1]
    assert RandomOrder(length, seed).positions(some).tolist() == list(range(first, min(end, length)))[::-1]


@both_ways
@hypothesis.given(st.integers(50, 3000), seeds)
def test_another_seed_gives_another_order(way, length, seed):
    orders = [RandomOrder(length, other).ratings(0, length).tolist() for other in (seed, (*seed, 1))]
    assert orders[0] != orders[1]


def test_keyed_orders_are_as_even_as_shuffled_ones(monkeypatch):
    monkeypatch.setattr(random_order, "SHUFFLED_AT_MOST", 0)
    # Where the ratings of each twentieth end up: a twentieth of them in each twentieth, but for chance. The sum of
    # squared deviations over their expectation has 19 x 19 degrees of freedom.
    length, parts = 40_000, 20
    for epoch in range(5):
        part = RandomOrder(length, (7, epoch)).ratings(0, length) * parts // length
        count = np.histogram2d(np.arange(length) * parts // length, part, bins=parts)[0]
        expected = length / parts**2
        freedom = (parts - 1) ** 2
        assert np.sum((count - expected) ** 2 / expected) < freedom + 5 * np.sqrt(2 * freedom)
    # Neighbours do not stay together.
    order = RandomOrder(length, (7, 0)).ratings(0, length)
    assert np.mean(np.abs(np.diff(order))) == pytest.approx(length / 3, rel=0.02)


@hypothesis.given(st.integers(1, 2**32 - 1))
def test_the_rectangle_has_few_cells_more_than_there_are_ratings(length):
    left, right = digits_of(length)
    assert max(left, right) <= 2**16
    assert length <= left * right <= length + left


@hypothesis.settings(max_examples=20, deadline=None)
@hypothesis.given(lengths, seeds)
def test_devices_compute_the_positions_that_the_host_does(length, seed):
    order = RandomOrder(length, seed)
    found = positions(jnp.arange(length), length, jnp.asarray(order.keys))
    assert np.asarray(found).tolist() == order.permuted(np.arange(length), is_inverse=False).tolist()


def test_devices_compute_the_step_that_predicts_each_rating_and_know_held_out_ones(monkeypatch):
    monkeypatch.setattr(random_order, "SHUFFLED_AT_MOST", 0)
    length, batch_size = 700, 9
    order, held_out = RandomOrder(length, (3, 1)), RandomOrder(length, (3, 2))
    step_of_rating = step_of_ratings(order.ratings(0, length), batch_size)
    step_of_rating[held_out.ratings(0, 50)] = -1
    link = jnp.array([[*range(length), length + 4, -1]], jnp.int32)
    config = TrainConfig(batch_size=batch_size).for_ratings(length, "any")
    kept, computed = (
        step_of_links(steps, link, config)
        for steps in (
            jnp.asarray(step_of_rating),
            KeyedSteps(jnp.asarray(order.keys), jnp.asarray(held_out.keys), jnp.int32(50)),
        )
    )
    assert computed.dtype == kept.dtype == np.int8
    assert computed.tolist() == kept.tolist()
    assert num_steps(length, batch_size) == int(computed[0, :-2].max()) + 1
