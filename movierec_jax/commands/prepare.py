"""Reads, cleans and splits ratings of any size once, in bounded memory, for training many times.

    movierec prepare --ratings=ratings/ --output=prepared --split=time
    movierec train --ratings=prepared --workdir=runs/large

Ratings are a Parquet, CSV or TSV file, a folder of its parts as Spark, Dask and BigQuery write them, or the folder of a
CSV edition of MovieLens. Training from the output gives the same bits as training from the ratings. Needs DuckDB
(pip install 'movierec-jax[prepare]').
"""

import pathlib

from absl import flags

from movierec_jax import cli
from movierec_jax.data_config import DataConfig, PrepareConfig

OUTPUT = flags.DEFINE_string("output", None, "folder to write", required=True)
OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace the prepared dataset that the folder holds")
MEMORY_LIMIT = flags.DEFINE_string(
    "memory_limit",
    "2GB",
    "memory that DuckDB may take; what it needs beyond that it keeps on the disk of --output. Beside it the ids of all "
    "users and movies, some 7 bytes a rating and 0.7 GB are needed",
)


def main() -> None:
    from movierec_jax.data.prepared.prepare import prepare_dataset

    settings = cli.section_from_flags(PrepareConfig())
    config = DataConfig(**vars(settings))
    manifest = prepare_dataset(
        config, pathlib.Path(OUTPUT.value), memory_limit=MEMORY_LIMIT.value, overwrite=OVERWRITE.value
    )
    print_prepared(manifest)


def print_prepared(manifest) -> None:
    """Prints what was prepared."""
    from movierec_jax.data.findings import print_dropped, print_notes

    print(f"{manifest.source}: {manifest.num_ratings:,} ratings")
    print_notes(manifest.notes)
    print_dropped(manifest.dropped)
    counts = {name: f"{count:,}" for name, count in manifest.counts.items()}
    print(
        f"{OUTPUT.value}: train {counts['train']}, validation {counts['valid']}, test {counts['test']} ratings; "
        f"{counts['users_in_train']} users and {counts['movies_in_train']} movies in train; parts by "
        f"{manifest.user_ranges} ranges of users and {manifest.movie_ranges} of movies"
    )


def run() -> None:
    cli.run(main, [PrepareConfig], __doc__)
