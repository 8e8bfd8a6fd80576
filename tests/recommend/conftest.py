import pytest
from helpers import random_scorer


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
