"""One table for all data sets of a folder."""

import json

import pytest
from helpers import checkerboard

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.suites.data_sets import pairs_of_folder, run_suite
from movierec_jax.config import Config
from movierec_jax.data.schema import TIMESTAMP
from movierec_jax.errors import InputError


def test_a_data_set_is_a_pair_of_files_of_one_name(tmp_path):
    for name in ("b.train.csv.gz", "b.test.csv.gz", "a.train.csv", "a.test.csv", "notes.txt"):
        (tmp_path / name).touch()
    assert {name: (train.name, test.name) for name, (train, test) in pairs_of_folder(str(tmp_path)).items()} == {
        "a": ("a.train.csv", "a.test.csv"),
        "b": ("b.train.csv.gz", "b.test.csv.gz"),
    }


@pytest.mark.parametrize(
    ("names", "message"), [([], r"holds no NAME\.train\.EXT"), (["a.train.csv"], r"a\.train\.csv has no a\.test\.csv")]
)
def test_a_folder_without_pairs_is_refused(tmp_path, names, message):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=message):
        pairs_of_folder(str(tmp_path))


@pytest.mark.slow
def test_each_data_set_is_a_row_beside_the_baselines(tmp_path):
    for name in ("one", "two"):
        parts = checkerboard.parts(num_users=30)
        for part in ("train", "test"):
            table = getattr(parts, part).drop(columns=TIMESTAMP)
            table.to_csv(tmp_path / f"{name}.{part}.csv", index=False)
    config = Config().replace(
        ratings=str(tmp_path), embedding_dim=4, implicit_feedback_dim=0, epochs=8, learning_rate=0.05, content=()
    )
    output = tmp_path / "out"
    figures = run_suite(config, BenchmarkConfig(suite="data_sets", baselines=("biases",), output=str(output)), "x")
    assert list(figures) == ["one", "two"]
    for of_data_set in figures.values():
        ours, biases = (row["rmse"] for row in of_data_set["rows"])
        assert ours < biases
    assert [data for data, *_ in table_cells(output / "data_sets.md")] == ["data", "one", "two"]
    by_count = table_cells(output / "data_sets_by_count.md")
    assert {(data, side) for data, side, *_ in by_count[1:]} == {
        (data, side) for data in ("one", "two") for side in ("users", "movies")
    }
    assert set(json.loads((output / "data_sets.json").read_text())["data_sets"]) == {"one", "two"}


def table_cells(path):
    """Returns the cells of each row of a table in Markdown, the first of them the head."""
    rows = (line for line in path.read_text().splitlines() if line.startswith("| "))
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
