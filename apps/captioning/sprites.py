"""Animals, people and things of the drawn scenes, each from ellipses, limbs and polygons.

A drawing is in units of its own: x forwards, y upwards, the feet at the origin; a grown-up person is 60 units tall.
"""

import random
from dataclasses import dataclass

from apps.captioning.pen import Colour, Pen, Point, mix

_INK: Colour = (35, 30, 35)
_SKINS: tuple[Colour, ...] = ((250, 214, 180), (226, 172, 128), (172, 112, 72), (110, 70, 46))
_HAIRS: tuple[Colour, ...] = ((60, 40, 28), (35, 30, 30), (150, 100, 50))
_TROUSERS: Colour = (62, 70, 96)
_SHORTS: Colour = (150, 120, 84)
_WOOD: Colour = (116, 78, 48)
_LEAVES: Colour = (58, 128, 56)
_ROOF: Colour = (122, 84, 74)
_BEAK: Colour = (240, 150, 40)
# How high one sits on a bench.
SEAT = 15.0


@dataclass(frozen=True)
class Build:
    """Measures of an animal on four legs: half the length and height of its body, its legs, and their thickness."""

    long: float
    high: float
    legs: float
    thick: float


BUILDS = {"dog": Build(17, 7.5, 14, 5), "cat": Build(15, 6.5, 10, 4.2), "horse": Build(21, 10, 25, 5.6)}
# Feet by their distance from the hip, in lengths of a leg: two behind, two in front, the far one of each first.
_STEPS = {
    "stand": ((-0.05, -1.0), (0.05, -1.0), (-0.05, -1.0), (0.05, -1.0)),
    "run": ((0.55, -0.85), (-0.85, -0.8), (-0.45, -0.9), (0.95, -0.65)),
    "jump": ((-1.0, -0.35), (-1.05, -0.05), (1.0, -0.1), (0.95, 0.25)),
}


def draw_four_legged(pen: Pen, kind: str, colour: Colour, action: str) -> Point:
    """A dog, a cat or a horse; a catch is a jump. Returns where a ball is that it has in its mouth."""
    build, shade = BUILDS[kind], mix(colour, _INK, 0.25)
    if action == "sit":
        head = _seat(pen, build, colour, shade)
    else:
        head = _walk(pen, build, colour, shade, "jump" if action == "catch" else action)
    _TAILS[kind](pen, build, colour, action == "sit")
    return _HEADS[kind](pen, *head, colour)


def _walk(pen: Pen, build: Build, colour: Colour, shade: Colour, action: str) -> Point:
    back = build.legs + 0.75 * build.high
    hips = (-0.72 * build.long, -0.5 * build.long, 0.5 * build.long, 0.72 * build.long)
    order = (0, 2, 1, 3)
    for index in order:
        x, (dx, dy) = hips[index], _STEPS[action][index]
        hip, foot = (x, build.legs), (x + dx * build.legs, build.legs * (1 + dy))
        bend = 0.12 * build.legs if action == "run" else 0.0
        knee = ((hip[0] + foot[0]) / 2 + bend, (hip[1] + foot[1]) / 2 + bend / 2)
        pen.limb([hip, knee, foot], build.thick, shade if index in (0, 2) else colour)
    pen.blob(0, back, build.long, build.high, colour)
    return 0.78 * build.long, back + 0.35 * build.high


def _seat(pen: Pen, build: Build, colour: Colour, shade: Colour) -> Point:
    """Upright on its haunches."""
    long, high = build.long, build.high
    top = 0.9 * long + 1.1 * high
    pen.limb([(0.55 * high, top - high), (1.5 * high, 0.5 * build.thick)], build.thick, shade)
    pen.blob(-0.35 * high, 0.55 * (top - high) + 0.4 * high, 0.68 * long, 1.05 * high, colour, tilt=62)
    pen.limb([(0.9 * high, top - high), (1.9 * high, 0.5 * build.thick)], build.thick, colour)
    pen.blob(-0.75 * high, 0.95 * high, 1.2 * high, 0.95 * high, colour)
    pen.limb([(-0.4 * high, 0.4 * build.thick), (0.8 * high, 0.4 * build.thick)], 0.8 * build.thick, colour)
    return 0.45 * high, top - 0.6 * high


