"""Small files of every MovieLens edition, and ways to write and read files of ratings."""

import pathlib
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.errors import InputError

# Each edition with the same three movies, as far as its format lets it say so.
ML_100K = {
    "u.data": b"196\t242\t3\t881250949\n186\t302\t5\t891717742\n",
    "u.genre": b"unknown|0\nAction|1\nDrama|2\n\n",
    "u.item": (
        b"242|Kolya (1996)|24-Jan-1997||http://us.imdb.com/M/title-exact?Kolya%20(1996)|0|0|1\n"
        b"302|Mis\xe9rables, Les (1995)|01-Jan-1995||http://x|0|1|1\n"
        b"267|unknown||||1|0|0\n"
    ),
    "u.user": b"196|49|M|writer|55105\n186|39|F|executive|T8H1N\n",
}

ML_1M = {
    "ratings.dat": b"1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
    "movies.dat": (
        b"1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
        b"661::Mis\xe9rables, Les (1995)::Drama|Musical\n"
        b"7::Alien::Resurrection (1997)::Action\n"
    ),
    "users.dat": b"1::F::1::10::48067\n2::M::56::16::98107-0083\n",
}

ML_10M = {
    "ratings.dat": b"1::122::5::838985046\n1::185::3.5::838983525\n",
    "movies.dat": "122::Misérables, Les (1995)::Drama\n185::Net, The (1995)::(no genres listed)\n".encode(),
    "tags.dat": '15::4973::excellent!::1215184630\n20::1747::"café" politics::1188263867\n'.encode(),
}

ML_CSV = {
    "ratings.csv": b"userId,movieId,rating,timestamp\r\n1,296,5.0,1147880044\r\n2,306,3.5,1147868817\r\n",
    "movies.csv": (
        "movieId,title,genres\r\n"
        '296,"Misérables, Les (1995)",Drama|War\r\n'
        '306,"""Great Performances"" Cats (1998)",Musical\r\n'
        "307,Green Slime (1968),(no genres listed)\r\n"
    ).encode(),
    "tags.csv": (
        'userId,movieId,tag,timestamp\r\n3,260,"sci-fi, ""classic""",1439472355\r\n3,999,café,1439472256\r\n'
    ).encode(),
    "links.csv": b"movieId,imdbId,tmdbId\r\n296,0110912,680\r\n306,,\r\n307,0064393,\r\n",
}

EDITIONS = {"ml-100k": ML_100K, "ml-1m": ML_1M, "ml-10M100K": ML_10M, "ml-25m": ML_CSV}


def write_folder(folder: pathlib.Path, files: dict[str, bytes]) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: pathlib.Path, files: dict[str, bytes], folder: str = "") -> pathlib.Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    return path


def write_file(folder: pathlib.Path, content: bytes | str, name: str = "mine.csv") -> pathlib.Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_parquet(folder: pathlib.Path, columns: dict[str, pa.Array | list]) -> pathlib.Path:
    pyarrow.parquet.write_table(pa.table(columns), folder / "mine.parquet")
    return folder / "mine.parquet"


def rows(table: pd.DataFrame) -> list[tuple]:
    return list(table.itertuples(index=False, name=None))


def types(table: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in table.dtypes.items()}


def refusal(path: pathlib.Path) -> str:
    """The message with which the path is refused, without the folder it is in."""
    with pytest.raises(InputError) as error:
        read_ratings(path)
    return str(error.value).replace(f"{path.parent}/", "")
