"""Keeps compiled programs in the user's cache folder, so that a similar run need not compile them again."""

import hashlib
import os
import pathlib
import platform
import warnings

import platformdirs

from movierec_jax.data.bounded_folder import trim

# JAX's variable that names another folder; empty: none.
FOLDER_VARIABLE = "JAX_COMPILATION_CACHE_DIR"

# JAX's variables with which programs that compile quickly are kept too: there are many.
KEEP_ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}

# Limit of the folder; the oldest programs are removed first.
MAX_BYTES = 2**30


def enable_compile_cache() -> None:
    """Makes JAX keep what it compiles; must come before JAX is loaded.

    Without a writable folder, or with damaged files in it, programs are compiled as usual.
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
    """Names the kind of processor: programs for one may not run on another with the same home folder."""
    lines = [platform.machine(), platform.processor()]
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        first_core = cpuinfo.read_text(errors="replace").split("\n\n")[0]
        lines += [line for line in first_core.splitlines() if line.startswith(("model name", "flags", "Features"))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
