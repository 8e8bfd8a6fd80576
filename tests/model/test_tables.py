"""The list of tables against the parameters that the model makes."""

import jax

from movierec_jax.config import ModelConfig, TrainConfig
from movierec_jax.model.tables import ROWS_OF_TABLE, TABLE_SCOPES
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.training.state import TrainingSetup, state_shapes

NUM_ROWS = {"users": 31, "movies": 37, "user_features": 5, "movie_features": 7, "time_features": (11, 3)}


def test_the_listed_tables_are_the_parameters_of_a_model_with_all_parts_and_have_the_listed_rows():
    model = TwoTowers(31, 37, 5, 7, ModelConfig(embedding_dim=2), num_time_features=11, num_shared_time_features=3)
    config = TrainConfig().for_ratings(1000, "any")
    params = state_shapes(TrainingSetup(model, config, 1, (1.0, 5.0), 4.0)).params
    found = {(scope, name): table.shape[1] for scope in TABLE_SCOPES for name, table in params[scope].items()}
    assert found.keys() == ROWS_OF_TABLE.keys()
    for (scope, name), rows in ROWS_OF_TABLE.items():
        is_shared = name == "time_features" and scope == "movie_tower"
        expected = NUM_ROWS[rows][is_shared] if name == "time_features" else NUM_ROWS[rows]
        assert (scope, name, found[scope, name]) == (scope, name, expected)


def test_no_other_parameter_has_a_row_for_each_user_or_movie():
    model = TwoTowers(31, 37, 5, 7, ModelConfig(embedding_dim=2))
    params = state_shapes(TrainingSetup(model, TrainConfig().for_ratings(1000, "any"), 1, (1.0, 5.0), 4.0)).params
    shared = {scope: tree for scope, tree in params.items() if scope not in TABLE_SCOPES}
    assert not {31, 37} & {size for leaf in jax.tree.leaves(shared) for size in leaf.shape}
