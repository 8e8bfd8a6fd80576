"""Prepares a run: reads, cleans and splits the files that a config names."""

import dataclasses
import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
from jax.sharding import Mesh

from movierec_jax.config import SEQUENCE, Config
from movierec_jax.data.cleaning import clean, clean_held_out
from movierec_jax.data.findings import print_dropped, print_notes, print_ratings
from movierec_jax.data.later_split import learnt_pairs, split_later
from movierec_jax.data.matching.id_join import KnownMovies, external_ids, join_ratings, join_tables, known_movies
from movierec_jax.data.prepared.manifest import is_prepared
from movierec_jax.data.readers.ratings import read_given, read_ratings
from movierec_jax.data.readers.tables.features_file import read_features
from movierec_jax.data.readers.tables.links_file import read_links
from movierec_jax.data.readers.tables.reviews_file import read_reviews
from movierec_jax.data.readers.text.stated_columns import StatedColumns
from movierec_jax.data.schema import MOVIE_ID, RATING, STARS, TAG, TEXT, TIMESTAMP, USER_ID, CleanData, Ratings
from movierec_jax.data.splits import Split, split, without_pairs
from movierec_jax.data.values.scale import relevant_threshold
from movierec_jax.data.values.weights import num_watched, rated_rows
from movierec_jax.data.vocab import Vocab
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError
from movierec_jax.features.bags import join_bags
from movierec_jax.features.content import movie_content, user_content
from movierec_jax.features.feature_tables import require_different_files
from movierec_jax.features.review_cleaning import clean_reviews
from movierec_jax.features.reviews import IS_TAG, Reviews, fit_reviews, no_reviews, train_texts
from movierec_jax.features.sentiment.saved import DEFAULT_SENTIMENT, load_sentiment
from movierec_jax.runs import distributed
from movierec_jax.runs.extra_ratings import read_extra_ratings
from movierec_jax.runs.prepared_data import read_prepared
from movierec_jax.runs.run import Run, has_times
from movierec_jax.runs.workdir import fingerprint
from movierec_jax.settings import as_flag

# Folder beside the workdirs that caches large ratings files.
CACHE_FOLDER = ".ratings_cache"


def new_run(
    config: Config, data: CleanData, parts: Split, mesh: Mesh | None = None, train_by_row: Ratings | None = None
) -> Run:
    """Returns a run on clean, split data, with vocabularies and features fitted on the train part alone.

    Users and movies found only outside train have rows without an embedding: the model reads their content. Raises
    InputError for bad feature files, and for settings that need ratings or their times where train has none.
    train_by_row: as in `Run`.
    """
    require_something_to_learn(config, parts.train)
    require_times(config, parts.train)
    require_even_heads(config)
    all_users = pd.concat([*(part[USER_ID].drop_duplicates() for part in parts.all()), data.users[USER_ID]])
    users = Vocab.of(parts.train[USER_ID], "user", others=all_users)
    movies = Vocab.of(parts.train[MOVIE_ID], "movie", others=data.movies[MOVIE_ID])
    settings = config.data
    known = known_movies(data)
    tags = data.tags[data.tags[MOVIE_ID].isin(data.movies[MOVIE_ID])].rename(columns={TAG: TEXT})
    tags = train_texts(tags, parts, settings.split)
    content = movie_content(
        data.movies,
        tags.rename(columns={TEXT: TAG}),
        [read_features(path, MOVIE_ID, known.preferred_spaces) for path in settings.movie_features],
        movies.ids,
        len(movies),
        groups=settings.content,
        known=known,
    )
    reviews = read_all_reviews(config, data, tags, parts, movies)
    return Run(
        config=config,
        rating_scale=data.rating_scale,
        users=users,
        movies=movies,
        movie_table=data.movies,
        parts=dataclasses.replace(parts, from_reviews=reviews.ratings) if reviews else parts,
        user_content=user_content(
            data.users,
            [read_features(path, USER_ID) for path in settings.user_features],
            users.ids,
            len(users),
            groups=settings.content,
        ),
        movie_content=join_bags([content, reviews.content]) if reviews else content,
        reviews=reviews.movies if reviews else no_reviews(movies.ids.dtype),
        links=external_ids(known, movies.ids),
        movie_id_space=known.space,
        mesh=mesh,
        train_by_row=train_by_row,
    )


def require_something_to_learn(config: Config, train: pd.DataFrame) -> None:
    """Raises InputError for a model without an implicit-feedback score if train has no ratings."""
    if not config.model.implicit_feedback_dim and rated_rows(train).empty:
        raise InputError(
            f"--implicit_feedback_dim=0: {config.data.ratings} has no ratings to learn from, only movies that were "
            "watched, and the implicit-feedback score is what learns from these; leave the flag out"
        )


