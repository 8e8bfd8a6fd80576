"""Users who are new to a trained model, from their ratings alone: nothing is trained ("folding in").

The user tower reads a history, so a user without a row of their own is encoded as everybody else, with zeros for the
row.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int32, Int64

from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID, WEIGHT
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

    ratings: `user_id, movie_id, rating`, `timestamp` where the order of ratings is to count, and perhaps `weight`, 0
        for movies watched but not rated. Where train has no ratings, all of them are watched.
    Raises InputError as `require_ratings`, and for movies not trained on.
    """
    is_watched = pd.Series(not run.has_ratings, index=ratings.index)
    if WEIGHT in ratings:
        is_watched |= ratings[WEIGHT] == 0
    require_ratings(ratings, run.rating_scale, is_watched)
    users = Vocab.of(ratings[USER_ID], "user")
    user_row, movie_row = users.rows(ratings[USER_ID]), run.movies.require_rows_in_train(ratings[MOVIE_ID])
    rating = ratings[RATING].where(~is_watched).astype(np.float32)
    train = pd.DataFrame({USER_ID: ratings[USER_ID], MOVIE_ID: ratings[MOVIE_ID], RATING: rating})
    train = train.assign(**{TIMESTAMP: ratings.get(TIMESTAMP, NO_TIMESTAMP)})
    weights = implicit_feedback_weights(run, user_row, train[TIMESTAMP].to_numpy(np.int64))
    links = new_user_links(run.movie_level, user_row, movie_row, rating.to_numpy(), weights)
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


def require_ratings(ratings: pd.DataFrame, rating_scale: tuple[float, float], is_watched: pd.Series) -> None:
    """Raises InputError unless a table holds ratings, each within the scale and of a user and movie of its own.

    is_watched: which of them need no rating.
    """
    missing = [column for column in (USER_ID, MOVIE_ID, RATING) if column not in ratings]
    if missing:
        found = ", ".join(map(str, ratings.columns)) or "no column"
        raise InputError(f"ratings: no column {', '.join(missing)} among {found}")
    if ratings.empty:
        raise InputError("no ratings: give one or more")
    rated = ratings[RATING][~is_watched]
    values = pd.to_numeric(rated, errors="coerce").to_numpy(np.float64)
    require_on_scale(values, rating_scale, rated.tolist())
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
