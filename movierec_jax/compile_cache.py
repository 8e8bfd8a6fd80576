"""Compiled programs, kept in the user's cache folder so that a run like an earlier one need not compile them again."""

import hashlib
import os
import pathlib
import platform
import warnings

import platformdirs

from movierec_jax.data.bounded_folder import trim

# Names another folder for them, or none if it is empty: JAX's own variable.
FOLDER_VARIABLE = "JAX_COMPILATION_CACHE_DIR"

# JAX's settings by which also the many programs that take little time are kept.
KEEP_ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}

# Of all programs in the folder; the oldest go first.
MAX_BYTES = 2**30


def enable_compile_cache() -> None:
    """Has JAX, which must not be loaded yet, keep what it compiles.

    What cannot be kept or read again, for want of a folder or of room, is compiled as if nothing had been asked.
    """
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache entry")
    if FOLDER_VARIABLE in os.environ:
        return
    folder = pathlib.Path(platformdirs.user_cache_dir("movierec_jax", appauthor=False)) / "programs" / processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    trim(folder, MAX_BYTES)
    if os.access(folder, os.W_OK):
        os.environ.update({FOLDER_VARIABLE: str(folder), **KEEP_ALL})


def processor() -> str:
    """A name for the kind of processor: programs for one may not run on another that has the same home folder."""
    lines = [platform.machine(), platform.processor()]
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        first = cpuinfo.read_text(errors="replace").split("\n\n")[0]
        lines += [line for line in first.splitlines() if line.startswith(("model name", "flags", "Features"))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
