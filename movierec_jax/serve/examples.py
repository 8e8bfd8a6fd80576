"""An example of every body of the API, by schema, as a run on the bundled ratings answers.

The run is that of `movierec train --embedding_dim=64`.
"""

from typing import Any

STAND_BY_ME = {
    "movie_id": 1259,
    "title": "Stand by Me",
    "year": 1986,
    "genres": ["Adventure", "Drama"],
    "rank": 1,
    "score": 0.603543,
    "predicted_rating": 4.657,
}

EXAMPLES: dict[str, Any] = {
    "NewUserRequest": {"ratings": [{"movie_id": 318, "rating": 5}, {"movie_id": 296, "rating": 4.5}], "k": 1},
    "BatchRequest": {
        "users": [
            {"user_id": 42},
            {"ratings": [{"movie_id": 318, "rating": 5}], "genres": ["War"]},
            {"user_id": 99999},
        ],
        "k": 1,
    },
    "PredictionsRequest": {"pairs": [{"user_id": 42, "movie_id": 318}, {"user_id": 42, "movie_id": 0}]},
    "RatingInput": {"rating": 4.5},
    "UserRecommendations": {
        "user_id": 42,
        "fallback": False,
        "movies": [
            {
                **STAND_BY_ME,
                "reasons": [
                    {"source": "rated", "movie_id": 1124, "title": "On Golden Pond", "rating": 5.0, "share": 0.0199},
                    {"source": "rated", "movie_id": 2000, "title": "Lethal Weapon", "rating": 5.0, "share": 0.0197},
                    {"source": "content", "feature": "tag=stephen king", "stars": 0.1505},
                ],
            }
        ],
        "ignored_movies": [],
    },
    "Recommendations": {
        "movies": [
            {
                "movie_id": 527,
                "title": "Schindler's List",
                "year": 1993,
                "genres": ["Drama", "War"],
                "rank": 1,
                "score": 0.2051,
                "predicted_rating": 4.5561,
            }
        ],
        "ignored_movies": [],
    },
    "BatchLists": {
        "lists": [
            {
                "user_id": 42,
                "fallback": False,
                "movies": [STAND_BY_ME],
                "ignored_movies": [],
            },
            {
                "user_id": None,
                "fallback": False,
                "movies": [
                    {
                        "movie_id": 527,
                        "title": "Schindler's List",
                        "year": 1993,
                        "genres": ["Drama", "War"],
                        "rank": 1,
                        "score": 0.17709,
                        "predicted_rating": 4.5806,
                    }
                ],
                "ignored_movies": [],
            },
            {
                "index": 2,
                "type": "urn:movierec:unknown-user",
                "title": "Nothing is known of this user",
                "status": 404,
                "detail": "User 99999 not found. Rate a film to create it.",
            },
        ]
    },
    "ImportedRatings": {
        "kind": "a table of ratings",
        "summary": [
            "read 2 films of a table of ratings; 1 matched (1 by title and year); not found: No Such Film (2001)"
        ],
        "num_movies": 2,
        "ratings": [
            {
                "movie_id": 858,
                "title": "The Godfather",
                "year": 1972,
                "genres": ["Crime", "Drama"],
                "rating": 5.0,
                "timestamp": None,
                "matched_by": "title and year",
            }
        ],
        "watched": [],
        "not_found": [{"title": "No Such Film", "year": 2001, "is_ambiguous": False}],
        "movies": [
            {
                "movie_id": 318,
                "title": "The Shawshank Redemption",
                "year": 1994,
                "genres": ["Crime", "Drama"],
                "rank": 1,
                "score": 0.206775,
                "predicted_rating": 4.3222,
            }
        ],
        "ignored_movies": [],
    },
    "Predictions": {
        "predictions": [
            {"user_id": 42, "movie_id": 318, "predicted_rating": 4.9107, "spread": 0.7847},
            {
                "index": 1,
                "type": "urn:movierec:unknown-movie",
                "title": "The data has no such movie",
                "status": 404,
                "detail": "Movie 0 not found. /v1/movies finds ids by title.",
            },
        ]
    },
    "UserRatings": {
        "user_id": 42,
        "ratings": [
            {
                "movie_id": 2541,
                "title": "Cruel Intentions",
                "year": 1999,
                "genres": ["Drama"],
                "rating": 5.0,
                "timestamp": 996262242,
                "is_recorded": False,
            }
        ],
    },
    "RecordedRating": {"user_id": 42, "movie_id": 318, "rating": 4.5, "timestamp": 1796072133},
    "NotInterestedMovie": {"user_id": 42, "movie_id": 296},
    "NotInterestedMovies": {
        "movies": [
            {"movie_id": 296, "title": "Pulp Fiction", "year": 1994, "genres": ["Comedy", "Crime", "Drama", "Thriller"]}
        ]
    },
    "User": {"user_id": 42, "num_ratings": 440, "is_trained": True},
    "Movies": {
        "movies": [
            {
                "movie_id": 858,
                "title": "The Godfather",
                "year": 1972,
                "genres": ["Crime", "Drama"],
                "num_ratings": 174,
                "mean_rating": 4.296,
            }
        ]
    },
    "MovieDetails": {
        "movie_id": 318,
        "title": "The Shawshank Redemption",
        "year": 1994,
        "genres": ["Crime", "Drama"],
        "num_ratings": 266,
        "mean_rating": 4.438,
        "tags": ["prison", "stephen king"],
        "reviews": None,
        "imdb_url": "https://www.imdb.com/title/tt0111161/",
        "tmdb_url": "https://www.themoviedb.org/movie/278",
    },
    "SimilarMovies": {
        "movies": [
            {
                "movie_id": 527,
                "title": "Schindler's List",
                "year": 1993,
                "genres": ["Drama", "War"],
                "similarity": 0.7375,
            }
        ]
    },
    "MovieMap": {
        "movies": [
            {
                "movie_id": 356,
                "title": "Forrest Gump",
                "year": 1994,
                "genres": ["Comedy", "Drama", "Romance", "War"],
                "num_ratings": 288,
                "mean_rating": 4.186,
                "x": 0.7093,
                "y": 0.8261,
            }
        ]
    },
    "ModelInfo": {
        "version": "3db9a7b07c4e",
        "loaded_at": "2026-11-30T20:55:00+00:00",
        "refused": None,
        "num_users": 610,
        "num_movies": 9276,
        "num_ratings": 88938,
        "rating_scale": [0.5, 5.0],
        "rating_step": 0.5,
        "genres": [
            "Action",
            "Adventure",
            "Animation",
            "Children",
            "Comedy",
            "Crime",
            "Documentary",
            "Drama",
            "Fantasy",
            "Film-Noir",
            "Horror",
            "IMAX",
            "Musical",
            "Mystery",
            "Romance",
            "Sci-Fi",
            "Thriller",
            "War",
            "Western",
        ],
        "praised": [],
        "years": [1902, 2018],
        "first_user_id": 1,
        "has_posters": False,
        "limits": {"k": 100, "ratings": 1000, "pairs": 1000, "users": 100},
    },
    "Status": {"status": "ok"},
    "Readiness": {"status": "ready", "warnings": []},
    "ProblemDetails": {
        "type": "urn:movierec:unknown-user",
        "title": "Nothing is known of this user",
        "status": 404,
        "detail": "User 99999 not found. Rate a film to create it.",
    },
}

IMPORTED_FILE = "Name,Year,Rating\nThe Godfather,1972,5\nNo Such Film,2001,3\n"
