"""Users who are new to a trained model, from their ratings alone: nothing is trained ("folding in").

The user tower reads a history, so a user without a row of their own is encoded as everybody else, with zeros for the
row.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int32, Int64

from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID
from movierec_jax.data.splits import Split
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.features.rating_time import recency_weights
from movierec_jax.model.interactions import new_user_links
from movierec_jax.model.two_tower import Encoded, Members, encode_histories
from movierec_jax.runs.run import Run
from movierec_jax.settings import as_flag


def fold_in(run: Run, params: Members, ratings: pd.DataFrame) -> tuple[Vocab, Split, Encoded]:
    """Returns the vocabulary of new users, their ratings as a train part, and the users encoded, the unknown one last.

    ratings: `user_id, movie_id, rating`, and `timestamp` where the order of ratings is to count.
    Raises InputError as `require_ratings`, and for movies not trained on.
    """
    require_ratings(ratings, run.rating_scale)
    users = Vocab.of(ratings[USER_ID], "user")
    user_row, movie_row = users.rows(ratings[USER_ID]), run.movies.require_rows_in_train(ratings[MOVIE_ID])
    train = ratings[[USER_ID, MOVIE_ID, RATING]].assign(**{TIMESTAMP: ratings.get(TIMESTAMP, NO_TIMESTAMP)})
    weights = implicit_feedback_weights(run, user_row, train[TIMESTAMP].to_numpy(np.int64))
    links = new_user_links(run.movie_level, user_row, movie_row, ratings[RATING].to_numpy(np.float32), weights)
    num_members = len(params["head"]["offset"])
    no_rows = np.zeros((num_members, len(users) + 1, run.config.model.embedding_dim + 1), np.float32)
    encoded = encode_histories(params, no_rows, links, model=run.model)
    return users, Split.of(train=train, valid=train[:0], test=train[:0]), encoded


def implicit_feedback_weights(
    run: Run, owner: Int32[np.ndarray, " ratings"], timestamp: Int64[np.ndarray, " ratings"]
) -> Float32[np.ndarray, " ratings"]:
    """Returns how much each rating counts in its owner's implicit-feedback score: 1, or more for later ones.

    owner: the row of each rating's user; all ratings of a user have to be there.
    """
    if not run.setup.predicts_next:
        return np.ones(len(owner), np.float32)
    return recency_weights(owner, timestamp)


def require_ratings(ratings: pd.DataFrame, rating_scale: tuple[float, float]) -> None:
    """Raises InputError unless a table holds ratings, each within the scale and of a user and movie of its own."""
    missing = [column for column in (USER_ID, MOVIE_ID, RATING) if column not in ratings]
    if missing:
        found = ", ".join(map(str, ratings.columns)) or "no column"
        raise InputError(f"ratings: no column {', '.join(missing)} among {found}")
    if ratings.empty:
        raise InputError("no ratings: give one or more")
    values = pd.to_numeric(ratings[RATING], errors="coerce").to_numpy(np.float64)
    require_on_scale(values, rating_scale, ratings[RATING].tolist())
    if ratings[USER_ID].isna().any():
        raise InputError("a rating without a user id: give one for each")
    is_repeated = ratings.duplicated([USER_ID, MOVIE_ID])
    if is_repeated.any():
        user, movie = ratings[is_repeated][[USER_ID, MOVIE_ID]].iloc[0]
        raise InputError(f"user {user} has rated movie {movie} more than once: give one rating of it")


def require_on_scale(
    ratings: Float[np.ndarray, " ratings"], rating_scale: tuple[float, float], written: Sequence | None = None
) -> None:
    """Raises InputError for the first rating outside the scale, NaN included.

    written: the ratings as the message shows them; the numbers themselves unless given.
    """
    lowest, highest = rating_scale
    is_off = ~((lowest <= ratings) & (ratings <= highest))
    if is_off.any():
        found = (ratings if written is None else written)[int(is_off.argmax())]
        raise InputError(f"rating={as_flag(found)}: must be {lowest:g} to {highest:g} stars")
