"""A small table in each of its forms."""

import json

import pytest

from movierec_jax.benchmark.table import Table, as_markdown, as_text, publish, with_spread

TABLE = Table(
    title="rating: a.csv",
    columns=("model", "RMSE", "fit s"),
    rows=(("movierec_jax", "0.9", "10.0"), ("a|b", "0.95", "-")),
    notes=("2 test ratings", "2 cores"),
)


def test_text_has_aligned_columns_between_title_and_notes():
    assert as_text(TABLE).split("\n") == [
        "rating: a.csv",
        "",
        "              RMSE  fit s",
        "movierec_jax   0.9   10.0",
        "a|b           0.95      -",
        "",
        "2 test ratings",
        "2 cores",
    ]


def test_markdown_has_the_command_and_a_table_with_figures_to_the_right():
    assert as_markdown(TABLE, "python benchmark.py").split("\n") == [
        "# rating: a.csv",
        "",
        "```",
        "python benchmark.py",
        "```",
        "",
        "| model | RMSE | fit s |",
        "|---|---:|---:|",
        "| movierec_jax | 0.9 | 10.0 |",
        r"| a\|b | 0.95 | - |",
        "",
        "- 2 test ratings",
        "- 2 cores",
        "",
    ]


def test_both_files_have_the_command_and_the_text_is_printed(tmp_path, capsys):
    figures = {"command": "python benchmark.py", "rows": [{"rmse": 0.9}]}
    publish(tmp_path, "rating", TABLE, figures)
    assert as_text(TABLE) in capsys.readouterr().out
    assert (tmp_path / "rating.md").read_text() == as_markdown(TABLE, "python benchmark.py")
    assert json.loads((tmp_path / "rating.json").read_text()) == figures


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.5], "0.50"),
        ([0.25, 0.5, 0.75], "0.50 (0.25 to 0.75)"),
        ([0.5, 0.501], "0.50"),
        ([1000.0, 3000.0], "2,000.00 (1,000.00 to 3,000.00)"),
    ],
    ids=["one", "many", "all shown alike", "thousands"],
)
def test_a_mean_has_its_spread_beside_it(values, shown):
    assert with_spread(values, 2) == shown
