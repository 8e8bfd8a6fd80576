"""Lists written block by block to a file, in bounded memory, and lists as text to read."""

import itertools
import math
import pathlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
from tqdm import tqdm

from movierec_jax.config import ScoreConfig
from movierec_jax.data.files import PARTIAL, atomic_file
from movierec_jax.data.schema import GENRES, MOVIE_ID, RATING, TITLE, USER_ID
from movierec_jax.errors import InputError
from movierec_jax.features.reviews import BLAMED, NUM_TEXTS, PRAISE, PRAISED
from movierec_jax.recommend.recommender import PREDICTED_RATING, RANK, SCORE, Recommender
from movierec_jax.recommend.text_columns import align, cut, line_columns, single_line
from movierec_jax.recommend.titles import titles_with_years

# Rows of a Parquet row group: constant, so that the file does not depend on the blocks of users.
GROUP_ROWS = 2**17

# Ratings of a user that are shown above the list.
NUM_SHOWN_RATINGS = 10

# Columns of a movie's or a feature's name in a line of reasons.
NOTE_COLUMNS = 60

WRITERS = {".parquet": pyarrow.parquet.ParquetWriter, ".csv": pyarrow.csv.CSVWriter}


def score_to_file(
    recommender: Recommender,
    users: pd.Index,
    output: pathlib.Path,
    k: int,
    *,
    include_seen: bool = False,
    movies: pd.Index | None = None,
    diversity: float = ScoreConfig.diversity,
    titles: bool = ScoreConfig.titles,
    csv_safe: bool = ScoreConfig.csv_safe,
    block_users: int = ScoreConfig.block_users,
    name: str | None = None,
) -> int:
    """Writes each user's best k movies to a Parquet or CSV file and returns the number of rows.

    The file appears under its name when it is complete. titles: with title, year and genres as the last columns.
    csv_safe: in a CSV file, with texts that no spreadsheet takes for formulas, as `without_formulas` writes them.
    name: the output as messages show it; the file unless given.
    Raises InputError for another file ending, a folder that does not exist, and users or k that
    `Recommender.recommend` refuses.
    """
    require_output(output, tuple(WRITERS))
    start = time.perf_counter()
    num_rows = 0
    blocks = recommender.recommend_blocks(
        users, k, include_seen=include_seen, movies=movies, diversity=diversity, block_users=block_users
    )
    if titles:
        blocks = map(recommender.with_titles, blocks)
    with tqdm(total=len(users), unit=" users", disable=None) as bar:
        groups = regroup(count_users(blocks, bar), GROUP_ROWS)
        if csv_safe and output.suffix == ".csv":
            groups = map(without_formulas, groups)
        first = next(groups)
        with atomic_file(output) as partial, WRITERS[output.suffix](partial, first.schema) as writer:
            for group in itertools.chain([first], groups):
                writer.write_table(group)
                num_rows += len(group)
    seconds = time.perf_counter() - start
    rate = len(users) / seconds
    who = f"{len(users):,} user{'s' * (len(users) != 1)}"
    print(f"{name or output}: {num_rows:,} rows for {who} in {seconds:.1f} s ({rate:,.0f} users/s)")
    num_cold = int((~recommender.users.is_in_train(recommender.users.rows(users))).sum())
    if num_cold:
        print(f"  {num_cold:,} of them have no rating in train and get the list of an average user")
    return num_rows


