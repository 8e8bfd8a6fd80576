"""Finds the settings of the run that a workdir holds, so that it goes on without all its flags."""

import pathlib

from movierec_jax.config import Config
from movierec_jax.data.storage import downloaded, is_url, list_names
from movierec_jax.runs.workdir import read_config


def stored_config(workdir: str) -> Config | None:
    """Returns the settings of the run in a workdir, a folder or URL; None where it holds none.

    Raises InputError for a config.json that cannot be read.
    """
    if "config.json" not in list_names(workdir):
        return None
    if not is_url(workdir):
        return read_config(pathlib.Path(workdir))[0]
    with downloaded(f"{workdir.rstrip('/')}/config.json") as path:
        return read_config(path.parent)[0]
