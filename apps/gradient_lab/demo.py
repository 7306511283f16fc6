"""What `make demo` shows of this app."""

from pathlib import Path

import numpy as np

from apps.gradient_lab.flow import measure_start
from apps.gradient_lab.plots import Curve, draw_flows, picture
from apps.gradient_lab.tasks import Row
from common.files import write_atomically
from common.gradients import FACTOR
from common.plots import COLOURS

STEPS, COLUMNS, UNITS = 100, 50, 32
STARTS = {
    "simple_rnn": [("orthogonal", 0.9, 0.0), ("orthogonal", 1.1, 0.0)],
    "lstm": [("orthogonal", 1.0, 0.0), ("orthogonal", 1.0, 1.0)],
}
DRAWING = Path("demo/gradient_lab/start.png")
BLOCKS = "▁▂▃▄▅▆▇█"


def main() -> None:
    """Draws the norms of dLoss/dh_t against t before any training, a block for each power of ten."""
    print("gradient_lab: what is left of the last step's gradient, on its way back (a block is a factor of ten)")
    print(f"  {'':<28} {'step 1':<{COLUMNS - 8}}step {STEPS}")
    curves: list[Curve] = []
    for kind, starts in STARTS.items():
        for row in measure_start(kind, starts, STEPS, UNITS):
            if row["inputs"] == "none":
                what = f"radius {row['gain']:g}" if kind == "simple_rnn" else f"forget bias {row['forget_bias']:g}"
                curves.append(Curve(f"{kind}, {what}", row["norms"], COLOURS[len(curves)], radius=row["radius"]))
                print(f"  {kind + ', ' + what:<28} {as_blocks(row['norms'])}  {row['verdict']}: {_steps(row)}")
    drawn = picture("The gradient on its way back, at rest", draw_flows, curves)
    write_atomically(DRAWING, lambda file: file.write(drawn))
    print(f"  the same as curves: {DRAWING}")


def as_blocks(norms: list[float]) -> str:
    """Norms, last step first -> blocks, first step first; the tallest is the largest of them."""
    tens = np.log10(np.maximum(norms[::-1], 1e-300))[:: max(len(norms) // COLUMNS, 1)]
    heights = np.clip(np.round(tens - tens.max()) + len(BLOCKS) - 1, 0, len(BLOCKS) - 1)
    return "".join(BLOCKS[int(height)] for height in heights)


def _steps(row: Row) -> str:
    factor = {"vanishes": f"1/{FACTOR:g} of it", "explodes": f"{FACTOR:g} times it", "lasts": "all of the way"}
    return f"{factor[row['verdict']]} after {row['verdict_steps']} steps"


if __name__ == "__main__":
    main()
