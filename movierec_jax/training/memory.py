"""What training holds in the memory of each device, known before it begins."""

import dataclasses
import math
from typing import Any

import jax
from jax.sharding import Mesh

from movierec_jax.errors import InputError
from movierec_jax.model.inputs import Interactions, Sequences, UserBatches
from movierec_jax.model.sharding import interactions_shardings, steps_shardings, user_batches_shardings, with_sharding
from movierec_jax.training.state import TrainingSetup, state_shapes
from movierec_jax.training.step import EpochSteps, train_steps


@dataclasses.dataclass(frozen=True)
class StepsMemory:
    """Bytes on each device: of the training state, of the data, and of what a step makes in between.

    between: 0 before the steps are compiled.
    """

    state: int
    data: int
    between: int = 0

    @property
    def total(self) -> int:
        return self.state + self.data + self.between


@dataclasses.dataclass(frozen=True)
class StepsShapes:
    """The shapes of all that `train_steps` reads, with their shardings on a mesh."""

    state: Any
    steps: EpochSteps
    interactions: Interactions
    user_batches: UserBatches | Sequences | None
    setup: TrainingSetup

    @classmethod
    def of(
        cls,
        steps: EpochSteps,
        interactions: Interactions,
        user_batches: UserBatches | Sequences | None,
        setup: TrainingSetup,
    ) -> "StepsShapes":
        """From host arrays, none of which is put on a device."""
        mesh = setup.model.mesh
        return cls(
            state_shapes(setup),
            shapes_on(mesh, steps, steps_shardings),
            shapes_on(mesh, interactions, interactions_shardings),
            None if user_batches is None else shapes_on(mesh, user_batches, user_batches_shardings),
            setup,
        )

    @property
    def memory(self) -> StepsMemory:
        """What the steps read. They read the next ones while these are taken, so steps count twice."""
        data = bytes_on_device((self.interactions, self.user_batches)) + 2 * bytes_on_device(self.steps)
        return StepsMemory(bytes_on_device(self.state), data)

    def compile(self) -> StepsMemory:
        """Compiles the steps, so that JAX finds them compiled, and returns what they hold.

        Raises InputError where the compiler itself finds that they do not fit.
        """
        traced = train_steps.trace(self.state, self.steps, self.interactions, self.user_batches, setup=self.setup)
        try:
            analysis = traced.lower().compile().memory_analysis()
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            raise InputError(
                f"training does not fit into the memory of a device ({str(error).splitlines()[0]}); use more devices "
                "(--mesh), or a smaller --embedding_dim or --ensemble_size"
            ) from error
        between = analysis.temp_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes
        return dataclasses.replace(self.memory, between=max(0, between))


def shapes_on(mesh: Mesh | None, tree: Any, shardings: Any) -> Any:
    """Returns the shapes and dtypes of host arrays, on a mesh with the shardings that a function gives them."""
    if mesh is None:
        return jax.tree.map(with_sharding, tree)
    return jax.tree.map(with_sharding, tree, shardings(tree, mesh))


def bytes_on_device(tree: Any) -> int:
    """Returns the bytes that arrays of these shapes take on one device, all of them on each where none is sharded."""

    def num_bytes(leaf: jax.ShapeDtypeStruct) -> int:
        shape = leaf.shape if leaf.sharding is None else leaf.sharding.shard_shape(leaf.shape)
        return math.prod(shape) * leaf.dtype.itemsize

    return sum(map(num_bytes, jax.tree.leaves(tree)))
