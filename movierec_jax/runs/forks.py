"""Says so in a forked process that would wait for ever: JAX's threads do not go on in the child of a fork."""

import os

from movierec_jax.errors import InputError

# The process that used JAX first; a child that a fork makes inherits it, one that is started anew does not.
first_user: list[int] = []


def require_not_forked() -> None:
    """Remembers that this process uses JAX. Raises InputError in one forked from a process that had used it before."""
    if not first_user:
        first_user.append(os.getpid())
    if first_user[0] != os.getpid():
        raise InputError(
            f"process {os.getpid()} was forked from process {first_user[0]} after that had loaded a recommender, and "
            "JAX does not work in forked processes; start them with multiprocessing.get_context('spawn'), or load the "
            "recommender in them alone"
        )
