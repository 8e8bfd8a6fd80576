"""Finds the settings of the run that a workdir holds, so that it goes on without all its flags."""

import pathlib

from movierec_jax.config import Config
from movierec_jax.data.storage import downloaded, is_url, list_names
from movierec_jax.runs.replacement import NEXT
from movierec_jax.runs.workdir import CONFIG, read_config


def stored_config(workdir: str) -> Config | None:
    """Returns the settings of the run in a workdir, a folder or URL; None where it holds none.

    Where another run is to replace it and has not finished, those of the other.

    Raises InputError for a config.json that cannot be read.
    """
    for folder in (f"{workdir.rstrip('/')}/{NEXT}", workdir):
        if CONFIG in list_names(folder):
            return config_in(folder)
    return None


def config_in(folder: str) -> Config:
    """Reads the settings of the run in a folder or URL."""
    if not is_url(folder):
        return read_config(pathlib.Path(folder))[0]
    with downloaded(f"{folder.rstrip('/')}/{CONFIG}") as path:
        return read_config(path.parent)[0]
