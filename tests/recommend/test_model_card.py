import json

from movierec_jax.recommend.model_card import model_card

REPORT = {
    "test": {"rmse": 0.78036, "mae": 0.59412, "ndcg@10": 0.26605},
    "held_out": {
        "rating": {"biases": {"all": {"rmse": 0.8863, "mae": 0.6819}}},
        "ranking": {"popularity": {"ndcg@10": 0.124}},
    },
    "best_epoch": 11,
    "counts": {"users": 610, "movies": 9276, "train": 88938, "valid": 1815, "test": 10083, "parameters": 6719022},
    "rating_scale": [0.5, 5.0],
    "versions": {"python": "3.11.7", "jax": "0.10.2", "optax": None},
}


def header_of(card: str) -> dict:
    """The header, each of whose values is JSON."""
    lines = card.split("---\n")[1].splitlines()
    return {key: json.loads(value) for key, value in (line.split(": ", 1) for line in lines)}


def test_a_card_has_the_figures_of_the_report_for_machines_and_for_people():
    card = model_card(REPORT, name="films", data="ml-latest-small")
    [entry] = header_of(card)["model-index"]
    assert entry["results"][0]["metrics"] == [
        {"type": "rmse", "value": 0.7804},
        {"type": "mae", "value": 0.5941},
        {"type": "ndcg@10", "value": 0.2661},
    ]
    assert "| RMSE in stars, lower is better | 0.7804 | 0.8863 (biases) |\n" in card
    assert "ml-latest-small: 88,938 train, 1,815 validation and 10,083 test ratings" in card
    assert "Made with python 3.11.7, jax 0.10.2." in card


def test_a_run_without_test_ratings_has_a_card_without_figures():
    empty = REPORT | {"test": {"rmse": None}, "held_out": {"rating": {}, "ranking": {}}}
    card = model_card(empty, name="films", data="ratings.csv")
    assert header_of(card)["model-index"] == []
    assert "The run has no test ratings." in card
