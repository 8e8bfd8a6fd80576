"""Imports optional libraries, and reads versions of installed packages."""

import importlib
import importlib.metadata
import pathlib
import types

from movierec_jax.errors import InputError

# Of a checkout; an installed package has nothing there.
SETUP = pathlib.Path(__file__).parents[1] / "setup.cfg"


def import_extra(name: str, extra: str) -> types.ModuleType:
    """Returns an optional library. Raises InputError with the command that installs it where it cannot be imported."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"{name} cannot be imported ({error}): {install_command(extra)}") from None


def install_command(extra: str) -> str:
    """Returns the command that installs the libraries of an extra beside this package, in a checkout or elsewhere."""
    return f"pip install -e '.[{extra}]'" if SETUP.exists() else f"pip install 'movierec-jax[{extra}]'"


def installed_version(package: str) -> str | None:
    """Returns the version of an installed package, None for a package that is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