def _dog_head(pen: Pen, x: float, y: float, colour: Colour) -> Point:
    ear = mix(colour, _INK, 0.45) if max(colour) > 70 else mix(colour, (255, 255, 255), 0.2)
    pen.limb([(x - 1, y), (x + 5, y + 9)], 8, colour)
    pen.blob(x + 8, y + 12, 7.5, 6.8, colour)
    pen.blob(x + 14.5, y + 9.5, 5.2, 3.8, colour)
    pen.blob(x + 3.5, y + 10.5, 3, 6.6, ear, tilt=-12)
    pen.blob(x + 18.6, y + 11, 1.9, 1.7, _INK)
    pen.blob(x + 10.5, y + 14, 1.3, 1.5, _INK)
    return x + 22, y + 7


def _cat_head(pen: Pen, x: float, y: float, colour: Colour) -> Point:
    pen.limb([(x - 1, y), (x + 3, y + 5)], 7, colour)
    pen.shape([(x - 1.5, y + 10), (x - 0.5, y + 19.5), (x + 5, y + 13.5)], colour)
    pen.shape([(x + 12, y + 10), (x + 11, y + 19.5), (x + 5.5, y + 13.5)], colour)
    pen.blob(x + 5.2, y + 8.5, 7.6, 6.6, colour)
    for side in (2.2, 9):
        pen.blob(x + side, y + 9.8, 1.7, 1.9, (120, 200, 90))
        pen.blob(x + side, y + 9.8, 0.7, 1.6, _INK)
    pen.blob(x + 5.7, y + 6.6, 1.3, 0.9, (230, 130, 140))
    return x + 14, y + 6


def _horse_head(pen: Pen, x: float, y: float, colour: Colour) -> Point:
    mane = mix(colour, _INK, 0.6) if max(colour) > 70 else mix(colour, (255, 255, 255), 0.35)
    pen.shape([(x - 7, y), (x + 4.5, y - 7), (x + 14.5, y + 14), (x + 8, y + 21)], colour)
    pen.limb([(x - 6, y + 3), (x + 7, y + 21)], 4, mane)
    pen.shape([(x + 7, y + 20), (x + 8, y + 27), (x + 12, y + 21)], colour)
    pen.shape([(x + 6, y + 20), (x + 12, y + 22), (x + 25, y + 12), (x + 22, y + 6), (x + 12, y + 9)], colour)
    pen.blob(x + 22.4, y + 9.3, 3.4, 3.3, colour)
    pen.blob(x + 13.5, y + 17.5, 1.3, 1.4, _INK)
    pen.blob(x + 24, y + 10, 0.8, 0.8, _INK)
    return x + 28, y + 8


def _dog_tail(pen: Pen, build: Build, colour: Colour, sits: bool) -> None:
    root = (-11, 4) if sits else (-0.9 * build.long, build.legs + 1.1 * build.high)
    pen.limb([root, (root[0] - 6, root[1] + 4), (root[0] - 8, root[1] + 11)], 3.8, colour)


def _cat_tail(pen: Pen, build: Build, colour: Colour, sits: bool) -> None:
    x, y = (-9, 3) if sits else (-0.92 * build.long, build.legs + build.high)
    pen.limb([(x, y), (x - 6, y + 2), (x - 9, y + 9), (x - 8, y + 16), (x - 4, y + 20)], 3.2, colour)


def _horse_tail(pen: Pen, build: Build, colour: Colour, sits: bool) -> None:
    hair = mix(colour, _INK, 0.6) if max(colour) > 70 else mix(colour, (255, 255, 255), 0.35)
    x, y = -0.95 * build.long, build.legs + build.high
    pen.limb([(x, y), (x - 6, y - 3), (x - 9, y - 12), (x - 8, y - 20)], 4.6, hair)


_HEADS = {"dog": _dog_head, "cat": _cat_head, "horse": _horse_head}
_TAILS = {"dog": _dog_tail, "cat": _cat_tail, "horse": _horse_tail}


def draw_bird(pen: Pen, colour: Colour, action: str) -> None:
    """A bird with spread wings, or with folded ones on its feet."""
    wing = mix(colour, _INK, 0.3) if max(colour) > 70 else mix(colour, (255, 255, 255), 0.18)
    if action == "fly":
        pen.shape([(-2, 2), (7, 3), (9, 22), (3, 18)], wing)
        pen.shape([(-9, 1), (-22, 5), (-21, -3)], wing)
        pen.blob(0, 0, 12, 5.6, colour, tilt=6)
        pen.shape([(-7, 2), (4, 3), (-3, 24), (-13, 18)], colour)
        x, y = 11, 3.5
    else:
        for foot in (-1, 3):
            pen.limb([(foot, 6), (foot + 1, 0), (foot + 3, 0)], 1.4, _BEAK)
        pen.shape([(-7, 9), (-19, 5), (-17, 11)], wing)
        pen.blob(0, 10, 10, 6.8, colour, tilt=22)
        pen.blob(-3, 10.5, 7, 4, wing, tilt=14)
        x, y = 7.5, 17.5
    pen.shape([(x + 3, y + 2), (x + 9.5, y - 0.5), (x + 3, y - 2)], _BEAK)
    pen.blob(x, y, 5, 4.9, colour)
    pen.blob(x + 1.5, y + 1.2, 1.1, 1.2, (255, 255, 255) if max(colour) < 70 else _INK)


