"""The words and n-grams of texts, whatever their spelling and script."""

import hypothesis
import hypothesis.strategies as st
import pytest

from movierec_jax.features.sentiment.ngrams import (
    CHUNK_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    NUM_POSITIONS,
    chunk_slices,
    extract_ngrams,
)

MANY_BUCKETS = 2**24

many = hypothesis.settings(deadline=None, max_examples=60)
texts_of_words = st.lists(
    st.lists(st.sampled_from(["bad", "good", "not", "very", "a", "film"]), max_size=12).map(" ".join)
)


def by_text(texts, num_buckets=MANY_BUCKETS):
    """The buckets of each text."""
    ngrams = extract_ngrams(texts, num_buckets)
    return [set(ngrams.bucket[ngrams.text == index].tolist()) for index in range(len(texts))]


def have_same_ngrams(*texts):
    """Whether all texts have the same n-ngrams."""
    first, *others = by_text(texts)
    return all(first == other for other in others)


@many
@hypothesis.given(texts=texts_of_words)
def test_each_different_n_gram_of_up_to_three_words_is_found_once(texts):
    for text, found in zip(texts, by_text(texts), strict=True):
        words = text.split()
        expected = {tuple(words[at : at + size]) for size in (1, 2, 3) for at in range(len(words) - size + 1)}
        assert len(found) == len(expected)


@many
@hypothesis.given(texts=st.lists(st.text(max_size=30), max_size=8))
def test_a_text_has_the_same_n_grams_alone_and_among_any_others(texts):
    assert by_text(texts) == [by_text([text])[0] for text in texts]


@many
@hypothesis.given(texts=texts_of_words)
def test_a_repeated_n_gram_has_its_last_position(texts):
    ngrams = extract_ngrams(texts, MANY_BUCKETS)
    for index, text in enumerate(texts):
        words = text.split()
        last = {word: at * NUM_POSITIONS // len(words) for at, word in enumerate(words)}
        for word, position in last.items():
            bucket = extract_ngrams([word], MANY_BUCKETS).bucket[0]
            assert ngrams.position[(ngrams.text == index) & (ngrams.bucket == bucket)].tolist() == [position]


def test_the_order_of_words_and_letters_matters():
    assert not have_same_ngrams("not good", "good not")
    assert not have_same_ngrams("abc", "cba")


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("<br /><br />A <i>GOOD</i> film", "a good film"),
        ("good &amp; bad", "good bad"),
        ("it\u2019s good", "it's good"),
        ("'good'", "good"),
        ("ｇｏｏｄ　ﬁlm", "good film"),
        ("good... film -- (bad)", "good film bad"),
        (":)", "\N{SLIGHTLY SMILING FACE}"),
        ("good :-)", "good \N{SLIGHTLY SMILING FACE}"),
        ("good:(", "good \N{SLIGHTLY FROWNING FACE}"),
        ("\N{HEAVY BLACK HEART}\ufe0f", "\N{SLIGHTLY SMILING FACE}"),
        ("good\N{THUMBS UP SIGN}", "good \N{SLIGHTLY SMILING FACE}"),
        ("good\x1efilm", "good film"),
        ("bad &#30; film", "bad film"),
    ],
)
def test_other_spellings_have_the_same_n_grams(written, plain):
    assert have_same_ngrams(written, plain)


def test_colons_before_words_and_numbers_are_no_emoticons():
    assert have_same_ngrams("at 5:30", "at 5 30")
    assert have_same_ngrams("a film:(see above)", "a film see above")


def test_scripts_without_spaces_are_split_into_characters():
    assert len(by_text(["映画が"])[0]) == 3 + 2 + 1
    assert len(by_text(["фильм"])[0]) == 1


@pytest.mark.parametrize("text", ["", "   ", "...", "<br />", "\x1e", "\ufe0f"])
def test_texts_without_words_have_no_n_grams_and_change_no_others(text):
    assert by_text([text, "good", text]) == [set(), *by_text(["good"]), set()]


def test_a_text_that_is_too_long_is_cut_to_its_end():
    end = "bad " * (MAX_TEXT_CHARACTERS // 4)
    assert have_same_ngrams("good " * 9 + end, "bad bad bad")


def test_buckets_are_the_same_on_every_machine_and_day():
    # Saved weights are looked up by bucket.
    assert sorted(by_text(["a good film"], 2**22)[0]) == [1016471, 1187612, 1438701, 2242698, 3198788, 3500481]


@many
@hypothesis.given(lengths=st.lists(st.integers(0, CHUNK_CHARACTERS), max_size=8))
def test_chunks_hold_all_texts_in_order_and_have_a_largest_size(lengths):
    texts = ["x" * length for length in lengths]
    parts = list(chunk_slices(texts))
    assert [number for part in parts for number in range(part.start, part.stop)] == list(range(len(texts)))
    for part in parts:
        read = [min(len(text), MAX_TEXT_CHARACTERS) for text in texts[part]]
        assert len(read) == 1 or sum(read) <= CHUNK_CHARACTERS
