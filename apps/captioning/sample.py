"""Drawn scenes for `--data sample`: a small language of pictures, whose sentences can be checked word for word.

`captions` and `is_true` are its sentences, `draw` its pictures.
"""

import random
from dataclasses import replace

from apps.captioning.drawing import draw
from apps.captioning.scenes import GROUNDS, SKIES, Figure, Scene, captions, contents, is_true
from common.errors import UserError

__all__ = ["SPLITS", "Scene", "captions", "draw", "generate_scenes", "is_true", "sample_scenes", "split_scenes"]

SPLITS = {"train": slice(0, 6000), "validation": slice(6000, 6500), "test": slice(6500, 7000)}
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


def generate_scenes(count: int, seed: int) -> list[Scene]:
    """Returns `count` scenes, no two of the same content, in random order; the same for the same seed."""
    rng, families = random.Random(seed), contents()
    names, shares = list(_SHARES), list(_SHARES.values())
    # What the demo shows stays unseen.
    taken, scenes = set(_SCENES.values()), []
    while len(scenes) < count:
        [name] = rng.choices(names, shares)
        content = Scene(*rng.choice(families[name]), rng.choice(GROUNDS), rng.choice(SKIES))
        if content not in taken:
            taken.add(content)
            scenes.append(replace(content, seed=rng.randrange(2**32)))
    return scenes


def split_scenes(split: str) -> list[Scene]:
    """The scenes of a split of the sample; all splits are cut from one list.

    Raises:
        UserError: there is no such split.
    """
    if split not in SPLITS:
        raise UserError(f"--split {split}: the sample has {', '.join(SPLITS)}")
    return generate_scenes(max(part.stop for part in SPLITS.values()), seed=1)[SPLITS[split]]


def sample_scenes() -> dict[str, Scene]:
    """Scenes by name, for a demo; `generate_scenes` gives none of the same content."""
    return dict(_SCENES)
