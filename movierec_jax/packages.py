"""Libraries that only some users need."""

import importlib
import importlib.metadata
import types

from movierec_jax.errors import InputError


def import_extra(name: str, extra: str) -> types.ModuleType:
    """An optional library. Raises InputError with the command that installs it where it cannot be imported."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"{name} cannot be imported ({error}): pip install 'movierec_jax[{extra}]'") from None


def version(package: str) -> str | None:
    """The installed version of a package; None where it is used without being installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
