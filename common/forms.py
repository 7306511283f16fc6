"""The ways in which sequences go in and out of a network, each with its small diagram for a terminal and for a page."""

from dataclasses import dataclass

_SIDE, _GAP, _STEP = 16, 14, 34
_READ, _KEPT, _WRITTEN = "#e8a39c", "#b5d3a5", "#9dbbe3"


@dataclass(frozen=True)
class Form:
    """A way in and out.

    Attributes:
        name: such as `many to one`.
        reads: for each step of the network an `x` if it reads something there.
        writes: likewise for what it writes.
    """

    name: str
    reads: str
    writes: str

    def as_text(self, indent: str = "  ") -> str:
        """Three lines: what is written, the network from step to step, what is read."""
        written = " ".join("○" if mark == "x" else " " for mark in self.writes)
        read = " ".join("●" if mark == "x" else " " for mark in self.reads)
        return "\n".join((indent + line).rstrip() for line in (written, "→".join("□" * len(self.reads)), read))

    def as_svg(self) -> str:
        """The same as a drawing: what is read below, the network in the middle, what is written above."""
        height = 3 * _SIDE + 2 * _GAP
        rows = ((0, self.writes, _WRITTEN), (1, "x" * len(self.reads), _KEPT), (2, self.reads, _READ))
        parts = []
        for row, marks, colour in rows:
            top = row * (_SIDE + _GAP)
            for step in (step for step, mark in enumerate(marks) if mark == "x"):
                left = step * _STEP
                parts.append(
                    f'<rect x="{left + 1}" y="{top + 1}" width="{_SIDE - 2}" height="{_SIDE - 2}" rx="3" '
                    f'fill="{colour}"/>'
                )
                if row != 1:
                    start = top + (_SIDE + _GAP if row == 0 else 0)
                    parts.append(_arrow(left + _SIDE / 2, start, left + _SIDE / 2, start - _GAP))
                elif step:
                    middle = top + _SIDE / 2
                    parts.append(_arrow(left - _STEP + _SIDE, middle, left, middle))
        width = (len(self.reads) - 1) * _STEP + _SIDE
        return (
            f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
            f'aria-label="{self.name}">{"".join(parts)}</svg>'
        )


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    """A line with a head, which points right or up."""
    head = "m-4 -3 l4 3 l-4 3" if to_y == y else "m-3 4 l3 -4 l3 4"
    return f'<path d="M{x:g} {y:g} L{to_x:g} {to_y:g} {head}" fill="none" stroke="currentColor" stroke-width="1.3"/>'


ONE_TO_ONE = Form("one to one", "x", "x")
ONE_TO_MANY = Form("one to many", "x   ", "xxxx")
MANY_TO_ONE = Form("many to one", "xxxx", "   x")
MANY_TO_MANY = Form("many to many", "xxxx  ", "   xxx")
