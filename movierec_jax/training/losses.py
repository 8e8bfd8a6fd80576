"""What training minimises. For a batch of ratings r of users u and movies m, with predictions p, per member:

    mean ((r - p) / spread)^2 + shrinkage x mean factor_variance(u, m) + decay(rows)

and for the implicit-feedback score s, over each user of a user batch and every movie outside the history that makes
the user's vector:

    mean over users (sum over masked movies (s - 1)^2 + unobserved_weight x sum over unrated movies s^2) + decay(rows)

or, where it reads sequences, over each movie n that comes next:

    mean (log(sum over all movies exp(s)) - s(n))

Means are weighted: a rating of weight 2 counts as two, and the filling of a last batch, of weight 0, changes nothing. A
movie watched but not rated has weight 0: no rating to predict, but one of the movies that may be masked.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from movierec_jax.config import ResolvedTrainConfig
from movierec_jax.model.embedding_bag import NO_CELLS, WeightedLinks, embedding_bag, num_links, weigh_both_ways
from movierec_jax.model.inputs import Batch, Interactions, PaddedLinks, Sequences, UserBatches
from movierec_jax.model.sharding import Cells, on_each_device
from movierec_jax.model.tables import LEARNT_TABLES, ROWS_OF_TABLE, TOWERS
from movierec_jax.model.two_tower import Encoded

# Ratings whose implicit-feedback scores are computed at a time.
ENTRIES_AT_ONCE = 2**14

# Ratings added to those of every user and movie when the variance of its factors is estimated, so that it stays finite.
SHRINKAGE_DAMPING = 5.0


def squared_error(predicted: Float[Array, " batch"], rating: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """Returns the squared error of each prediction, in squared stars. Raises ValueError for unequal shapes."""
    if predicted.shape != rating.shape:
        raise ValueError(f"predictions {predicted.shape} and ratings {rating.shape} differ in shape")
    return jnp.square(predicted - rating)


def catalogue_error(
    implicit_score: Float[Array, "users movies"],
    label: Float[Array, "users movies"],
    weight: Float[Array, "users movies"],
) -> Float[Array, ""]:
    """Returns the weighted squared error summed over all movies, as a mean over the users who have any weight.

    0 where nobody has. Raises ValueError for unequal shapes.
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
    user_batch: UserBatches,
    links: tuple[PaddedLinks, PaddedLinks],
    is_masked: Float[Array, " entries"],
    unobserved_weight: float,
    cells: tuple[Cells | None, Cells | None] = NO_CELLS,
) -> Float[Array, ""]:
    """Computes `catalogue_error` without a table of users by movies, for the users of a batch.

    Over all movies the squared scores of a user add up to user' (movies' movies) user, as in iALS (Hu, Koren, Volinsky
    2008, "Collaborative filtering for implicit feedback datasets"). Those of rated movies are subtracted again, and the
    error of the masked ones is added. The gradient of these corrections is a sum over the links of the batch, from
    users to movies and from movies to users.

    is_masked: 1 for masked ratings, else 0. cells: how links and entries are spread over a mesh.
    """
    num_users = len(users)
    is_entry = user_batch.user < num_users
    fixed = jax.lax.stop_gradient((users, movies))
    score = score_entries(fixed[0], fixed[1], user_batch.user, user_batch.movie_row, cells[0])
    correction = jnp.sum(is_masked * jnp.square(score - 1) - is_entry * unobserved_weight * jnp.square(score))
    slope = 2 * (is_masked * (score - 1) - is_entry * unobserved_weight * score)
    # This sum has the gradient of the correction; its value is replaced by that of the correction.
    linear = jnp.sum(users * embedding_bag((movies,), weigh_both_ways(links, slope, cells), num_users))
    correction = linear + jax.lax.stop_gradient(correction - linear)
    by_user = links[0]
    is_user = num_links(WeightedLinks(by_user.owner, by_user.other, (), by_user.link >= 0, cells[0]), num_users) > 0
    all_movies = unobserved_weight * jnp.sum(is_user[:, None] * (users @ (movies.T @ movies)) * users)
    return (all_movies + correction) / jnp.maximum(jnp.sum(is_user), 1)


class Compared(NamedTuple):
    """The movies that each next one is compared with: the whole catalogue, or a sample.

    row: of the movies of a sample; None for the whole catalogue.
    log_count: logarithm of how often each is expected in the sample; infinite for filling.
    """

    vector: Float[Array, "compared dim"]
    row: Int32[Array, " compared"] | None
    log_count: Float[Array, " compared"]


def next_movie_error(
    users: Float[Array, "rows length dim"],
    own: Float[Array, "rows length dim"],
    compared: Compared,
    sequences: Sequences,
    slots_at_once: int | None = None,
) -> Float[Array, ""]:
    """Returns the cross-entropy of the movie that comes next, by softmax over all movies, in nats.

    A mean over all slots that another of the same user follows; 0 where none does. A movie of a sample stands for as
    many as the sample lacks ("sampled softmax"; Bengio, Senecal 2008, "Adaptive importance sampling to accelerate
    training of a neural probabilistic language model").

    users: after each slot of the sequences. own: vectors of the movies in the slots.
    slots_at_once: whose scores of all movies are in memory at a time; None for all slots.
    """
    following, next_user, next_vector = (
        jnp.roll(table, -1, axis=1) for table in (sequences.movie_row, sequences.user, own)
    )
    is_followed = ((next_user == sequences.user) & (next_user >= 0)).at[:, -1].set(False)
    score = jnp.einsum("rld,rld->rl", users, next_vector, preferred_element_type=jnp.float32)
    slots = users.reshape(-1, users.shape[-1]), following.reshape(-1), score.reshape(-1)

    @jax.checkpoint
    def log_total(slot) -> Float[Array, ""]:
        user, following, score = slot
        other = jnp.matmul(compared.vector, user, preferred_element_type=jnp.float32) - compared.log_count
        if compared.row is None:
            return jax.nn.logsumexp(other)
        return jnp.logaddexp(score, jax.nn.logsumexp(jnp.where(compared.row == following, -jnp.inf, other)))

    total = (
        jax.vmap(log_total)(slots) if slots_at_once is None else jax.lax.map(log_total, slots, batch_size=slots_at_once)
    )
    return jnp.sum(is_followed * (total.reshape(score.shape) - score)) / jnp.maximum(jnp.sum(is_followed), 1)


