"""Loggers: where the figures of a run go besides the terminal and metrics.jsonl.

To add one, write a class as `Logger` describes, and add it to OPENERS below and to LOGGERS of `config`.
"""

import os
import pathlib
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tensorboardX import SummaryWriter

from movierec_jax.errors import InputError
from movierec_jax.packages import import_extra

# Under this name W&B and MLflow gather runs, unless their own environment variables name another.
PROJECT = "movierec_jax"


@runtime_checkable
class Logger(Protocol):
    """Takes the figures of a run by name: of each epoch, and at the end of the test part."""

    def log(self, epoch: int, figures: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoardLogger:
    """Writes events to tensorboard/ of the workdir."""

    def __init__(self, workdir: pathlib.Path, settings: Mapping[str, Any], epochs_done: int):
        self.events = SummaryWriter(str(workdir / "tensorboard"), purge_step=epochs_done + 1)

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self.events.add_scalar(name, value, epoch)

    def close(self) -> None:
        self.events.close()


class WandbLogger:
    """Sends figures to Weights & Biases; WANDB_MODE=offline keeps them in wandb/ of the workdir."""

    def __init__(self, workdir: pathlib.Path, settings: Mapping[str, Any], epochs_done: int):
        self.run = import_extra("wandb", "wandb").init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=workdir.name,
            id=remembered(workdir / "wandb_run.txt", lambda: uuid.uuid4().hex[:8]),
            resume="allow",
            dir=workdir,
            config=dict(settings),
        )

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        self.run.log(dict(figures), step=epoch)

    def close(self) -> None:
        self.run.finish()


class MlflowLogger:
    """Sends figures to MLflow; MLFLOW_TRACKING_URI says to which server or database."""

    def __init__(self, workdir: pathlib.Path, settings: Mapping[str, Any], epochs_done: int):
        self.mlflow = import_extra("mlflow", "mlflow")
        self.client = self.mlflow.MlflowClient()
        experiment = self.mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
        self.run_id = remembered(
            workdir / "mlflow_run.txt",
            lambda: self.client.create_run(experiment.experiment_id, run_name=workdir.name).info.run_id,
        )
        self.mlflow.log_params(dict(settings), run_id=self.run_id)

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        self.mlflow.log_metrics(dict(figures), step=epoch, run_id=self.run_id)

    def close(self) -> None:
        self.client.set_terminated(self.run_id)


OPENERS: dict[str, Callable[[pathlib.Path, Mapping[str, Any], int], Logger]] = {
    "tensorboard": TensorBoardLogger,
    "wandb": WandbLogger,
    "mlflow": MlflowLogger,
}


class Loggers:
    """The loggers of these names and `others`, as one.

    One that fails while the run trains is left out from there on, with a warning.
    """

    def __init__(self, names: Sequence[str], others: Sequence[Logger] = ()):
        self.names = names
        self.opened = [(type(other).__name__, other) for other in others]

    def open(self, workdir: pathlib.Path, settings: Mapping[str, Any], epochs_done: int) -> None:
        """Opens the loggers of a run that goes on after so many epochs; settings are by flag.

        Raises InputError for one that is not installed or cannot be reached.
        """
        for name in self.names:
            try:
                self.opened.append((name, OPENERS[name](workdir, settings, epochs_done)))
            except InputError:
                raise
            except Exception as error:  # Each library has errors of its own.
                raise InputError(f"--loggers={name}: cannot be opened ({error}); mend that, or leave it out") from error

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Gives the figures to all of them."""
        for entry in list(self.opened):
            name, logger = entry
            try:
                logger.log(epoch, figures)
            except Exception as error:
                warnings.warn(f"{name} fails ({error}); the run goes on without it", stacklevel=2)
                self.opened.remove(entry)

    def close(self) -> None:
        """Closes all of them."""
        for name, logger in self.opened:
            try:
                logger.close()
            except Exception as error:
                warnings.warn(f"{name} fails ({error}); its last figures may be missing", stacklevel=2)


def require_installed(names: Sequence[str]) -> None:
    """Raises InputError, with the command that installs it, for a logger whose package is missing."""
    for name in names:
        if name != "tensorboard":
            import_extra(name, name)


def remembered(path: pathlib.Path, make: Callable[[], str]) -> str:
    """Returns the text of a file, which is made at the first call: a resumed run keeps its id."""
    if not path.exists():
        path.write_text(make(), encoding="utf-8")
    return path.read_text(encoding="utf-8")
