"""What sentences of reviews are about: acting, story, music and the like, by English words that name it."""

import re
from collections.abc import Iterable, Iterator

ASPECTS = {
    "acting": "acting actor actors actress actresses acted performance performances cast casting",
    "action": "action fight fights fighting chase chases stunt stunts battle battles",
    "animation": "animation animated animators drawn",
    "atmosphere": "atmosphere atmospheric mood moody setting settings",
    "characters": "character characters protagonist villain villains hero heroine",
    "direction": "director directed directing direction directorial",
    "dialogue": "dialogue dialogues dialog script screenplay writing written writers",
    "effects": "effects cgi fx makeup costumes costume sets",
    "emotion": "emotional emotion emotions moving touching heartwarming heartbreaking tears poignant",
    "ending": "ending ends finale climax conclusion",
    "humour": "humor humour funny comedy comedic joke jokes laugh laughs laughing hilarious witty",
    "music": "music musical soundtrack score song songs singing",
    "originality": "original originality unique fresh cliche cliches clichés clichéd predictable formulaic",
    "pace": "pace pacing paced slow boring dull tedious",
    "photography": "photography cinematography cinematographer camera visuals visually scenery shots",
    "realism": "realistic realism believable unbelievable authentic accurate plausible implausible",
    "romance": "romance romantic chemistry lovers",
    "scares": "scary scare scares scared horror creepy frightening terrifying gore gory",
    "story": "story stories storyline plot plots premise narrative",
    "suspense": "suspense suspenseful tension tense thriller thrilling twist twists mystery",
}
ASPECT_OF_WORD = {word: aspect for aspect, words in ASPECTS.items() for word in words.split()}

WORD = re.compile(r"\w+")
END_OF_SENTENCE = re.compile(r"[.!?\n]+|<br\s*/?>")
# Of a longer text the rest is not looked at.
MOST_SENTENCES = 200


def sentences_about(texts: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """The number of the text, the aspect and the sentence, for each aspect that a sentence names."""
    for number, text in enumerate(texts):
        for sentence in END_OF_SENTENCE.split(text, MOST_SENTENCES)[:MOST_SENTENCES]:
            words = WORD.findall(sentence.lower())
            for aspect in sorted({ASPECT_OF_WORD[word] for word in words if word in ASPECT_OF_WORD}):
                yield number, aspect, sentence
