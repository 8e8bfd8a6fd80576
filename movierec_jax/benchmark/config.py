"""Settings of the benchmark."""

import dataclasses

from movierec_jax.benchmark.baselines import KINDS, baselines_of, needs_rectools
from movierec_jax.errors import InputError
from movierec_jax.settings import AT_LEAST_1, Settings, choose, require, setting

# Suites with the kind of baselines that each compares with; None: none.
SUITES = {
    "rating": "rating",
    "data_sets": "rating",
    "ablation": "rating",
    "cold": None,
    "ranking": "ranking",
    "ranking_new_users": "ranking",
    "next": "ranking",
    "first_ratings": None,
    "disliked": None,
    "sentiment": "sentiment",
    "reviews": None,
    "speed": None,
    "service": None,
}

# What the suite `speed` measures; each is a module in benchmark/speed.
MEASURES = ("hardware_limits", "training", "training_by_size", "scoring", "reading", "startup")

ALL = ("all",)


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig(Settings):
    """What is measured, against which baselines, how often, and where the figures go."""

    suite: str = setting(
        "rating",
        "what to measure: rating (error of predicted ratings), data_sets (the same for each pair of files "
        "NAME.train.EXT and NAME.test.EXT in the folder of --ratings), ablation (the same for each part of our model), "
        "cold (the same for movies and users without train ratings), ranking (quality of lists), ranking_new_users "
        "(the same for users without train ratings), next (the same beside our sequence encoder, for "
        "--split=leave_last_out or time), first_ratings (the same after 3, 10 and 30 ratings), disliked "
        "(movies like one that a new user dislikes), sentiment "
        "(accuracy of review sentiment), reviews (what review texts add to ratings and lists), "
        "speed or service (how fast the API answers)",
        choices=tuple(SUITES),
        is_common=True,
    )
    baselines: tuple[str, ...] = setting(
        ALL,
        "baselines to compare with, by name, such as biases, myfm_svdpp, ease, implicit_als or tfidf_logistic; all: "
        "all that fit the suite; empty: none",
        is_common=True,
    )
    rectools_python: str | None = setting(
        None,
        "Python of an environment with RecTools, for the baselines sasrec, bert4rec and esasrec; unset: without these",
    )
    texts: str | None = setting(
        None,
        "file (CSV, TSV or Parquet, also .gz) of texts for the suite sentiment, with columns of the text, of its label "
        "or stars, and of its split (train or test)",
    )
    measures: tuple[str, ...] = setting(MEASURES, "what the suite speed measures, by name", choices=MEASURES)
    repeats: int = setting(
        5, "repeats of each time in the suite speed, and of our own in the suite sentiment", AT_LEAST_1
    )
    request_rate: int = setting(300, "requests per second that the suite service sends", AT_LEAST_1)
    request_seconds: int = setting(20, "seconds for which the suite service sends requests", AT_LEAST_1)
    num_ratings: int = setting(5_000_000, "synthetic ratings that the suite speed reads", AT_LEAST_1)
    seeds: tuple[int, ...] | None = setting(
        None, "seeds to fit each model with, such as 0,1,2; unset: the one of --seed", is_common=True
    )
    output: str = setting(
        "runs/benchmark", "folder for the table as Markdown and JSON; created if missing", is_common=True
    )

    def __post_init__(self):
        super().__post_init__()
        if self.baselines != ALL:
            for name in self.baselines:
                self.require_baseline(name)
        for flag in ("seeds", "baselines", "measures"):
            items = getattr(self, flag) or ()
            require(len(set(items)) == len(items), flag, items, "different from each other")
        require(all(0 <= seed < 2**32 for seed in self.seeds or ()), "seeds", self.seeds, "0 to 4294967295")

    def require_baseline(self, name: str) -> None:
        """Raises InputError unless the suite compares with the baseline of this name."""
        kind = SUITES[self.suite]
        if kind is None:
            raise InputError(f"--baselines={name}: the suite {self.suite} compares with no baselines; leave them out")
        other = next((one for one in KINDS if one != kind and name in baselines_of(one)), None)
        if other:
            names = ", ".join(baselines_of(kind))
            raise InputError(f"--baselines={name}: is a {other} baseline; the suite {self.suite} takes {names}")
        choose("baselines", name, tuple(baselines_of(kind)))
        if self.rectools_python is None and needs_rectools(baselines_of(kind)[name]):
            raise InputError(
                f"--baselines={name}: needs --rectools_python=PYTHON, of a virtual environment in which "
                "`pip install 'rectools[torch]>=0.19'` has been run"
            )

    def baseline_names(self) -> tuple[str, ...]:
        """Returns the names of the baselines to compare with."""
        if self.baselines != ALL:
            return self.baselines
        kind = SUITES[self.suite]
        found = baselines_of(kind) if kind else {}
        has_rectools = self.rectools_python is not None
        return tuple(name for name, one in found.items() if has_rectools or not needs_rectools(one))