def part_for_process(
    users: pd.Index, output: pathlib.Path, number: int, num_parts: int, present: Iterable[str]
) -> tuple[pd.Index, pathlib.Path]:
    """Returns the users and the file of one of the processes that write a dataset; a single process has all of both.

    number: of the process, from 0. present: names of the files that the dataset has already. Its files, in the order of
    names, hold the rows that a single process would write. Raises InputError for an output that cannot be a dataset, or
    that has files of another number of parts.
    """
    if num_parts == 1:
        return users, output
    require_output(output, (".parquet",), is_folder=True)
    output.mkdir(exist_ok=True)
    names = [f"part-{part:05d}-of-{num_parts:05d}.parquet" for part in range(num_parts)]
    others = sorted(name for name in present if not name.endswith(PARTIAL) and name not in names)
    if others:
        raise InputError(
            f"--output={output}: holds {others[0]}, which is not one of {num_parts} parts; name another folder"
        )
    first, end = (len(users) * part // num_parts for part in (number, number + 1))
    return users[first:end], output / names[number]


def count_users(blocks: Iterable[pd.DataFrame], bar: tqdm) -> Iterator[pa.Table]:
    """Yields blocks of lists as Arrow tables, and counts their users in the progress bar."""
    for block in blocks:
        yield pa.Table.from_pandas(block, preserve_index=False).replace_schema_metadata()
        bar.update(int((block[RANK] == 1).sum()))


def without_formulas(table: pa.Table) -> pa.Table:
    """Returns a table with an apostrophe before each text that a spreadsheet would take for a formula.

    As the OWASP page on CSV injection advises.
    """
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            safe = pyarrow.compute.replace_substring_regex(table.column(index), r"^([=+\-@\t\r])", r"'\1")
            table = table.set_column(index, field, safe)
    return table


def regroup(tables: Iterable[pa.Table], num_rows: int) -> Iterator[pa.Table]:
    """Yields the same rows in tables of `num_rows`, the last perhaps shorter; one table at least."""
    waiting = None
    for table in tables:
        waiting = table if waiting is None else pa.concat_tables([waiting, table])
        while len(waiting) > num_rows:
            yield waiting[:num_rows].combine_chunks()
            waiting = waiting[num_rows:]
    if waiting is not None:
        yield waiting.combine_chunks()


def require_output(path: pathlib.Path, endings: tuple[str, ...], *, is_folder: bool = False) -> None:
    """Raises InputError unless a file, or a folder, of this name and one of the endings can be written."""
    if path.suffix not in endings:
        raise InputError(f"--output={path}: must end in {' or '.join(endings)}")
    if not path.parent.is_dir():
        raise InputError(f"--output={path}: the folder {path.parent} does not exist; make it first")
    if path.exists() and path.is_dir() != is_folder:
        raise InputError(f"--output={path}: is a {'file; name a folder' if is_folder else 'folder; name a file'}")


def read_user_ids(path: pathlib.Path, recommender: Recommender) -> pd.Index:
    """Returns the user ids of a text file with one on each line, each once, without empty lines.

    Raises InputError naming the line that cannot be an id of the data.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; write one user id on each line") from None
    users = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                users.append(recommender.users.parse(line.strip()))
            except InputError as error:
                raise InputError(f"{path}:{number}: {error}") from None
    if not users:
        raise InputError(f"{path}: no user ids; write one on each line")
    return pd.Index(users).unique()


def readable_lists(
    recommender: Recommender,
    users: pd.Index,
    k: int,
    *,
    include_seen: bool = False,
    movies: pd.Index | None = None,
    diversity: float = ScoreConfig.diversity,
    explain: bool = False,
    name: str | None = None,
) -> str:
    """Returns each user's best-rated movies and their list, as text with titles and genres.

    explain: adds lines with the reasons for each movie, and with what reviews say of it. name: of a single user, in
    place of the id.
    """
    lists = recommender.with_titles(
        recommender.recommend(users, k, include_seen=include_seen, movies=movies, diversity=diversity)
    )
    parts = []
    for user in users:
        rated = recommender.with_titles(recommender.rated_by(user))
        mine = lists[lists[USER_ID] == user]
        is_cold = not recommender.users.is_in_train(recommender.users.rows([user])).all()
        who = name or f"user {user}"
        parts += [
            f"{who}: {rated_summary(rated)}",
            list_lines(rated.head(NUM_SHOWN_RATINGS), RATING),
            f"recommended to {who}" + is_cold * ", as to an average user: train has no rating of this one",
            list_lines(mine, PREDICTED_RATING, movie_notes(recommender, user, mine[MOVIE_ID]) if explain else {}),
        ]
    return "\n\n".join(parts)


def rated_summary(rated: pd.DataFrame) -> str:
    """Returns how many movies of a table of `Recommender.rated_by` have a rating, and how many were only watched."""
    num_rated = int(rated[RATING].notna().sum())
    if not num_rated:
        return f"{len(rated):,} movies watched, such as"
    watched = f" and {len(rated) - num_rated:,} movies watched" if num_rated < len(rated) else ""
    return f"{num_rated:,} ratings{watched}, of which the best"


def movie_notes(recommender: Recommender, user, movie_ids: pd.Series) -> dict[Any, list[str]]:
    """Returns by movie id the lines of its reasons and of its reviews."""
    lines: dict[Any, list[str]] = {}
    for movie_id, text in reason_lines(recommender, user, movie_ids).items():
        lines.setdefault(movie_id, []).append(text)
    reviews = recommender.reviews_of(movie_ids)
    for movie_id, *columns in zip(*map(reviews.get, [MOVIE_ID, NUM_TEXTS, PRAISE, PRAISED, BLAMED]), strict=True):
        lines.setdefault(movie_id, []).append(review_line(*columns))
    return lines


def review_line(num_texts: int, praise: float, praised: Sequence[str], blamed: Sequence[str]) -> str:
    """Returns what reviews say of a movie: "30 reviews, 86% praise; praised: dialogue, acting; blamed: pace"."""
    parts = [f"{num_texts:,} review{'s' * (num_texts != 1)}, {praise:.0%} praise"]
    parts += [f"{name}: {', '.join(aspects)}" for name, aspects in ((PRAISED, praised), (BLAMED, blamed)) if aspects]
    return "; ".join(parts)


def reason_lines(recommender: Recommender, user, movie_ids: Iterable) -> dict[Any, str]:
    """Returns by movie id a line of its reasons: "because of Heat, Alien and Big; for its tag robots"."""
    found = recommender.explain(user, movie_ids)
    titles = recommender.run.movie_table.set_index(MOVIE_ID)[TITLE].to_dict()
    names: dict[Any, tuple[list[str], list[str]]] = {}
    for movie_id, source, reason in zip(*(found[name] for name in (MOVIE_ID, "source", "reason")), strict=True):
        is_feature = source == "content"
        name = feature_in_words(reason) if is_feature else titles.get(reason, reason)
        names.setdefault(movie_id, ([], []))[is_feature].append(cut(single_line(str(name)), NOTE_COLUMNS))
    starts = "because of ", "for its "
    return {
        movie_id: "; ".join(start + joined(part) for start, part in zip(starts, parts, strict=True) if part)
        for movie_id, parts in names.items()
    }


def feature_in_words(name: str) -> str:
    """Returns the name of a feature as people read it: "tag=robots" as "tag robots"."""
    kind, _, value = name.partition("=")
    return f"{kind.split(':')[-1].replace('_', ' ')} {value}"


def joined(names: Sequence[str]) -> str:
    """Returns names as an enumeration: "Heat, Alien and Big"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def list_lines(table: pd.DataFrame, rating_column: str, notes: Mapping[Any, Sequence[str]] | None = None) -> str:
    """Returns movies as text lines: rating, score if there is one, id, title, genres; notes on a movie in lines below.

    A dash stands for a missing rating; where all are missing, there is no column of them. Long titles are cut to the
    width of the terminal.
    """
    ratings, columns = table[rating_column], {}
    if ratings.notna().any():
        columns["stars"] = ["-" if math.isnan(rating) else f"{rating:.2f}" for rating in ratings]
    if SCORE in table:
        columns[SCORE] = [f"{score:6.3f}" for score in table[SCORE]]
    columns[MOVIE_ID] = [single_line(str(movie_id)) for movie_id in table[MOVIE_ID]]
    width = {name: max(len(name), *map(len, cells)) for name, cells in columns.items()}
    header, *figures = (
        "".join(f"  {cell:>{width[name]}}" for name, cell in zip(columns, row, strict=True)) + "  "
        for row in [tuple(columns), *zip(*columns.values(), strict=True)]
    )
    genres = [names.replace("|", ", ") for names in table[GENRES]]
    movies = align(titles_with_years(table), genres, line_columns() - len(header))
    lines = [header.rstrip()]
    for figure, movie, movie_id in zip(figures, movies, table[MOVIE_ID], strict=True):
        lines.append(figure + movie)
        lines += [f"         {note}" for note in (notes or {}).get(movie_id, [])]
    return "\n".join(lines)
