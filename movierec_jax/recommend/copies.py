"""Copies of a recommender in other processes: not its arrays are sent, but where each process loads them again."""

import dataclasses
import functools
import multiprocessing
from collections.abc import Callable
from typing import Any

import pandas as pd

from movierec_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Origin:
    """What a recommender was loaded from, the arguments of `load` with an absolute path, and `load` itself."""

    load: Callable
    workdir: str
    mesh: str | None


class Copied:
    """Base of a recommender that other processes load again from its `origin`, at its first use.

    Not before: a worker of a pool that fails while it receives a task may leave the pool waiting for ever.
    """

    origin: Origin | None

    @property
    def is_loaded(self) -> bool:
        """Whether this is the original, or a copy that has been used."""
        return "copied" not in vars(self) or "run" in vars(self)

    @property
    def has_new_users(self) -> bool:
        """Whether it answers for new users in place of those of the run."""
        return self.users is not self.run.users

    def __reduce__(self):
        if self.origin is None:
            raise InputError("a recommender goes to other processes by its workdir: train one, then load() it")
        if not self.is_loaded:
            return restore, (type(self), self.origin, *vars(self)["copied"])
        ratings = self.parts.train if self.has_new_users else None
        return restore, (type(self), self.origin, self.checksums, ratings)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __getattr__(self, name: str) -> Any:
        if self.is_loaded or name not in self.__dataclass_fields__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        digest, ratings = vars(self)["copied"]
        assert self.origin is not None
        loaded = reload(self.origin, digest)
        vars(self).update(vars(loaded if ratings is None else loaded.with_new_users(ratings)))
        return vars(self)[name]


def restore(kind: type, origin: Origin, digest: tuple[int, ...], ratings: pd.DataFrame | None) -> Copied:
    """Returns the copy of a recommender that another process has sent, or that has been saved.

    digest: its `checksums`. ratings: of its new users, if it has any.
    Loads it at once, except in a worker process. Raises InputError as `reload`.
    """
    copy: Any = object.__new__(kind)
    vars(copy).update(origin=origin, copied=(digest, ratings))
    if multiprocessing.parent_process() is None:
        _ = copy.run
    return copy


@functools.lru_cache(maxsize=1)
def reload(origin: Origin, digest: tuple[int, ...]) -> Any:
    """Returns the recommender that was loaded from a workdir, once for all tasks of a process.

    Raises InputError where the workdir cannot be read, or holds another one now.
    """
    recommender = origin.load(origin.workdir, origin.mesh)
    if recommender.checksums != digest:
        raise InputError(f"{origin.workdir}: trained anew since the recommender was loaded from it; load it again")
    return recommender
