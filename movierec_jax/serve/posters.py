"""Posters of movies from TMDb, fetched once by the server and kept on its disk."""

import functools
import http.client
import json
import os
import pathlib
import re
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import anyio
import anyio.to_thread

from movierec_jax.errors import InputError
from movierec_jax.serve.errors import warn

# Folder of the workdir with the posters.
FOLDER = "posters"

# A width that TMDb offers.
IMAGE_SIZE = "w185"

MAX_IMAGE_BYTES = 1 << 20

TIMEOUT_SECONDS = 5.0

MAX_FETCHED_AT_ONCE = 4

# TMDb lets nobody keep its data for longer than six months.
MAX_AGE_SECONDS = 150 * 24 * 3600

# After a failure, TMDb is left alone for so long.
PAUSE_SECONDS = 60.0

JPEG_START = b"\xff\xd8"

# Of a key of the older kind, which is a parameter of the query; a token stands in a header.
OLDER_KEY = re.compile(r"[0-9a-f]{32}")

POSTER_PATH = re.compile(r"/[\w-]+\.jpg")


class Posters:
    """Posters by TMDb id.

    folder: keeps them, one file each; an empty one for a movie without a poster. url, image_url: of TMDb's API and
    images. key: of TMDb's API.
    """

    def __init__(self, folder: pathlib.Path, key: str, url: str, image_url: str):
        self.folder, self.key = folder, key
        self.url, self.image_url = url.rstrip("/"), image_url.rstrip("/")
        self.paused_until = 0.0
        self.folder.mkdir(exist_ok=True)

    @functools.cached_property
    def limiter(self) -> anyio.CapacityLimiter:
        """Bounds the requests that wait for TMDb; it belongs to the event loop that first needs it."""
        return anyio.CapacityLimiter(MAX_FETCHED_AT_ONCE)

    async def poster(self, tmdb_id: int) -> bytes | None:
        """Returns a poster as JPEG; None for a movie without one, and while TMDb cannot be reached."""
        return await anyio.to_thread.run_sync(self.kept_or_fetched, tmdb_id, limiter=self.limiter)

    def kept_or_fetched(self, tmdb_id: int) -> bytes | None:
        """Returns a poster from the disk or, if it is not there or too old, from TMDb."""
        path = self.folder / f"{tmdb_id}.jpg"
        if path.exists() and time.time() - path.stat().st_mtime < MAX_AGE_SECONDS:
            return path.read_bytes() or None
        if time.monotonic() < self.paused_until:
            return None
        try:
            image = self.fetched(tmdb_id)
        except (OSError, ValueError) as error:
            self.paused_until = time.monotonic() + PAUSE_SECONDS
            # An error's text may hold the address, and so the key.
            warn(f"TMDb gave no poster ({type(error).__name__}); trying again in {PAUSE_SECONDS:g} seconds")
            return None
        try:
            write_whole(path, image)
        except OSError as error:
            warn(f"a poster cannot be kept, and will be fetched again: {error}")
        return image or None

    def fetched(self, tmdb_id: int) -> bytes:
        """Returns a poster from TMDb, empty where it has none. Raises OSError or ValueError for an unusable answer."""
        is_older = OLDER_KEY.fullmatch(self.key) is not None
        query = f"?{urllib.parse.urlencode({'api_key': self.key})}" if is_older else ""
        headers = {} if is_older else {"Authorization": f"Bearer {self.key}"}
        try:
            movie = json.loads(read_url(f"{self.url}/movie/{tmdb_id}{query}", headers))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return b""
            raise
        if not isinstance(movie, dict):
            raise ValueError("no JSON object")
        path = movie.get("poster_path")
        if path is None:
            return b""
        if not isinstance(path, str) or not POSTER_PATH.fullmatch(path):
            raise ValueError("an unknown kind of poster path")
        image = read_url(f"{self.image_url}/{IMAGE_SIZE}{path}", {})
        if not image.startswith(JPEG_START):
            raise ValueError("no JPEG image")
        return image


def read_url(url: str, headers: dict[str, str]) -> bytes:
    """Returns what a URL holds. Raises OSError if it cannot be read, ValueError if it is too long or cut off."""
    request = urllib.request.Request(url, headers={"Accept": "*/*", **headers})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            content: bytes = response.read(MAX_IMAGE_BYTES + 1)
            announced = int(response.headers.get("Content-Length", len(content)))
    except http.client.HTTPException as error:
        raise OSError("the answer is not HTTP") from error
    if len(content) > MAX_IMAGE_BYTES:
        raise ValueError("too long an answer")
    # Reading ends without an error where the connection does.
    if len(content) != announced:
        raise ValueError("an answer that is cut off")
    return content


def write_whole(path: pathlib.Path, content: bytes) -> None:
    """Writes a file that no reader sees half-written, also where several threads write it at once."""
    descriptor, partial = tempfile.mkstemp(dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(partial, path)
    finally:
        pathlib.Path(partial).unlink(missing_ok=True)


def read_key(path: str) -> str:
    """Reads a key of TMDb's API from a text file. Raises InputError unless it holds one word."""
    words = pathlib.Path(path).read_text(encoding="utf-8", errors="replace").split()
    if len(words) != 1:
        raise InputError(f"--tmdb_key_file={path}: {len(words)} words; write TMDb's API key alone")
    return words[0]
