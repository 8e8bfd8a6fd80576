"""The model's tables, by the names that Flax gives them, and what has a row in each: said once, for all who ask.

`sharding` spreads a table along the axis of its rows, `losses` gives each a decay of its own, and `sparse_adam`
trains the rows that a batch holds. `two_tower` and `implicit_feedback` make the parameters; a test holds them to this.
"""

USER_TOWER, MOVIE_TOWER = TOWERS = ("user_tower", "movie_tower")

# Flax derives initial values from the scope's name: another name would train to other parameters.
IMPLICIT_FEEDBACK = "exposure"

# A tower's tables with a row for each of its own users or movies.
OWN_TABLES = ("embedding", "bias")

# Tables, of both towers, whose decays are as strong as ratings held out of training ask for.
LEARNT_TABLES = ("embedding", "explicit", "implicit")

# (scope, name) of each table -> what it has a row for.
ROWS_OF_TABLE = {
    (USER_TOWER, "embedding"): "users",
    (USER_TOWER, "bias"): "users",
    (USER_TOWER, "explicit"): "movies",
    (USER_TOWER, "implicit"): "movies",
    (USER_TOWER, "features"): "user_features",
    (USER_TOWER, "time_features"): "time_features",
    (MOVIE_TOWER, "embedding"): "movies",
    (MOVIE_TOWER, "bias"): "movies",
    (MOVIE_TOWER, "explicit"): "users",
    (MOVIE_TOWER, "implicit"): "users",
    (MOVIE_TOWER, "features"): "movie_features",
    (MOVIE_TOWER, "time_features"): "time_features",
    (IMPLICIT_FEEDBACK, "rated"): "movies",
    (IMPLICIT_FEEDBACK, "movie"): "movies",
    (IMPLICIT_FEEDBACK, "bias"): "movies",
}

# The scopes that hold tables; all others hold what every pair of a user and a movie shares.
TABLE_SCOPES = frozenset(scope for scope, _ in ROWS_OF_TABLE)
