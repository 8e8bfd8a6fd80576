"""Reports each epoch while a run trains: on the terminal, in metrics.jsonl and in TensorBoard."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence

from tensorboardX import SummaryWriter
from tqdm import tqdm

from movierec_jax.training.progress import EpochRecord


class EpochLog:
    """Writes a line per epoch to standard output and metrics.jsonl, TensorBoard events, and a bar on terminals.

    records: of the epochs already saved, which begin metrics.jsonl; lines that a killed run left without a checkpoint
    are dropped.
    """

    def __init__(self, workdir: pathlib.Path, records: Sequence[EpochRecord], num_ratings: int, epochs: int):
        self.epochs, self.num_ratings, num_done = epochs, num_ratings, len(records)
        self.lines = (workdir / "metrics.jsonl").open("w", encoding="utf-8")
        self.lines.writelines(map(json_line, records))
        self.events = SummaryWriter(str(workdir / "tensorboard"), purge_step=num_done + 1)
        self.bar = tqdm(
            total=epochs * num_ratings, initial=num_done * num_ratings, unit=" examples", unit_scale=True, disable=None
        )

    def add(self, record: EpochRecord) -> None:
        """Reports one more epoch."""
        valid = "" if record.valid_rmse is None else f"  validation {record.valid_rmse:.4f}"
        errors = (
            f"RMSE: train {record.train_rmse:.4f}{valid}"
            if record.train_rmse is not None
            else (f"error over the catalogue {record.catalogue_error:.4f}")
        )
        rate = self.num_ratings / record.seconds
        self.bar.write(
            f"epoch {record.epoch:>3} of {self.epochs}  {errors}  ({record.seconds:.2f} s, {rate:,.0f} examples/s)"
        )
        self.bar.update(self.num_ratings)
        self.lines.write(json_line(record))
        self.lines.flush()
        for name in ("train_rmse", "catalogue_error", "valid_rmse", "seconds"):
            if (value := getattr(record, name)) is not None:
                self.events.add_scalar(name, value, record.epoch)

    def __enter__(self) -> "EpochLog":
        return self

    def __exit__(self, *exception) -> None:
        self.bar.close()
        self.lines.close()
        self.events.close()


def json_line(record: EpochRecord) -> str:
    """Returns a record as a line of metrics.jsonl."""
    return json.dumps(dataclasses.asdict(record)) + "\n"
