"""Writes the best movies of every user to a file, or prints them for a few users.

    movierec score --workdir=runs/default --output=recommendations.parquet --top_k=100
    movierec score --workdir=runs/default --user_id=42 --explain
    movierec score --workdir=runs/default --user_id=42 --output=lists.csv --titles
    movierec score --workdir=runs/default --my_ratings=letterboxd-export.zip
    movierec score --workdir=runs/default --user_id=42 --genres=Comedy,Drama --years=1930,1959 --diversity=0.3

The 610 users of the bundled data take about 5 seconds on 2 cores. The file has columns user_id, movie_id, rank, score
and predicted_rating, best first, with the ids of the data; --titles adds title, year and genres. Lists are ordered by
`score`: the implicit-feedback score times the chance of a relevant rating, with --diversity also by how much a movie
differs from those above it. Movies that a user has rated are left out.

--my_ratings takes what Letterboxd, IMDb, TMDb, Trakt or MovieLens export of one person, or any table of movies and
ratings. It says which films it found and prints their recommendations at once, or writes them where --output is given.

Several processes write one dataset, a folder of Parquet files, each for its share of the users. They work alone, and
one that failed can be repeated:

    movierec score --output=recommendations.parquet --num_processes=4 --process_id=0
"""

import os
import pathlib
from typing import Any

from absl import flags

from movierec_jax import cli
from movierec_jax.config import DEFAULT_WORKDIR, FILE_TOP_K, TABLE_TOP_K, DeviceConfig, ScoreConfig
from movierec_jax.errors import InputError
from movierec_jax.runs.config import ProcessConfig

WORKDIR = flags.DEFINE_string("workdir", DEFAULT_WORKDIR, "folder or URL of a trained run")
OUTPUT = flags.DEFINE_string("output", "recommendations.parquet", "file or URL to write, .parquet or .csv")
USER_ID = flags.DEFINE_multi_string(
    "user_id", [], "this user alone: print a table, or write to --output where it is given"
)
MY_RATINGS = flags.DEFINE_string(
    "my_ratings",
    None,
    "one person's ratings, as exported by Letterboxd (ratings.csv, watched.csv, diary.csv or the zip), IMDb, TMDb, "
    "Trakt or MovieLens: print recommendations for them, or write these to --output where it is given",
)
USERS_FILE = flags.DEFINE_string("users_file", None, "text file of user ids to score, one per line. Unset: all users")


def main() -> None:
    config = cli.section_from_flags(ScoreConfig())
    require_one_choice()

    from movierec_jax.data import storage
    from movierec_jax.recommend import own_ratings, write_lists
    from movierec_jax.recommend.recommender import load
    from movierec_jax.runs import distributed

    process_id, num_processes = distributed.process_index_and_count(cli.section_from_flags(ProcessConfig()))
    recommender = load(WORKDIR.value, cli.section_from_flags(DeviceConfig()).mesh)
    num_movies = len(recommender.run.movies)
    exclude_movies = [recommender.run.movies.parse(text) for text in config.exclude_movies]
    movies = recommender.select_movies(config.genres, config.years, config.min_ratings, exclude_movies, config.praised)
    options: dict[str, Any] = {"include_seen": config.include_seen, "movies": movies, "diversity": config.diversity}
    is_printed = bool(USER_ID.value or MY_RATINGS.value) and not flags.FLAGS["output"].present
    name = None
    if MY_RATINGS.value:
        own = own_ratings.read_own_ratings(MY_RATINGS.value, recommender.run)
        print("\n".join([*own_ratings.describe(own, recommender.run), ""]))
        recommender = own_ratings.with_own_ratings(recommender, own)
        users = recommender.user_ids()
        name = "you"
    elif USER_ID.value:
        users = recommender.parse_users(USER_ID.value)
    elif USERS_FILE.value:
        users = write_lists.read_user_ids(pathlib.Path(USERS_FILE.value), recommender)
    else:
        users = recommender.user_ids()
    if is_printed:
        k = config.top_k or min(TABLE_TOP_K, num_movies)
        print(write_lists.readable_lists(recommender, users, k, explain=config.explain, name=name, **options))
        return
    if config.explain:
        raise InputError(
            "--explain prints the reasons below each movie of a list; choose users with --user_id, without --output"
        )
    # One process writes a file beside others; several write parts into a folder.
    has_parts = num_processes > 1
    folder, file_name = (OUTPUT.value, "") if has_parts else os.path.split(OUTPUT.value)
    with storage.synced_folder(folder, is_downloaded=False) as (mirror, _):
        existing = storage.list_names(OUTPUT.value) if has_parts else []
        users, path = write_lists.part_for_process(users, mirror / file_name, process_id, num_processes, existing)
        write_lists.score_to_file(
            recommender,
            users,
            path,
            config.top_k or min(FILE_TOP_K, num_movies),
            titles=config.titles,
            csv_safe=config.csv_safe,
            block_users=config.block_users,
            name=OUTPUT.value,
            **options,
        )


def require_one_choice() -> None:
    """Raises InputError for --my_ratings beside another choice of users."""
    others = {"user_id": USER_ID.value, "users_file": USERS_FILE.value}
    given = [f"--{flag}" for flag, value in others.items() if value]
    if MY_RATINGS.value and given:
        raise InputError(f"--my_ratings={MY_RATINGS.value}: is a user of its own; leave out {' and '.join(given)}")


def run() -> None:
    cli.run(main, [ScoreConfig, DeviceConfig, ProcessConfig], __doc__)
