"""The pictures of the report, as SVG: small ones, so that a telephone shows them one by one."""

import io
import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter

from apps.gradient_lab.measure import Row
from apps.gradient_lab.tasks import TASKS, WITHOUT_ORDER
from common.plots import COLOURS, GREY, INK, style_axes

SIZE = (5.2, 4.2)
PLAIN = {"frameon": False, "labelcolor": INK}
KINDS = {"simple_rnn": COLOURS[1], "lstm": COLOURS[0], "dense": COLOURS[2]}
# Curves that leave these would flatten all others.
LOWEST, HIGHEST = 1e-20, 1e20
MOST_POINTS = 80


def picture(title: str, draw: Callable[..., None], *arguments) -> str:
    """A picture with one pair of axes, filled by `draw(axes, *arguments)`, as the text of an SVG."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    draw(axes, *arguments)
    style_axes(axes, title)
    if count := len(axes.get_legend_handles_labels()[0]):
        figure.legend(loc="outside lower center", ncols=2 if count > 3 else count, fontsize=8, **PLAIN)
    file = io.BytesIO()
    # Words stay words, which are smaller than their outlines, and can be found and read aloud.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue().decode()
    return text[text.index("<svg") :]


def draw_flows(axes: Axes, curves: Sequence[tuple[str, Sequence[float]]], radii: Sequence[float] = ()) -> None:
    """Norms of dLoss/dh_t against steps back, as shares of the first, and dotted what spectral radii foretell."""
    back = np.unique(np.linspace(0, len(curves[0][1]) - 1, MOST_POINTS).round().astype(int))
    for index, (label, norms) in enumerate(curves):
        shares = np.asarray(norms)[back] / norms[0]
        dashed = "--" if index >= len(COLOURS) else "-"
        axes.plot(back, _clipped(shares), dashed, color=COLOURS[index % len(COLOURS)], label=label, linewidth=1.5)
        if radii:
            axes.plot(back, _clipped(radii[index] ** back), ":", color=INK, linewidth=1)
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="steps back from the last", ylabel="share of the last step's gradient")


def draw_lengths(axes: Axes, rows: Sequence[Row]) -> None:
    """The best score of each kind against length: the median of the seeds, and a band from the worst to the best."""
    task = TASKS[rows[0]["task"]]
    steps = sorted({row["steps"] for row in rows})
    for kind in dict.fromkeys(row["kind"] for row in rows):
        scores = [[row["best"] for row in rows if (row["kind"], row["steps"]) == (kind, count)] for count in steps]
        axes.plot(steps, [np.median(some) for some in scores], "o-", color=KINDS[kind], label=kind)
        axes.fill_between(steps, list(map(min, scores)), list(map(max, scores)), color=KINDS[kind], alpha=0.2, lw=0)
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
            losses = row["losses"][:: math.ceil(len(row["losses"]) / MOST_POINTS)]
            updates = np.linspace(0, len(row["losses"]) - 1, len(losses))
            axes.plot(updates, _clipped(losses), color=COLOURS[index], linewidth=1, alpha=0.8, label=label)
    axes.set_yscale("log")
    axes.set(xlabel="updates", ylabel="loss")


def draw_kinds(axes: Axes, rows: Sequence[Row]) -> None:
    """The best share of right answers of each kind, a dot a seed."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    for place, kind in enumerate(kinds):
        scores = [row["best"] for row in rows if row["kind"] == kind]
        axes.plot(place + np.linspace(-0.1, 0.1, len(scores) + 2)[1:-1], scores, "o", color=KINDS[kind])
    axes.axhline(WITHOUT_ORDER, linestyle="--", color=GREY, linewidth=1, label="all that can be known without order")
    axes.axhline(TASKS["order"].guess, linestyle=":", color=GREY, linewidth=1, label="guessing")
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set(ylabel="right", ylim=(0, 1.05), xlim=(-0.5, len(kinds) - 0.5))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _clipped(values: Sequence[float]) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return np.where((values >= LOWEST) & (values <= HIGHEST), values, np.nan)
