"""movierec_jax: ratings in, recommendations for every user out; two towers and a head in JAX and Flax.

Each module is one stage, in the order in which data flows through them:

    ratings ─movielens─> raw table ─cleaning─> clean table ─splits─> train | valid | test ─vocab─> rows
                                                                       │
       NumPy arrays [steps, batch] <─────────────batches───────────────┘
                 │
                 └─ train (model, objective, optimizer) ──> TrainState ──checkpoint──> workdir
                                                                                         │
           file of lists <──scoring── trained run <──recommend (top-K) <─────────────────┤
                       folder <──export──┘                                               │
                                         report <──evaluate (metrics, baselines) <───────┘

`content` makes features of genres, years, tags, ages and, read by `features_file`, any table of movies or users, and
`reviews` of what people wrote, read by `reviews_file`, by what `sentiment` and `aspects` make of it;
`review_cleaning` finds the movies, by IMDb's ids where `links_file` knows them, and `table_file` brings the columns of
all such files.
`known` lays out these and the ratings for the towers, which see users and movies through sums over them (`pooling`);
`moments` tells them, where asked to, when a rating was given. `exposure` learns beside the stars which movies a user
comes to rate at all, or next (`recency`), by what a step hides (`hiding`); `recommend` orders lists by both, and
`explain` takes either apart. `recipe` is what a run starts from; `pairs` adds up errors and gradients, and `batch_rows`
keeps a step to the rows of its batch; `blocks` puts together the users of each step, `luck` draws the numbers of single
ratings, and `progress` tells how training goes. `grid` cuts the ratings into cells, one for each device of the mesh,
and `sharding` says where each array is on it; `hosts` is what processes that train as one agree on. `storage` brings
and sends what is at a URL, and `ratings_log` keeps the ratings that come after training. `prepared` is a run made
ready, `workdir` its files and `checkpoint` its states. `config` holds every default, `schema` the records that pass
between stages, `run` the whole of a training run, and `cli` what the scripts share; `programs` keeps what they compile,
`table_cache` what was read of large files. `serve` answers over HTTP as ratings come; `export` writes StableHLO and
tables that give lists without this package, and `export_loader` beside them. `targets`, `costs`, `sizes` and `compiled`
tell what programs do on machines, and with data, that are not here. `benchmark` compares the whole with other
recommenders, `tuning` finds settings by trial.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Loaded when first asked for, so that `import movierec_jax` and the scripts' --help do not wait for JAX.
PUBLIC = {
    "Config": "config",
    "DataConfig": "config",
    "DeviceConfig": "config",
    "EvalConfig": "config",
    "InputError": "schema",
    "ModelConfig": "config",
    "Recommender": "trained",
    "TrainConfig": "config",
    "load": "trained",
    "read_ratings": "movielens",
    "train_run": "run",
}

__all__ = sorted(PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *PUBLIC]
