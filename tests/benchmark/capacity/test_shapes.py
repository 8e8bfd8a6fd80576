"""Shapes for a size of data match real data of that size: the same arrays, of about the same number of bytes."""

import dataclasses

import jax
import numpy as np
import pytest
from helpers import checkerboard
from jax.sharding import Mesh

from movierec_jax.benchmark.capacity.ahead_of_time import inputs_of_run, inputs_of_size
from movierec_jax.benchmark.capacity.shapes import DataSize
from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.splits import Split
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError
from movierec_jax.model.sharding import AXES
from movierec_jax.runs.prepare import new_run

SIZE = DataSize(num_users=300, num_movies=80, num_ratings=6000)
MODEL = ModelConfig(embedding_dim=4, hidden_dims=(8,), implicit_feedback_dim=5)
IDS_ALONE = dataclasses.replace(MODEL, history=(), implicit_feedback_dim=0)
NO_CONTENT = DataConfig(content=())


def new_run_of_size(config: Config, mesh: Mesh | None):
    """Returns a run on data of this size, spread about evenly over users and movies."""
    rng = np.random.default_rng(0)
    pairs = rng.permutation(SIZE.num_users * SIZE.num_movies)[: SIZE.num_ratings]
    user, movie = np.divmod(pairs, SIZE.num_movies)
    train = checkerboard.table(1 + user, 1 + movie, rng.integers(1, 6, len(pairs))).assign(timestamp=pairs)
    parts = Split.of(train=train, valid=train[:0], test=train[:0])
    return new_run(config, checkerboard.clean_data(parts), parts, mesh)


def mesh_of(*lengths: int) -> Mesh | None:
    """Returns a mesh that repeats one device, for shapes only; None for one device."""
    return None if lengths == (1, 1) else Mesh(np.resize(np.array(jax.devices()[:1]), lengths), AXES)


@pytest.mark.parametrize("lengths", [(1, 1), (4, 1), (2, 2)])
@pytest.mark.parametrize("cost_of_sums", [0, 10**9])
@pytest.mark.parametrize(
    "config",
    [
        Config(data=NO_CONTENT, model=MODEL),
        Config(data=NO_CONTENT, model=MODEL, train=TrainConfig(implicit_feedback_target="next", users_per_step=40)),
        Config(data=NO_CONTENT, model=MODEL, train=TrainConfig(users_per_step=1000)),
        Config(data=NO_CONTENT, model=dataclasses.replace(MODEL, implicit_feedback_dim=0)),
        Config(data=NO_CONTENT, model=dataclasses.replace(MODEL, history=()), train=TrainConfig(batch_size=500)),
        Config(data=NO_CONTENT, model=IDS_ALONE, train=TrainConfig(batch_size=1000)),
    ],
)
def test_shapes_are_close_to_those_of_real_data(config, cost_of_sums, lengths, monkeypatch):
    monkeypatch.setattr("movierec_jax.training.state.SUMMED_NUMBER_COST", cost_of_sums)
    mesh = mesh_of(*lengths)
    real, sized = inputs_of_run(new_run_of_size(config, mesh)), inputs_of_size(SIZE, config, mesh)
    assert jax.tree.structure(real[1:]) == jax.tree.structure(sized[1:])
    for one, other in zip(jax.tree.leaves(real[1:]), jax.tree.leaves(sized[1:]), strict=True):
        assert (np.ndim(one), one.dtype) == (other.ndim, other.dtype)
    for part, other_part in zip(real[1:], sized[1:], strict=True):
        bytes_of_real, bytes_of_sized = (
            sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)) for tree in (part, other_part)
        )
        assert bytes_of_sized == pytest.approx(bytes_of_real, rel=0.25)
    assert sized.setup.config.batch_size == real.setup.config.batch_size
    assert sized.setup.total_steps == real.setup.total_steps


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Config(data=NO_CONTENT, model=IDS_ALONE, train=TrainConfig(batch_size=10)), "sparse Adam needs the ratings"),
        (Config(data=DataConfig(rating_time=True)), "leave out --rating_time and features"),
        (Config(data=DataConfig(movie_features=("own.csv",))), "leave out --rating_time and features"),
    ],
)
def test_settings_that_need_the_ratings_are_refused(config, message):
    with pytest.raises(InputError, match=f"--num_ratings: {message}"):
        inputs_of_size(SIZE, config, mesh=None)
