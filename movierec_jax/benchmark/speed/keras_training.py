"""The net of `training` in Keras on JAX, trained by its `fit`."""

import os
from collections.abc import Callable

from movierec_jax.benchmark.speed.torch_training import LEARNING_RATE
from movierec_jax.model.inputs import Batch
from movierec_jax.packages import import_extra


def keras_ways(
    stacked: Batch, num_users: int, num_movies: int, dim: int, hidden_dims: tuple[int, ...]
) -> dict[str, Callable[[], float]]:
    """Returns, by name, a call that trains an epoch over the stacked batches and returns its mean error."""
    os.environ["KERAS_BACKEND"] = "jax"
    keras = import_extra("keras", "speed")
    user, movie = (keras.Input((), dtype="int32") for _ in range(2))
    users, movies = (
        keras.layers.Embedding(rows, dim + 1)(side) for rows, side in ((num_users, user), (num_movies, movie))
    )
    dense = keras.ops.concatenate([users[:, :-1], movies[:, :-1]], axis=1)
    for width in hidden_dims:
        dense = keras.layers.Dense(width, activation="relu")(dense)
    product = keras.ops.sum(users[:, :-1] * movies[:, :-1], axis=1)
    predicted = 3.5 + users[:, -1] + movies[:, -1] + product + keras.layers.Dense(1)(dense)[:, 0]
    model = keras.Model([user, movie], predicted)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss="mse")
    columns = [column.reshape(-1) for column in (stacked.user_row, stacked.movie_row)]
    rating, batch_size = stacked.rating.reshape(-1), stacked.rating.shape[1]

    def run() -> float:
        history = model.fit(columns, rating, batch_size=batch_size, shuffle=False, verbose=0)
        return float(history.history["loss"][-1])

    return {"Keras on JAX": run}
