import pytest
from helpers import random_scorer
from helpers.recommenders import positive_recommender


@pytest.fixture(scope="session")
def scorer():
    """A random scorer that orders lists by predicted rating."""
    return random_scorer.random_scorer()


@pytest.fixture(scope="session")
def member_ratings(scorer):
    """The rating that every member predicts for every user and movie, unknown ones last."""
    return random_scorer.member_ratings(scorer)


@pytest.fixture(scope="session")
def ratings(member_ratings):
    """The mean of the members."""
    return member_ratings.mean(axis=0)


@pytest.fixture(scope="session", params=["any", "next"])
def positive(request):
    """A recommender of two members with every part of the model, trained for either target."""
    return positive_recommender(request.param)
