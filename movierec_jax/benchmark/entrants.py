"""Rows of a table: our model with some settings, or a baseline; each is measured in turn, and one may fail."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

from movierec_jax.benchmark.process import FitError
from movierec_jax.errors import InputError

# Our model as the model of an entrant, and its label in tables.
OUR_MODEL, OUR_LABEL = "our_model", "movierec_jax"


@dataclasses.dataclass(frozen=True)
class Entrant:
    """One row of a table. model: OUR_MODEL or the name of a baseline. settings: flags of our model that differ."""

    label: str
    model: str = OUR_MODEL
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


@runtime_checkable
class Result(Protocol):
    """What was measured of one fit."""

    def in_words(self) -> str: ...


R = TypeVar("R", bound=Result)


def measure_in_turn(turns: Iterable[tuple[Entrant, str, Callable[[], R]]]) -> tuple[dict[str, list[R]], dict[str, str]]:
    """Measures every turn: an entrant, what it is fitted on, and the call that measures it; prints each result.

    Returns the results and the reasons of failures, both by label. After a failure an entrant is not measured again.
    """
    results: dict[str, list[R]] = {}
    failures: dict[str, str] = {}
    for entrant, where, measure in turns:
        if entrant.label in failures:
            continue
        try:
            result = measure()
        except FitError as error:
            failures[entrant.label] = f"{where}: {error}"
            print(f"{where}  {entrant.label}: failed: {error}", flush=True)
            continue
        results.setdefault(entrant.label, []).append(result)
        print(f"{where}  {entrant.label}: {result.in_words()}", flush=True)
    return results, failures


def require_no_failures(failures: dict[str, str]) -> None:
    """Raises InputError naming the entrants that failed."""
    if failures:
        raise InputError(f"no figures for {', '.join(failures)}; the other rows stand")
