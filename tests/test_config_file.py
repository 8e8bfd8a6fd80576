"""Settings come from TOML, JSON or a workdir's config.json; whatever does not fit names the file and the key."""

import json

import pytest

from movierec_jax.config_file import read_config_file
from movierec_jax.errors import InputError

KNOWN = ("workdir", "ratings", "embedding_dim", "hidden_dims", "epochs")


def read(tmp_path, name: str, text: str) -> dict:
    (tmp_path / name).write_text(text)
    return read_config_file(tmp_path / name, KNOWN, "movierec train")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.toml", "embedding_dim = 8\nhidden_dims = [8, 4]\n"),
        ("run.toml", "[model]\nembedding_dim = 8\nhidden_dims = [8, 4]\n"),
        ("run.json", '{"embedding_dim": 8, "hidden_dims": [8, 4]}'),
        ("run.json", '{"embedding_dim": 8, "hidden_dims": [8, 4], "epochs": null}'),
        (
            "config.json",
            json.dumps({"fingerprint": "", "settings": {"model": {"embedding_dim": 8, "hidden_dims": [8, 4]}}}),
        ),
    ],
    ids=["TOML", "TOML with tables", "JSON", "unset in JSON", "of a workdir"],
)
def test_all_forms_of_the_same_settings_are_equal(tmp_path, name, text):
    assert read(tmp_path, name, text) == {"embedding_dim": 8, "hidden_dims": [8, 4]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.toml",
            "embeding_dim = 8",
            "a.toml: 'embeding_dim' is no setting of movierec train; did you mean embedding_dim?",
        ),
        ("a.toml", "[modle]\nepochs = 8", "a.toml: 'modle' is no setting of movierec train"),
        ("a.toml", "epochs = 1\n[train]\nepochs = 2", "a.toml: epochs is set twice"),
        ("a.toml", "epochs = ", r"a.toml: not TOML \("),
        ("a.json", "{", r"a.json: not JSON \("),
        ("a.json", "[1]", r"a.json: \[1\] where settings were expected"),
        ("a.yaml", "epochs: 1", "a.yaml: must be a file that ends in .toml or .json"),
    ],
)
def test_what_cannot_be_a_setting_is_named_with_its_file(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, name, text)
