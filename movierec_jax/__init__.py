"""A movie recommender in JAX and Flax: ratings in, recommendations for every user out; two towers and a head.

Each folder is one stage. Data flows through them in this order, and a folder imports only from folders before it:

    ratings ──data──> clean table ──> train | valid | test, by row
                                            │
    genres, year, tags, texts ──features────┤
                                            v
              model <──training──> TrainState ──runs──> workdir, checkpoints
                                                            │
        lists for every user, in a file <──recommend <──────┤
                          report, plots <──evaluation <─────┤
                              REST, page <──serve <─────────┘

`train` is a training run from top to bottom. `config` holds every default, `settings` declares and checks settings,
`errors` has the errors that end a run with a message, `packages` imports optional libraries, `compile_cache` keeps
compiled programs between runs, and `benchmark` compares us with other recommenders. `commands` are what people run: by
`movierec`, of `__main__`, or by the files of scripts/. `cli` and `config_file` are what they share.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Loaded at first use, so that `import movierec_jax` and the --help of commands do not load JAX.
PUBLIC = {
    "Config": "config",
    "DataConfig": "data_config",
    "DeviceConfig": "config",
    "EvalConfig": "config",
    "InputError": "errors",
    "LogConfig": "runs.config",
    "ModelConfig": "config",
    "Recommender": "recommend.recommender",
    "TrainConfig": "config",
    "TrainedRun": "train",
    "load": "recommend.recommender",
    "load_sentiment": "features.sentiment.saved",
    "read_ratings": "data.readers.ratings",
    "train_run": "train",
}

__all__ = sorted(PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *PUBLIC]
