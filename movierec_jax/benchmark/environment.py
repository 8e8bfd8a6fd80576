"""What figures depend on beside the code: versions of libraries, and the machine."""

import os
import pathlib
import platform
import re

from movierec_jax.evaluation.report import PACKAGES
from movierec_jax.packages import installed_version

PEER_PACKAGES = ("myfm", "scikit-surprise", "scipy", "scikit-learn", "vaderSentiment")


def versions() -> dict[str, str | None]:
    """Versions of Python, our dependencies and the peers' libraries; None for what is not installed."""
    return {"python": platform.python_version()} | {
        name: installed_version(name) for name in (*PACKAGES, *PEER_PACKAGES)
    }


def machine() -> dict[str, str | int | float]:
    """The kind of machine: system, processor, cores that we may use, memory in GB."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {"system": platform.system(), "processor": processor(), "cores": cores, "memory_gb": round(memory, 1)}


def processor() -> str:
    """The processor's own name where Linux tells it, else its architecture."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.machine()
