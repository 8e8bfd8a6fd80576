"""Our model in a benchmark learns from the train ratings, and not from texts that belong to held-out ones."""

import dataclasses

import numpy as np
import pandas as pd
from helpers import checkerboard

from movierec_jax.benchmark import our_model
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, TAG, TIMESTAMP, USER_ID

SMALL = Config().replace(epochs=1, embedding_dim=2, hidden_dims=(), history=(), implicit_feedback_dim=0)


def test_no_tag_of_a_held_out_rating_is_learnt_from():
    board = checkerboard.parts(num_users=12, num_movies=12)
    data = checkerboard.clean_data(board)
    # Everybody has a tag for what they have rated: one for train, another for what is held out.
    tags = [
        part[[USER_ID, MOVIE_ID]].assign(**{TAG: name}) for name, part in vars(board).items() if name != "from_reviews"
    ]
    tags = pd.concat(tags, ignore_index=True).astype({TAG: "str"}).assign(**{TIMESTAMP: np.int64(0)})
    run = our_model.fit_model(SMALL, dataclasses.replace(data, tags=tags), board.train).run
    assert [name for name in run.movie_content.names if name.startswith("tag=")] == ["tag=train"]
    assert run.parts.from_reviews.empty
    assert len(run.parts.train) == len(board.train)
