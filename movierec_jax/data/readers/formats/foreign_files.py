"""Says what a file is that no reader takes, by its first bytes, and what to do instead."""

import pathlib
import re
import zipfile

from movierec_jax.data.readers.source_file import AnyPath
from movierec_jax.errors import InputError

AS_CSV = "save its table as CSV, and name that file"

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")

SAVE_AS = "save it as CSV (in Excel: Save As, CSV UTF-8)"

UNPACK = "unpack it, and name the file or folder with the ratings"

PICKLE = "a pickle"

# A pickle can run any code, so none is ever loaded.
NO_PICKLES = "pickles are never loaded, as they can run code; write the table with to_csv or to_parquet of pandas"

# First bytes, what the file is, what to do.
MAGICS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls) or other old Office file", AS_CSV),
    (b"%PDF", "a PDF document", AS_CSV),
    (b"{\\rtf", "an RTF document", AS_CSV),
    (b"\x89PNG", "an image", AS_CSV),
    (b"\xff\xd8\xff", "an image", AS_CSV),
    (b"GIF8", "an image", AS_CSV),
    (b"RIFF", "an image or sound", AS_CSV),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"\x1f\x9d", "a file packed by compress (.Z)", UNPACK),
    (b"PK\x03\x04", "a zip archive, or a workbook such as Excel's .xlsx", f"{UNPACK}, or {SAVE_AS}"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "write the table as CSV or Parquet"),
    (b"\x93NUMPY", "a NumPy array", "write it as CSV, with columns of user, movie and rating"),
    (b"ARROW1", "an Arrow (Feather) file", "write the table as Parquet or CSV"),
    (b"FEA1", "a Feather file", "write the table as Parquet or CSV"),
    (b"ORC", "an ORC file", "write the table as Parquet or CSV"),
    (b"Obj\x01", "an Avro file", "write the table as Parquet or CSV"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    (b"RDX", "an R data file", "write the table with write.csv"),
    (b"X\n\0\0\0", "an R data file", "write the table with write.csv"),
    (b"MATLAB", "a MATLAB file", "write the table with writetable"),
    (b"$FL2", "an SPSS file", AS_CSV),
    (b"<stata_dta>", "a Stata file", AS_CSV),
)

# Beginnings of pickles of protocol 2 and later; those of protocol 0 look like text.
PICKLED = re.compile(rb"\x80[\x02-\x05]|\((?:dp|lp)\d*\n|c[\w.]+\n\w+\n[p(]")

WEB_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)

XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|svg)\b")

# A member of a zip archive that shows what the archive is.
OFFICE_MEMBERS = {
    "xl/workbook.xml": ("an Excel workbook (.xlsx)", SAVE_AS),
    "xl/workbook.bin": ("an Excel workbook (.xlsb)", SAVE_AS),
    "word/document.xml": ("a Word document", AS_CSV),
    "META-INF/manifest.xml": ("an OpenDocument file, such as a LibreOffice table", AS_CSV),
    "Index/Document.iwa": ("a Numbers table", "export it as CSV"),
}


def refuse_foreign(path: AnyPath, head: bytes) -> None:
    """Raises InputError where the first bytes of a file, packed or not, are those of a file that no reader takes."""
    if PICKLED.match(head) or pathlib.PurePath(path.name).suffix.lower() in (".pkl", ".pickle", ".joblib"):
        raise InputError(f"{path}: {PICKLE}; {NO_PICKLES}")
    if WEB_PAGE.match(head):
        raise InputError(f"{path}: a web page, as a download without its login leaves; fetch it again, or {AS_CSV}")
    if not head.strip() and path.name.lower().endswith(WORKBOOKS):
        raise InputError(f"{path}: an empty file with the name of a workbook; {SAVE_AS}")
    if XML.match(head):
        raise InputError(f"{path}: an XML file; {AS_CSV}")
    if head[8:12] == b"DUCK":
        raise InputError(f"{path}: a DuckDB database; write the table as Parquet or CSV (COPY ratings TO 'a.parquet')")
    for magic, kind, advice in MAGICS:
        # Letters alone could also begin a header.
        if head.startswith(magic) and (b"\0" in head or not magic.isalnum()):
            raise InputError(f"{path}: {kind}; {advice}")


def refuse_foreign_zip(path: pathlib.Path, archive: zipfile.ZipFile) -> None:
    """Raises InputError for a zip archive that is the file of a program, such as a workbook."""
    names = archive.namelist()
    for member, (kind, advice) in OFFICE_MEMBERS.items():
        if member in names:
            raise InputError(f"{path}: {kind}; {advice}")
    if any(name.endswith("/data.pkl") for name in names):
        raise InputError(f"{path}: {PICKLE} of PyTorch; {NO_PICKLES}")
    if names and all(name.endswith(".npy") for name in names):
        raise InputError(f"{path}: NumPy arrays (.npz); write them as CSV, with columns of user, movie and rating")
