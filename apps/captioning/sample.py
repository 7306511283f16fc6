"""Drawn scenes for `--data sample`: a small language of pictures, whose sentences can be checked word for word.

`captions` and `is_true` are its sentences, `draw` its pictures.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from apps.captioning.drawing import draw
from apps.captioning.scenes import GROUNDS, SKIES, Figure, Scene, captions, contents, is_true
from common.errors import UserError

__all__ = [
    "SPLITS",
    "Scene",
    "captions",
    "draw",
    "generate_scenes",
    "is_true",
    "sample_scenes",
    "split_scenes",
]

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
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Sample:
    """A list of scenes, and which of them are not learnt from.

    Attributes:
        count: scenes, all of different content.
        held_out: how many are validation, and how many test.
        first: where they begin in the list.
        shares: how often the scenes of each family are drawn.
    """

    count: int
    held_out: int
    first: int
    shares: Mapping[str, int]

    def split(self, name: str) -> list[Scene]:
        """The scenes of one of `SPLITS`."""
        scenes = generate_scenes(self.count, 1, self.shares)
        middle, end = self.first + self.held_out, self.first + 2 * self.held_out
        parts = {
            "train": scenes[: self.first] + scenes[end:],
            "validation": scenes[self.first : middle],
            "test": scenes[middle:end],
        }
        return parts[name]


# `sample:alone` has nothing but single figures and is learnt in minutes.
SAMPLES = {
    "sample": Sample(13_000, held_out=500, first=6_000, shares=_SHARES),
    "alone": Sample(1_500, held_out=150, first=1_200, shares={"alone": 1}),
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
    if split not in SPLITS:
        raise UserError(f"--split {split}: the sample has {', '.join(SPLITS)}")
    return SAMPLES[name].split(split)


def sample_scenes() -> dict[str, Scene]:
    """Scenes by name, for a demo; `generate_scenes` gives none of the same content."""
    return dict(_SCENES)
