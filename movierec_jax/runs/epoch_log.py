"""Reports each epoch while a run trains: on the terminal, in metrics.jsonl and to loggers."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence

from tqdm import tqdm

from movierec_jax.data.files import errors_named
from movierec_jax.runs.loggers import Loggers
from movierec_jax.training.progress import EpochRecord, Progress

# Figures of an epoch that loggers are given.
LOGGED = ("train_rmse", "catalogue_error", "valid_rmse", "valid_ndcg_at_10", "seconds")


class EpochLog:
    """Writes a line per epoch to standard output and metrics.jsonl, figures to loggers, and a bar on terminals.

    records: of the epochs already saved, which begin metrics.jsonl; lines that a killed run left without a checkpoint
    are dropped.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        records: Sequence[EpochRecord],
        num_ratings: int,
        epochs: int,
        loggers: Loggers,
    ):
        self.epochs, self.num_ratings, self.loggers = epochs, num_ratings, loggers
        self.path = workdir / "metrics.jsonl"
        with errors_named(self.path):
            self.lines = self.path.open("w", encoding="utf-8")
            self.lines.writelines(map(json_line, records))
        self.bar = tqdm(
            total=epochs * num_ratings,
            initial=len(records) * num_ratings,
            unit=" examples",
            unit_scale=True,
            disable=None,
        )

    def show(self, progress: Progress) -> None:
        """Moves the bar to where training has come, and reports the last epoch if it is at its end."""
        num_examples = len(progress.records) * self.num_ratings + round(progress.since.num_ratings)
        self.bar.update(min(num_examples, self.bar.total) - self.bar.n)
        if progress.is_at_epochs_end:
            self.add(progress.records[-1])

    def add(self, record: EpochRecord) -> None:
        """Reports one more epoch."""
        self.bar.write(epoch_line(record, self.epochs, self.num_ratings))
        with errors_named(self.path):
            self.lines.write(json_line(record))
            self.lines.flush()
        figures = {name: value for name in LOGGED if (value := getattr(record, name)) is not None}
        self.loggers.log(record.epoch, figures)

    def __enter__(self) -> "EpochLog":
        return self

    def __exit__(self, *exception) -> None:
        self.bar.close()
        with errors_named(self.path):
            self.lines.close()


def epoch_line(record: EpochRecord, epochs: int, num_ratings: int) -> str:
    """Returns what the terminal shows of an epoch."""
    if record.train_rmse is None:
        figures = [f"error over the catalogue {record.catalogue_error:.4f}"]
    else:
        figures = [f"RMSE: train {record.train_rmse:.4f}"]
    if record.valid_rmse is not None:
        figures.append(f"validation {record.valid_rmse:.4f}")
    if record.valid_ndcg_at_10 is not None:
        figures.append(f"NDCG@10 {record.valid_ndcg_at_10:.4f}")
    speed = f"({record.seconds:.2f} s, {num_ratings / record.seconds:,.0f} examples/s)"
    return "  ".join([f"epoch {record.epoch:>3} of {epochs}", *figures, speed])


def json_line(record: EpochRecord) -> str:
    """Returns a record as a line of metrics.jsonl."""
    return json.dumps(dataclasses.asdict(record)) + "\n"
