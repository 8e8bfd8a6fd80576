"""A file of a workdir is whole or not there."""

import pytest

from movierec_jax.data.files import PARTIAL, atomic_file, atomic_folder, exchange, replace_folder, sealed, unsealed


@pytest.mark.parametrize("content", ["before", None], ids=["there before", "new"])
def test_a_file_is_whole_or_as_it_was(tmp_path, content):
    path = tmp_path / "a.json"
    if content:
        path.write_text(content)
    before = sorted(tmp_path.iterdir())

    def write_half():
        with atomic_file(path) as partial:
            partial.write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full") as error:
        write_half()
    assert error.value.filename == str(path)
    assert sorted(tmp_path.iterdir()) == before
    assert not content or path.read_text() == content


@pytest.mark.parametrize("name", ["before", "new"])
def test_a_folder_is_whole_or_as_it_was(tmp_path, name):
    path = tmp_path / "before"
    path.mkdir()
    (path / "a.json").write_text("before")

    def write(text, error=None):
        with atomic_folder(tmp_path / name) as partial:
            (partial / "b.json").write_text(text)
            if error:
                raise error

    with pytest.raises(OSError, match="the disk is full") as error:
        write("half", OSError("the disk is full"))
    assert error.value.filename == str(tmp_path / name)
    assert [str(found.relative_to(tmp_path)) for found in tmp_path.rglob("*")] == ["before", "before/a.json"]
    write("whole")
    assert {found.name: found.read_text() for found in (tmp_path / name).iterdir()} == {"b.json": "whole"}


def test_of_several_writers_each_leaves_a_whole_file(tmp_path):
    path = tmp_path / "a.json"
    with atomic_file(path) as one, atomic_file(path) as other:
        assert one != other
        one.write_text("one, long")
        other.write_text("other")
    assert path.read_text() == "one, long"
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_writers_left_is_removed_and_what_running_ones_write_is_not(tmp_path):
    path = tmp_path / "a.json"
    (tmp_path / f"a.json.0123{PARTIAL}").write_text("left")
    (tmp_path / f"b.json.0123{PARTIAL}").write_text("of another file")
    with atomic_file(path) as one:
        one.write_text("one")
        with atomic_file(path) as other:
            other.write_text("other")
        assert one.read_text() == "one"
    assert {found.name for found in tmp_path.iterdir()} == {"a.json", f"b.json.0123{PARTIAL}"}


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "a.json").symlink_to(tmp_path / "mine")
    with atomic_file(tmp_path / "a.json") as partial:
        partial.write_text("new")
    assert (tmp_path / "mine").read_text() == "mine"
    assert (tmp_path / "a.json").read_text() == "new"


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_takes_the_place_of_another(tmp_path, can_exchange, monkeypatch):
    if not can_exchange:
        monkeypatch.setattr("sys.platform", "another")
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert exchange(tmp_path / "new", tmp_path / "old") == can_exchange
    if can_exchange:
        assert exchange(tmp_path / "new", tmp_path / "old")
    replace_folder(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old" / "new").exists()
    assert (tmp_path / "new" / "old").exists()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_seal_reveals_every_change_but_of_order():
    values = sealed({"a": [1, 2.5, None], "b": {"c": "d"}})
    assert unsealed(dict(reversed(values.items()))) == {"a": [1, 2.5, None], "b": {"c": "d"}}
    for changed in ({**values, "a": [1, 2.5]}, {**values, "e": 1}, {"a": values["a"]}, [], None, {}):
        assert unsealed(changed) is None
