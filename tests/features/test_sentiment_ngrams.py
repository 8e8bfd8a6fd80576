import hypothesis
import hypothesis.strategies as st
import pytest

from movierec_jax.features.sentiment.ngrams import CHUNK_CHARACTERS, LONGEST_TEXT, NUM_PLACES, chunks, grams_of

MANY_BUCKETS = 2**24

many = hypothesis.settings(deadline=None, max_examples=60)
texts_of_words = st.lists(
    st.lists(st.sampled_from(["bad", "good", "not", "very", "a", "film"]), max_size=12).map(" ".join)
)


def by_text(texts, num_buckets=MANY_BUCKETS):
    """The buckets of each text."""
    grams = grams_of(texts, num_buckets)
    return [set(grams.bucket[grams.text == number].tolist()) for number in range(len(texts))]


def same(*texts):
    """Whether texts have the same n-grams."""
    first, *others = by_text(texts)
    return all(first == other for other in others)


@many
@hypothesis.given(texts=texts_of_words)
def test_the_different_n_grams_of_up_to_three_words_are_counted_once(texts):
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
def test_of_an_n_gram_that_comes_again_the_last_place_counts(texts):
    grams = grams_of(texts, MANY_BUCKETS)
    for number, text in enumerate(texts):
        words = text.split()
        last = {word: at * NUM_PLACES // len(words) for at, word in enumerate(words)}
        for word, place in last.items():
            bucket = grams_of([word], MANY_BUCKETS).bucket[0]
            assert grams.place[(grams.text == number) & (grams.bucket == bucket)].tolist() == [place]


def test_words_that_differ_in_order_alone_are_different():
    assert not same("not good", "good not")
    assert not same("abc", "cba")


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
def test_what_is_written_in_other_ways_is_read_alike(written, plain):
    assert same(written, plain)


def test_colons_before_words_and_numbers_are_no_eyes():
    assert same("at 5:30", "at 5 30")
    assert same("a film:(see above)", "a film see above")


def test_scripts_without_spaces_are_taken_apart():
    assert len(by_text(["映画が"])[0]) == 3 + 2 + 1
    assert len(by_text(["фильм"])[0]) == 1


@pytest.mark.parametrize("text", ["", "   ", "...", "<br />", "\x1e", "\ufe0f"])
def test_texts_without_words_have_no_n_grams_and_disturb_no_others(text):
    assert by_text([text, "good", text]) == [set(), *by_text(["good"]), set()]


def test_of_a_text_that_is_too_long_the_end_counts():
    end = "bad " * (LONGEST_TEXT // 4)
    assert same("good " * 9 + end, "bad bad bad")


def test_buckets_are_the_same_on_every_machine_and_day():
    # What has been learnt is kept by bucket.
    assert sorted(by_text(["a good film"], 2**22)[0]) == [1016471, 1187612, 1438701, 2242698, 3198788, 3500481]


@many
@hypothesis.given(lengths=st.lists(st.integers(0, CHUNK_CHARACTERS), max_size=8))
def test_chunks_hold_all_texts_in_order_and_no_more_characters_than_they_should(lengths):
    texts = ["x" * length for length in lengths]
    parts = list(chunks(texts))
    assert [number for part in parts for number in range(part.start, part.stop)] == list(range(len(texts)))
    for part in parts:
        read = [min(len(text), LONGEST_TEXT) for text in texts[part]]
        assert len(read) == 1 or sum(read) <= CHUNK_CHARACTERS
