"""Opens zip and tar archives as folders of what people put into them.

Left out is what programs add: folders __MACOSX, and files whose names begin with a dot.
"""

import contextlib
import pathlib
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator

from movierec_jax.data.readers.formats.foreign_files import refuse_foreign_zip
from movierec_jax.data.readers.source_file import AnyPath, open_bytes, read_head, translate_read_errors
from movierec_jax.data.storage import replace_path_in_errors
from movierec_jax.errors import InputError

# Where a tar archive has its mark.
TAR_MARK = slice(257, 262)


def is_archive(path: AnyPath) -> bool:
    """Returns whether a file is a zip archive, or a tar archive that may be packed, by its first bytes.

    Those of a zip archive are of a first member, or of an empty archive.
    """
    head = read_head(path)
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or head[TAR_MARK] == b"ustar"


@contextlib.contextmanager
def open_archive(path: pathlib.Path) -> Iterator[AnyPath]:
    """Opens an archive as a folder.

    Members of a zip archive are read where they lie. A tar archive, which has no list of its members, is unpacked to a
    temporary folder; errors name the archive instead of it.
    """
    with translate_read_errors(path):
        if read_head(path).startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                refuse_foreign_zip(path, archive)
                tidy(archive)
                yield zipfile.Path(archive)
        else:
            with tempfile.TemporaryDirectory(prefix="movierec-") as name:
                folder = pathlib.Path(name)
                unpack_tar(path, folder)
                with replace_path_in_errors(folder, str(path)):
                    yield folder


def tidy(archive: zipfile.ZipFile) -> None:
    """Gives an opened zip archive only the members that people put into it, with "/" between folders."""
    for info in archive.filelist:
        # Old tools of Windows write "\" there; a member's data is still checked against the original name.
        info.filename = info.filename.replace("\\", "/")
    archive.filelist = [info for info in archive.filelist if not is_added(info.filename)]
    archive.NameToInfo = {info.filename: info for info in archive.filelist}


def is_added(name: str) -> bool:
    """Returns whether a program added a member to an archive: "__MACOSX/._a.csv", ".DS_Store"."""
    parts = pathlib.PurePosixPath(name).parts
    return "__MACOSX" in parts or any(part.startswith(".") and part not in (".", "..") for part in parts)


def unpack_tar(path: pathlib.Path, folder: pathlib.Path) -> None:
    """Unpacks the files of a tar archive to a folder, without links and devices.

    Raises InputError for a member that would lie outside the folder.
    """
    with open_bytes(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            name = pathlib.PurePosixPath(member.name.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts:
                raise InputError(f"{path}: a member {member.name[:80]!r} outside the archive; unpack it with care")
            content = None if is_added(str(name)) else archive.extractfile(member) if member.isfile() else None
            if content is not None:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file)
