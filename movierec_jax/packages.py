"""Imports optional libraries, and reads versions of installed packages."""

import importlib
import importlib.metadata
import types

from movierec_jax.errors import InputError


def import_extra(name: str, extra: str) -> types.ModuleType:
    """Returns an optional library. Raises InputError with the command that installs it where it cannot be imported."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"{name} cannot be imported ({error}): pip install 'movierec_jax[{extra}]'") from None


def installed_version(package: str) -> str | None:
    """Returns the version of an installed package, None for a package that is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
