"""Writes every user's best movies into one file, or prints them for a few users.

    python scripts/score.py --workdir=runs/default --output=recommendations.parquet --top_k=100
    python scripts/score.py --workdir=runs/default --user_id=42

The file has columns user_id, movie_id, rank, score, predicted_rating, best first, in the ids of the data. Movies that a
user has rated are left out unless asked for.
"""

import pathlib

from absl import flags

from movierec_jax import cli

WORKDIR = flags.DEFINE_string("workdir", "runs/default", "folder that scripts/train.py has written")
OUTPUT = flags.DEFINE_string("output", "recommendations.parquet", "file to write, .parquet or .csv")
TOP_K = flags.DEFINE_integer("top_k", 100, "movies for each user")
USER_ID = flags.DEFINE_multi_string("user_id", [], "print a table for this user instead of writing; may be repeated")
USERS_FILE = flags.DEFINE_string("users_file", None, "text file with the ids to score, one on each line; default: all")
INCLUDE_SEEN = flags.DEFINE_bool("include_seen", False, "also list movies that the user has rated")
BLOCK_USERS = flags.DEFINE_integer("block_users", 256, "users on the device at once; more takes more memory")


def main() -> None:
    from movierec_jax import load, scoring

    recommender = load(WORKDIR.value)
    if USER_ID.value:
        users = recommender.parse_users(USER_ID.value)
        print(scoring.readable_lists(recommender, users, TOP_K.value, include_seen=INCLUDE_SEEN.value))
        return
    users = recommender.user_ids()
    if USERS_FILE.value:
        users = scoring.read_user_ids(pathlib.Path(USERS_FILE.value), recommender)
    scoring.score_to_file(
        recommender,
        users,
        pathlib.Path(OUTPUT.value),
        TOP_K.value,
        include_seen=INCLUDE_SEEN.value,
        block_users=BLOCK_USERS.value,
    )


if __name__ == "__main__":
    cli.run(main, [], __doc__)