@dataclass(frozen=True)
class Pose:
    """Knees and feet, elbows and hands, far ones first, by where they are from the hip and the shoulder."""

    legs: tuple[tuple[Point, Point], tuple[Point, Point]]
    arms: tuple[tuple[Point, Point], tuple[Point, Point]]
    hip: float = 25.0


POSES = {
    "stand": Pose((((0, -12), (-0.5, -24)), ((0, -12), (0.5, -24))), (((-3, -8), (-4, -17)), ((3, -8), (4, -17)))),
    "run": Pose((((-7, -9), (-18, -12)), ((11, -6), (11, -19))), (((-8, -7), (-14, -1)), ((6, -8), (14, -3))), hip=24),
    "jump": Pose((((-8, -6), (-9, -17)), ((8, -6), (9, -17))), (((-8, 5), (-13, 14)), ((8, 5), (13, 14)))),
    "sit": Pose((((11, 4), (20, -4)), ((13, 4), (23, -4))), (((-6, -8), (-9, -18)), ((5, -8), (11, -12))), hip=6),
    "perch": Pose((((12, 0), (12, -14)), ((14, 0), (15, -14))), (((-4, -8), (-3, -16)), ((5, -8), (11, -12))), hip=17),
    "kick": Pose((((-1, -12), (-4, -24)), ((11, -5), (21, -13))), (((-8, -5), (-16, -8)), ((8, -5), (15, -1)))),
    "catch": Pose((((-4, -10), (-11, -17)), ((5, -9), (1, -19))), (((-4, 9), (1, 21)), ((4, 9), (-1, 21)))),
    "ride": Pose((((8, -5), (5, -18)), ((8, -6), (6, -20))), (((5, -8), (13, -11)), ((6, -8), (14, -10))), hip=0),
}
# A child by the size of its body.
CHILD = 0.7


def draw_person(pen: Pen, kind: str, colour: Colour, action: str, rng: random.Random) -> Point:
    """A man, a woman, a boy or a girl. Returns where a ball is that the hands or the foot touch."""
    pose, skin, hair = POSES[action], rng.choice(_SKINS), rng.choice(_HAIRS)
    small = CHILD if kind in ("boy", "girl") else 1.0
    dressed = kind in ("woman", "girl")
    hip, shoulder = small * pose.hip, small * (pose.hip + 20)
    head = shoulder + 9.5 - 1.5 * (small < 1)
    # The arms of a child go above its head too.
    reach = 1.0 if action == "catch" else small
    _draw_hair_behind(pen, kind, head, hair)
    _draw_arm(pen, pose, 0, shoulder, small, reach, skin, colour)
    for side in (0, 1):
        _draw_leg(pen, pose, side, hip, small, skin, {"man": _TROUSERS, "boy": _SHORTS}.get(kind))
    if dressed:
        _draw_dress(pen, action, hip, shoulder, small, colour)
    else:
        pen.shape([(small * x, y) for x, y in ((-9, shoulder), (9, shoulder), (7, hip - 2), (-7, hip - 2))], colour)
    _draw_head(pen, kind, head, skin, hair, colour)
    _draw_arm(pen, pose, 1, shoulder, small, reach, skin, colour)
    return (small * 29, 6.5) if action == "kick" else (0.0, shoulder + 23)


def _draw_leg(pen: Pen, pose: Pose, side: int, hip: float, small: float, skin: Colour, cloth: Colour | None) -> None:
    start = ((-3.6, 3.6)[side] * small, hip)
    points = [start, *(_away(start, point, small) for point in pose.legs[side])]
    pen.limb(points, 6 * small, cloth if cloth == _TROUSERS else skin)
    if cloth == _SHORTS:
        pen.limb(points[:2], 6.6 * small, cloth)
    pen.blob(points[2][0] + 2 * small, points[2][1] + small, 4.4 * small, 2.4 * small, _INK)


