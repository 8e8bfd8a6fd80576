"""Which movies lists may hold."""

import pytest
from helpers.checkerboard import NUM_MOVIES

from movierec_jax.data.schema import MOVIE_ID
from movierec_jax.errors import InputError
from movierec_jax.recommend.filters import ListFilter, filter_movies

# A movie of the test part alone.
COLD_MOVIE = 900


def test_movies_are_selected_by_genre_year_count_and_id(recommender):
    catalogue = range(500, 500 + NUM_MOVIES)
    assert recommender.select_movies().tolist() == list(catalogue)
    assert recommender.select_movies(genres=["Odd"]).tolist() == [movie for movie in catalogue if movie % 2]
    assert recommender.select_movies(genres="Odd").tolist() == [movie for movie in catalogue if movie % 2]
    assert recommender.select_movies(genres=["Odd", "Even"], years=(1999, 2003)).tolist() == list(catalogue)
    assert recommender.select_movies(exclude_movies=[501, COLD_MOVIE]).tolist() == [500, *catalogue[2:]]
    count = recommender.run.parts.train[MOVIE_ID].value_counts()
    often = recommender.select_movies(min_ratings=int(count.max()))
    assert sorted(often) == sorted(count.index[count == count.max()])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"genres": ["Odd", "Noir"]}, "--genres=Noir: not a genre of the data; name one of Drama, Even, Odd"),
        ({"exclude_movies": [501, 77]}, "--exclude_movies=77: no movie of the data has this id"),
        ({"years": (1950, 1960)}, "leave no movie; ask for less"),
        ({"years": (1960, 1950)}, "--years=1960,1950: must be two years, the earlier first"),
        ({"years": (1960,)}, "--years=1960: must be two years"),
        ({"min_ratings": -1}, "--min_ratings=-1: must be 0 or more"),
        ({"genres": [""]}, "--genres=: not a genre of the data"),
        ({"min_ratings": 10**6}, "leave no movie; ask for less"),
    ],
)
def test_a_filter_that_cannot_be_met_is_refused(recommender, options, message):
    with pytest.raises(InputError, match=message):
        recommender.select_movies(**options)


def test_movies_are_selected_by_what_reviews_praise(reviewed):
    # Movie 1076 is praised for its music as well, but nobody has rated it.
    assert reviewed.select_movies(praised="music").tolist() == [318]
    assert reviewed.select_movies(praised=["music", "pace", "music"]).tolist() == [318, 2571]
    assert reviewed.select_movies(praised=("music", "pace"), years=(1999, 1999)).tolist() == [2571]
    assert len(reviewed.select_movies(praised=())) == len(reviewed.run.movies)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"praised": ["music", "love"]},
            "--praised=love: not praised by reviews of this run; name one of acting, music, pace",
        ),
        ({"praised": [""]}, "--praised=: not praised by"),
        # Aspects have names of their own, whatever else there is.
        ({"praised": "Comedy"}, "--praised=Comedy: not praised by"),
        ({"praised": "music", "years": (1930, 1940)}, "--praised.* leave no movie"),
    ],
)
def test_aspects_that_no_reviews_praise_are_refused(reviewed, options, message):
    with pytest.raises(InputError, match=message):
        reviewed.select_movies(**options)


def test_without_reviews_no_movie_is_praised(recommender):
    with pytest.raises(InputError, match="--praised=music: this run has no reviews; train one with --reviews=FILE"):
        recommender.select_movies(praised="music")


def test_a_filter_may_leave_no_movie(recommender):
    assert not filter_movies(recommender.run, ListFilter(years=(1950, 1960))).any()


def test_messages_name_the_fields_of_a_request_without_dashes(recommender):
    with pytest.raises(InputError, match=r"^genres=Noir: "):
        filter_movies(recommender.run, ListFilter(genres=("Noir",)), prefix="")