def require_times(config: Config, train: pd.DataFrame) -> None:
    """Raises InputError for settings that need rating times if no rating of train has one."""
    target = config.train.implicit_feedback_target
    needs_times = {
        "rating_time": (config.data.rating_time, rated_rows(train)),
        f"implicit_feedback_target={target}": (target in ("next", SEQUENCE), train),
    }
    for flag, (is_given, ratings) in needs_times.items():
        if is_given and not has_times(ratings[TIMESTAMP].to_numpy()):
            raise InputError(f"--{flag}: no rating of {config.data.ratings} has a time; leave the flag out")


def require_even_heads(config: Config) -> None:
    """Raises InputError where the heads of the sequence encoder cannot split its width evenly."""
    width, heads = config.model.sequence_dim, config.model.sequence_heads
    if width % (2 * heads):
        raise InputError(
            f"--sequence_dim={width}: {heads} heads cannot split it evenly; give a multiple of {2 * heads}, or "
            "other --sequence_heads"
        )


def read_all_reviews(
    config: Config, data: CleanData, tags: pd.DataFrame, parts: Split, movies: Vocab
) -> Reviews | None:
    """Reads the reviews and tags that a model of the train part may use, and prints what was left out.

    Returns None if there are none.
    """
    settings = config.data
    require_different_files(settings.reviews)
    texts = [read_train_reviews(path, data, parts, settings.split) for path in settings.reviews]
    tags = tags if "reviews" in settings.content else tags[:0]
    tags = tags.assign(is_tag=True, stars=np.float32(np.nan))
    texts.append(tags.rename(columns={"is_tag": IS_TAG, "stars": STARS}))
    if not any(map(len, texts)):
        return None
    folders = settings.sentiment or (str(DEFAULT_SENTIMENT),)
    opinions = {folder: load_sentiment(folder).opinions for folder in dict.fromkeys(folders)}
    folder_of_table = folders if len(folders) == len(texts) else folders * len(texts)
    tables = [(table, opinions[folder]) for table, folder in zip(texts, folder_of_table, strict=True) if len(table)]
    reviews = fit_reviews(tables, parts, movies.ids, len(movies), data.rating_scale)
    if len(reviews.ratings):
        print(
            f"{len(reviews.ratings):,} texts about movies that their users did not rate count as ratings in histories"
        )
    return reviews


def read_train_reviews(path: str, data: CleanData, parts: Split, rule: str) -> pd.DataFrame:
    """Reads the reviews of a file that a model of the train part may use, and prints their number."""
    found, dropped = clean_reviews(read_reviews(path, known_movies(data).preferred_spaces), data)
    usable = train_texts(found, parts, rule)
    if len(usable) < len(found):
        dropped["text of a rating that is held out, or written after train"] = len(found) - len(usable)
    writers, users = found[USER_ID].dropna(), pd.concat([part[USER_ID] for part in parts.all()]).unique()
    if len(writers) and not writers.isin(users).any():
        print(f"{path}: none of its users, such as {writers.iloc[0]!r}, is one of the data, such as {users[0]!r}")
    print(f"{path}: {len(usable):,} texts on {usable[MOVIE_ID].nunique():,} of {len(data.movies):,} movies")
    print_dropped(dropped)
    if usable.empty:
        raise InputError(
            f"{path}: no text is left; texts of ratings in the validation and test part are not used"
            + (f", nor, with --split={rule}, texts without a time or written after train" if rule != "random" else "")
        )
    return usable.assign(**{IS_TAG: False})


def cache_folder(workdir: pathlib.Path) -> pathlib.Path:
    """Returns the folder that caches ratings files for all workdirs beside this one; see `read_ratings`."""
    return workdir.parent / CACHE_FOLDER


def prepare(
    config: Config,
    cache: pathlib.Path | None = None,
    mesh: Mesh | None = None,
    table: pd.DataFrame | None = None,
    earlier: Split | None = None,
) -> Run:
    """Reads, cleans and splits the ratings of a run, and prints what was found and left out.

    cache: folder as for `read_ratings`. mesh: the devices to train on; None for one.
    table: ratings in place of those that the config names.
    earlier: parts of an older run, from whose parameters this one begins; what it has learnt from is not held out.
    """
    if table is None and is_prepared(config.data.ratings):
        config, data, parts, train_by_row = read_prepared(config, cache, is_warm=earlier is not None)
    else:
        (data, parts), train_by_row = read_and_split(config.data, cache, table, earlier), None
    run = new_run(config, data, parts, mesh, train_by_row)
    reason = relevant_threshold(run.train.rated().rating, run.rating_scale)[1]
    if reason and config.evaluation.relevant_rating is None:
        print_notes([reason])
    print(
        f"train {len(parts.train):,}, validation {len(parts.valid):,}, test {len(parts.test):,} ratings; "
        f"{len(run.users):,} users and {len(run.movies):,} movies in train"
    )
    return run


