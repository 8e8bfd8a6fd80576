"""What is said of programs: of those that fit what they take, of others why not."""

from movierec_jax.benchmark.capacity.compile import Program, described
from movierec_jax.benchmark.capacity.cost_model import Collective, Work
from movierec_jax.benchmark.capacity.hardware import parse_target

TARGET = parse_target("tpu:v5e:2x4")


def test_the_limit_is_what_takes_longest_at_its_full_rate():
    # 1 s of products, 2 s of memory, and 3 s of links, of which each of 8 devices sends seven eighths of an array.
    chip = TARGET.chip
    gathered = Collective("all-gather", "f32[8]", 2, int(1.5 * chip.link_rate * 8 / 7), 8)
    program = Program("train", 600, 10**6, 10**6, 0, Work(chip.flops, 2 * chip.memory_rate), [gathered])
    text = described([program], TARGET)
    assert (
        "| train | 2.0 (1.0, 1.0) | yes | 197,000.00 | 1,638,000.0 | 600,000.00 (2 all-gather) | 200/s by links |"
        in text
    )
    assert "train: all-gather of f32[8]" in text


def test_what_is_larger_than_the_memory_does_not_fit():
    program = Program("train", 1, int(TARGET.chip.memory), 1, 0, Work(1.0, 1.0), [])
    assert "| no |" in described([program], TARGET)
    assert "no device sends anything" in described([program], TARGET)


def test_what_the_compiler_refuses_is_said_beside_what_it_does_not():
    programs = [Program("train", 1, 1, 1, 1, Work(1.0, 1.0), []), Program("score", refusal="Ran out of memory")]
    text = described(programs, TARGET)
    assert "| train | 0.0" in text
    assert "| score | Ran out of memory | no |" in text
