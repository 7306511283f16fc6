"""Sentences of a small grammar in English, German and French, for `--data sample`: agreement and order, all regular.

    "Today the small dog sees a red house."
    "Heute sieht der kleine Hund ein rotes Haus."
    "Aujourd'hui le petit chien voit une maison rouge."

Articles and adjectives agree with their noun in gender and case, German puts the verb second and an infinitive last,
French puts colours behind the noun.
"""

import random
from dataclasses import dataclass

LANGUAGES = ("en", "de", "fr")


@dataclass(frozen=True)
class Noun:
    """A thing: its name and gender in each language."""

    en: str
    de: str
    de_gender: str
    fr: str
    fr_gender: str


NOUNS = (
    Noun("dog", "Hund", "m", "chien", "m"),
    Noun("cat", "Katze", "f", "chat", "m"),
    Noun("horse", "Pferd", "n", "cheval", "m"),
    Noun("girl", "Mädchen", "n", "fille", "f"),
    Noun("woman", "Frau", "f", "femme", "f"),
    Noun("king", "König", "m", "roi", "m"),
    Noun("queen", "Königin", "f", "reine", "f"),
    Noun("teacher", "Lehrer", "m", "professeur", "m"),
)
THINGS = (
    Noun("house", "Haus", "n", "maison", "f"),
    Noun("ball", "Ball", "m", "ballon", "m"),
    Noun("flower", "Blume", "f", "fleur", "f"),
    Noun("book", "Buch", "n", "livre", "m"),
    Noun("table", "Tisch", "m", "table", "f"),
    Noun("lamp", "Lampe", "f", "lampe", "f"),
    Noun("boat", "Boot", "n", "bateau", "m"),
    Noun("hat", "Hut", "m", "chapeau", "m"),
)
# English, German third person and infinitive, French third person and infinitive.
VERBS = (
    ("sees", "see", "sieht", "sehen", "voit", "voir"),
    ("finds", "find", "findet", "finden", "trouve", "trouver"),
    ("sells", "sell", "verkauft", "verkaufen", "vend", "vendre"),
    ("draws", "draw", "malt", "malen", "dessine", "dessiner"),
    ("watches", "watch", "betrachtet", "betrachten", "regarde", "regarder"),
    ("carries", "carry", "trägt", "tragen", "porte", "porter"),
)
# English, German stem, French masculine and feminine; those of size stand before the noun in French.
SIZES = (
    ("small", "klein", "petit", "petite"),
    ("big", "groß", "grand", "grande"),
    ("pretty", "hübsch", "joli", "jolie"),
)
COLOURS = (
    ("red", "rot", "rouge", "rouge"),
    ("green", "grün", "vert", "verte"),
    ("black", "schwarz", "noir", "noire"),
    ("white", "weiß", "blanc", "blanche"),
)
TIMES = (("Today", "Heute", "Aujourd'hui"), ("Sometimes", "Manchmal", "Parfois"), ("Now", "Jetzt", "Maintenant"))
MODALS = (("wants to", "will", "veut"), ("can", "kann", "peut"), ("must", "muss", "doit"))

_DE_ARTICLES = {
    "definite": {"subject": {"m": "der", "f": "die", "n": "das"}, "object": {"m": "den", "f": "die", "n": "das"}},
    "indefinite": {"subject": {"m": "ein", "f": "eine", "n": "ein"}, "object": {"m": "einen", "f": "eine", "n": "ein"}},
}
_DE_ENDINGS = {
    "definite": {"subject": {"m": "e", "f": "e", "n": "e"}, "object": {"m": "en", "f": "e", "n": "e"}},
    "indefinite": {"subject": {"m": "er", "f": "e", "n": "es"}, "object": {"m": "en", "f": "e", "n": "es"}},
}
_FR_ARTICLES = {"definite": {"m": "le", "f": "la"}, "indefinite": {"m": "un", "f": "une"}}
_EN_ARTICLES = {"definite": "the", "indefinite": "a"}

Phrase = tuple[str, str, str]


def generate_sample(count: int, seed: int) -> list[dict[str, str]]:
    """Returns `count` sentences by language, all different in English, in random order; the same for the same seed."""
    rng, sentences = random.Random(seed), {}
    while len(sentences) < count:
        sentence = _sentence(rng)
        sentences.setdefault(sentence[0], dict(zip(LANGUAGES, sentence, strict=True)))
    return list(sentences.values())


def _sentence(rng: random.Random) -> Phrase:
    """A subject does something to an object, perhaps at some time, perhaps because it wants to."""
    subject, thing = _noun_phrase(rng, rng.choice(NOUNS), "subject"), _noun_phrase(rng, rng.choice(THINGS), "object")
    verb, modal, time = rng.choice(VERBS), rng.choice((*MODALS, None)), rng.choice((*TIMES, None))
    if modal:
        predicate = f"{modal[0]} {verb[1]}", modal[1], f"{modal[2]} {verb[5]}"
        last = f" {verb[3]}"
    else:
        predicate, last = (verb[0], verb[2], verb[4]), ""
    en, fr = (f"{subject[i]} {predicate[i]} {thing[i]}" for i in (0, 2))
    de = f"{subject[1]} {predicate[1]} {thing[1]}{last}"
    if time:
        en, fr = f"{time[0]} {en}", f"{time[2]} {fr}"
        de = f"{time[1]} {predicate[1]} {subject[1]} {thing[1]}{last}"
    return tuple(text[0].upper() + text[1:] + "." for text in (en, de, fr))


def _noun_phrase(rng: random.Random, noun: Noun, case: str) -> Phrase:
    """An article, at most one adjective, and the noun."""
    article = rng.choice(("definite", "indefinite"))
    size, colour = rng.choice(((rng.choice(SIZES), None), (None, rng.choice(COLOURS)), (None, None)))
    adjective = size or colour
    ending = _DE_ENDINGS[article][case][noun.de_gender]
    of_gender = 2 if noun.fr_gender == "m" else 3
    de_article, fr_article = _DE_ARTICLES[article][case][noun.de_gender], _FR_ARTICLES[article][noun.fr_gender]
    if adjective is None:
        return f"{_EN_ARTICLES[article]} {noun.en}", f"{de_article} {noun.de}", f"{fr_article} {noun.fr}"
    fr = f"{adjective[of_gender]} {noun.fr}" if size else f"{noun.fr} {adjective[of_gender]}"
    return (
        f"{_EN_ARTICLES[article]} {adjective[0]} {noun.en}",
        f"{de_article} {adjective[1]}{ending} {noun.de}",
        f"{fr_article} {fr}",
    )
