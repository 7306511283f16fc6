"""The pictures of the report, as PNG: small ones, so that a telephone shows them one by one."""

import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter
from PIL import Image

from apps.gradient_lab.findings import spread
from apps.gradient_lab.tasks import TASKS, WITHOUT_ORDER, Row
from common.plots import COLOURS, GREY, INK, style_axes

SIZE, DPI = (5.2, 4.2), 140
NETWORKS = {"simple_rnn": COLOURS[1], "lstm": COLOURS[0]}
# Curves that leave these would flatten all others.
LOWEST, HIGHEST = 1e-20, 1e20
MOST_POINTS = 100


class Curve(NamedTuple):
    """Norms of dLoss/dh_t, the last step first, and the spectral radius that their decay should follow, if any."""

    label: str
    norms: Sequence[float]
    colour: str
    style: str = "-"
    radius: float | None = None


def picture(title: str, draw: Callable[..., None], *arguments: object) -> bytes:
    """A picture with one pair of axes, filled by `draw(axes, *arguments)`, as a PNG."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    draw(axes, *arguments)
    style_axes(axes, title)
    count = len(axes.get_legend_handles_labels()[0])
    columns = 2 if count > 3 else count
    figure.legend(loc="outside lower center", ncols=columns, fontsize=8, frameon=False, labelcolor=INK)
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, facecolor="white")
    # A palette is enough for lines on white, and takes a third of the space.
    Image.open(drawn).convert("RGB").quantize().save(small, format="png", optimize=True)
    return small.getvalue()


def draw_flows(axes: Axes, curves: Sequence[Curve]) -> None:
    """Norms against steps back, as shares of the first, and dotted how the spectral radii would have them go on."""
    axes.axhline(1, color=GREY, linewidth=0.8)
    for curve in curves:
        back = spread(len(curve.norms), MOST_POINTS)
        shares = np.asarray(curve.norms) / (curve.norms[0] or np.nan)
        axes.plot(back, _within(shares[back]), curve.style, color=curve.colour, label=curve.label, linewidth=1.6)
        if curve.radius is not None:
            # The lines meet where the fit begins: what theory foretells is the slope.
            middle = len(shares) // 2
            foretold = np.log(shares[middle]) + (back - middle) * np.log(curve.radius)
            in_sight = np.exp(np.clip(foretold, -300, 300))
            axes.plot(back, _within(in_sight), ":", color=INK, linewidth=1.0, zorder=3)
    if any(curve.radius is not None for curve in curves):
        axes.plot([], [], ":", color=INK, linewidth=1.2, label="powers of the spectral radius")
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="steps back from the last", ylabel="share of the last step's gradient")


def draw_lengths(axes: Axes, rows: Sequence[Row]) -> None:
    """The best score of each network against length: the median of the seeds, and a band from the worst to the best."""
    task = TASKS[rows[0]["task"]]
    steps = sorted({row["steps"] for row in rows})
    for name in dict.fromkeys(row["network"] for row in rows):
        scores = [[row["best"] for row in rows if (row["network"], row["steps"]) == (name, count)] for count in steps]
        colour = NETWORKS.get(name, COLOURS[2])
        axes.plot(steps, [np.median(some) for some in scores], "o-", color=colour, label=name)
        axes.fill_between(steps, list(map(min, scores)), list(map(max, scores)), color=colour, alpha=0.2, linewidth=0)
    axes.axhline(task.guess, linestyle="--", color=GREY, linewidth=1, label="guessing")
    axes.axhline(task.solved, linestyle=":", color=GREY, linewidth=1, label="solved")
    axes.set_xscale("log")
    axes.set_xticks(steps, list(map(str, steps)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("steps")
    if task.loss == "mse":
        axes.set_yscale("log")
        axes.set_ylabel("mean squared error")
    else:
        axes.set(ylabel="symbols right", ylim=(0, 1.02))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def draw_losses(axes: Axes, rows: Sequence[Row]) -> None:
    """The loss of each update, a line a training and a colour a way of clipping."""
    for index, clip in enumerate(dict.fromkeys(row["clip"] for row in rows)):
        for count, row in enumerate(row for row in rows if row["clip"] == clip):
            label = clip.replace("_", " ") if count == 0 else None
            updates = spread(len(row["losses"]), MOST_POINTS)
            losses = _within(np.asarray(row["losses"])[updates])
            axes.plot(updates, losses, color=COLOURS[index], linewidth=1, alpha=0.8, label=label)
    axes.set_yscale("log")
    axes.set(xlabel="updates", ylabel="loss")


def draw_kinds(axes: Axes, rows: Sequence[Row]) -> None:
    """The best share of right answers of each kind, a dot a seed."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    for place, kind in enumerate(kinds):
        scores = [row["best"] for row in rows if row["kind"] == kind]
        places = place + np.linspace(-0.1, 0.1, len(scores) + 2)[1:-1]
        axes.plot(places, scores, "o", color=NETWORKS.get(kind, COLOURS[2]))
    axes.axhline(WITHOUT_ORDER, linestyle="--", color=GREY, linewidth=1, label="the most that is known without order")
    axes.axhline(TASKS["order"].guess, linestyle=":", color=GREY, linewidth=1, label="guessing")
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set(ylabel="right", ylim=(0, 1.05), xlim=(-0.5, len(kinds) - 0.5))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _within(values: np.ndarray) -> np.ndarray:
    return np.where((values >= LOWEST) & (values <= HIGHEST), values, np.nan)
