"""Reads settings from a file: flags as TOML or JSON, or the config.json of a workdir."""

import difflib
import json
import pathlib
import tomllib
from collections.abc import Collection
from typing import Any

from movierec_jax.errors import InputError

# Tables that a file may group its settings in, as config.json does. Their names decide nothing.
TABLES = ("data", "model", "train", "evaluation")


def read_config_file(path: pathlib.Path, known: Collection[str], command: str) -> dict[str, Any]:
    """Returns the settings of a file by the names of their flags; those that are null in JSON are left out.

    known: the names that the command takes. Raises InputError, naming the file and the key, for any other name and for
    a file that cannot be read.
    """
    settings: dict[str, Any] = {}
    for name, value in without_tables(read_values(path)):
        if name not in known:
            near = difflib.get_close_matches(name, [*known, *TABLES], n=1)
            advice = f"did you mean {near[0]}?" if near else f"`{command} --help` lists them"
            raise InputError(f"{path}: {name!r} is no setting of {command}; {advice}")
        if name in settings:
            raise InputError(f"{path}: {name} is set twice; keep one of them")
        if value is not None:
            settings[name] = value
    return settings


def read_values(path: pathlib.Path) -> dict[str, Any]:
    """Returns what a TOML or JSON file holds; of a workdir's config.json, the settings."""
    if path.suffix not in (".toml", ".json"):
        raise InputError(f"--config={path}: must be a file that ends in .toml or .json")
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:  # Of either format, or of the encoding.
        raise InputError(f"{path}: not {path.suffix[1:].upper()} ({error})") from None
    if isinstance(values, dict) and "fingerprint" in values:
        values = values.get("settings")
    if not isinstance(values, dict):
        raise InputError(f"{path}: {values!r} where settings were expected, such as embedding_dim = 64")
    return values


def without_tables(values: dict[str, Any]) -> list[tuple[str, Any]]:
    """Returns names and values, also of those within `TABLES`."""
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        pairs += value.items() if name in TABLES and isinstance(value, dict) else [(name, value)]
    return pairs
