"""The programs of training and scoring, compiled for a machine that is not here, and what each of its devices does."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

from movierec_jax.benchmark.capacity.cost_model import Collective, Work, collectives_of, work_of
from movierec_jax.benchmark.capacity.hardware import Chip, Target
from movierec_jax.benchmark.capacity.shapes import (
    Size,
    interactions_shapes,
    setup_of,
    steps_shapes,
    user_batches_shapes,
)
from movierec_jax.config import FILE_TOP_K, Config, ScoreConfig
from movierec_jax.model.inputs import Interactions, UserBatches
from movierec_jax.model.sharding import (
    AXES,
    interactions_shardings,
    replicated,
    steps_shardings,
    user_batches_shardings,
)
from movierec_jax.model.two_tower import encode
from movierec_jax.recommend.scoring import Scorer, tile_users
from movierec_jax.recommend.top_k import top_k_block
from movierec_jax.runs.run import Run
from movierec_jax.training.loop import epoch_steps
from movierec_jax.training.state import TrainingSetup, state_shapes
from movierec_jax.training.step import EpochSteps, train_steps

# Collectives that are named, and as much of the shapes of each.
LARGEST, SHOWN = 6, 80


@dataclasses.dataclass(frozen=True)
class Program:
    """What one device does in a step of a program, and the memory that it takes, in bytes.

    examples: of a step, on all devices together: ratings that are learnt from, or users who get lists.
    refusal: what the compiler says where a device cannot hold it; nothing else is then known.
    """

    name: str
    examples: int = 0
    arguments: int = 0
    temporaries: int = 0
    results: int = 0
    work: Work = dataclasses.field(default_factory=Work)
    collectives: Sequence[Collective] = ()
    refusal: str = ""

    @property
    def memory(self) -> int:
        """All that it takes at once."""
        return self.arguments + self.temporaries + self.results

    @property
    def sent(self) -> float:
        """Bytes that a device sends to others at least."""
        return sum((collective.times * collective.sent for collective in self.collectives), 0.0)

    def seconds(self, chip: Chip) -> dict[str, float]:
        """How long a step takes at least for each of what a chip does, were it to do it alone and at its full rate."""
        return {
            "products": self.work.flops / chip.flops,
            "memory": self.work.bytes / chip.memory_rate,
            "links": self.sent / chip.link_rate,
        }


class Inputs(NamedTuple):
    """What programs are made for: a recipe, and arrays, or their shapes, as `train_steps` takes them."""

    setup: TrainingSetup
    steps: EpochSteps
    interactions: Interactions
    user_batches: UserBatches | None


def inputs_of(run: Run) -> Inputs:
    """Those of a run."""
    user_batches = run.setup.user_batches(run.train)
    return Inputs(run.setup, next(epoch_steps(run.train, user_batches, 0, run.setup)), run.interactions, user_batches)


def inputs_of_size(size: Size, config: Config, mesh: Mesh | None) -> Inputs:
    """Those of a run on so much data. Raises InputError for models that need the ratings themselves."""
    setup = setup_of(size, config, mesh)
    return Inputs(setup, steps_shapes(size, setup), interactions_shapes(size, setup), user_batches_shapes(size, setup))


def compiled_programs(inputs: Inputs, target: Target, devices: Any) -> list[Program]:
    """Training and scoring, made ready on a mesh of the target's devices, or for its one device."""
    setup = dataclasses.replace(inputs.setup, platform=target.platform)
    mesh, num_devices = setup.model.mesh, target.num_devices

    def placed(tree: Any, shardings: Any = None) -> Any:
        if mesh is None:
            shardings = jax.tree.map(lambda _: SingleDeviceSharding(devices[0]), tree)
        elif shardings is None:
            shardings = replicated(tree, mesh)
        return jax.tree.map(shape_of, tree, shardings)

    _, steps, interactions, user_batches = inputs
    if mesh is not None:
        steps = placed(steps, steps_shardings(steps, mesh))
        interactions = placed(interactions, interactions_shardings(interactions, mesh))
        user_batches = (
            None if user_batches is None else placed(user_batches, user_batches_shardings(user_batches, mesh))
        )
        state = state_shapes(setup)
    else:
        steps, interactions, user_batches, state = placed((steps, interactions, user_batches, state_shapes(setup)))
    traced = train_steps.trace(state, steps, interactions, user_batches, setup=setup)
    training = program_of("train", setup.config.batch_size, traced, target, num_devices)

    encoding = encode.trace(state.params, interactions, model=setup.model)
    try:
        encoded = compiled_for(encoding, target)
    except MemoryError as error:
        return [training, Program("score", refusal=str(error))]
    users, movies = jax.tree.map(shape_of, encoding.out_info, encoded.output_shardings)
    tile = tile_users(setup.model, len(movies.bias))
    num_users = -(-ScoreConfig.block_users // (tile * num_devices)) * tile * num_devices
    rows = np.zeros(num_users, np.int32), np.zeros((num_users, setup.model.num_movies), bool)
    of_rows = [NamedSharding(mesh, P(AXES))] * 2 if mesh else None
    row, left_out = placed(list(rows), of_rows)
    diversity = placed([np.float32(0)])[0]
    k = min(FILE_TOP_K, setup.model.num_movies)
    scorer = Scorer.of(setup, state.params, users, movies)
    traced = top_k_block.trace(scorer, row, left_out, diversity, k=k, tile=tile, is_diverse=False)
    return [training, program_of("score", num_users, traced, target, num_devices)]


def shape_of(array: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    """The shape and type of an array that is to be at a place."""
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)


def program_of(name: str, examples: int, traced: Any, target: Target, num_devices: int) -> Program:
    """What a traced program is once it is compiled for the target."""
    try:
        compiled = compiled_for(traced, target)
    except MemoryError as error:
        return Program(name, refusal=str(error))
    memory = compiled.memory_analysis()
    return Program(
        name=name,
        examples=examples,
        arguments=memory.argument_size_in_bytes,
        temporaries=memory.temp_size_in_bytes,
        results=memory.output_size_in_bytes - memory.alias_size_in_bytes,
        work=work_of(traced.jaxpr.jaxpr, num_devices),
        collectives=collectives_of(compiled.as_text()),
    )


def compiled_for(traced: Any, target: Target) -> Any:
    """A traced program compiled for the target. Raises MemoryError where a device cannot hold it."""
    try:
        return traced.lower().compile(compiler_options=target.options)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise MemoryError(str(error).splitlines()[0]) from error


def described(programs: list[Program], target: Target) -> str:
    """A line for each program: what a device holds, does and sends, and its limit; then the largest collectives."""
    rows = ["| program | memory, MB (arguments, temporaries) | fits | GFLOP | MB moved | MB sent | at most |"]
    rows.append("|---|---|---|---|---|---|---|")
    for program in programs:
        if program.refusal:
            rows.append(f"| {program.name} | {program.refusal} | no | | | | |")
            continue
        seconds = program.seconds(target.chip)
        limit = max(seconds, key=lambda name: seconds[name])
        kinds = ", ".join(f"{times} {kind}" for kind, times in counted(program.collectives).items()) or "none"
        rows.append(
            f"| {program.name} | {program.memory / 1e6:,.1f} ({program.arguments / 1e6:,.1f}, "
            f"{program.temporaries / 1e6:,.1f}) | {'yes' if program.memory < target.chip.memory else 'no'} | "
            f"{program.work.flops / 1e9:,.2f} | {program.work.bytes / 1e6:,.1f} | "
            f"{program.sent / 1e6:,.2f} ({kinds}) | {program.examples / seconds[limit]:,.0f}/s by {limit} |"
        )
    lines = ["\n".join(rows)]
    for program in programs:
        found = sorted(program.collectives, key=lambda collective: -collective.bytes)[:LARGEST]
        lines += [
            f"{program.name}: {collective.kind} of {collective.shape[:SHOWN]}, {collective.bytes / 1e6:,.2f} MB"
            + (f", {collective.times} times" if collective.times > 1 else "")
            for collective in found
        ]
    return "\n\n".join([lines[0], "\n".join(lines[1:]) or "no device sends anything to another"])


def counted(collectives: Sequence[Collective]) -> dict[str, int]:
    """How many of each kind there are in a step."""
    kinds = {collective.kind: 0 for collective in collectives}
    for collective in collectives:
        kinds[collective.kind] += collective.times
    return kinds
