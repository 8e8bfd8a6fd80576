"""Opinions of the sentiment model that comes with the package, for texts of all kinds."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from movierec_jax.features.sentiment.saved import load_sentiment


@pytest.fixture(scope="module")
def sentiment():
    return load_sentiment()


@pytest.mark.parametrize(
    ("praising", "blaming"),
    [
        ("I loved every minute of it.", "I hated every minute of it."),
        ("A masterpiece", "A waste of time"),
        ("This film was not bad, I recommend it", "This film was not good, I do not recommend it"),
        ("great", "boring"),
        ("Great <br />acting &amp; music", "Terrible <br />acting &amp; music"),
        ("best film ever \N{THUMBS UP SIGN}", "worst film ever \N{THUMBS DOWN SIGN}"),
    ],
)
def test_praise_differs_from_blame(sentiment, praising, blaming):
    good, bad = sentiment.opinions([praising, blaming]).praise
    assert good > 0.5 > bad


def test_few_words_are_less_certain_than_many(sentiment):
    few, many = sentiment.opinions(
        ["good", "good " + "one of the best films, wonderful acting, I loved it. " * 5]
    ).praise
    assert 0.5 < few < many


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "<br />",
        "...",
        "12345",
        "Ein sehr schlechter Film, langweilig und dumm, ohne jede Spannung",
        "Un film magnifique, tournure et musique merveilleuses, je l'ai adoré",
        "素晴らしい映画でした。とても感動しました。",
        "Отличный фильм, всем советую посмотреть",
        "فيلم رائع جدا",
        "\ud800",
        "\0",
    ],
)
def test_a_text_that_is_not_understood_gets_the_average_opinion(sentiment, text):
    found = sentiment.opinions([text, ""])
    assert not found.is_understood[0]
    assert found.praise[0] == found.praise[1]
    assert 0.4 < found.praise[0] < 0.6


@hypothesis.settings(
    deadline=None, max_examples=50, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(texts=st.lists(st.text(), max_size=6))
def test_any_text_has_an_opinion_that_does_not_depend_on_others(texts):
    sentiment = load_sentiment()
    found = sentiment.opinions(texts)
    assert len(found.praise) == len(texts)
    assert np.all((found.praise > 0) & (found.praise < 1))
    lowest, highest = sentiment.rating_scale
    assert np.all((found.stars >= lowest) & (found.stars <= highest))
    alone = [sentiment.opinions([text]).praise[0] for text in texts]
    np.testing.assert_allclose(found.praise, alone, rtol=1e-5)


def test_more_texts_than_a_chunk_holds_keep_their_order(sentiment):
    texts = ["I loved it, a wonderful film", "I hated it, an awful film"] * 12_000
    praise = sentiment.opinions(texts).praise
    assert (praise[::2] > 0.5).all()
    assert (praise[1::2] < 0.5).all()
