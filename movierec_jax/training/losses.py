"""What training makes small: squared errors, and the size of what single users and movies add to them.

One error is that of the stars, over observed ratings. The other is over the whole catalogue: whether each of some users
has rated each movie. Of these only those are left out that a user is known by, none is sampled, and so there is nothing
to be corrected for.

Sums are weighted, so the places that fill up a last batch (weight 0) change nothing.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from movierec_jax.config import ResolvedTrainConfig, TrainConfig
from movierec_jax.model.embedding_bag import NO_CELLS, WeightedLinks, both_ways, embedding_bag, num_links
from movierec_jax.model.inputs import Batch, Interactions, PaddedLinks, UserBatches
from movierec_jax.model.sharding import Cells, on_each_device
from movierec_jax.model.two_tower import Encoded

# Ratings of a row at which its decay does not depend on `decay_power`.
TYPICAL_COUNT = 200.0

# Ratings whose exposure is worked out at once.
ENTRIES_AT_ONCE = 2**14

# Ratings that every user and movie is taken to have beside its own when its shrinkage is judged.
SHRINKAGE_DAMPING = 5.0


def squared_error(stars: Float[Array, " batch"], rating: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """Squared error of each prediction, in squared stars. Raises ValueError for unequal shapes."""
    if stars.shape != rating.shape:
        raise ValueError(f"predictions {stars.shape} and ratings {rating.shape} differ in shape")
    return jnp.square(stars - rating)


def catalogue_error(
    implicit_score: Float[Array, "users movies"],
    label: Float[Array, "users movies"],
    weight: Float[Array, "users movies"],
) -> Float[Array, ""]:
    """The weighted squared errors of a user over all movies, in the mean over the users of whom any movie counts.

    0 where none counts. Raises ValueError for unequal shapes.
    """
    if not implicit_score.shape == label.shape == weight.shape:
        raise ValueError(
            f"scores {implicit_score.shape}, labels {label.shape} and weights {weight.shape} differ in shape"
        )
    num_users = jnp.sum(jnp.any(weight > 0, axis=1))
    return jnp.sum(weight * jnp.square(implicit_score - label)) / jnp.maximum(num_users, 1)


def summed_catalogue_error(
    users: Float[Array, "users dim"],
    movies: Float[Array, "movies dim"],
    block: UserBatches,
    links: tuple[PaddedLinks, PaddedLinks],
    is_told: Float[Array, " entries"],
    unobserved_weight: float,
    cells: tuple[Cells | None, Cells | None] = NO_CELLS,
) -> Float[Array, ""]:
    """The same error without a table of users by movies, for users who have rated the entries of a block.

    Over all movies the squares of a user's exposure add up to user' (movies' movies) user, as in iALS (Hu, Koren,
    Volinsky 2008); those of rated movies are taken off again, and the error of what is told is put in their place. The
    gradient of these entries is a sum over their links, from users to movies and from movies to users.

    cells: those in which the links lie, and the entries.
    """
    num_users = len(users)
    is_entry = block.user < num_users
    fixed = jax.lax.stop_gradient((users, movies))
    implicit_score = implicit_score_of(fixed[0], fixed[1], block.user, block.movie_row, cells[0])
    error = jnp.sum(
        is_told * jnp.square(implicit_score - 1) - is_entry * unobserved_weight * jnp.square(implicit_score)
    )
    slope = 2 * (is_told * (implicit_score - 1) - is_entry * unobserved_weight * implicit_score)
    # Has the gradient that the error of the entries has; its own value is taken off.
    linear = jnp.sum(users * embedding_bag((movies,), both_ways(links, slope, cells), num_users))
    entries = linear + jax.lax.stop_gradient(error - linear)
    by_user = links[0]
    is_user = num_links(WeightedLinks(by_user.owner, by_user.other, (), by_user.link >= 0, cells[0]), num_users) > 0
    everything = unobserved_weight * jnp.sum(is_user[:, None] * (users @ (movies.T @ movies)) * users)
    return (everything + entries) / jnp.maximum(jnp.sum(is_user), 1)


def implicit_score_of(
    users: Float[Array, "users dim"],
    movies: Float[Array, "movies dim"],
    user: Int32[Array, " entries"],
    movie_row: Int32[Array, " entries"],
    cells: Cells | None,
) -> Float[Array, " entries"]:
    """The exposure of each entry, some at a time; 0 where its user is none."""

    def of_range(users, movies, user, movie_row):
        return jax.lax.map(
            lambda pair: users.at[pair[0]].get(mode="fill", fill_value=0) @ movies[pair[1]],
            (user, movie_row),
            batch_size=ENTRIES_AT_ONCE,
        )

    if cells is None:
        return of_range(users, movies, user, movie_row)
    specs = cells.owner_rows, cells.other_rows, *cells.specs((user, movie_row))
    return on_each_device(of_range, mesh=cells.mesh, in_specs=specs, out_specs=specs[-1])(
        users, movies, user, movie_row
    )


def implicit_feedback_decay(
    params: Mapping[str, Array],
    interactions: Interactions,
    config: ResolvedTrainConfig,
) -> Float[Array, ""]:
    """The weighed squared size of all rows of movies by which exposure is told, as a share of a user's error.

    The more of a user's ratings a step hides the larger is that error, and so is the decay.
    """
    size = sum(jnp.sum(jnp.square(params[name])) for name in ("rated", "movie"))
    return config.implicit_feedback_decay * config.masked_fraction * size / jnp.sum(interactions.user_count > 0)


class Drawn(NamedTuple):
    """How many ratings of each user and of each movie a batch holds."""

    user: Float[Array, " user_rows"]
    movie: Float[Array, " movie_rows"]


def drawn_by(batch: Batch, interactions: Interactions) -> Drawn:
    """Those of a batch."""
    counts = (interactions.user_count, batch.user_row), (interactions.movie_count, batch.movie_row)
    return Drawn(*(jnp.zeros_like(count).at[row].add(batch.weight) for count, row in counts))


def decay(
    params: Mapping[str, Mapping[str, Any]], interactions: Interactions, config: TrainConfig, drawn: Drawn | None = None
) -> Float[Array, ""]:
    """The weighed squared size of everything that belongs to single users, movies, features and moments.

    With `decay_power` 1 a row counts by its number of ratings, the usual penalty of matrix factorisation (Koren, Bell,
    Volinsky 2009, equation 5).

    drawn: with it rows of users and of movies count by their ratings in a batch in place of all their ratings, which is
    the same in the mean over batches; those that the batch does not hold do not count at all.
    """
    of_user, of_movie = drawn or (None, None)
    total = jnp.zeros(())
    for side, own_count, own_drawn, other_count, feature_count in (
        ("user", interactions.user_count, of_user, interactions.movie_count, interactions.user_feature_count),
        ("movie", interactions.movie_count, of_movie, interactions.user_count, interactions.movie_feature_count),
    ):
        for name, strength, count, drawn_of_row in (
            ("embedding", config.embedding_decay, own_count, own_drawn),
            ("bias", config.bias_decay, own_count, own_drawn),
            ("explicit", config.history_explicit_decay, other_count, None),
            ("implicit", config.history_implicit_decay, other_count, None),
            ("features", config.feature_decay, feature_count, None),
            ("time_features", config.rating_time_decay, interactions.time_feature_count, None),
        ):
            if name in params[f"{side}_tower"]:
                rows = params[f"{side}_tower"][name]
                weight = row_weights(count, config.decay_power, drawn_of_row)
                total += strength * weighted_size(rows, weight[: len(rows)])
    return total


def weighted_size(rows: Float[Array, "rows features"], weight: Float[Array, " rows"]) -> Float[Array, ""]:
    """The sum of squares with a weight for each row."""
    return jnp.sum(jnp.square(rows) * weight[:, None])


def row_weights(
    count: Float[Array, " rows"], power: float, drawn: Float[Array, " rows"] | None = None
) -> Float[Array, " rows"]:
    """The share of a row's ratings in all, where it has TYPICAL_COUNT; of others as that power of their number.

    Below 1 the decay of a row with more ratings, or of all rows in larger data, is the smaller part of its error, as a
    prior of a given strength would be. drawn: the ratings of a batch, of which the shares are with it.
    """
    shared = count if drawn is None else drawn
    return shared / jnp.sum(shared) * (jnp.maximum(count, 1) / TYPICAL_COUNT) ** (power - 1)


def variance(
    user: Encoded, movie: Encoded, user_count: Float[Array, " batch"], movie_count: Float[Array, " batch"]
) -> Float[Array, " batch"]:
    """What uncertain factors add to the expected squared error of each pair, for a shrinkage of 1.

    With independent factors of variance 1 / (n + SHRINKAGE_DAMPING) when n ratings speak for them, the product of
    user and movie factors has the variance |user|^2 var(movie) + |movie|^2 var(user), up to a constant (the mean-field
    expectation of Lim, Teh 2007, "Variational Bayesian approach to movie rating prediction", with fixed variances).
    """
    user_size, movie_size = (jnp.sum(jnp.square(side.factors), axis=-1) for side in (user, movie))
    return user_size / (movie_count + SHRINKAGE_DAMPING) + movie_size / (user_count + SHRINKAGE_DAMPING)
