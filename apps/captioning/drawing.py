"""Draws a scene: the ground and the sky, then who and what is in it, three times as large, and reduces it."""

import math
import random
from functools import lru_cache

from PIL import Image, ImageDraw

from apps.captioning.pen import COLOURS, Colour, Pen, mix
from apps.captioning.scenes import CLOTHES, Figure, Scene
from apps.captioning.sprites import (
    CHILD,
    POSES,
    SEAT,
    draw_ball,
    draw_bench,
    draw_bird,
    draw_four_legged,
    draw_house,
    draw_person,
    draw_tree,
)

# A picture is this many units wide and high, whatever its pixels.
UNITS = 128
_LARGER = 3
_HORIZON = 70
_FEET = 110
_SKIES: dict[str, tuple[Colour, Colour]] = {
    "sun": ((92, 176, 240), (190, 226, 250)),
    "moon": ((18, 22, 58), (60, 66, 118)),
    "clouds": ((150, 164, 180), (204, 212, 220)),
}
_GROUNDS: dict[str, Colour] = {
    "grass": (116, 182, 84),
    "snow": (238, 243, 250),
    "beach": (234, 210, 152),
    "street": (138, 140, 146),
}
_FAR: dict[str, Colour] = {
    "grass": (92, 150, 86),
    "snow": (205, 216, 232),
    "beach": (58, 132, 190),
    "street": (168, 162, 158),
}
_NIGHT: Colour = (20, 24, 60)


def draw(scene: Scene, size: int = UNITS) -> Image.Image:
    """The picture of a scene, RGB, `size` pixels a side; always the same for the same scene."""
    rng = random.Random(scene.seed)
    painter = _Painter(scene, size * _LARGER, rng)
    painter.paint()
    return painter.picture.reduce(_LARGER)


