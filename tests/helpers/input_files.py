"""Writes small input files, and reads what is refused of them."""

import io
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from movierec_jax.errors import InputError


def write_folder(folder: pathlib.Path, files: dict[str, bytes]) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: pathlib.Path, files: dict[str, bytes], folder: str = "") -> pathlib.Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    return path


def write_file(folder: pathlib.Path, content: bytes | str, name: str = "mine.csv") -> pathlib.Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def parquet_bytes(**columns) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), stream)
    return stream.getvalue()


def rows(table: pd.DataFrame) -> list[tuple]:
    return list(table.itertuples(index=False, name=None))


def types(table: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in table.dtypes.items()}


def refusal_by(reader: Callable[[pathlib.Path], Any], path: pathlib.Path) -> str:
    """Returns the message with which a reader refuses a path, without the folder of the path."""
    with pytest.raises(InputError) as error:
        reader(path)
    return str(error.value).replace(f"{path.parent}/", "")