def read_and_split(
    config: DataConfig, cache: pathlib.Path | None, table: pd.DataFrame | None, earlier: Split | None
) -> tuple[CleanData, Split]:
    """Reads, cleans and splits ratings; the clean data has none of them any more. For the arguments see `prepare`."""
    data = read_clean(config, cache, table)
    ratings = data.ratings
    test, valid = held_out_parts(config, data, cache, earlier)
    if earlier is None:
        parts = split(ratings, config, valid, test)
    else:
        parts = split_later(ratings, config, earlier, valid, test)
    require_same_everywhere(config, parts, is_given=table is not None)
    # The parts have copies of the rows; the table takes much of the memory for many ratings.
    return dataclasses.replace(data, ratings=ratings.head(0).copy()), parts


def require_same_everywhere(config: DataConfig, parts: Split, *, is_given: bool) -> None:
    """Raises InputError where processes have other ratings: given ones, or files that may change meanwhile, differ."""
    if not (config.extra_ratings or is_given) or distributed.same_on_all_processes(bytes.fromhex(fingerprint(parts))):
        return
    if config.extra_ratings:
        raise InputError(
            f"--extra_ratings={as_flag(config.extra_ratings)}: processes have read different ratings; give files that "
            "stay as they are"
        )
    raise InputError(f"{config.ratings}: processes were given different ratings; give all the same")


def read_clean(config: DataConfig, cache: pathlib.Path | None = None, table: pd.DataFrame | None = None) -> CleanData:
    """Reads and cleans the ratings of a run, those of --extra_ratings last, and prints what was found and left out.

    cache: folder as for `read_ratings`. table: ratings in place of those that the config names.
    """
    stated = StatedColumns(config.columns, config.weight_column)
    raw = read_ratings(config.ratings, cache, stated) if table is None else read_given(table, stated)
    if config.links is not None:
        raw = dataclasses.replace(raw, links=read_links(config.links))
    raw = join_tables(raw)
    known = known_movies(raw)
    extra = read_extra_ratings(raw, known, config, cache)
    # Arrow keeps the memory that it parsed text in, as much again as the ratings take.
    pa.default_memory_pool().release_unused()
    data = dataclasses.replace(clean(raw, config, extra), links=raw.links, movie_id_space=known.space)
    is_inferred = not (config.rating_scale or raw.rating_scale)
    print_ratings(
        data,
        len(data.ratings),
        num_watched(data.ratings),
        config.unrated_value,
        has_column=RATING in raw.ratings,
        is_inferred=is_inferred,
    )
    for more in extra:
        print(f"  with {len(more.ratings):,} extra ratings of {more.source}")
    print_notes(data.notes)
    print_dropped(data.dropped)
    return data


def held_out_parts(
    config: DataConfig, data: CleanData, cache: pathlib.Path | None, earlier: Split | None
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Reads the files of the test and the validation part, None for a part without one, and prints what was found.

    earlier: as for `prepare`.
    """
    test, valid = (
        read_held_out(path, data.ratings, data.rating_scale, config, cache, known_movies(data)) if path else None
        for path in (config.test_ratings, config.valid_ratings)
    )
    if earlier is not None:
        learnt = learnt_pairs(earlier)
        test, valid = (
            None if part is None else without_overlap(part, learnt, "what the older run is trained with", path)
            for part, path in ((test, config.test_ratings), (valid, config.valid_ratings))
        )
    if test is not None and valid is not None:
        valid = without_overlap(valid, test, "the test part", config.valid_ratings)
    return test, valid


def read_held_out(
    path: str,
    seen: pd.DataFrame,
    rating_scale: tuple[float, float],
    config: DataConfig,
    cache: pathlib.Path | None = None,
    known: KnownMovies | None = None,
) -> pd.DataFrame:
    """Reads and cleans held-out ratings, drops those the model has seen, and prints what was found and left out.

    seen: the ratings that the model learns from or that choose its best epoch. cache: folder as for `read_ratings`.
    known: the movies of the run, which the file may name by ids of any space; None: by their own ids alone.
    """
    raw = read_ratings(path, cache, StatedColumns(config.columns, config.weight_column))
    raw = join_ratings(raw, known) if known else raw
    rows = clean_held_out(raw, seen, rating_scale, config)
    print(f"{path}: {len(rows.table):,} ratings")
    print_notes((*raw.notes, *rows.notes))
    print_dropped(rows.dropped)
    return without_overlap(rows.table, seen, "what the model is trained with", path)


def without_overlap(part: pd.DataFrame, other: pd.DataFrame, name: str, path: str | None) -> pd.DataFrame:
    """Drops the rows whose pair of user and movie is also in another table, called `name`, and prints their number.

    Raises InputError if no row is left.
    """
    rest = without_pairs(part, other)
    if rest.empty:
        raise InputError(f"{path}: each of its {len(part):,} pairs of user and movie is also in {name}")
    print_dropped({f"pair of user and movie also in {name}": len(part) - len(rest)} if len(rest) < len(part) else {})
    return rest
