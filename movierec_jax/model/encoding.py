"""Encodes users a few at a time from their own histories, so that no device ever holds all of them encoded.

On a mesh the parts of `UserParts` are spread over the devices. The tables that a history reads, with rows of movies,
are whole on each of them (`encoder_params`); the user tower's own tables stay spread, and give each part its rows.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float

from movierec_jax.model.embedding_bag import BothWays, WeightedLinks, num_links
from movierec_jax.model.history import TowerInputs
from movierec_jax.model.inputs import PaddedLinks, Sequences
from movierec_jax.model.sharding import AXES, constrain, map_rows, replicated
from movierec_jax.model.tables import IMPLICIT_FEEDBACK, OWN_TABLES, USER_TOWER
from movierec_jax.model.two_tower import Encoded, Members, TwoTowers
from movierec_jax.model.user_histories import UserParts

# What encodes users, besides the user tower's own tables.
ENCODER_SCOPES = (USER_TOWER, "user_layer", IMPLICIT_FEEDBACK)


def encoder_params(params: Members, mesh: Mesh | None) -> Members:
    """Returns the parameters that encode users; on a mesh whole on every device, but for the tower's own tables."""
    needed = {scope: params[scope] for scope in ENCODER_SCOPES if scope in params}
    if mesh is None:
        return needed
    own, shared = split_own_tables(needed)
    return join_own_tables(own, jax.device_put(shared, replicated(shared, mesh)))


def split_own_tables(params: Members) -> tuple[dict[str, Any], Members]:
    """Returns the user tower's own tables, and all other parameters."""
    tower = params[USER_TOWER]
    others = {name: table for name, table in tower.items() if name not in OWN_TABLES}
    return {name: tower[name] for name in OWN_TABLES}, {**params, USER_TOWER: others}


def join_own_tables(own: dict[str, Any], others: Members) -> Members:
    """Undoes `split_own_tables`."""
    return {**others, USER_TOWER: {**own, **others[USER_TOWER]}}


@functools.partial(jax.jit, static_argnames="model")
def encode_users(params: Members, parts: UserParts, *, model: TwoTowers) -> Encoded:
    """Encodes users from their ratings of train's movies, by each member: `[members, users, ...]`.

    params: as `encoder_params` returns them.
    """

    def encode_part(params: Members, part: UserParts, own: Float[Array, "members users width"]) -> Encoded:
        return encode_histories(params, own, part.links, part.sequences, model=model)

    return map_parts(encode_part, params, parts, model)


@functools.partial(jax.jit, static_argnames="model")
def own_vectors(params: Members, parts: UserParts, *, model: TwoTowers) -> Float[Array, "members users width"]:
    """Returns embedding, bias and content of users, by each member, for `encode_histories`.

    params: as `encoder_params` returns them.
    """
    return map_parts(lambda params, part, own: own, params, parts, model)


def map_parts(function: Any, params: Members, parts: UserParts, model: TwoTowers) -> Any:
    """Applies a function to parameters, each part and its users' own vectors; joins the users of its results.

    The parts of a device come one after another, so that every product has one shape however many there are.
    """
    own, shared = split_own_tables(params)
    rows = jnp.concatenate(
        [own[name].at[:, parts.user_row].get(mode="fill", fill_value=0) for name in OWN_TABLES], axis=-1
    )
    by_part = constrain(jnp.moveaxis(rows, 1, 0), model.mesh, P(AXES))
    # The tower's own tables are not read again, but Flax asks for their shapes.
    shapes = {name: (table.shape, table.dtype) for name, table in own.items()}

    def map_own_parts(shared: Members, parts: UserParts, rows: Float[Array, "parts members users width"]) -> Any:
        params = join_own_tables({name: jnp.zeros(*shape) for name, shape in shapes.items()}, shared)

        def apply(part_and_rows):
            part, rows = part_and_rows
            return function(params, part, add_content(params, rows, part.content, model))

        return jax.lax.map(apply, (parts, rows))

    result = map_rows(map_own_parts, model.mesh, shared, parts, by_part)

    def join(array: Array) -> Array:
        users = jnp.moveaxis(array, 0, 1)
        return jax.lax.collapse(users, 1, 3)

    return constrain(jax.tree.map(join, result), model.mesh, P())


def add_content(
    params: Members, rows: Float[Array, "members users width"], content: PaddedLinks, model: TwoTowers
) -> Float[Array, "members users width"]:
    """Adds to users' rows of the tower's own tables their content."""
    links = WeightedLinks(content.owner, content.other, content.values)

    def of_member(member: Any, rows: Float[Array, "users width"]) -> Float[Array, "users width"]:
        both = BothWays(links, links)  # No gradient is asked for.
        return model.apply(
            {"params": member}, rows, both, method=lambda bound, *args: bound.user_tower.add_content(*args)
        )

    return jax.vmap(of_member)(params, rows)


@functools.partial(jax.jit, static_argnames="model")
def encode_histories(
    params: Members,
    own: Float[Array, "members users width"],
    links: PaddedLinks,
    sequences: Sequences | None = None,
    *,
    model: TwoTowers,
) -> Encoded:
    """Encodes any users from their ratings of train's movies, by each member: `[members, users, ...]`.

    own: the users' `own_vectors`; 0 for a new user. sequences: the ratings in order, where the model reads it.
    """
    num_users, counts = own.shape[1], links.link >= 0
    ratings = WeightedLinks(links.owner, links.other, (links.values[0], None), counts)
    no_content = WeightedLinks(jnp.zeros(0, jnp.int32), jnp.zeros((1, 0), jnp.int32), (jnp.zeros((1, 0)),))
    users = TowerInputs(
        ratings=BothWays(ratings, ratings),
        num_ratings=num_links(ratings, num_users),
        content=BothWays(no_content, no_content),
        has_row=jnp.ones(num_users),
    )
    liking = model.liking_weight(links.values[0])
    is_link = links.link != -1
    weighted = WeightedLinks(links.owner, links.other, (liking * is_link * links.values[1],), is_link)
    rated = sequences if model.reads_sequences else BothWays(weighted, weighted)

    def of_member(member, own):
        return model.apply({"params": member}, users, rated, own, method="encode_users")

    return jax.vmap(of_member)(params, own)
