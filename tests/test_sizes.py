"""Shapes for a size of data are those of such data: the same arrays, of about as many numbers."""

import dataclasses

import checkerboard
import jax
import numpy as np
import pytest

from movierec_jax.compiled import inputs_of, inputs_of_size
from movierec_jax.config import Config, DataConfig, ModelConfig, TrainConfig
from movierec_jax.prepared import new_run
from movierec_jax.schema import InputError
from movierec_jax.sizes import Size
from movierec_jax.splits import Split

SIZE = Size(num_users=300, num_movies=80, num_ratings=6000)
MODEL = ModelConfig(embedding_dim=4, hidden_dims=(8,), exposure_dim=5)
NO_CONTENT = DataConfig(content=())


def run_of(config: Config):
    """A run on as many ratings, every user's and every movie's about as many."""
    rng = np.random.default_rng(0)
    pairs = rng.permutation(SIZE.num_users * SIZE.num_movies)[: SIZE.num_ratings]
    user, movie = np.divmod(pairs, SIZE.num_movies)
    train = checkerboard.table(1 + user, 1 + movie, rng.integers(1, 6, len(pairs))).assign(timestamp=pairs)
    parts = Split(train=train, valid=train[:0], test=train[:0])
    return new_run(config, checkerboard.clean_data(parts), parts)


@pytest.mark.parametrize("table_numbers", [0, 2**25])
@pytest.mark.parametrize(
    "config",
    [
        Config(data=NO_CONTENT, model=MODEL),
        Config(data=NO_CONTENT, model=MODEL, train=TrainConfig(exposure_to="next", users_per_step=40)),
        Config(data=NO_CONTENT, model=dataclasses.replace(MODEL, exposure_dim=0)),
        Config(data=NO_CONTENT, model=dataclasses.replace(MODEL, history=()), train=TrainConfig(batch_size=500)),
    ],
)
def test_shapes_are_about_those_of_such_data(config, table_numbers, monkeypatch):
    monkeypatch.setattr("movierec_jax.recipe.TABLE_NUMBERS", table_numbers)
    real, sized = inputs_of(run_of(config)), inputs_of_size(SIZE, config, mesh=None)
    assert jax.tree.structure(real[1:]) == jax.tree.structure(sized[1:])
    for one, other in zip(jax.tree.leaves(real[1:]), jax.tree.leaves(sized[1:]), strict=True):
        assert (np.ndim(one), one.dtype) == (other.ndim, other.dtype)
    bytes_of_real, bytes_of_sized = (
        sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(inputs[1:])) for inputs in (real, sized)
    )
    assert bytes_of_sized == pytest.approx(bytes_of_real, rel=0.25)
    assert sized.recipe.batch_size == real.recipe.batch_size
    assert sized.recipe.total_steps == real.recipe.total_steps


def test_models_that_need_the_ratings_are_refused():
    ids_alone = Config(model=dataclasses.replace(MODEL, history=(), exposure_dim=0), train=TrainConfig(batch_size=10))
    with pytest.raises(InputError, match="--num_ratings: without the ratings only models with histories"):
        inputs_of_size(SIZE, ids_alone, mesh=None)
