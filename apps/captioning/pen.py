"""What the drawn scenes are drawn with: parts of a figure, first the outlines of all, then their insides."""

import math
from collections.abc import Sequence

from PIL import ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

COLOURS: dict[str, Colour] = {
    "red": (214, 48, 49),
    "blue": (43, 99, 214),
    "green": (46, 160, 67),
    "yellow": (248, 212, 48),
    "orange": (240, 135, 30),
    "purple": (142, 68, 180),
    "brown": (133, 82, 44),
    "black": (44, 44, 50),
    "white": (247, 247, 245),
    "grey": (150, 153, 160),
}


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """`share` of the other colour, the rest of the first."""
    return tuple(round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))


class Pen:
    """Collects the parts of one drawing, and draws first the outlines of all, then their insides."""

    def __init__(
        self, canvas: ImageDraw.ImageDraw, x: float, y: float, size: float, turned: bool = False, tilt: float = 0.0
    ):
        """Puts the origin at `(x, y)` of the canvas, in its pixels.

        Args:
            canvas: to draw on.
            x: from the left.
            y: from the top.
            size: pixels a unit.
            turned: looks to the left.
            tilt: degrees by which the drawing leans back, about its origin.
        """
        self._canvas, self._x, self._y, self._size = canvas, x, y, size
        self._sign = -1 if turned else 1
        self._cos, self._sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
        self._parts: list[tuple[list[Point], float, Colour]] = []

    def place(self, point: Point) -> Point:
        """Where a point of the drawing stands on the canvas."""
        x, y = point[0] * self._cos - point[1] * self._sin, point[0] * self._sin + point[1] * self._cos
        return self._x + self._sign * x * self._size, self._y - y * self._size

    def blob(self, x: float, y: float, wide: float, high: float, colour: Colour, tilt: float = 0.0) -> None:
        """An ellipse by its centre and half axes."""
        cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
        around = [(wide * u, high * v) for u, v in _CIRCLE]
        self.shape([(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in around], colour)

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        """A polygon."""
        self._parts.append(([self.place(point) for point in points], 0.0, colour))

    def limb(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A line with round ends."""
        self._parts.append(([self.place(point) for point in points], width * self._size, colour))

    def finish(self) -> None:
        """Draws all parts."""
        edge = 1.4 * self._size
        for points, width, colour in self._parts:
            self._stroke(points, width, _outline(colour), edge)
        for points, width, colour in self._parts:
            self._stroke(points, width, colour, 0.0)
        self._parts = []

    def _stroke(self, points: list[Point], width: float, colour: Colour, edge: float) -> None:
        if not width:
            self._canvas.polygon(points, fill=colour)
            if edge:
                self._canvas.line([*points, points[0], points[1]], fill=colour, width=round(edge), joint="curve")
            return
        self._canvas.line(points, fill=colour, width=max(round(width + edge), 1), joint="curve")
        radius = (width + edge) / 2
        for x, y in (points[0], points[-1]):
            self._canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


_CIRCLE = [(math.cos(math.tau * turn / 20), math.sin(math.tau * turn / 20)) for turn in range(20)]


def _outline(colour: Colour) -> Colour:
    """Darker; around what is nearly black, lighter."""
    return mix(colour, (255, 255, 255), 0.3) if max(colour) < 70 else mix(colour, (0, 0, 0), 0.45)
