"""Trains, resumes and scores on as many devices as its first argument says, and prints what came out as JSON.

    python tests/helpers/on_devices.py NUM_DEVICES MESH TASK FOLDER [PORT NUM_PROCESSES PROCESS_ID]

The number of devices of a process is set once, before JAX starts, so tests run this one in processes of its own. Of
many processes, which meet at a port, the first prints.
"""

import dataclasses
import json
import os
import pathlib
import sys

num_devices, mesh, task, folder, *of_processes = sys.argv[1:]
os.environ["JAX_NUM_CPU_DEVICES"] = str(num_devices)

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from movierec_jax import load, train_run  # noqa: E402
from movierec_jax.config import Config, DeviceConfig, ModelConfig, TrainConfig  # noqa: E402
from movierec_jax.data_config import DataConfig  # noqa: E402
from movierec_jax.model.sharding import Cells, new_mesh, on_each_device  # noqa: E402
from movierec_jax.runs import distributed  # noqa: E402
from movierec_jax.runs.checkpoint import checksums  # noqa: E402
from movierec_jax.runs.config import ProcessConfig  # noqa: E402
from movierec_jax.runs.prepare import prepare  # noqa: E402
from movierec_jax.runs.warm_start import OldRun, begin_from  # noqa: E402
from movierec_jax.training import state as setup  # noqa: E402
from movierec_jax.training.loop import initial_state, train_epochs  # noqa: E402

RATINGS = str(pathlib.Path(__file__).parents[2] / "data" / "ml-latest-small")
SMALL = ModelConfig(embedding_dim=8, hidden_dims=(8, 4), implicit_feedback_dim=8)

# What is trained: everything at once, by tables; what is rated next, by sums; sequences; and nothing but ids.
CONFIGS = {
    "all": Config(
        data=DataConfig(ratings=RATINGS, rating_time=True),
        model=SMALL,
        train=TrainConfig(epochs=2, batch_size=9000, ensemble_size=2),
    ),
    "next": Config(
        data=DataConfig(ratings=RATINGS, split="time"),
        model=SMALL,
        train=TrainConfig(epochs=1, batch_size=9000, users_per_step=50),
    ),
    "sequence": Config(
        data=DataConfig(ratings=RATINGS, split="leave_last_out", valid_fraction=0.5),
        model=dataclasses.replace(SMALL, sequence_dim=8, sequence_blocks=1, sequence_length=64),
        train=TrainConfig(epochs=1, batch_size=20_000),
    ),
    "ids": Config(
        data=DataConfig(ratings=RATINGS, content=()),
        model=dataclasses.replace(SMALL, history=(), implicit_feedback_dim=0),
        train=TrainConfig(epochs=1, batch_size=20_000),
    ),
}


def curve(name: str) -> dict:
    """The errors of every epoch, and the share of all numbers of the tables that each device holds."""
    setup.SUMMED_NUMBER_COST = 0 if name == "next" else 10**9
    run = prepare(CONFIGS[name], mesh=new_mesh(mesh))
    epochs = train_epochs(
        initial_state(run.train, run.interactions, setup=run.setup),
        run.train,
        run.valid,
        run.interactions,
        setup=run.setup,
    )
    records = []
    for state, record in epochs:
        records.append([record.train_rmse, record.catalogue_error, record.valid_rmse])
        params = state.params
    tables = [params["user_tower"]["embedding"], params["movie_tower"]["embedding"]]
    tables += [params["exposure"][name] for name in ("rated", "movie", "bias") if name in params.get("exposure", {})]
    shares = [shard.data.size / table.size for table in tables for shard in table.addressable_shards]
    return {"records": records, "shares": sorted(set(shares))}


def trained() -> dict:
    """The figures of a run, or of one that goes on."""
    report = train_run(CONFIGS["all"], folder, devices=DeviceConfig(mesh=mesh)).report
    return {name: report["test"][name] for name in ("rmse", "ndcg@10")}


def warm() -> dict:
    """Checksums of the state that a warm start begins with, and each device's share of the tables."""
    run, old = (
        prepare(config, mesh=new_mesh(text))
        for config, text in ((CONFIGS["all"], mesh), (CONFIGS["all"].replace(test_fraction=0.9, seed=1), "data:1"))
    )
    made = jax.device_get(setup.new_state(old.setup))
    state = begin_from(setup.new_state(run.setup), OldRun("old", old, made.params, made.log_strength), run)
    table = state.params["user_tower"]["embedding"]
    return {
        "checksums": [int(total) for total in checksums(state.params)],
        "shares": sorted({shard.data.size / table.size for shard in table.addressable_shards}),
    }


def lists() -> dict:
    """The lists of some users, with the scores, plain and diverse, and those of somebody new."""
    recommender = load(folder, mesh)
    users = recommender.user_ids()[:70]
    tables = [recommender.recommend(users, 10), recommender.recommend(users[:5], 10, diversity=0.5)]
    tables.append(recommender.recommend_for({1: 5.0, 50: 4.0, 260: 3.0}, 10))
    stars = recommender.predict([1, 2, 3], [50, 260, 1])
    return {
        "movies": [table["movie_id"].tolist() for table in tables],
        "scores": [table["score"].tolist() for table in tables],
        "stars": np.asarray(stars).tolist(),
    }


def sums() -> dict:
    """How many of many large sums over the cells of the same users are not what they are to be."""
    devices = new_mesh(mesh)
    cells = Cells(devices, ("data",), ("model",))
    rows = np.arange(2**22, dtype=np.float32).reshape(-1, 8) % 97
    num_rows = len(rows) // cells.num_ranges(("model",))

    def of_cell(rows, turn):
        found = cells.reduce_scatter(rows + turn)
        first = jax.lax.axis_index("model") * num_rows
        expected = jax.lax.dynamic_slice_in_dim(rows + turn, first, num_rows) * cells.num_ranges(("model",))
        return jax.lax.psum(jnp.sum(found != expected), ("data", "model"))

    program = jax.jit(on_each_device(of_cell, mesh=devices, in_specs=(jax.P(), jax.P()), out_specs=jax.P()))
    return {"wrong": [int(program(rows, np.float32(turn))) for turn in range(25)]}


TASKS = {"trained": trained, "warm": warm, "lists": lists, "sums": sums}

if __name__ == "__main__":
    if of_processes:
        port, num_processes, process_id = map(int, of_processes)
        distributed.join(ProcessConfig(f"localhost:{port}", num_processes, process_id))
    found = json.dumps(curve(task) if task in CONFIGS else TASKS[task]())
    if distributed.is_primary():
        print(found)
