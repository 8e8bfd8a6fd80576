"""Compiles training and scoring ahead of time for hardware that this machine lacks, with its costs."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

from movierec_jax.benchmark.capacity.cost_model import Collective, Cost, jaxpr_cost, parse_collectives
from movierec_jax.benchmark.capacity.hardware_specs import ChipSpec, Target
from movierec_jax.benchmark.capacity.shapes import (
    DataSize,
    interactions_shapes,
    steps_shapes,
    training_setup_for,
    user_batches_shapes,
)
from movierec_jax.config import FILE_TOP_K, Config, ScoreConfig
from movierec_jax.model.inputs import Interactions, Sequences, UserBatches
from movierec_jax.model.sharding import (
    AXES,
    interactions_shardings,
    replicated,
    steps_shardings,
    user_batches_shardings,
    with_sharding,
)
from movierec_jax.model.two_tower import encode_movies
from movierec_jax.recommend.scoring import Scorer, order_of, tile_users
from movierec_jax.recommend.top_k import top_k_block
from movierec_jax.runs.run import Run
from movierec_jax.training.epoch_steps import epoch_steps
from movierec_jax.training.state import TrainingSetup, state_shapes
from movierec_jax.training.step import EpochSteps, train_steps

# Largest collectives listed for each program, and characters shown of their shapes.
NUM_COLLECTIVES, SHAPE_WIDTH = 6, 80


@dataclasses.dataclass(frozen=True)
class CompiledProgram:
    """A compiled program: its memory on one device, in bytes, and the cost of a step.

    examples: of a step, on all devices together: train ratings, or users who get lists. out_of_memory: the compiler's
    message if the program does not fit; the other fields are then unset.
    """

    name: str
    examples: int = 0
    arguments: int = 0
    temporaries: int = 0
    results: int = 0
    cost: Cost = dataclasses.field(default_factory=Cost)
    collectives: Sequence[Collective] = ()
    out_of_memory: str = ""

    @property
    def memory(self) -> int:
        """Bytes that the program holds at once."""
        return self.arguments + self.temporaries + self.results

    @property
    def bytes_sent(self) -> float:
        """Bytes that a device sends to others at least, in a step."""
        return sum((collective.times * collective.bytes_sent for collective in self.collectives), 0.0)

    def seconds(self, chip: ChipSpec) -> dict[str, float]:
        """Returns the seconds of a step if one resource of the chip alone limited it, for each (roofline model)."""
        return {
            "products": self.cost.flops / chip.flops,
            "memory": self.cost.bytes / chip.memory_rate,
            "interconnect": self.bytes_sent / chip.interconnect_rate,
        }


class ProgramInputs(NamedTuple):
    """What programs are compiled for: a training setup, and the arrays of `train_steps`, or their shapes."""

    setup: TrainingSetup
    steps: EpochSteps
    interactions: Interactions
    user_batches: UserBatches | Sequences | None


def inputs_of_run(run: Run) -> ProgramInputs:
    """Returns the inputs of a run."""
    user_batches = run.setup.user_batches(run.train)
    return ProgramInputs(
        run.setup, next(epoch_steps(run.train, user_batches, 0, run.setup)), run.interactions, user_batches
    )


def inputs_of_size(size: DataSize, config: Config, mesh: Mesh | None) -> ProgramInputs:
    """Returns the inputs for data of this size. Raises InputError for settings that need the ratings themselves."""
    setup = training_setup_for(size, config, mesh)
    return ProgramInputs(
        setup, steps_shapes(size, setup), interactions_shapes(size, setup), user_batches_shapes(size, setup)
    )


def compile_programs(inputs: ProgramInputs, target: Target, devices: Any) -> list[CompiledProgram]:
    """Compiles training and scoring for a mesh of the target's devices, or for its one device."""
    setup = dataclasses.replace(inputs.setup, platform=target.platform)
    _, steps, interactions, user_batches = inputs
    mesh, state = setup.model.mesh, state_shapes(setup)
    if mesh is None:
        steps, interactions, user_batches, state = on_mesh((steps, interactions, user_batches, state), mesh, devices)
    else:
        steps = on_mesh(steps, mesh, devices, steps_shardings(steps, mesh))
        interactions = on_mesh(interactions, mesh, devices, interactions_shardings(interactions, mesh))
        if user_batches is not None:
            user_batches = on_mesh(user_batches, mesh, devices, user_batches_shardings(user_batches, mesh))
    traced = train_steps.trace(state, steps, interactions, user_batches, setup=setup)
    training = compile_program("train", setup.config.batch_size, traced, target)
    return [training, compile_scoring(setup, state.params, interactions, target, devices)]


