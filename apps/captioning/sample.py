"""Drawn scenes for `--data sample`: a small language of pictures, whose sentences can be checked word for word.

`captions` and `is_true` are its sentences, `draw` its pictures.
"""

import random
from collections.abc import Mapping
from dataclasses import replace

from apps.captioning.drawing import draw
from apps.captioning.scenes import GROUNDS, SKIES, Figure, Scene, captions, contents, is_true
from common.errors import UserError

__all__ = ["SAMPLES", "Scene", "captions", "draw", "generate_scenes", "is_true", "sample_scenes", "split_scenes"]

# The splits of each sample, cut from one list. `sample:alone` has nothing but single figures and is learnt in minutes.
SAMPLES = {
    "sample": {"train": slice(0, 6000), "validation": slice(6000, 6500), "test": slice(6500, 7000)},
    "alone": {"train": slice(0, 1200), "validation": slice(1200, 1350), "test": slice(1350, 1500)},
}
# Families of scenes by how often they are drawn; some have few members, and pairs have nearly all.
_SHARES = {
    "alone": 12,
    "pair": 24,
    "beside": 15,
    "under": 7,
    "in front": 8,
    "bench": 7,
    "over": 8,
    "riding": 6,
    "catching": 8,
    "kicking": 5,
}
_SCENES = {
    "dog_catches_ball": Scene(Figure("dog", "brown"), "catching", Figure("ball", "red"), "grass", "sun"),
    "cat_under_tree": Scene(Figure("cat", "orange", "sit"), "under", Figure("tree", "green"), "grass", "clouds"),
    "girl_rides_horse": Scene(Figure("girl", "yellow"), "riding", Figure("horse", "white", "run"), "beach", "sun"),
    "boy_kicks_ball": Scene(Figure("boy", "blue"), "kicking", Figure("ball", "orange"), "street", "clouds"),
    "bird_over_house": Scene(Figure("bird", "red", "fly"), "over", Figure("house", "blue"), "snow", "moon"),
    "woman_and_dog": Scene(
        Figure("woman", "purple", "stand"), "left of", Figure("dog", "black", "sit"), "snow", "clouds"
    ),
}


def generate_scenes(count: int, seed: int, shares: Mapping[str, int] = _SHARES) -> list[Scene]:
    """Returns `count` scenes, no two of the same content, in random order; the same for the same seed.

    Args:
        count: at most as many as there are, 1,584 of figures alone.
        seed: of the choice, and of how each is drawn.
        shares: how often the scenes of each family are drawn.
    """
    rng, families = random.Random(seed), contents()
    # What the demo shows stays unseen.
    taken, scenes = set(_SCENES.values()), []
    while len(scenes) < count:
        [name] = rng.choices(list(shares), list(shares.values()))
        content = Scene(*rng.choice(families[name]), rng.choice(GROUNDS), rng.choice(SKIES))
        if content not in taken:
            taken.add(content)
            scenes.append(replace(content, seed=rng.randrange(2**32)))
    return scenes


def split_scenes(split: str, name: str = "sample") -> list[Scene]:
    """The scenes of a split of one of `SAMPLES`.

    Raises:
        UserError: there is no such sample, or no such split.
    """
    if name not in SAMPLES:
        raise UserError(f"--data sample:{name}: there is no such sample; there are sample and sample:alone")
    splits = SAMPLES[name]
    if split not in splits:
        raise UserError(f"--split {split}: the sample has {', '.join(splits)}")
    shares = _SHARES if name == "sample" else {"alone": 1}
    return generate_scenes(max(part.stop for part in splits.values()), 1, shares)[splits[split]]


def sample_scenes() -> dict[str, Scene]:
    """Scenes by name, for a demo; `generate_scenes` gives none of the same content."""
    return dict(_SCENES)