def _draw_arm(
    pen: Pen, pose: Pose, side: int, shoulder: float, small: float, reach: float, skin: Colour, cloth: Colour
) -> None:
    start = ((-8, 8)[side] * small, shoulder - 2 * small)
    points = [start, *(_away(start, point, reach) for point in pose.arms[side])]
    pen.limb(points, 4.4 * small, skin)
    pen.limb(points[:2], 5.2 * small, cloth)


def _away(start: Point, point: Point, size: float) -> Point:
    return start[0] + size * point[0], start[1] + size * point[1]


def _draw_dress(pen: Pen, action: str, hip: float, shoulder: float, small: float, colour: Colour) -> None:
    def row(y: float, half: float, shift: float = 0.0) -> list[Point]:
        return [(small * (shift - half), y), (small * (shift + half), y)]

    if action in ("sit", "perch"):
        lap = [(small * 13, hip + 5 * small), (small * 14, hip - 2 * small), (-7 * small, hip - 4 * small)]
        pen.shape([(-8 * small, shoulder), (8 * small, shoulder), (6 * small, hip + 6 * small), *lap], colour)
        return
    hem = hip - 10 * small
    left, right = row(hem, 13)
    waist = row(hip + 8 * small, 6)
    top = row(shoulder, 8)
    pen.shape([top[0], top[1], waist[1], right, left, waist[0]], colour)


def _draw_hair_behind(pen: Pen, kind: str, head: float, hair: Colour) -> None:
    if kind == "woman":
        pen.blob(0, head - 4, 10, 13, hair)
    if kind == "girl":
        for side in (-1, 1):
            pen.blob(side * 9.5, head - 1.5, 3.2, 5.5, hair, tilt=side * 25)


def _draw_head(pen: Pen, kind: str, head: float, skin: Colour, hair: Colour, cloth: Colour) -> None:
    """The head of a child is as large as that of a grown-up person."""
    pen.blob(0, head, 7.4, 7.8, skin)
    if kind == "man":
        pen.blob(0.6, head - 5, 5.6, 3.6, hair)
        pen.blob(0.8, head - 3.2, 3.4, 2.2, skin)
    if kind == "boy":
        pen.blob(0, head + 4.6, 7.6, 4, cloth)
        pen.limb([(3, head + 3), (11.5, head + 2.6)], 2.2, cloth)
    else:
        pen.blob(-0.8, head + 5, 7.4, 3.8, hair)
    for eye in (-1.4, 4.2):
        pen.blob(eye, head + 0.4, 1.0, 1.3, _INK)
    pen.limb([(0, head - 3.4), (3.4, head - 3.3)], 1.0, (170, 60, 60))


def draw_ball(pen: Pen, colour: Colour, radius: float) -> None:
    """A ball around the origin, with a light."""
    pen.blob(0, 0, radius, radius, colour)
    pen.finish()
    pen.blob(-0.32 * radius, 0.36 * radius, 0.26 * radius, 0.2 * radius, mix(colour, (255, 255, 255), 0.75))


def draw_tree(pen: Pen, rng: random.Random) -> None:
    """A trunk and a crown of leaves."""
    leaves = mix(_LEAVES, (130, 170, 60), rng.uniform(0, 0.4))
    pen.shape([(-5.5, 0), (5.5, 0), (3.5, 40), (-3.5, 40)], _WOOD)
    for x, y, wide, high in ((-15, 52, 14, 12), (15, 52, 14, 12), (0, 62, 20, 17), (0, 50, 17, 11)):
        pen.blob(x, y, wide, high, leaves)


def draw_house(pen: Pen, colour: Colour) -> None:
    """Walls of the colour, a roof, a door and two windows."""
    pen.shape([(-24, 0), (24, 0), (24, 32), (-24, 32)], colour)
    pen.shape([(14, 40), (20, 40), (20, 54), (14, 54)], _ROOF)
    pen.shape([(-29, 31), (29, 31), (0, 54)], _ROOF)
    pen.shape([(-5, 0), (5, 0), (5, 19), (-5, 19)], _WOOD)
    for x in (-15, 15):
        pen.shape([(x - 5, 12), (x + 5, 12), (x + 5, 23), (x - 5, 23)], (205, 230, 245))
        pen.limb([(x, 12), (x, 23)], 0.8, _INK)


def draw_bench(pen: Pen, colour: Colour) -> None:
    """A bench with a back."""
    for x in (-19, 19):
        pen.limb([(x, 0), (x, 28)], 3, mix(colour, _INK, 0.5))
    for y in (27, 21):
        pen.limb([(-24, y), (24, y)], 3.6, colour)
    pen.limb([(-25, 13), (25, 13)], 5, colour)