class _Painter:
    """Paints one scene; all places are in units, from the left and from the top."""

    def __init__(self, scene: Scene, pixels: int, rng: random.Random):
        self._scene, self._rng, self._unit = scene, rng, pixels / UNITS
        self.picture = _sky(scene.sky, pixels).copy()
        self._canvas = ImageDraw.Draw(self.picture)
        far, near = (mix(table[scene.ground], _NIGHT, 0.5 * (scene.sky == "moon")) for table in (_FAR, _GROUNDS))
        self._far, self._near = far, near
        # Where something tall stands, the sun and the moon are on the other side.
        if scene.other and _is_tall(scene.other) and scene.relation in ("left of", "right of"):
            self._light_left = scene.relation == "left of"
        else:
            self._light_left = rng.random() < 0.5

    def paint(self) -> None:
        self._paint_sky()
        self._paint_ground()
        _LAYOUTS[self._scene.relation](self)

    def _box(self, x: float, y: float, wide: float, high: float) -> tuple[float, float, float, float]:
        return (x - wide) * self._unit, (y - high) * self._unit, (x + wide) * self._unit, (y + high) * self._unit

    def _paint_sky(self) -> None:
        rng, canvas = self._rng, self._canvas
        x, y = rng.uniform(12, 18), rng.uniform(13, 20)
        x = x if self._light_left else UNITS - x
        if self._scene.sky == "sun":
            for turn in range(12):
                dx, dy = math.cos(math.tau * turn / 12), math.sin(math.tau * turn / 12)
                ray = [(x + r * dx) * self._unit for r in (11, 14.5)], [(y + r * dy) * self._unit for r in (11, 14.5)]
                canvas.line(list(zip(*ray, strict=True)), fill=(255, 226, 92), width=round(1.8 * self._unit))
            canvas.ellipse(self._box(x, y, 8.5, 8.5), fill=(255, 222, 66))
        elif self._scene.sky == "moon":
            for _ in range(14):
                star = rng.uniform(2, UNITS - 2), rng.uniform(2, _HORIZON - 16)
                canvas.ellipse(self._box(*star, 0.7, 0.7), fill=(240, 240, 220))
            canvas.ellipse(self._box(x, y, 8.5, 8.5), fill=(250, 246, 214))
            canvas.ellipse(self._box(x + 4.2, y - 2.2, 7.4, 7.4), fill=_SKIES["moon"][0])
        else:
            for place in (24, 64, 104):
                self._paint_cloud(place + rng.uniform(-9, 9), rng.uniform(10, 20), rng.uniform(0.8, 1.15))

    def _paint_cloud(self, x: float, y: float, size: float) -> None:
        for dx, dy, wide, high in ((-8, 1.5, 8, 4.5), (8, 1.5, 8.5, 4.8), (0, -1.5, 9, 6.5)):
            self._canvas.ellipse(
                self._box(x + size * dx, y + size * dy, size * wide, size * high), fill=(244, 246, 248)
            )

    def _paint_ground(self) -> None:
        rng, canvas, unit = self._rng, self._canvas, self._unit
        ground, edge = self._scene.ground, UNITS * unit
        if ground == "beach":
            canvas.rectangle((0, (_HORIZON - 6) * unit, edge, (_HORIZON + 12) * unit), fill=self._far)
            for _ in range(5):
                x, y = rng.uniform(5, 110), rng.uniform(_HORIZON - 3, _HORIZON + 5)
                canvas.line((x * unit, y * unit, (x + 12) * unit, y * unit), mix(self._far, (255, 255, 255), 0.5), 3)
            canvas.ellipse(self._box(64, _HORIZON + 58, 110, 52), fill=mix(self._near, (255, 255, 255), 0.6))
            canvas.ellipse(self._box(64, _HORIZON + 60, 110, 52), fill=self._near)
            return
        if ground == "street":
            x = -4.0
            while x < UNITS:
                wide, high = rng.uniform(9, 16), rng.uniform(7, 19)
                shade = mix(self._far, (255, 255, 255), rng.uniform(0, 0.25))
                canvas.rectangle((x * unit, (_HORIZON - high) * unit, (x + wide) * unit, edge), fill=shade)
                x += wide
            canvas.rectangle(
                (0, _HORIZON * unit, edge, (_HORIZON + 9) * unit), fill=mix(self._near, (255, 255, 255), 0.4)
            )
            canvas.rectangle((0, (_HORIZON + 9) * unit, edge, edge), fill=self._near)
            for x in range(round(rng.uniform(-16, 0)), UNITS, 26):
                line = (x * unit, 119 * unit, (x + 14) * unit, 121.5 * unit)
                canvas.rectangle(line, fill=mix(self._near, (255, 255, 255), 0.8))
            return
        for _ in range(3):
            x, high = rng.uniform(0, UNITS), rng.uniform(6, 16)
            canvas.ellipse(self._box(x, _HORIZON + 4, rng.uniform(30, 55), high), fill=self._far)
        canvas.rectangle((0, _HORIZON * unit, edge, edge), fill=self._near)
        self._paint_tufts(mix(self._near, self._far, 0.8) if ground == "grass" else self._far)

    def _paint_tufts(self, colour: Colour) -> None:
        """Blades of grass, or hollows in the snow."""
        for _ in range(16):
            x, y = self._rng.uniform(2, 126), self._rng.uniform(_HORIZON + 6, 125)
            if self._scene.ground == "snow":
                self._canvas.ellipse(self._box(x, y, 4, 0.7), fill=colour)
                continue
            for lean in (-1.4, 0, 1.4):
                blade = (x * self._unit, y * self._unit, (x + lean) * self._unit, (y - 3.4) * self._unit)
                self._canvas.line(blade, fill=colour, width=max(round(0.8 * self._unit), 1))

    def _jitter(self, reach: float) -> float:
        return self._rng.uniform(-reach, reach)

    def _shadow(self, x: float, y: float, wide: float) -> None:
        self._canvas.ellipse(self._box(x, y, wide, wide * 0.17), fill=mix(self._near, (0, 0, 0), 0.25))

    def _pen(self, x: float, y: float, size: float, turned: bool = False, tilt: float = 0.0) -> Pen:
        return Pen(self._canvas, x * self._unit, y * self._unit, size * self._unit, turned, tilt)

    def put(self, figure: Figure, x: float, y: float, size: float, action: str = "") -> tuple[float, float]:
        """Draws a figure with its feet at `(x, y)`, in the air if it jumps; returns where a ball touches it."""
        action, turned = action or figure.action, self._rng.random() < 0.5
        colour = COLOURS[figure.colour]
        if figure.kind == "ball":
            self._shadow(x, y, 7 * size)
            return self.put_ball(figure, x, y - 6.5 * size, size)
        if figure.kind in ("tree", "house", "bench"):
            return self._put_thing(figure, x, y, size)
        rise, tilt = _RISES.get((figure.kind in CLOTHES, action), (0.0, 0.0))
        if action not in ("fly", "perch", "ride"):
            self._shadow(x, y, size * (22 if figure.kind == "horse" else 14 if figure.kind in ("dog", "cat") else 9))
        child = CHILD if figure.kind in ("boy", "girl") else 1
        # Leaning back is about the middle of the body, not about the feet.
        middle = 34 if figure.kind == "horse" else 20
        forwards = (-1 if turned else 1) * middle * size * math.sin(math.radians(tilt))
        pen = self._pen(x + forwards, y - rise * size * child, size, turned, tilt)
        if figure.kind == "bird":
            draw_bird(pen, colour, action)
            touch = (0.0, 0.0)
        elif figure.kind in CLOTHES:
            touch = draw_person(pen, figure.kind, colour, action, self._rng)
        else:
            touch = draw_four_legged(pen, figure.kind, colour, action)
        pen.finish()
        px, py = pen.place(touch)
        return px / self._unit, py / self._unit

    def _put_thing(self, figure: Figure, x: float, y: float, size: float) -> tuple[float, float]:
        pen = self._pen(x, y, size)
        if figure.kind == "tree":
            self._shadow(x, y, 20 * size)
            draw_tree(pen, self._rng)
        elif figure.kind == "house":
            draw_house(pen, COLOURS[figure.colour])
        else:
            self._shadow(x, y, 26 * size)
            draw_bench(pen, COLOURS[figure.colour])
        pen.finish()
        return x, y

    def put_ball(self, ball: Figure, x: float, y: float, size: float) -> tuple[float, float]:
        pen = self._pen(x, y, size)
        draw_ball(pen, COLOURS[ball.colour], 6.5)
        pen.finish()
        return x, y

    def alone(self) -> None:
        figure = self._scene.figure
        flies = figure.action == "fly"
        y = 44 + self._jitter(8) if flies else _FEET + self._jitter(4)
        size = {"horse": 1.2, "bird": 1.5, "man": 1.12, "woman": 1.12}.get(figure.kind, 1.3)
        self.put(figure, 64 + self._jitter(14), y, size * (1 + self._jitter(0.08)))

    def beside(self) -> None:
        """The one on the left first; things stand a little behind."""
        pair = [self._scene.figure, self._scene.other]
        if self._scene.relation == "right of":
            pair.reverse()
        for figure, x in sorted(zip(pair, (33, 95), strict=True), key=lambda one: not _is_tall(one[0])):
            behind = 8 if _is_tall(figure) else 0
            self.put(figure, x + self._jitter(4), _FEET - behind + self._jitter(3), self._size(figure))

    def _size(self, figure: Figure) -> float:
        return {"horse": 0.78, "bird": 1.3, "ball": 1.45, "house": 1.05}.get(figure.kind, 1.0) * (
            1 + self._jitter(0.06)
        )

    def under(self) -> None:
        x = 64 + self._jitter(6)
        self.put(self._scene.other, x, _FEET - 8, 1.25)
        size = {"horse": 0.7, "bird": 1.1}.get(self._scene.figure.kind, 0.82)
        self.put(self._scene.figure, x + self._jitter(4), _FEET + 3 + self._jitter(2), size)

    def in_front(self) -> None:
        x = 64 + self._jitter(8)
        self.put(self._scene.other, x, _FEET - 14, 1.55 + self._jitter(0.06))
        size = {"horse": 0.8, "bird": 1.2}.get(self._scene.figure.kind, 0.92)
        self.put(self._scene.figure, x + self._jitter(10), _FEET + 7 + self._jitter(2), size)

    def on_bench(self) -> None:
        x, size, figure = 64 + self._jitter(12), 1.35 + self._jitter(0.08), self._scene.figure
        self.put(self._scene.other, x, _FEET, size)
        seat = _FEET - SEAT * size
        if figure.kind in CLOTHES:
            small = CHILD if figure.kind in ("boy", "girl") else 1
            self.put(figure, x + self._jitter(5), seat + 1.1 * small * POSES["perch"].hip, 1.1, "perch")
        else:
            self.put(figure, x + self._jitter(6), seat, 1.2 if figure.kind == "bird" else 1.0, "sit")

    def over(self) -> None:
        below, x = self._scene.other, 64 + self._jitter(9)
        size = {"horse": 0.86, "bird": 1.25, "tree": 0.76, "house": 1.1}.get(below.kind, 0.92)
        self.put(below, x, _FEET + self._jitter(2), size)
        self.put(self._scene.figure, x + self._jitter(7), 31 + self._jitter(3), 1.15)

    def riding(self) -> None:
        x, y, horse = 64 + self._jitter(8), _FEET + 2 + self._jitter(2), self._scene.other
        self.put(horse, x, y, 1.15)
        self.put(self._scene.figure, x, y - 1.15 * 42, 1.0, "ride")

    def catching(self) -> None:
        figure, ball = self._scene.figure, self._scene.other
        size = {"man": 1.0, "woman": 1.0}.get(figure.kind, 1.2) * (1 + self._jitter(0.06))
        x, y = self.put(figure, 64 + self._jitter(10), _FEET + 2 + self._jitter(3), size, "catch")
        self.put_ball(ball, x, y, 1.1)

    def kicking(self) -> None:
        size = 1.25 * (1 + self._jitter(0.06))
        x, y = self.put(self._scene.figure, 64 + self._jitter(10), _FEET + self._jitter(3), size, "kick")
        self.put_ball(self._scene.other, x, y, 1.15)


