"""The model card of an export, as Hugging Face shows it: README.md, with a header for machines."""

import json
from collections.abc import Mapping
from typing import Any

CARD = "README.md"

# Figures of the test part that a card shows, each with the baseline beside it, where the run has them.
SHOWN = {
    "rmse": ("RMSE in stars, lower is better", "biases"),
    "mae": ("mean absolute error in stars, lower is better", "biases"),
    "ndcg@10": ("NDCG@10 of lists over the whole catalogue, higher is better", "popularity"),
    "recall@100": ("recall@100, higher is better", "popularity"),
}

TEXT = """\
---
{header}
---

# {name}

A movie recommender: it predicts ratings of {lowest:g} to {highest:g} stars and lists the best movies that a user has
not rated. movierec_jax trained it; this folder gives its lists with JAX and NumPy alone:

```python
import loader

lists = loader.load(".")
lists.recommend([USER_ID], k=10)
lists.recommend_for({{MOVIE_ID: STARS}}, k=10)  # a new user
```

`loader.py` describes the files, and how other languages call the program.

## Data

{data}: {train:,} train, {valid:,} validation and {test:,} test ratings; {users:,} users and {movies:,} movies in train.

## Figures

{figures}

The model has {parameters:,} parameters. Of its epochs, number {best_epoch} has the lowest validation error;
predicted ratings are from that one.

## Limits

- It lists movies that have train ratings, and no others.
- It learns from what people chose to watch and rate, so movies that many rate come first more often.
- `users.npz` and `ids.json` hold what the users of the data rated. Share them only where the data may be shared.

## Licence

The program that trained it is under the Apache License 2.0. What it learnt comes from the data, whose licence says
what you may do with it. MovieLens data is for research; commercial use needs permission.

Made with {versions}.
"""


def model_card(report: Mapping[str, Any], *, name: str, data: str) -> str:
    """Returns the text of a card.

    report: as in report.json. name: of the model. data: what the run learnt from, such as the name of its folder.
    """
    held_out = report["held_out"]
    figures = {key: value for key in SHOWN if (value := report["test"].get(key)) is not None}
    lines = ["| on the test part | this model | baseline |", "|---|---|---|"]
    for key, value in figures.items():
        label, baseline = SHOWN[key]
        beside = held_out["rating"].get(baseline, {}).get("all", {}) | held_out["ranking"].get(baseline, {})
        lines.append(f"| {label} | {value:.4f} | {cell(beside.get(key), baseline)} |")
    metrics = [{"type": key, "value": round(value, 4)} for key, value in figures.items()]
    result = {"task": {"type": "recommendation"}, "dataset": {"name": data, "type": "ratings"}, "metrics": metrics}
    header = {
        "library_name": "jax",
        "license": "other",
        "license_name": "that-of-the-training-data",
        "tags": ["recommendation", "movies", "jax", "stablehlo"],
        "model-index": [{"name": name, "results": [result]}] if figures else [],
    }
    lowest, highest = report["rating_scale"]
    return TEXT.format(
        # JSON is YAML too.
        header="\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items()),
        figures="\n".join(lines) if figures else "The run has no test ratings.",
        versions=", ".join(f"{package} {version}" for package, version in report["versions"].items() if version),
        name=name,
        data=data,
        lowest=lowest,
        highest=highest,
        best_epoch=report["best_epoch"],
        **report["counts"],
    )


def cell(value: float | None, baseline: str) -> str:
    """Returns a baseline's figure with its name; a dash where there is none."""
    return "-" if value is None else f"{value:.4f} ({baseline})"
