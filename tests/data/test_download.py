"""An edition comes whole or not at all, from a server in this process; every failure is one message."""

import functools
import hashlib
import http.server
import threading
import zipfile

import pytest

from movierec_jax.data.download import LICENCE_LINES, download_edition, licence_text
from movierec_jax.errors import InputError

README = "Summary\n=======\n\nUsage License\n=============\n\n" + "".join(f"rule {n}\n" for n in range(20))


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and prints nothing."""

    def log_message(self, format, *args):
        pass


@pytest.fixture
def mirror(tmp_path):
    """A folder with ml-1m.zip and its MD5, and the address at which it is served."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with zipfile.ZipFile(folder / "ml-1m.zip", "w") as archive:
        archive.writestr("ml-1m/ratings.dat", "1::1::5::0\n" * 1000)
        archive.writestr("ml-1m/README", README)
    digest = hashlib.md5((folder / "ml-1m.zip").read_bytes(), usedforsecurity=False).hexdigest()
    (folder / "ml-1m.zip.md5").write_text(f"MD5 (ml-1m.zip) = {digest}\n")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_edition_comes_byte_for_byte_and_is_not_fetched_twice(mirror, tmp_path, capsys):
    folder, url = mirror
    path = download_edition("ml-1m", tmp_path / "new", url)
    assert path.read_bytes() == (folder / "ml-1m.zip").read_bytes()
    (folder / "ml-1m.zip").unlink()
    capsys.readouterr()
    assert download_edition("ml-1m", tmp_path / "new", url) == path
    assert capsys.readouterr().out == f"{path}: is there already\n"


def test_without_a_published_md5_it_is_said_that_none_is_compared(mirror, tmp_path, capsys):
    folder, url = mirror
    (folder / "ml-1m.zip.md5").unlink()
    download_edition("ml-1m", tmp_path, url)
    assert "no MD5 is published" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("edition", "damage", "message"),
    [
        ("ml-3m", None, r"^ml-3m: name an edition, one of ml-100k, ml-1m"),
        ("ml-10m", None, r"ml-10m\.zip: cannot be fetched \(File not found\)\..*put it at .*ml-10m\.zip, and repeat"),
        ("ml-1m", ("ml-1m.zip.md5", b"0" * 32), r"ml-1m\.zip: its MD5 is [0-9a-f]{32}, published is 0{32}"),
        ("ml-1m", ("ml-1m.zip", b"no zip"), r"ml-1m\.zip: its MD5 is"),
    ],
    ids=["no edition", "not on the server", "another MD5", "a damaged zip"],
)
def test_what_is_not_an_edition_leaves_one_message_and_no_file(mirror, tmp_path, edition, damage, message):
    folder, url = mirror
    if damage:
        (folder / damage[0]).write_bytes(damage[1])
    with pytest.raises(InputError, match=message):
        download_edition(edition, tmp_path / "new", url)
    assert not (tmp_path / "new").exists() or list((tmp_path / "new").iterdir()) == []


def test_a_server_that_does_not_answer_is_named_with_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"ml-1m\.zip: cannot be fetched \(.*refused.*fetch it on another one, put it"):
        download_edition("ml-1m", tmp_path, "http://127.0.0.1:1")


def test_a_zip_that_was_cut_is_refused_where_it_lies(mirror, tmp_path):
    path = download_edition("ml-1m", tmp_path, mirror[1])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"ml-1m\.zip: cannot be read .*; remove it and try again"):
        download_edition("ml-1m", tmp_path, mirror[1])


def test_the_licence_is_written_beside_the_zip_and_shown_from_its_heading(mirror, tmp_path):
    readme, shown = licence_text(download_edition("ml-1m", tmp_path, mirror[1]))
    assert readme == tmp_path / "ml-1m-README"
    assert readme.read_text() == README
    assert shown.splitlines()[:3] == ["Usage License", "=============", "rule 0"]
    assert len(shown.splitlines()) == LICENCE_LINES
