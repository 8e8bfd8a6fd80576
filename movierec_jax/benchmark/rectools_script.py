"""Fits a sequence model of RecTools and makes its lists: a script for a Python that has RecTools, not this package.

    python rectools_script.py FOLDER

FOLDER has train.csv and users.csv of a `RankingTask`, and job.json with the model, the length k of its lists and the
seed. The script leaves lists.csv (user_id, movie_id, rank) and figures.json there.

RecTools 0.19 needs NumPy 1, which JAX does not take, so it has an environment of its own.
"""

import json
import logging
import pathlib
import resource
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, SASRecModel
from rectools.models.nn.transformers.ligr import LiGRLayers

# Width and blocks as ours; the other settings are those of the models' papers and RecTools' defaults.
SHARED: dict[str, Any] = {
    "n_factors": 64,
    "n_blocks": 2,
    "n_heads": 2,
    "session_max_len": 200,
    "dropout_rate": 0.2,
    "lr": 1e-3,
}

MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    # Kang, McAuley 2018, with softmax over the catalogue in place of one sampled negative.
    "sasrec": (SASRecModel, {"loss": "softmax"}),
    # Sun et al. 2019.
    "bert4rec": (BERT4RecModel, {"loss": "softmax", "mask_prob": 0.2}),
    # Tikhonovich et al. 2025, "eSASRec: enhancing transformer-based recommendations in a modular fashion".
    "esasrec": (
        SASRecModel,
        {"loss": "sampled_softmax", "n_negatives": 256, "transformer_layers_type": LiGRLayers},
    ),
}

# The number of epochs is the best of these, on each user's last train rating; the search ends after so many worse ones.
EPOCHS_BETWEEN, MOST_EPOCHS, PATIENCE = 5, 200, 3


def main() -> None:
    """Reads the job, fits, and writes the lists and what they took."""
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    folder = pathlib.Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text())
    train, users = pd.read_csv(folder / "train.csv"), pd.read_csv(folder / "users.csv")["user_id"]
    pytorch_lightning.seed_everything(job["seed"])
    table = in_order(train)
    start = time.perf_counter()
    epochs, ndcg_by_epochs = best_epochs(job, table)
    tuned = time.perf_counter()
    dataset = Dataset.construct(table)
    model = new_model(job).fit_partial(dataset, min_epochs=epochs, max_epochs=epochs)
    fitted = time.perf_counter()
    lists = recommend(model, dataset, users, job["k"])
    figures = {
        "fit_seconds": fitted - tuned,
        "list_seconds": time.perf_counter() - fitted,
        "details": {"epochs": epochs, "tried": ndcg_by_epochs, "tuning_seconds": tuned - start},
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    }
    lists.to_csv(folder / "lists.csv", index=False)
    (folder / "figures.json").write_text(json.dumps(figures))


def in_order(train: pd.DataFrame) -> pd.DataFrame:
    """Returns ratings as RecTools takes them, with a time of its own for each, so that ties keep the table's order."""
    ordered = train.sort_values(["user_id", "timestamp"], kind="stable")
    return pd.DataFrame(
        {
            Columns.User: ordered["user_id"].to_numpy(),
            Columns.Item: ordered["movie_id"].to_numpy(),
            Columns.Weight: 1.0,
            Columns.Datetime: pd.to_datetime(np.arange(len(ordered)), unit="s"),
        }
    )


def new_model(job: dict[str, Any]) -> Any:
    """Returns a model that is not fitted yet."""
    kind, settings = MODELS[job["model"]]
    return kind(**SHARED, **settings, get_trainer_func=quiet_trainer)


def quiet_trainer() -> pytorch_lightning.Trainer:
    """Returns a trainer that writes neither logs nor checkpoints."""
    return pytorch_lightning.Trainer(
        max_epochs=MOST_EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def best_epochs(job: dict[str, Any], table: pd.DataFrame) -> tuple[int, dict[int, float]]:
    """Returns the number of epochs with the highest NDCG@10 on each user's last rating, and the NDCG@10 of each."""
    is_last = ~table.duplicated(Columns.User, keep="last")
    dataset, last = Dataset.construct(table[~is_last]), table[is_last].set_index(Columns.User)[Columns.Item]
    last = last[last.index.isin(table[~is_last][Columns.User])]
    model, ndcg = new_model(job), {}
    for epochs in range(EPOCHS_BETWEEN, MOST_EPOCHS + 1, EPOCHS_BETWEEN):
        model.fit_partial(dataset, min_epochs=EPOCHS_BETWEEN, max_epochs=EPOCHS_BETWEEN)
        lists = recommend(model, dataset, last.index, 10)
        is_hit = lists["movie_id"].to_numpy() == last.loc[lists["user_id"]].to_numpy()
        ndcg[epochs] = float(np.sum(is_hit / np.log2(lists["rank"] + 1)) / len(last))
        print(f"{epochs} epochs: {ndcg[epochs]:.4f}", flush=True)
        if max(ndcg, key=ndcg.__getitem__) <= epochs - PATIENCE * EPOCHS_BETWEEN:
            break
    return max(ndcg, key=ndcg.__getitem__), ndcg


def recommend(model: Any, dataset: Dataset, users: Any, k: int) -> pd.DataFrame:
    """Returns the k best unseen movies of each user whom the model knows."""
    found = model.recommend(users, dataset, k, filter_viewed=True, on_unsupported_targets="ignore")
    return found[[Columns.User, Columns.Item, Columns.Rank]].rename(
        columns={Columns.User: "user_id", Columns.Item: "movie_id", Columns.Rank: "rank"}
    )


if __name__ == "__main__":
    main()
