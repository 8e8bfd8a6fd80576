"""Downloads an edition of MovieLens from GroupLens, checks it, and shows its licence.

    movierec data ml-1m
    movierec data ml-latest-small --folder=downloads

Editions: ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m, ml-latest-small, ml-latest. The zip is kept as it is, since
--ratings takes it packed, with its README beside it. The MD5 that GroupLens publishes beside a zip says whether it came
whole. An edition that is there already is checked, and not fetched again.
"""

import pathlib

from absl import flags

from movierec_jax import cli

FOLDER = flags.DEFINE_string("folder", "data", "folder to put the zip and its README into; made if missing")
BASE_URL = flags.DEFINE_string(
    "base_url", "https://files.grouplens.org/datasets/movielens", "where the zips lie, for a mirror of your own"
)


def main(edition: str = "") -> None:
    from movierec_jax.data.download import download_edition, licence_text

    path = download_edition(edition, pathlib.Path(FOLDER.value), BASE_URL.value)
    readme, licence = licence_text(path)
    print(f"\n{licence}\n...\nthe licence is in {readme}: read it before you use the data\n")
    print(f"next: movierec train --ratings={path} --workdir=runs/{edition}")


def run() -> None:
    cli.run(main, [], __doc__, max_words=1)