def compile_scoring(
    setup: TrainingSetup, params: Any, interactions: Interactions, target: Target, devices: Any
) -> CompiledProgram:
    """Compiles the scoring of a block of encoded users, who are whole on every device, as movies are."""
    encoding = encode_movies.trace(params, interactions, model=setup.model)
    try:
        encoded = compile_for_target(encoding, target)
    except MemoryError as error:
        return CompiledProgram("score", out_of_memory=str(error))
    movies = jax.tree.map(with_sharding, encoding.out_info, encoded.output_shardings)
    mesh, num_movies = setup.model.mesh, setup.model.num_movies
    tile = tile_users(setup.model, len(movies.bias))
    # Whole tiles on every device.
    num_users = -(-ScoreConfig.block_users // (tile * target.num_devices)) * tile * target.num_devices
    rows = [np.zeros(num_users, np.int32), np.zeros((num_users, num_movies), bool)]
    row, left_out = on_mesh(rows, mesh, devices, [NamedSharding(mesh, P(AXES))] * 2 if mesh else None)
    diversity = on_mesh(np.float32(0), mesh, devices)
    k = min(FILE_TOP_K, num_movies)

    def of_block(rows: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        shape = len(movies.bias), num_users, *rows.shape[2:]
        return jax.ShapeDtypeStruct(shape, rows.dtype, sharding=rows.sharding)

    scorer = Scorer(params, jax.tree.map(of_block, movies), movies, model=setup.model, order=order_of(setup))
    traced = top_k_block.trace(scorer, row, left_out, diversity, k=k, tile=tile, is_diverse=False)
    return compile_program("score", num_users, traced, target)


def on_mesh(tree: Any, mesh: Mesh | None, devices: Any, shardings: Any = None) -> Any:
    """Returns the shapes of arrays with shardings over a mesh, by default replicated; without a mesh, on one device."""
    if mesh is None:
        shardings = jax.tree.map(lambda _: SingleDeviceSharding(devices[0]), tree)
    elif shardings is None:
        shardings = replicated(tree, mesh)
    return jax.tree.map(with_sharding, tree, shardings)


def compile_program(name: str, examples: int, traced: Any, target: Target) -> CompiledProgram:
    """Compiles a traced program and reads its memory and cost."""
    try:
        compiled = compile_for_target(traced, target)
    except MemoryError as error:
        return CompiledProgram(name, out_of_memory=str(error))
    memory = compiled.memory_analysis()
    return CompiledProgram(
        name=name,
        examples=examples,
        arguments=memory.argument_size_in_bytes,
        temporaries=memory.temp_size_in_bytes,
        results=memory.output_size_in_bytes - memory.alias_size_in_bytes,
        cost=jaxpr_cost(traced.jaxpr.jaxpr, target.num_devices),
        collectives=parse_collectives(compiled.as_text()),
    )


def compile_for_target(traced: Any, target: Target) -> Any:
    """Compiles a traced program. Raises MemoryError if it does not fit on a device."""
    try:
        return traced.lower().compile(compiler_options=target.compiler_options)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise MemoryError(str(error).splitlines()[0]) from error


def as_table(programs: list[CompiledProgram], target: Target) -> str:
    """Returns a Markdown table of programs, and their largest collectives below it."""
    lines = ["| program | memory, MB (arguments, temporaries) | fits | GFLOP | MB moved | MB sent | at most |"]
    lines += ["|---|---|---|---|---|---|---|", *(program_row(program, target.chip) for program in programs)]
    largest = [
        f"{program.name}: {collective.kind} of {collective.shape[:SHAPE_WIDTH]}, {collective.bytes / 1e6:,.2f} MB"
        + (f", {collective.times} times" if collective.times > 1 else "")
        for program in programs
        for collective in sorted(program.collectives, key=lambda one: -one.bytes)[:NUM_COLLECTIVES]
    ]
    return "\n".join(lines) + "\n\n" + ("\n".join(largest) or "no device sends anything to another")


def program_row(program: CompiledProgram, chip: ChipSpec) -> str:
    """Returns the Markdown row of a program: its memory and cost on one device, and the rate they allow at most."""
    if program.out_of_memory:
        return f"| {program.name} | {program.out_of_memory} | no | | | | |"
    seconds = program.seconds(chip)
    limit = max(seconds, key=lambda name: seconds[name])
    kinds = ", ".join(f"{times} {kind}" for kind, times in count_by_kind(program.collectives).items()) or "none"
    return (
        f"| {program.name} | {program.memory / 1e6:,.1f} ({program.arguments / 1e6:,.1f}, "
        f"{program.temporaries / 1e6:,.1f}) | {'yes' if program.memory < chip.memory else 'no'} | "
        f"{program.cost.flops / 1e9:,.2f} | {program.cost.bytes / 1e6:,.1f} | "
        f"{program.bytes_sent / 1e6:,.2f} ({kinds}) | {program.examples / seconds[limit]:,.0f}/s by {limit} |"
    )


def count_by_kind(collectives: Sequence[Collective]) -> dict[str, int]:
    """Counts the collectives of a step by kind."""
    counts = {collective.kind: 0 for collective in collectives}
    for collective in collectives:
        counts[collective.kind] += collective.times
    return counts
