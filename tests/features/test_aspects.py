from movierec_jax.features.reviews import ASPECT_OF_WORD, ASPECTS, MOST_SENTENCES, sentences_about


def test_each_sentence_is_told_with_every_aspect_that_it_names():
    texts = ["Great acting and music! The plot was thin.<br />Nice", "", "Funny; the MUSIC too"]
    assert list(sentences_about(texts)) == [
        (0, "acting", "Great acting and music"),
        (0, "music", "Great acting and music"),
        (0, "story", " The plot was thin"),
        (2, "humour", "Funny; the MUSIC too"),
        (2, "music", "Funny; the MUSIC too"),
    ]


def test_a_word_names_one_aspect():
    words = [word for names in ASPECTS.values() for word in names.split()]
    assert len(words) == len(set(words)) == len(ASPECT_OF_WORD)


def test_parts_of_words_name_nothing():
    assert list(sentences_about(["castle, plotted, scoreboard"])) == []


def test_of_endless_texts_the_first_sentences_count():
    assert len(list(sentences_about(["The plot. " * 10 * MOST_SENTENCES]))) == MOST_SENTENCES
