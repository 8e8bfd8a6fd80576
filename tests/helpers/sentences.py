"""Labelled texts of neutral words and a few that give the label away."""

import random

PRAISE = ["wonderful", "moving", "superb", "brilliant", "charming"]
BLAME = ["boring", "awful", "dreadful", "clumsy", "stupid"]
NEUTRAL = ["the", "film", "was", "about", "a", "man", "who", "lived", "in", "this", "house", "with", "his", "dog"]


def written(num_texts: int, seed: int = 0, num_words: int = 30) -> tuple[list[str], list[bool]]:
    """Returns texts of neutral words with three words of praise or of blame among them, and which texts praise."""
    rng = random.Random(seed)
    texts, is_praise = [], []
    for index in range(num_texts):
        words = rng.choices(NEUTRAL, k=num_words)
        for _ in range(3):
            words.insert(rng.randrange(len(words)), rng.choice(PRAISE if index % 2 else BLAME))
        texts.append(" ".join(words))
        is_praise.append(bool(index % 2))
    return texts, is_praise
