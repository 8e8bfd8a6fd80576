"""Declares settings as dataclass fields with default, help and limits, and converts them to and from JSON."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from movierec_jax.errors import InputError

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Limits:
    """The values that a setting may have; `text` completes "must be ..."."""

    text: str
    allow: Callable[[Any], bool]

    def require(self, flag: str, value: Any) -> None:
        """Raises InputError, naming the flag and its value, unless the value is allowed."""
        require(self.allow(value), flag, value, self.text)


AT_LEAST_0 = Limits("0 or more", lambda value: 0 <= value < math.inf)
AT_LEAST_1 = Limits("1 or more", lambda value: 1 <= value < math.inf)
ABOVE_0 = Limits("above 0", lambda value: 0 < value < math.inf)
BELOW_1 = Limits("0 or more and below 1", lambda value: 0 <= value < 1)
BETWEEN_0_AND_1 = Limits("above 0 and below 1", lambda value: 0 < value < 1)
UP_TO_1 = Limits("above 0, up to 1", lambda value: 0 < value <= 1)
UINT32 = Limits("0 to 4294967295", lambda value: 0 <= value < 2**32)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base class of settings. Checks each value against the limits and choices of its field."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None or not field.metadata:
                continue
            if field.metadata["limits"]:
                field.metadata["limits"].require(field.name, value)
            if field.metadata["choices"]:
                for item in value if isinstance(value, tuple) else (value,):
                    choose(field.name, item, field.metadata["choices"])


def setting(
    default: Any,
    help: str,
    limits: Limits | None = None,
    *,
    choices: tuple[str, ...] = (),
    heading: str = "",
    is_common: bool = False,
) -> Any:
    """Declares a dataclass field with its default and the help text of its flag.

    limits, choices: the values that it may have besides None; a tuple's items are checked against the choices.
    heading: begins a group of flags in --helpfull. is_common: also lists the flag in --help.
    """
    text = f"{help}. Allowed: {limits.text}" if limits else help
    metadata = {"help": text, "limits": limits, "choices": choices, "heading": heading, "is_common": is_common}
    return dataclasses.field(default=default, metadata=metadata)


def require(is_met: bool, flag: str, found: Any, expected: str) -> None:
    """Raises InputError, naming the flag and its value, unless the condition holds."""
    if not is_met:
        raise InputError(f"--{flag}={as_flag(found)}: must be {expected}")


def choose(flag: str, found: str, choices: tuple[str, ...]) -> None:
    """Raises InputError unless `found` is one of the choices."""
    if found not in choices:
        raise InputError(f"--{flag}={found}: must be one of {', '.join(choices)}")


def to_json(config: Any) -> dict[str, Any]:
    """Converts a config to plain JSON values, section by section."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_json(kind: type[T], values: Any, where: str) -> T:
    """Returns the config of the given kind from its JSON values.

    Raises InputError, naming the file (`where`) and the key, for a key that is missing, unknown or of another type.
    """
    if not isinstance(values, dict):
        raise InputError(f"{where}: {values!r} where an object of settings was expected")
    hints = typing.get_type_hints(kind)
    unmatched = [name for name in (*hints, *values) if (name in hints) != (name in values)]
    if unmatched:
        state = "unknown" if unmatched[0] in values else "missing"
        raise InputError(
            f"{where}: setting {unmatched[0]!r} is {state}; it has been edited, or written by another version"
        )
    settings = {name: from_json_value(hint, values[name], f"{where}: {name}") for name, hint in hints.items()}
    try:
        return kind(**settings)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def from_json_value(hint: Any, value: Any, where: str) -> Any:
    """Converts one JSON value, a list to a tuple. Raises InputError for a value of another type."""
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
    """Writes a setting as on the command line, such as 64,32; None as "unset"."""
    if isinstance(value, tuple):
        return ",".join(as_flag(item) for item in value)
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
