"""Labelled texts whose words tell their label, as a writer of reviews would put them."""

import random

PRAISE = ["wonderful", "moving", "superb", "brilliant", "charming"]
BLAME = ["boring", "awful", "dreadful", "clumsy", "stupid"]
NEUTRAL = ["the", "film", "was", "about", "a", "man", "who", "lived", "in", "this", "house", "with", "his", "dog"]


def written(num_texts: int, seed: int = 0, num_words: int = 30) -> tuple[list[str], list[bool]]:
    """Texts of neutral words among which three of praise or three of blame stand, and which of them praise."""
    rng = random.Random(seed)
    texts, is_praise = [], []
    for number in range(num_texts):
        words = rng.choices(NEUTRAL, k=num_words)
        for _ in range(3):
            words.insert(rng.randrange(len(words)), rng.choice(PRAISE if number % 2 else BLAME))
        texts.append(" ".join(words))
        is_praise.append(bool(number % 2))
    return texts, is_praise