def score_entries(
    users: Float[Array, "users dim"],
    movies: Float[Array, "movies dim"],
    user: Int32[Array, " entries"],
    movie_row: Int32[Array, " entries"],
    cells: Cells | None,
) -> Float[Array, " entries"]:
    """Returns the implicit-feedback score of each entry, some at a time; 0 for filling."""

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
    """Returns the weighted squared size of all rows of the implicit-feedback score, per user with ratings.

    The larger the masked fraction, the larger a user's error, and so the decay.
    """
    size = sum(jnp.sum(jnp.square(params[name])) for name in ("rated", "movie"))
    return config.implicit_feedback_decay * config.masked_fraction * size / jnp.sum(interactions.user_count > 0)


# A tower's tables, by name, and the settings of their decays.
DECAY_OF_TABLE = {
    "embedding": "embedding_decay",
    "bias": "bias_decay",
    "explicit": "history_explicit_decay",
    "implicit": "history_implicit_decay",
    "features": "feature_decay",
    "time_features": "rating_time_decay",
}


class BatchCounts(NamedTuple):
    """How many ratings of each user and of each movie a batch holds, each counted by its weight."""

    user: Float[Array, " user_rows"]
    movie: Float[Array, " movie_rows"]


def ratings_of_rows(batch: Batch, interactions: Interactions) -> BatchCounts:
    """Counts ratings per user and per movie in a batch."""
    counts = zip(interactions.rating_weights, (batch.user_row, batch.movie_row), strict=True)
    return BatchCounts(*(jnp.zeros_like(count).at[row].add(batch.weight) for count, row in counts))


def decay(
    params: Mapping[str, Mapping[str, Any]],
    interactions: Interactions,
    config: ResolvedTrainConfig,
    log_strength: Float[Array, " learnt_tables"],
    batch_counts: BatchCounts | None = None,
) -> Float[Array, ""]:
    """Sums the squared rows of the towers' tables x the strength of the table, per rating.

    The strength is that of a normal prior around 0, in ratings: a bias of strength s that n ratings ask for is the sum
    of their deviations / (n + s). It stands for (variance of ratings around the model) / (variance of rows), and is the
    same for rows with few and with many ratings (Salakhutdinov, Mnih 2008, "Probabilistic matrix factorization").

    log_strength: by what the strengths of `LEARNT_TABLES` are multiplied (`training/strengths.py`).
    batch_counts: given these, rows of users and movies weigh by the share of their ratings that is in the batch, so
        rows that the batch does not hold do not decay. The mean over batches is the same.
    """
    factor = dict(zip(LEARNT_TABLES, jnp.exp(log_strength), strict=True))
    strength_of_table = {name: getattr(config, flag) * factor.get(name, 1) for name, flag in DECAY_OF_TABLE.items()}
    weight_of_kind: dict[str, Array] = {}
    if batch_counts is not None:
        weight_of_kind = {
            kind: config.rating_weight / one_for_zero(jnp.sum(in_batch)) * in_batch / one_for_zero(count)
            for kind, count, in_batch in zip(
                ("users", "movies"), interactions.rating_weights, batch_counts, strict=True
            )
        }
    total = jnp.zeros(())
    for (scope, name), kind in ROWS_OF_TABLE.items():
        if scope in TOWERS and name in params[scope]:
            rows = params[scope][name]
            sizes = jnp.sum(jnp.square(rows), axis=1)
            if kind in weight_of_kind:
                sizes *= weight_of_kind[kind][: len(rows)]
            total += strength_of_table[name] * jnp.sum(sizes)
    # Without ratings nothing stands against the decay; any divisor will do.
    return total / (config.rating_weight or config.num_ratings)


def one_for_zero(weight: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Returns sums of weights that can be divided by: 1 in place of 0."""
    return jnp.where(weight > 0, weight, 1)


def factor_variance(
    user: Encoded, movie: Encoded, user_count: Float[Array, " batch"], movie_count: Float[Array, " batch"]
) -> Float[Array, " batch"]:
    """Returns what uncertain factors add to the expected squared error of each pair, for a shrinkage of 1.

    For independent factors of variance 1 / (n + SHRINKAGE_DAMPING), learnt from n ratings, the product of user and
    movie factors has variance |user|^2 var(movie) + |movie|^2 var(user), up to a constant (the mean-field expectation
    of Lim, Teh 2007, "Variational Bayesian approach to movie rating prediction", with fixed variances).
    """
    user_size, movie_size = (jnp.sum(jnp.square(side.factors), axis=-1) for side in (user, movie))
    return user_size / (movie_count + SHRINKAGE_DAMPING) + movie_size / (user_count + SHRINKAGE_DAMPING)
