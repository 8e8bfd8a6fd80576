import pytest

from movierec_jax.data.matching.titles import article_first, title_key, title_names, title_parts


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Matrix, The", "The Matrix"),
        ("Avventura, L'", "L'Avventura"),
        ("Good, the Bad and the Ugly, The", "The Good, the Bad and the Ugly"),
        ("Postman, The (Postino, Il)", "The Postman (Il Postino)"),
        ("Fate (a.k.a. Ignorant Fairies, The)", "Fate (a.k.a. The Ignorant Fairies)"),
        ("M (The)", "M (The)"),
        ("Heat", "Heat"),
        ("Me, Myself & Irene", "Me, Myself & Irene"),
    ],
)
def test_a_trailing_article_moves_to_the_front(title, expected):
    assert article_first(title) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Matrix, The", "the matrix"),
        ("The Matrix", "Matrix"),
        ("Amélie", "AMELIE"),
        ("Lilo & Stitch", "Lilo and Stitch"),
        ("Spider-Man", "Spider Man"),
        ("WALL·E", "WALL-E"),
        ("Ocean's Eleven", "Oceans Eleven"),
        ("Ocean’s Eleven", "Ocean's Eleven"),
        ("L'Avventura", "Avventura, L'"),
        ("Straße", "STRASSE"),
        ("Søren Ångström", "Soren Angstrom"),
        ("Alien³", "Alien 3"),
        ("GoodFellas", "Good Fellas"),
    ],
)
def test_spellings_of_a_title_have_one_key(one, other):
    assert title_key(one) == title_key(other)


@pytest.mark.parametrize(("one", "other"), [("Rocky II", "Rocky III"), ("$", "!"), ("A", "The"), ("羅生門", "生きる")])
def test_different_titles_have_different_keys(one, other):
    assert title_key(one) != title_key(other)


def test_names_in_brackets_are_names_too():
    assert title_names("Seven (a.k.a. Se7en)") == ["Seven (a.k.a. Se7en)", "Seven", "Se7en"]
    assert title_names("Hate (Haine, La)")[1:] == ["Hate", "Haine, La"]
    assert title_names("Heat") == ["Heat"]
    assert title_names("(500) Days of Summer") == ["(500) Days of Summer", "Days of Summer", "500"]


def test_colons_and_dashes_split_a_title_into_parts():
    assert title_parts("Star Wars: Episode V - The Empire Strikes Back") == [
        "Star Wars",
        "Episode V",
        "The Empire Strikes Back",
    ]
    assert title_parts("Spider-Man") == []
