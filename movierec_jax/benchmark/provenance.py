"""What figures depend on besides the code: seeds, settings, versions of libraries and the machine."""

import os
import pathlib
import platform
import re
from collections.abc import Sequence
from typing import Any

from movierec_jax.benchmark.bootstrap import CONFIDENCE, NUM_RESAMPLES
from movierec_jax.evaluation.report import PACKAGES
from movierec_jax.packages import installed_version
from movierec_jax.settings import to_json

BASELINE_PACKAGES = ("myfm", "scikit-surprise", "scipy", "scikit-learn", "vaderSentiment")


def provenance(suite: str, command: str) -> dict[str, Any]:
    """Returns where figures come from, as plain values."""
    return {"suite": suite, "command": command, "versions": versions(), "machine": machine()}


def fits_provenance(seeds: Sequence[int], settings: Any, *, resampled: str = "users") -> dict[str, Any]:
    """Returns how models were fitted and compared, as plain values. resampled: what the bootstrap draws."""
    return {
        "seeds": list(seeds),
        "settings": to_json(settings),
        "bootstrap": {"over": resampled, "draws": NUM_RESAMPLES, "confidence": CONFIDENCE},
    }


def versions() -> dict[str, str | None]:
    """Returns versions of Python, our dependencies and the baselines' libraries; None for what is not installed."""
    return {"python": platform.python_version()} | {
        name: installed_version(name) for name in (*PACKAGES, *BASELINE_PACKAGES)
    }


def machine() -> dict[str, str | int | float]:
    """Returns the system, the processor, the cores that this process may use, and the memory in GB."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {"system": platform.system(), "processor": processor_name(), "cores": cores, "memory_gb": round(memory, 1)}


def processor_name() -> str:
    """Returns the processor's name where Linux shows it, else its architecture."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.machine()


def machine_note() -> str:
    """Returns the machine and the version of Python as a note of a table."""
    found = machine()
    cores = f"{found['cores']} core{'s' * (found['cores'] != 1)}"
    return f"{found['processor']}, {cores}, {found['memory_gb']:g} GB; Python {platform.python_version()}"


def seeds_note(seeds: Sequence[int]) -> str:
    """Returns the seeds, and how the spread over them is shown, as a note of a table."""
    spread = ", mean (lowest to highest fit)" if len(seeds) > 1 else ""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}{spread}"


def bootstrap_note(resampled: str = "users") -> str:
    """Returns what intervals are, as a note of a table. resampled: what the bootstrap draws."""
    return f"in brackets the {CONFIDENCE:.0%} interval of a paired bootstrap over {resampled}, {NUM_RESAMPLES:,} draws"
