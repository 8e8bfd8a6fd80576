"""Settings of the benchmark."""

import dataclasses

from movierec_jax.settings import (
    Settings,
    choose,
    require,
    setting,
)

# What our model is compared with; each is a file in benchmark/peers.
PEERS = (
    "biases",
    "surprise_baseline",
    "surprise_knn",
    "surprise_svd",
    "surprise_svdpp",
    "myfm_mf",
    "myfm_svdpp",
)


# What our lists are compared with; each is a file in benchmark/rankers.
RANKERS = ("popularity", "item_knn", "ease", "implicit_als", "implicit_bpr")

# What our sentiment is compared with; each is a file in benchmark/classifiers.
CLASSIFIERS = ("tfidf_logistic", "tfidf_logistic_c10", "vader")

SUITES = (
    "stars",
    "ablation",
    "cold",
    "ranking",
    "ranking_new_users",
    "first_ratings",
    "sentiment",
    "reviews",
    "speed",
)

# What the suite `speed` measures; each is a file in benchmark/speed.
MEASURES = ("limits", "training", "sizes", "scoring", "reading", "start_up")


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig(Settings):
    """What is measured beside what, how often, and where the figures go."""

    suite: str = setting(
        "stars",
        "what is measured: stars (how far predicted ratings are off), ablation (the same for the parts of our model), "
        "cold (the same for movies and users without ratings in train), ranking (how good lists are), "
        "ranking_new_users (how good lists are for users without ratings in train), first_ratings (the same after "
        "3, 10 and 30 ratings), sentiment (how well texts are told to praise or blame), reviews (what texts add to "
        "stars and lists) or speed (how long all takes)",
        is_common=True,
    )
    peers: tuple[str, ...] = setting(PEERS, "recommenders to compare with, by name; empty: none", is_common=True)
    rankers: tuple[str, ...] = setting(
        RANKERS, "recommenders whose lists are compared, by name; empty: none", is_common=True
    )
    classifiers: tuple[str, ...] = setting(
        CLASSIFIERS, "what our sentiment is compared with in the suite sentiment, by name; empty: nothing"
    )
    texts: str | None = setting(
        None,
        "file (CSV, TSV or Parquet, also .gz) of texts that the suite sentiment learns from and is measured on: "
        "columns of text, of a label or stars, and a split into train and test",
    )
    measures: tuple[str, ...] = setting(MEASURES, "what the suite speed measures, by name")
    repeats: int = setting(5, "times that the suite speed takes each figure, and the suite sentiment our speed")
    num_ratings: int = setting(5_000_000, "synthetic ratings that the suite speed reads")
    seeds: tuple[int, ...] | None = setting(
        None,
        "make every fit once with each of these seeds, such as 0,1,2; without it, with --seed alone",
        is_common=True,
    )
    output: str = setting(
        "runs/benchmark", "folder for the table as Markdown and JSON; made if missing", is_common=True
    )

    def __post_init__(self):
        choose("suite", self.suite, SUITES)
        for name in self.peers:
            choose("peers", name, PEERS)
        for name in self.rankers:
            choose("rankers", name, RANKERS)
        for name in self.classifiers:
            choose("classifiers", name, CLASSIFIERS)
        for name in self.measures:
            choose("measures", name, MEASURES)
        require(self.repeats >= 1, "repeats", self.repeats, "1 or more")
        require(self.num_ratings >= 1, "num_ratings", self.num_ratings, "1 or more")
        lists = {"seeds": self.seeds or ()}
        lists |= {name: getattr(self, name) for name in ("peers", "rankers", "classifiers", "measures")}
        for flag, found in lists.items():
            require(len(set(found)) == len(found), flag, found, "different from each other")
        require(all(0 <= seed < 2**32 for seed in self.seeds or ()), "seeds", self.seeds, "0 to 4294967295")
