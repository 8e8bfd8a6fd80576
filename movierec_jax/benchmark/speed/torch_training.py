"""The net of `training` in PyTorch, with each of its versions of Adam."""

import itertools
import shutil
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from movierec_jax.model.inputs import Batch
from movierec_jax.packages import import_extra

LEARNING_RATE = 0.004


def torch_ways(
    stacked: Batch, num_users: int, num_movies: int, dim: int, hidden_dims: tuple[int, ...]
) -> dict[str, Callable[[], float]]:
    """Returns, by name, calls that train an epoch over the stacked batches and return the error of the last step."""
    torch = import_extra("torch", "speed")
    columns = stacked.user_row, stacked.movie_row, stacked.rating
    user, movie, rating = (torch.from_numpy(np.ascontiguousarray(column)) for column in columns)
    user, movie = user.long(), movie.long()

    def way(is_sparse: bool = False, is_fused: bool = False, is_compiled: bool = False) -> Callable[[], float]:
        tables = torch.nn.ModuleList(
            torch.nn.Embedding(rows, dim + 1, sparse=is_sparse) for rows in (num_users, num_movies)
        )
        layers = [torch.nn.Linear(*widths) for widths in itertools.pairwise((2 * dim, *hidden_dims, 1))]
        dense = torch.nn.Sequential(*[part for layer in layers for part in (layer, torch.nn.ReLU())][:-1])
        if is_sparse:
            optimizers = [
                torch.optim.SparseAdam(tables.parameters(), lr=LEARNING_RATE),
                torch.optim.Adam(dense.parameters(), lr=LEARNING_RATE),
            ]
        else:
            parameters = [*tables.parameters(), *dense.parameters()]
            optimizers = [torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=is_fused)]
        error_of_batch = mean_squared_error(torch, tables[0], tables[1], dense)
        if is_compiled:
            error_of_batch = torch.compile(error_of_batch)

        def run() -> float:
            for step in range(len(rating)):
                error = error_of_batch(user[step], movie[step], rating[step])
                for optimizer in optimizers:
                    optimizer.zero_grad()
                error.backward()
                for optimizer in optimizers:
                    optimizer.step()
            return float(error.detach())

        return run

    ways = {
        "PyTorch Adam": way(),
        "PyTorch fused Adam": way(is_fused=True),
        "PyTorch SparseAdam": way(is_sparse=True),
    }
    # To compile for a CPU PyTorch needs a C++ compiler.
    if shutil.which("g++"):
        ways["PyTorch compiled, fused Adam"] = way(is_fused=True, is_compiled=True)
    return ways


def mean_squared_error(torch: types.ModuleType, user_table: Any, movie_table: Any, dense: Any) -> Callable[..., Any]:
    """Returns a function (user, movie, rating) -> mean squared error. The last column of the tables holds biases."""

    def of_batch(user: Any, movie: Any, rating: Any) -> Any:
        users, movies = user_table(user), movie_table(movie)
        pair = torch.cat([users[:, :-1], movies[:, :-1]], dim=1)
        product = (users[:, :-1] * movies[:, :-1]).sum(dim=1)
        predicted = 3.5 + users[:, -1] + movies[:, -1] + product + dense(pair)[:, 0]
        return torch.mean((predicted - rating) ** 2)

    return of_batch
