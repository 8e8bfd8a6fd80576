"""The table of programs: the cost of those that fit, and why others do not."""

from movierec_jax.benchmark.capacity.ahead_of_time import CompiledProgram, as_table
from movierec_jax.benchmark.capacity.cost_model import Collective, Cost
from movierec_jax.benchmark.capacity.hardware_specs import parse_target

TARGET = parse_target("tpu:v5e:2x4")


def test_the_limit_is_the_resource_that_takes_longest_at_its_peak_rate():
    # 1 s of products, 2 s of memory, 3 s of interconnect: each of 8 devices sends 7/8 of an array, twice.
    chip = TARGET.chip
    gathered = Collective("all-gather", "f32[8]", 2, int(1.5 * chip.interconnect_rate * 8 / 7), 8)
    program = CompiledProgram("train", 600, 10**6, 10**6, 0, Cost(chip.flops, 2 * chip.memory_rate), [gathered])
    text = as_table([program], TARGET)
    assert "| train | 2.0 (1.0, 1.0) | yes | 197,000.00 | 1,638,000.0 | 600,000.00 (2 all-gather) |" in text
    assert "(2 all-gather) | 200/s by interconnect |" in text
    assert "train: all-gather of f32[8]" in text


def test_a_program_larger_than_the_memory_does_not_fit():
    program = CompiledProgram("train", 1, int(TARGET.chip.memory), 1, 0, Cost(1.0, 1.0), [])
    assert "| no |" in as_table([program], TARGET)
    assert "no device sends anything" in as_table([program], TARGET)


def test_a_program_that_the_compiler_refuses_has_its_message_in_the_table():
    programs = [
        CompiledProgram("train", 1, 1, 1, 1, Cost(1.0, 1.0), []),
        CompiledProgram("score", out_of_memory="Ran out of memory"),
    ]
    text = as_table(programs, TARGET)
    assert "| train | 0.0" in text
    assert "| score | Ran out of memory | no |" in text
