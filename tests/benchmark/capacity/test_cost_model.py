"""Costs agree with counts by hand, also in loops; collectives are found anywhere in XLA's text."""

import functools

import jax
import jax.numpy as jnp
import pytest

from movierec_jax.benchmark.capacity.cost_model import Collective, group_size, jaxpr_cost, parse_collectives
from movierec_jax.benchmark.capacity.hardware_specs import CHIPS, parse_target
from movierec_jax.errors import InputError

A, B = jnp.zeros((3, 5)), jnp.zeros((5, 7))
PRODUCT = 2 * 3 * 5 * 7


def cost(function, *arguments, num_devices=1):
    return jaxpr_cost(jax.jit(function).trace(*arguments).jaxpr.jaxpr, num_devices)


def test_a_product_takes_an_addition_and_a_multiplication_for_each_pair_of_factors():
    found = cost(jnp.dot, A, B)
    assert (found.flops, found.bytes) == (PRODUCT, 4 * (3 * 5 + 5 * 7 + 3 * 7))
    assert cost(jnp.dot, A, B, num_devices=4).flops == PRODUCT / 4


def test_a_batch_of_products_is_as_many_products():
    assert cost(jax.vmap(jnp.dot), jnp.stack([A] * 6), jnp.stack([B] * 6)).flops == 6 * PRODUCT


def test_a_loop_counts_for_each_iteration_and_one_of_unknown_length_once():
    def repeated_product(length, a, b):
        return jax.lax.fori_loop(0, length, lambda _, total: total + jnp.dot(a, b), jnp.zeros((3, 7)))

    once = PRODUCT + 3 * 7
    assert cost(functools.partial(repeated_product, 10), A, B).flops == pytest.approx(10 * once, abs=11 * 3)
    assert cost(repeated_product, jnp.int32(10), A, B).flops == pytest.approx(once, abs=30)


def test_gathered_and_scattered_rows_are_read_and_written():
    rows = jnp.zeros(11, jnp.int32)
    found = cost(lambda table, rows: table.at[rows].get(mode="promise_in_bounds"), B, rows)
    assert found.bytes == 2 * 4 * 11 * 7
    found = cost(lambda table, rows: table.at[rows].add(jnp.ones((11, 7)), mode="promise_in_bounds"), B, rows)
    assert found.bytes == 3 * 4 * 11 * 7


def test_the_more_expensive_of_two_branches_counts():
    found = cost(lambda a, b: jax.lax.cond(a[0, 0] > 0, jnp.dot, lambda a, b: jnp.zeros((3, 7)), a, b), A, B)
    assert PRODUCT <= found.flops <= PRODUCT + 30


TEXT = """HloModule jit_train, is_scheduled=true

%add (x: f32[], y: f32[]) -> f32[] {
  %x = f32[] parameter(0)
  ROOT %sum = f32[] add(%x, %y)
}

%inner.2 (p: (s32[], f32[8,4])) -> (s32[], f32[8,4]) {
  %all-reduce.7 = (f32[8,4]{1,0:T(8,128)}, bf16[16]{0}) all-reduce(%a, %b), channel_id=1, to_apply=%add
}

%inner_condition (p: (s32[], f32[8,4])) -> pred[] {
  ROOT %less = pred[] compare(%i, %n), direction=LT
}

%steps (p: (s32[], f32[8,4])) -> (s32[], f32[8,4]) {
  %while.3 = (s32[], f32[8,4]) while(%t), condition=%inner_condition, body=%inner.2, \
backend_config={"known_trip_count":{"n":"5"}}
  %start = (f32[2,4]{1,0}, f32[16,4]{1,0}) all-gather-start(%g), channel_id=2, replica_groups=[1,8]<=[8], dimensions={0}
  %done = f32[16,4]{1,0} all-gather-done(%start)
}

ENTRY %main.9 (p0: f32[8,4]) -> f32[8,4] {
  %while.1 = (s32[], f32[8,4]) while(%t), condition=%other, body=%steps
  ROOT %reduce-scatter.1 = f32[2,4]{1,0} reduce-scatter(%x), channel_id=3, replica_groups=[2,4]<=[8], to_apply=%add
}
"""


