"""Sums over links against the same sums as products of dense matrices, with their gradients, one by one and at once."""

import dataclasses
import functools

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.model.embedding_bag import BothWays, WeightedLinks, embedding_bag
from movierec_jax.model.interactions import pad_links

NUM_OWNERS, NUM_OTHERS, WIDTH = 5, 4, 3
SEGMENT_LENGTH = 8
few = hypothesis.settings(deadline=None, max_examples=12)
pairs = st.lists(st.tuples(st.integers(0, NUM_OWNERS - 1), st.integers(0, NUM_OTHERS - 1)), max_size=12)

# Edges by name: no owner has a link, one has, one has as many as a segment holds, or one more, or several segments.
EDGES = {
    "no links": [],
    "one link": [(3, 2)],
    "a full segment": [(1, n % NUM_OTHERS) for n in range(SEGMENT_LENGTH)],
    "one more than a segment holds": [(1, n % NUM_OTHERS) for n in range(SEGMENT_LENGTH + 1)],
    "three segments between short ones": [
        (0, 0),
        *[(2, n % NUM_OTHERS) for n in range(3 * SEGMENT_LENGTH)],
        (4, 1),
    ],
}


def numbers(shape, seed=0):
    return jnp.float32(np.random.default_rng(seed).normal(size=shape))


def links_of(pairs) -> tuple[BothWays, list[np.ndarray]]:
    """Links with two random weights each, and for either weight the dense matrix [owners, others] of its sums."""
    owner, other = np.array(pairs, np.int32).reshape(-1, 2).T
    weights = np.random.default_rng(1).normal(size=(2, len(pairs))).astype(np.float32)
    both = (pad_links(*pair, *weights, length=SEGMENT_LENGTH) for pair in ((owner, other), (other, owner)))
    dense = []
    for weight in weights:
        matrix = np.zeros((NUM_OWNERS, NUM_OTHERS), np.float32)
        np.add.at(matrix, (owner, other), weight)
        dense.append(matrix)
    links = BothWays(*(WeightedLinks(links.owner, links.other, links.values) for links in both))
    return jax.tree.map(jnp.asarray, links), dense


def pool_densely(tables, matrices):
    return sum(matrix @ table for matrix, table in zip(matrices, tables, strict=True))


def assert_equal_to_dense(pairs):
    """Sums and gradients in both tables."""
    links, matrices = links_of(pairs)
    tables, upstream = (numbers((NUM_OTHERS, WIDTH), 2), numbers((NUM_OTHERS, WIDTH), 3)), numbers((NUM_OWNERS, WIDTH))
    sums, gradient = value_and_gradient(
        functools.partial(embedding_bag, num_owners=NUM_OWNERS), tables, links, upstream
    )
    dense_sums, dense_gradient = value_and_gradient(pool_densely, tables, matrices, upstream)
    np.testing.assert_allclose(sums, dense_sums, rtol=1e-4, atol=1e-4)
    for ours, dense in zip(gradient, dense_gradient, strict=True):
        np.testing.assert_allclose(ours, dense, rtol=1e-4, atol=1e-4)


def value_and_gradient(function, tables, links, upstream):
    """What a function gives, and the gradient in the tables of its product with other numbers."""
    (_, sums), gradient = jax.value_and_grad(
        lambda tables: (jnp.vdot(function(tables, links), upstream), function(tables, links)), has_aux=True
    )(tables)
    return sums, gradient


@pytest.mark.parametrize("pairs", EDGES.values(), ids=EDGES)
def test_sums_and_their_gradients_are_those_of_a_dense_product(pairs):
    assert_equal_to_dense(pairs)


@few
@hypothesis.given(pairs)
def test_sums_and_their_gradients_are_those_of_a_dense_product_for_any_links(pairs):
    assert_equal_to_dense(pairs)


def test_an_owner_without_links_has_the_sum_0():
    links, _ = links_of(EDGES["one link"])
    sums = embedding_bag((numbers((NUM_OTHERS, WIDTH)),) * 2, links, NUM_OWNERS)
    assert np.flatnonzero(np.any(sums != 0, axis=1)).tolist() == [3]


@pytest.mark.parametrize("pairs", [EDGES["no links"], [(0, 0), (0, 3), (4, 3), (4, 3)]], ids=["no links", "some"])
def test_members_at_once_are_members_one_by_one(pairs):
    links, _ = links_of(pairs)
    tables = (numbers((6, NUM_OTHERS, WIDTH), 2), numbers((6, NUM_OTHERS, WIDTH), 3))

    def sums_and_gradient(tables):
        return value_and_gradient(
            functools.partial(embedding_bag, num_owners=NUM_OWNERS), tables, links, numbers((NUM_OWNERS, WIDTH))
        )

    at_once = jax.vmap(sums_and_gradient)(tables)
    for member in range(6):
        alone = sums_and_gradient(tuple(table[member] for table in tables))
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5),
            jax.tree.map(lambda leaf, member=member: leaf[member], at_once),
            alone,
        )


def test_a_table_that_all_members_share_counts_for_each():
    links, matrices = links_of([(0, 0), (0, 3), (4, 3)])
    own, shared = numbers((2, NUM_OTHERS, WIDTH), 2), numbers((NUM_OTHERS, WIDTH), 3)
    sums = jax.vmap(lambda own: embedding_bag((own, shared), links, NUM_OWNERS))(own)
    for member in range(2):
        np.testing.assert_allclose(sums[member], pool_densely((own[member], shared), matrices), rtol=1e-5, atol=1e-5)


def test_members_may_weigh_their_links_each_in_a_way_of_its_own():
    links, _ = links_of([(0, 0), (0, 3), (4, 3)])
    factors, table = jnp.float32([1, -2]), numbers((NUM_OTHERS, WIDTH))

    def sums_and_gradient(factor):
        scaled = jax.tree.map(lambda leaf: leaf * factor if leaf.dtype == jnp.float32 else leaf, links)
        tables = (table, 2 * table)
        return jax.value_and_grad(lambda tables: jnp.sum(jnp.sin(embedding_bag(tables, scaled, NUM_OWNERS))))(tables)

    at_once = jax.vmap(sums_and_gradient)(factors)
    for member, factor in enumerate(factors):
        jax.tree.map(
            lambda leaf, alone, member=member: np.testing.assert_allclose(leaf[member], alone, rtol=1e-5, atol=1e-5),
            at_once,
            sums_and_gradient(factor),
        )


def test_links_that_do_not_count_are_as_if_they_were_not_there():
    pairs = [(0, 1), (0, 2), (3, 1), (4, 0)]
    links, matrices = links_of(pairs)
    table = numbers((NUM_OTHERS, WIDTH))
    weights, counts = links.forward.weights[:1], links.forward.other > 0
    forward = dataclasses.replace(links.forward, weights=weights, counts=counts)
    without = matrices[0] * (np.arange(NUM_OTHERS) > 0)
    np.testing.assert_allclose(
        embedding_bag((table,), BothWays(forward, forward), NUM_OWNERS), without @ table, rtol=1e-5
    )


def test_a_weight_that_is_none_is_1():
    links, matrices = links_of([(0, 1), (0, 2), (3, 1), (4, 1)])
    forward = dataclasses.replace(links.forward, weights=(None,), counts=links.forward.weights[0] != 0)
    table = numbers((NUM_OTHERS, WIDTH))
    sums = embedding_bag((table,), BothWays(forward, forward), NUM_OWNERS)
    np.testing.assert_allclose(sums, (matrices[0] != 0) @ table, rtol=1e-5)
