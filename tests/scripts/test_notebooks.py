"""The notebook runs in a fresh kernel, shows what it promises, and is stored with the outputs of one clean run."""

import json
import os
import pathlib

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = pathlib.Path(__file__).parents[2]
TOUR = ROOT / "notebooks" / "tour.ipynb"

# Inserted after the parameters: only two runs, small, in a temporary folder.
SHORTER = """
WORKDIR = {workdir!r}
BASE |= {{"hidden_dims": (), "implicit_feedback_dim": 16, "batch_size": 8192, "epochs": 3}}
RUNS = {{name: RUNS[name] for name in ("base", "narrow")}}
"""


def read_tour():
    return nbformat.read(TOUR, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def index_of(notebook, cell_id):
    return [cell.id for cell in notebook.cells].index(cell_id)


def execute(notebook, folder):
    """The notebook after every cell has run, in a fresh kernel that starts in the folder."""
    import_path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    client = nbclient.NotebookClient(
        notebook, timeout=600, allow_errors=True, resources={"metadata": {"path": str(folder)}}
    )
    return client.execute(env=os.environ | {"PYTHONPATH": import_path})


def outputs(notebook):
    """Every output of the notebook, with the id of its cell."""
    return [(cell.id, output) for cell in code_cells(notebook) for output in cell.outputs]


def complaints(notebook):
    """Every error, and whatever was written to standard error."""
    return [
        (cell_id, output)
        for cell_id, output in outputs(notebook)
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


def pictures(notebook):
    """The ids of the cells that show a picture."""
    return [cell_id for cell_id, output in outputs(notebook) if "image/png" in output.get("data", {})]


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.get("name") == "stdout")


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The tour with shorter runs, executed where Jupyter would, and a last cell that prints the comparison as JSON."""
    notebook = read_tour()
    shorter = SHORTER.format(workdir=str(tmp_path_factory.mktemp("tour")))
    notebook.cells.insert(index_of(notebook, "parameters") + 1, nbformat.v4.new_code_cell(shorter))
    notebook.cells.append(nbformat.v4.new_code_cell("print(comparison.to_json(orient='index'))"))
    return execute(notebook, TOUR.parent)


@pytest.mark.slow
def test_the_tour_runs_from_its_own_folder_without_errors_and_warnings(executed):
    assert complaints(executed) == []


@pytest.mark.slow
def test_the_tour_finds_the_data_from_the_root_of_the_repository():
    notebook = read_tour()
    notebook.cells = notebook.cells[: index_of(notebook, "read") + 1]
    notebook = execute(notebook, ROOT)
    assert complaints(notebook) == []
    assert "100,836 ratings by 610 users of 9,724 movies" in printed(notebook.cells[-1])


@pytest.mark.slow
def test_the_comparison_has_every_run_and_simple_predictors_with_plausible_figures(executed):
    comparison = json.loads(printed(executed.cells[-1]))
    assert list(comparison) == ["base", "narrow", "biases", "popularity"]
    assert all(0.8 < comparison[name]["test RMSE"] < 1.0 for name in ("base", "narrow", "biases"))
    assert all(0.0 < comparison[name]["test NDCG@10"] < 1.0 for name in ("base", "narrow", "popularity"))


@pytest.mark.slow
def test_the_comparison_shows_that_the_runs_differ(executed):
    comparison = json.loads(printed(executed.cells[-1]))
    assert comparison["base"]["parameters"] > comparison["narrow"]["parameters"]


@pytest.mark.parametrize("source", [pytest.param("executed", marks=pytest.mark.slow), "stored"])
def test_the_tour_shows_its_three_figures(source, request):
    notebook = read_tour() if source == "stored" else request.getfixturevalue(source)
    assert pictures(notebook) == ["histograms", "learning_curves", "map_figure"]


def test_the_first_run_is_the_base_and_each_other_differs_from_it_in_one_setting():
    notebook, names = read_tour(), {}
    exec(notebook.cells[index_of(notebook, "parameters")].source, names)
    first, *others = names["RUNS"].values()
    assert first == {}
    assert others
    assert [[names["BASE"][key] != value for key, value in run.items()] for run in others] == [[True]] * len(others)


def test_the_tour_is_stored_as_a_valid_notebook_for_the_usual_kernel():
    notebook = read_tour()
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"


def test_the_tour_is_stored_in_less_than_a_megabyte():
    assert TOUR.stat().st_size < 1_000_000


def test_the_tour_is_stored_as_one_clean_run_left_it():
    notebook = read_tour()
    assert complaints(notebook) == []
    assert [cell.execution_count for cell in code_cells(notebook)] == list(range(1, len(code_cells(notebook)) + 1))


def test_the_stored_outputs_name_no_folder_of_the_machine_that_made_them():
    text = TOUR.read_text(encoding="utf-8")
    assert [folder for folder in ("/home/", "/root/", "/Users/", "/tmp/") if folder in text] == []
