"""A file of a workdir is whole or not there."""

import pytest

from movierec_jax.data.files import atomic_file, atomic_folder


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
