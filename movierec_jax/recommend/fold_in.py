"""Users who are new to a trained model, from their ratings alone: nothing is trained ("folding in").

The user tower reads a history, so a user without a row of their own is encoded as everybody else, with the row of
zeros of the unknown user.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int32, Int64

from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, FeatureBags, Ratings
from movierec_jax.data.splits import Split
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.features.rating_time import recency_weights
from movierec_jax.model.inputs import Sequences
from movierec_jax.model.sequences import last_movies
from movierec_jax.model.user_histories import UserHistories
from movierec_jax.runs.run import Run
from movierec_jax.settings import as_flag


def fold_in(run: Run, ratings: pd.DataFrame) -> tuple[Vocab, Split, UserHistories]:
    """Returns the vocabulary of new users, their ratings as a train part, and what the user tower reads of them.

    ratings: as `given_ratings.ratings_of_users` returns them. Raises InputError for movies not trained on.
    """
    users = Vocab.of(ratings[USER_ID], "user")
    by_row = Ratings(
        users.rows(ratings[USER_ID]),
        run.movies.require_rows_in_train(ratings[MOVIE_ID]),
        ratings[RATING].to_numpy(np.float32),
        ratings[TIMESTAMP].to_numpy(np.int64),
        np.zeros((len(ratings), 0), np.int32),
    )
    nothing = np.zeros(0, np.int32)
    no_content = FeatureBags(nothing, nothing, nothing.astype(np.float32), ())
    user_row = np.full(len(users) + 1, run.users.unknown, np.int32)
    histories = run.build_histories(by_row, by_row, no_content, user_row)
    return users, Split.of(train=ratings, valid=ratings[:0], test=ratings[:0]), histories


def sequences_of(
    run: Run,
    owner: Int32[np.ndarray, " ratings"],
    movie_row: Int32[np.ndarray, " ratings"],
    deviation: Float32[np.ndarray, " ratings"],
    timestamp: Int64[np.ndarray, " ratings"],
) -> Sequences | None:
    """Returns the last movies of each owner in order; None where the model reads no order."""
    if not run.model.reads_sequences:
        return None
    return last_movies(owner, movie_row, deviation, timestamp, length=run.config.model.sequence_length)


def implicit_feedback_weights(
    run: Run, owner: Int32[np.ndarray, " ratings"], timestamp: Int64[np.ndarray, " ratings"]
) -> Float32[np.ndarray, " ratings"]:
    """Returns how much each rating counts in its owner's implicit-feedback score: 1, or more for later ones.

    owner: the row of each rating's user; all ratings of a user have to be there.
    """
    if not run.setup.predicts_next:
        return np.ones(len(owner), np.float32)
    return recency_weights(owner, timestamp)


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