_LAYOUTS = {
    "alone": _Painter.alone,
    "left of": _Painter.beside,
    "right of": _Painter.beside,
    "under": _Painter.under,
    "in front of": _Painter.in_front,
    "on": _Painter.on_bench,
    "over": _Painter.over,
    "riding": _Painter.riding,
    "catching": _Painter.catching,
    "kicking": _Painter.kicking,
}
# How far above its shadow a person (True) or an animal is, and how far it leans back, by what it does.
_RISES = {
    (False, "jump"): (17.0, 12.0),
    (True, "jump"): (15.0, 0.0),
    (False, "catch"): (24.0, 32.0),
    (True, "catch"): (12.0, 0.0),
    (True, "run"): (0.0, -8.0),
}


def _is_tall(figure: Figure) -> bool:
    return figure.kind in ("tree", "house")


@lru_cache(maxsize=16)
def _sky(sky: str, pixels: int) -> Image.Image:
    """From the colour above to that at the horizon, as one column stretched to the whole width."""
    top, bottom = _SKIES[sky]
    column = Image.new("RGB", (1, pixels))
    end = _HORIZON / UNITS * pixels
    for y in range(pixels):
        column.putpixel((0, y), mix(top, bottom, min(y / end, 1)))
    return column.resize((pixels, pixels), Image.Resampling.NEAREST)
