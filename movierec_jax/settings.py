"""Settings as dataclass fields: each with its default, its help and its check, to and from JSON."""

import dataclasses
import json
import types
import typing
from typing import Any, TypeVar

from movierec_jax.errors import InputError

T = TypeVar("T")


def setting(default: Any, help: str) -> Any:
    """A dataclass field with its default and the help text of its flag."""
    return dataclasses.field(default=default, metadata={"help": help})


def require(is_met: bool, flag: str, found: Any, expected: str) -> None:
    """Raises InputError in the flag's name unless the condition holds."""
    if not is_met:
        raise InputError(f"--{flag}={as_flag(found)}: must be {expected}")


def require_diversity(flag: str, found: float) -> None:
    """Raises InputError unless a list can be made as diverse as that."""
    require(0 <= found < 1, flag, found, "0 or more and below 1")


def choose(flag: str, found: str, choices: tuple[str, ...]) -> None:
    """Raises InputError unless `found` is one of the choices."""
    if found not in choices:
        raise InputError(f"--{flag}={found}: must be one of {', '.join(choices)}")


def to_json(config: Any) -> dict[str, Any]:
    """A config as plain JSON values, section by section."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_json(kind: type[T], values: Any, where: str) -> T:
    """The config of the given kind from its JSON values.

    Raises InputError naming the file (`where`) and the key that is missing, unknown or of another type.
    """
    if not isinstance(values, dict):
        raise InputError(f"{where}: {values!r} where an object of settings was expected")
    hints = typing.get_type_hints(kind)
    odd = [name for name in (*hints, *values) if (name in hints) != (name in values)]
    if odd:
        state = "unknown" if odd[0] in values else "missing"
        raise InputError(f"{where}: setting {odd[0]!r} is {state}; it has been edited, or written by another version")
    settings = {name: from_json_value(hint, values[name], f"{where}: {name}") for name, hint in hints.items()}
    try:
        return kind(**settings)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def from_json_value(hint: Any, value: Any, where: str) -> Any:
    """One setting from JSON, where lists stand for tuples. Raises InputError for a value of another type."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return from_json(hint, value, where)
    for choice in typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,):
        if typing.get_origin(choice) is tuple and isinstance(value, list):
            return tuple(from_json_value(typing.get_args(choice)[0], item, where) for item in value)
        if choice is float and type(value) is int:
            return float(value)
        if type(value) is choice:
            return value
    raise InputError(f"{where} is {value!r}; expected {getattr(hint, '__name__', hint)}")


def as_flag(value: Any) -> str:
    """A setting as it is written on the command line."""
    if isinstance(value, tuple):
        return ",".join(as_flag(item) for item in value)
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
