"""Downloads the zips of MovieLens' editions, checks that they came whole, and finds their licence."""

import contextlib
import hashlib
import html
import http.client
import itertools
import pathlib
import re
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator

from tqdm import tqdm

from movierec_jax.data.files import atomic_file
from movierec_jax.errors import InputError

# What GroupLens publishes, by the names of the zips.
EDITIONS = ("ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest-small", "ml-latest")

# Seconds without an answer after which a server counts as not reachable.
TIMEOUT_SECONDS = 30

CHUNK_BYTES = 2**20

# Lines of a README that are shown, from where it speaks of the licence.
LICENCE_LINES = 8


def download_edition(edition: str, folder: pathlib.Path, base_url: str) -> pathlib.Path:
    """Puts the zip of an edition into a folder, unless it is there, and returns its path.

    Raises InputError for another name, a server that cannot be reached, and a zip that is not whole.
    """
    if edition not in EDITIONS:
        raise InputError(f"{edition or 'movierec data'}: name an edition, one of {', '.join(EDITIONS)}")
    url, path = f"{base_url.rstrip('/')}/{edition}.zip", folder / f"{edition}.zip"
    if path.exists():
        print(f"{path}: is there already")
        require_readable(path)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as partial, translate_net_errors(url, path):
        found = fetch(url, partial)
        require_md5(url, found)
        require_readable(partial)
    print(f"{path}: {path.stat().st_size / 1e6:,.1f} MB from {url}")
    return path


def fetch(url: str, path: pathlib.Path) -> str:
    """Downloads a file and returns its MD5."""
    digest = hashlib.md5(usedforsecurity=False)
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer, path.open("wb") as file:
        size = int(answer.headers.get("Content-Length") or 0)
        with tqdm(total=size or None, unit="B", unit_scale=True, disable=None) as bar:
            while chunk := answer.read(CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
                bar.update(len(chunk))
    if size > path.stat().st_size:
        raise InputError(f"{url}: only {path.stat().st_size:,} of {size:,} bytes came; try again")
    return digest.hexdigest()


def require_md5(url: str, found: str) -> None:
    """Raises InputError unless the MD5 is the one published beside the zip. Where none is, says so."""
    try:
        with urllib.request.urlopen(f"{url}.md5", timeout=TIMEOUT_SECONDS) as answer:
            published = re.search(r"\b[0-9a-f]{32}\b", answer.read(CHUNK_BYTES).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.NOT_FOUND:
            raise
        published = None
    if published is None:
        print(f"{url}: no MD5 is published beside it; only the zip's own checksums are compared")
    elif published[0] != found:
        raise InputError(f"{url}: its MD5 is {found}, published is {published[0]}; try again later")


def require_readable(path: pathlib.Path) -> None:
    """Raises InputError unless a zip has all its members, by their checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: cannot be read ({error}); remove it and try again") from None
    if damaged:
        raise InputError(f"{path}: its member {damaged} is damaged; remove it and try again")


@contextlib.contextmanager
def translate_net_errors(url: str, path: pathlib.Path) -> Iterator[None]:
    """Turns what goes wrong on the net into an InputError that says how to come by the file without this machine's."""
    try:
        yield
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"{url}: cannot be fetched ({reason}). Where this machine may not, fetch it on another one, put it at "
            f"{path}, and repeat the command"
        ) from None


def licence_text(path: pathlib.Path) -> tuple[pathlib.Path, str]:
    """Writes the README in a zip beside it, and returns its path and the lines where it speaks of the licence.

    Raises InputError for a zip without one.
    """
    with zipfile.ZipFile(path) as archive:
        name = next((name for name in archive.namelist() if re.search(r"(^|/)readme[^/]*$", name, re.IGNORECASE)), None)
        if name is None:
            raise InputError(f"{path}: has no README with the licence; it is no edition of MovieLens")
        content = archive.read(name)
    readme = path.with_name(f"{path.stem}-{pathlib.PurePosixPath(name).name}")
    readme.write_bytes(content)
    text = content.decode(errors="replace")
    if name.lower().endswith((".html", ".htm")):
        text = html.unescape(re.sub(r"<[^>]*>", "", text))
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    from_licence = itertools.dropwhile(lambda line: "licen" not in line.lower(), lines)
    return readme, "\n".join(itertools.islice(from_licence, LICENCE_LINES))
