"""A small language of pictures: what a drawn scene holds, and every sentence that is true of it.

    "A brown dog catches a red ball in mid air."
    "A girl in a yellow dress is sitting to the left of a black cat on the beach."

A scene says what is in the picture, where and doing what, but not how it is drawn. A sentence mentions only what can be
seen there, and is true of every picture of the scene.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

from apps.captioning.metrics import tokenise

ANIMALS = {
    "dog": ("brown", "black", "white", "grey"),
    "cat": ("orange", "black", "white", "grey"),
    "horse": ("brown", "black", "white", "grey"),
    "bird": ("red", "blue", "yellow", "black"),
}
# People by the colour of what they wear.
CLOTHES = {"man": "shirt", "woman": "dress", "boy": "shirt", "girl": "dress"}
CLOTH_COLOURS = ("red", "blue", "green", "yellow", "purple")
THINGS = {
    "ball": ("red", "blue", "green", "yellow", "orange", "white"),
    "house": ("red", "blue", "yellow", "white"),
    "bench": ("red", "blue", "green", "brown"),
    "tree": ("green",),
}
GROUNDS = ("grass", "snow", "beach", "street")
SKIES = ("sun", "moon", "clouds")
# What somebody does on its own, and may do beside something else; a bird flies only where nobody is beside it.
ACTIONS = {
    "dog": ("run", "jump", "sit", "stand"),
    "cat": ("run", "jump", "sit", "stand"),
    "horse": ("run", "jump", "stand"),
    "bird": ("sit",),
    **dict.fromkeys(CLOTHES, ("run", "jump", "sit", "stand")),
}
CATCHERS = ("dog", "cat", *CLOTHES)
SITTERS = ("dog", "cat", "bird", *CLOTHES)
CAPTIONS = 5

# Third person and participle.
_VERBS = {
    "run": ("runs", "running"),
    "jump": ("jumps", "jumping"),
    "sit": ("sits", "sitting"),
    "stand": ("stands", "standing"),
    "fly": ("flies", "flying"),
    "ride": ("rides", "riding"),
    "kick": ("kicks", "kicking"),
    "catch": ("catches", "catching"),
    "jump to catch": ("jumps to catch", "jumping to catch"),
}
_PLACES = {"grass": "on the grass", "snow": "in the snow", "beach": "on the beach", "street": "on the street"}
_WAYS = {
    "grass": "across the grass",
    "snow": "through the snow",
    "beach": "along the beach",
    "street": "down the street",
}
_WEATHER = {
    "sun": ("in the sun", "on a sunny day"),
    "moon": ("at night", "in the moonlight"),
    "clouds": ("on a cloudy day", "in cloudy weather"),
}

# Grammar: a text, a sequence of parts, or a list of alternatives; one that stands twice is written twice as often.
Grammar = str | tuple | list


@dataclass(frozen=True)
class Figure:
    """An animal, a person or a thing.

    Attributes:
        kind: a key of `ANIMALS`, `CLOTHES` or `THINGS`.
        colour: of its coat, of what it wears, or of the thing.
        action: what an animal or a person does; empty for a thing, and where the relation says it all.
    """

    kind: str
    colour: str
    action: str = ""


@dataclass(frozen=True)
class Scene:
    """What a picture shows.

    Attributes:
        figure: whom it is about.
        relation: how `figure` stands to `other`: alone, left of, right of, under, in front of, on, over, riding,
            catching or kicking.
        other: the second figure or thing; None if alone.
        ground: one of `GROUNDS`.
        sky: one of `SKIES`.
        seed: of what no sentence mentions: exact places and sizes, who looks where, the shape of the hills.
    """

    figure: Figure
    relation: str
    other: Figure | None
    ground: str
    sky: str
    seed: int = 0


def contents() -> dict[str, list[tuple[Figure, str, Figure | None]]]:
    """All that can happen in a scene, as (figure, relation, other), by family."""
    animals = {name: [Figure(name, colour) for colour in colours] for name, colours in ANIMALS.items()}
    everyone = {**animals, **{name: [Figure(name, colour) for colour in CLOTH_COLOURS] for name in CLOTHES}}
    things = {name: [Figure(name, colour) for colour in colours] for name, colours in THINGS.items()}
    acting = [
        Figure(who.kind, who.colour, action)
        for kind, looks in everyone.items()
        for who, action in product(looks, ACTIONS[kind])
    ]
    flying = [Figure("bird", colour, "fly") for colour in ANIMALS["bird"]]
    below = [who for who in acting if who.action != "jump"]
    people = [who for kind in CLOTHES for who in everyone[kind]]
    mounts = [Figure("horse", colour, action) for colour in ANIMALS["horse"] for action in ("stand", "run")]
    return {
        "alone": [(who, "alone", None) for who in acting + flying],
        "pair": [(who, "left of", other) for who, other in product(acting, acting) if who.kind != other.kind],
        "beside": list(product(acting, ("left of", "right of"), things["ball"] + things["house"] + things["tree"])),
        "under": list(product(below, ("under",), things["tree"])),
        "in front": list(product(acting, ("in front of",), things["house"])),
        "bench": list(product([who for kind in SITTERS for who in everyone[kind]], ("on",), things["bench"])),
        "over": list(product(flying, ("over",), things["house"] + things["tree"] + below)),
        "riding": list(product(people, ("riding",), mounts)),
        "catching": list(product([who for kind in CATCHERS for who in everyone[kind]], ("catching",), things["ball"])),
        "kicking": list(product(people, ("kicking",), things["ball"])),
    }


def captions(scene: Scene) -> list[str]:
    """Five different true sentences, always the same for the same scene."""
    grammar, rng = _sentences(scene), random.Random(repr(scene))
    found: dict[str, None] = {}
    while len(found) < CAPTIONS:
        found.setdefault(_as_sentence(_pick(grammar, rng)))
    return list(found)


def is_true(scene: Scene, caption: str) -> bool:
    """Whether the caption is one of all the sentences that the grammar has for the scene, word for word.

    Capital letters and punctuation do not count.
    """
    return " ".join(tokenise(caption)) in _true_sentences(scene)


@lru_cache(maxsize=4096)
def _true_sentences(scene: Scene) -> frozenset[str]:
    """Those about all of the scene, and those about one figure in it."""
    return frozenset(text.replace(",", "") for part in (scene, *_parts(scene)) for text in _every(_sentences(part)))


def _parts(scene: Scene) -> Iterator[Scene]:
    """What is true of each figure by itself; whoever catches a ball in mid air has jumped."""
    who = replace(scene.figure, action="jump") if scene.relation == "catching" else scene.figure
    for one in (who, scene.other):
        if one and one.action:
            yield Scene(one, "alone", None, scene.ground, scene.sky)


def _pick(grammar: Grammar, rng: random.Random) -> str:
    if isinstance(grammar, list):
        return _pick(rng.choice(grammar), rng)
    return grammar if isinstance(grammar, str) else _join(_pick(part, rng) for part in grammar)


def _every(grammar: Grammar) -> list[str]:
    if isinstance(grammar, list):
        return list(dict.fromkeys(text for part in grammar for text in _every(part)))
    return [grammar] if isinstance(grammar, str) else [_join(parts) for parts in product(*map(_every, grammar))]


def _join(parts: Iterable[str]) -> str:
    return " ".join(part for part in parts if part)


def _as_sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _sentences(scene: Scene) -> Grammar:
    """Clauses, with the weather at the end, in front or not at all."""
    weather = list(_WEATHER[scene.sky])
    finite, participle = _clauses(scene)
    plain = ([finite, finite, participle], ["", "", weather])
    return [plain, plain, plain, ([f"{words}," for words in weather], finite)]


def _clauses(scene: Scene) -> tuple[Grammar, Grammar]:
    """What happens, with a finite verb and with a participle alone ("a dog running on the grass")."""
    who, other, place = scene.figure, scene.other, ["", _PLACES[scene.ground]]
    if other is None:
        return _clause(who, who.action, "", _where(scene, who.action))
    if scene.relation == "catching":
        caught = _clause(who, "catch", (_name(other), "in mid air"), "")
        return _either(caught, caught, _clause(who, "jump to catch", _name(other), place))
    if scene.relation == "kicking":
        return _clause(who, "kick", _name(other), _where(scene, "run"))
    if scene.relation == "riding":
        if other.action == "stand":
            return _clause(who, "sit", ("on", _name(other)), place)
        return _clause(who, "ride", _name(other), _where(scene, "run"))
    if scene.relation == "over":
        return _clause(who, "fly", (["over", "above"], _name(other)), place)
    if scene.relation == "on":
        return _clause(who, "sit", ("on", _name(other)), place)
    if scene.relation in ("under", "in front of"):
        return _clause(who, who.action, (scene.relation, _name(other)), place)
    return _beside(scene, who, other, place)


def _beside(scene: Scene, who: Figure, other: Figure, place: Grammar) -> tuple[Grammar, Grammar]:
    side, back = ("left", "right") if scene.relation == "left of" else ("right", "left")
    ours = _clause(who, who.action, ([f"to the {side} of", f"to the {side} of", "next to"], _name(other)), place)
    if not other.action:
        return ours
    theirs = _clause(other, other.action, ([f"to the {back} of", f"to the {back} of", "next to"], _name(who)), place)
    return _either(ours, theirs, _together(who, other, place))


def _together(who: Figure, other: Figure, place: Grammar) -> tuple[Grammar, Grammar]:
    """Both at once, in either order: "a dog and a cat are sitting", "a dog is running and a cat is sitting"."""
    orders = [(who, other), (other, who)]
    if who.action == other.action:
        doing = _VERBS[who.action][1]
        both = [(_name(one), "and", _name(two)) for one, two in orders]
        return (both, "are", doing, place), (both, doing, place)
    finite, participle = (
        [
            (_name(one), _verb(one.action)[form], "and", _name(two), _verb(two.action)[form], place)
            for one, two in orders
        ]
        for form in (0, 1)
    )
    return finite, participle


def _clause(who: Figure, action: str, object_: Grammar, place: Grammar) -> tuple[Grammar, Grammar]:
    finite, participle = _verb(action)
    return (_name(who), finite, object_, place), (_name(who), participle, object_, place)


def _verb(action: str) -> tuple[Grammar, Grammar]:
    third, participle = _VERBS[action]
    return [third, f"is {participle}"], participle


def _where(scene: Scene, action: str) -> Grammar:
    if action == "fly":
        return ["", f"over the {scene.ground}"]
    return ["", _PLACES[scene.ground], *([_WAYS[scene.ground]] if action == "run" else [])]


def _name(figure: Figure) -> Grammar:
    """With its colour, or one time in four without; all trees are green."""
    if figure.kind in CLOTHES:
        bare = f"a {figure.kind}"
        full = f"{bare} in a {figure.colour} {CLOTHES[figure.kind]}"
    else:
        bare = f"a {figure.kind}"
        full = bare if figure.kind == "tree" else f"{_article(figure.colour)} {figure.colour} {figure.kind}"
    return [full, full, full, bare]


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _either(*clauses: tuple[Grammar, Grammar]) -> tuple[Grammar, Grammar]:
    return [clause[0] for clause in clauses], [clause[1] for clause in clauses]
