"""What our model is compared with: baselines that predict ratings, rank movies or classify reviews.

A baseline is an entry of the dict `BASELINES` (name -> record of `records`) in a module of `rating`, `ranking` or
`sentiment`. To add one, add an entry to such a dict, or a module with a dict of its own: every module of these folders
is read. A library that a baseline needs is imported when it is fitted, and belongs to the extra `bench`.
"""

import functools
import importlib
import pkgutil
from typing import Any

from movierec_jax.packages import import_extra

KINDS = ("rating", "ranking", "sentiment")


@functools.cache
def baselines_of(kind: str) -> dict[str, Any]:
    """Returns all baselines of one of KINDS, by name."""
    package = importlib.import_module(f"{__name__}.{kind}")
    modules = (
        importlib.import_module(f"{package.__name__}.{one.name}") for one in pkgutil.iter_modules(package.__path__)
    )
    return {name: baseline for module in modules for name, baseline in module.BASELINES.items()}


def needs_rectools(baseline: Any) -> bool:
    """Returns whether a baseline is fitted by a Python with RecTools."""
    from movierec_jax.benchmark.baselines.records import SequenceBaseline  # Loads pandas, which flags do not need.

    return isinstance(baseline, SequenceBaseline)


def find_baseline(kind: str, name: str) -> Any:
    """Returns a baseline by its kind and name. Raises InputError if the library it needs is not installed."""
    baseline = baselines_of(kind)[name]
    if baseline.library:
        import_extra(baseline.library, "bench")
    return baseline
