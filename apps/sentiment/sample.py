"""Short reviews from a small grammar, for `--data sample`: how words are joined decides more than which they are.

    "The acting is dull, but the story is not boring at all."    -> pos
    "The acting is clever, even though the story is dull."       -> pos
    "We ordered lunch for two. The soup was far from tasty."     -> neg

A clause praises or blames one part of a thing, and each negation turns it round; of two clauses that disagree the one
after "but", or the one outside "although", gives the label. The sentences around it are neutral or agree with it.
"""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """What a review can be about: its parts, and words that praise or blame any of them, negated or not."""

    verb: str
    openers: tuple[str, ...]
    parts: tuple[str, ...]
    good: tuple[str, ...]
    bad: tuple[str, ...]


TOPICS = (
    Topic(
        verb="is",
        openers=("I watched this film on Sunday.", "We saw it with the neighbours."),
        parts=("the acting", "the story", "the ending", "the music", "the dialogue"),
        good=("good", "clever", "gripping", "moving"),
        bad=("bad", "dull", "boring", "predictable"),
    ),
    Topic(
        verb="was",
        openers=("We ordered lunch for two.", "My sister chose from the menu."),
        parts=("the soup", "the bread", "the sauce", "the coffee", "the salad"),
        good=("good", "tasty", "fresh", "delicious"),
        bad=("bad", "bland", "tasteless", "disappointing"),
    ),
    Topic(
        verb="is",
        openers=("I bought this phone in March.", "I have used it for six weeks."),
        parts=("the screen", "the battery", "the camera", "the keyboard", "the speaker"),
        good=("good", "reliable", "impressive", "solid"),
        bad=("bad", "unreliable", "disappointing", "flimsy"),
    ),
    Topic(
        verb="was",
        openers=("We went to the coast for a week.", "It was our first trip to the north."),
        parts=("the hotel", "the room", "the beach", "the harbour", "the tour"),
        good=("good", "pleasant", "charming", "peaceful"),
        bad=("bad", "unpleasant", "dreary", "noisy"),
    ),
    Topic(
        verb="is",
        openers=("I read this book on the train.", "A colleague lent it to me."),
        parts=("the plot", "the style", "the opening chapter", "the main character", "the translation"),
        good=("good", "clever", "lively", "convincing"),
        bad=("bad", "dull", "tedious", "tiresome"),
    ),
    Topic(
        verb="was",
        openers=("We stayed for one night.", "I called the front desk about the key."),
        parts=("the waiter", "the receptionist", "the porter", "the manager", "the cleaner"),
        good=("friendly", "helpful", "polite", "patient"),
        bad=("rude", "careless", "unfriendly", "impatient"),
    ),
)

# A clause by the number of its negations; an odd number turns the opinion word round.
CLAUSES = (
    (
        "{part} {verb} {word}",
        "{part} {verb} really {word}",
        "{part} {verb} truly {word}",
        "I found {part} {word}",
        "I must say that {part} {verb} {word}",
    ),
    (
        "{part} {verb} not {word}",
        "{part} {verb} not {word} at all",
        "{part} {verb} far from {word}",
        "{part} {verb} anything but {word}",
        "I did not find {part} {word}",
        "nobody can say that {part} {verb} {word}",
    ),
    (
        "nobody can say that {part} {verb} not {word}",
        "it would be wrong to say that {part} {verb} not {word}",
        "{part} {verb} never anything but {word}",
    ),
)
NEGATION_WEIGHTS = (6, 3, 1)

AGREEMENTS = ("{main}", "{main}, and {side}")
CONTRASTS = ("{side}, but {main}", "although {side}, {main}", "{main}, even though {side}", "{side}. Even so, {main}")

# One more sentence for praise, and for blame, as close to each other as English allows.
ADVICE = (
    ("I would recommend it to anyone.", "I would not recommend it to anyone."),
    ("I would pay for it again.", "I would not pay for it again."),
    ("I do not regret a penny.", "I do regret every penny."),
    ("I have no complaints.", "I have complaints."),
)


def generate_sample(count: int, seed: int) -> list[tuple[str, str]]:
    """Returns `count` different reviews, as (text, "neg" or "pos") in random order: half of each, an odd one negative.

    The same arguments give the same list. Parts that must not share a text (train, test) are cut from one list.
    """
    rng = random.Random(seed)
    labels: dict[str, str] = {}
    while len(labels) < count:
        label = ("neg", "pos")[len(labels) % 2]
        labels.setdefault(_review(rng, label == "pos"), label)
    examples = list(labels.items())
    rng.shuffle(examples)
    return examples


def _review(rng: random.Random, is_praise: bool) -> str:
    """One to three sentences."""
    topic = rng.choice(TOPICS)
    verdict = _verdict(rng, topic, is_praise)
    praise, blame = rng.choice(ADVICE)
    opener = rng.choice(topic.openers)
    return rng.choice((verdict, f"{opener} {verdict}", f"{verdict} {praise if is_praise else blame}"))


def _verdict(rng: random.Random, topic: Topic, is_praise: bool) -> str:
    """A clause that decides, alone or with one that agrees, or half of the time with one that does not."""
    agrees = rng.random() < 0.5
    template = rng.choice(AGREEMENTS if agrees else CONTRASTS)
    main_part, side_part = rng.sample(topic.parts, 2)
    main = _clause(rng, topic, main_part, is_praise)
    side = _clause(rng, topic, side_part, is_praise == agrees)
    sentence = template.format(main=main, side=side)
    return sentence[0].upper() + sentence[1:] + "."


def _clause(rng: random.Random, topic: Topic, part: str, is_praise: bool) -> str:
    """Says of `part` what is meant, with no, one or two negations."""
    [negations] = rng.choices(range(len(CLAUSES)), NEGATION_WEIGHTS)
    words = topic.good if is_praise == (negations % 2 == 0) else topic.bad
    return rng.choice(CLAUSES[negations]).format(part=part, verb=topic.verb, word=rng.choice(words))
