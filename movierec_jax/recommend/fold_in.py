"""Users who are new to a trained model, from their ratings alone: nothing is trained ("folding in").

The user tower reads a history, so a user without a row of their own is encoded as everybody else, with zeros for the
row.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int32, Int64

from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.data.splits import Split
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.features.rating_time import recency_weights
from movierec_jax.model.inputs import Sequences
from movierec_jax.model.interactions import new_user_links, rating_deviation
from movierec_jax.model.sequences import last_movies
from movierec_jax.model.two_tower import Encoded, Members, encode_histories
from movierec_jax.runs.run import Run
from movierec_jax.settings import as_flag


def fold_in(run: Run, params: Members, ratings: pd.DataFrame) -> tuple[Vocab, Split, Encoded]:
    """Returns the vocabulary of new users, their ratings as a train part, and the users encoded, the unknown one last.

    ratings: as `given_ratings.ratings_of_users` returns them. Raises InputError for movies not trained on.
    """
    users = Vocab.of(ratings[USER_ID], "user")
    user_row, movie_row = users.rows(ratings[USER_ID]), run.movies.require_rows_in_train(ratings[MOVIE_ID])
    timestamp, rating = ratings[TIMESTAMP].to_numpy(np.int64), ratings[RATING].to_numpy(np.float32)
    weights = implicit_feedback_weights(run, user_row, timestamp)
    links = new_user_links(run.movie_level, user_row, movie_row, rating, weights)
    num_members = len(params["head"]["offset"])
    no_rows = np.zeros((num_members, len(users) + 1, run.config.model.embedding_dim + 1), np.float32)
    sequences = sequences_of(run, user_row, movie_row, rating_deviation(run.movie_level, movie_row, rating), timestamp)
    encoded = encode_histories(params, no_rows, links, sequences, model=run.model)
    return users, Split.of(train=ratings, valid=ratings[:0], test=ratings[:0]), encoded


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