def test_collectives_are_found_in_loops_and_counted_for_each_iteration():
    assert parse_collectives(TEXT) == [
        Collective("all-reduce", "(f32[8,4]{1,0:T(8,128)}, bf16[16]{0})", 5, 8 * 4 * 4 + 16 * 2, 1),
        Collective("all-gather", "(f32[2,4]{1,0}, f32[16,4]{1,0})", 1, 16 * 4 * 4, 8),
        Collective("reduce-scatter", "f32[2,4]{1,0}", 1, 4 * 2 * 4 * 4, 4),
    ]


# Text of a TPU program: an all-gather in two parts that overlap with other work, and a fused reduce-scatter.
PARTS = """HloModule jit_train, is_scheduled=true

%all-reduce-scatter.1 (p: f32[16,4]) -> f32[2,4] {
  %all-reduce.1 = f32[16,4]{1,0} all-reduce(%p), channel_id=1, replica_groups=[1,8]<=[8], to_apply=%add
  ROOT %slice = f32[2,4]{1,0} dynamic-slice(%all-reduce.1, %i, %j), dynamic_slice_sizes={2,4}
}

%first_part (p: f32[2,4]) -> f32[16,4] {
  %all-gather.1 = f32[16,4]{1,0} all-gather(%p), channel_id=7, replica_groups=mesh['a'=4,'b'=2] {'a','b'}, \
frontend_attributes={chain_id="0"}
}

%second_part (p: f32[2,4]) -> f32[16,4] {
  %all-gather.2 = f32[16,4]{1,0} all-gather(%p), channel_id=7, replica_groups=mesh['a'=4,'b'=2] {'a','b'}, \
frontend_attributes={chain_id="0"}
}

ENTRY %main.9 (p0: f32[2,4]) -> f32[2,4] {
  %fusion.1 = f32[16,4]{1,0} fusion(%p0), kind=kLoop, calls=%first_part
  %fusion.2 = f32[16,4]{1,0} fusion(%p0), kind=kLoop, calls=%second_part
  ROOT %fusion.3 = f32[2,4]{1,0} fusion(%fusion.2), kind=kCustom, calls=%all-reduce-scatter.1
}
"""


def test_a_collective_in_parts_counts_once_and_a_fused_reduce_scatter_is_no_all_reduce():
    gathered, scattered = parse_collectives(PARTS)
    assert (gathered.kind, gathered.bytes, gathered.bytes_sent) == ("all-gather", 16 * 4 * 4, 14 * 4 * 4)
    assert (scattered.kind, scattered.bytes, scattered.bytes_sent) == ("reduce-scatter", 16 * 4 * 4, 14 * 4 * 4)


def test_an_all_reduce_is_sent_twice_and_one_device_sends_nothing():
    assert Collective("all-reduce", "f32[8]", 1, 32, 8).bytes_sent == 2 * 28
    assert Collective("all-gather", "f32[8]", 1, 32, 1).bytes_sent == 0


@pytest.mark.parametrize(
    ("text", "kind", "num_devices"),
    [("tpu:v5e:2x4", "tpu:v5e", 8), ("tpu:v5e:1", "tpu:v5e", 1), ("gpu:h100:8", "gpu:h100", 8)],
)
def test_a_target_is_a_number_of_chips_of_one_kind(text, kind, num_devices):
    target = parse_target(text)
    assert (target.kind, target.num_devices, target.chip) == (kind, num_devices, CHIPS[kind])


@pytest.mark.parametrize(
    ("line", "devices"),
    [
        ("replica_groups={{0,1,2,3},{4,5,6,7}}", 4),
        ("replica_groups=[1,8]<=[8]", 8),
        ("replica_groups=mesh['axis_0'=4,'axis_1'=2] {'axis_0'}, to_apply=%add", 4),
        ("replica_groups=mesh['axis_0'=4,'axis_1'=2] {'axis_1','axis_0'}", 8),
        ("channel_id=1", 1),
    ],
)
def test_the_size_of_a_group_is_read_in_every_notation(line, devices):
    assert group_size(line) == devices


@pytest.mark.parametrize("text", ["tpu:v5e", "tpu:v5e:0x4", "gpu:h100:2x2x2", "gpu:a100:1", "cpu:1", "tpu:v5e:-2"])
def test_other_targets_are_refused_with_what_is_expected(text):
    with pytest.raises(InputError, match=f"--target={text}: expected tpu:v5e:SHAPE, gpu:h100:SHAPE"):
        parse_target(text)
