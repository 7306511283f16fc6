"""Pictures of a training, a classifier and a regressor, as PNG files; Matplotlib's global state is not touched."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

from common.files import write_atomically
from common.metrics import CALIBRATION_BINS, CalibrationBins, calibration_bins, ece, mae

INK, GREY, PALE = "#2b2f36", "#79808a", "#e4e7eb"
# Okabe & Ito (2008), https://jfly.uni-koeln.de/color/: colours that do not need red told from green.
BLUE, ORANGE = "#0072b2", "#d55e00"
PALE_BLUE, PALE_ORANGE = "#80b9d9", "#f2bf99"
COLOURS = (BLUE, ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
NOT_FIGURES = ("epoch", "learning_rate")
VALIDATION = "val_"


def plot_curves(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draws a training log: losses, figures between 0 and 1, and the norm of the gradient, each where there is any.

    Validation (`val_...`) is solid, and its counterpart of the training dashed in the same colour. A dot marks the
    lowest validation loss.

    Args:
        rows: one for each epoch logged, with the key `epoch`. A name that ends in "loss" goes to the losses,
            `gradient_norm` to its own panel, the rest to the shares if all of it is between 0 and 1. Missing and
            infinite values leave no trace.
        path: the PNG to write.

    Raises:
        ValueError: no row has a figure that can be drawn.
    """
    curves = _curves(rows)
    losses = {name: curve for name, curve in curves.items() if name.endswith("loss")}
    norms = {name: curve for name, curve in curves.items() if name == "gradient_norm"}
    shares = {
        name: curve for name, curve in curves.items() if name not in {**losses, **norms} and _are_shares(curve[1])
    }
    panels = {name: part for name, part in (("loss", losses), ("share", shares), ("gradient norm", norms)) if part}
    if not panels:
        raise ValueError(f"The rows must have a figure that can be drawn. Received: {list(rows)}")
    figure = Figure(figsize=(0.6 + 4.4 * len(panels), 3.6), layout="constrained")
    for axes, (title, part) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        _draw_curves(axes, part)
        style_axes(axes, title.capitalize())
        axes.set_xlabel("epoch")
    if norms:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    save_figure(figure, path)


def plot_confusion(matrix: ArrayLike, label_names: Sequence[str], path: Path) -> None:
    """Draws how often each class was taken for each, as counts and as shares of the row.

    Args:
        matrix: counts, `(classes, classes)`; row i, column j has the examples of class i taken for class j.
        label_names: names of the classes, `(classes,)`.
        path: the PNG to write.

    Raises:
        ValueError: the matrix is not square, or not of as many classes as there are names.
    """
    matrix = np.asarray(matrix)
    classes = len(label_names)
    if matrix.shape != (classes, classes):
        raise ValueError(
            f"`matrix` must have a row and a column for each of {classes} names. Received shape: {matrix.shape}"
        )
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(2.2 + 0.9 * classes, 1.6 + 0.8 * classes), layout="constrained")
    axes = figure.subplots()
    colours = LinearSegmentedColormap.from_list("white to blue", ["#f5f7fa", BLUE])
    axes.pcolormesh(shares, cmap=colours, vmin=0, vmax=1, edgecolors="white", linewidth=2)
    for (row, column), share in np.ndenumerate(shares):
        text = f"{matrix[row, column]:,}\n{share:.1%}"
        colour = "white" if share > 0.5 else INK
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, fontsize=9)
    style_axes(axes, f"{np.trace(matrix):,} of {matrix.sum():,} right")
    axes.grid(visible=False)
    axes.invert_yaxis()
    slanted = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if classes > 4 else {}
    axes.set_xticks(np.arange(classes) + 0.5, label_names, **slanted)
    axes.set_yticks(np.arange(classes) + 0.5, label_names)
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(False)
    save_figure(figure, path)


def plot_attention(weights: ArrayLike, columns: Sequence[str], rows: Sequence[str], target: Path | IO[bytes]) -> None:
    """Draws where a network looked: a row for each thing written, a column for each place, darker for more weight.

    Args:
        weights: `(rows, columns)`, each row of which sums to one.
        columns: names of the places looked at.
        rows: names of what was written.
        target: the PNG to write, or a file that is open.
    """
    weights = np.asarray(weights)
    figure = Figure(figsize=(1.5 + 0.32 * len(columns), 1.2 + 0.26 * len(rows)), layout="constrained")
    axes = figure.subplots()
    colours = LinearSegmentedColormap.from_list("white to blue", ["#f5f7fa", BLUE])
    axes.pcolormesh(weights, cmap=colours, vmin=0, vmax=1, edgecolors="white", linewidth=1)
    style_axes(axes)
    axes.grid(visible=False)
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=60, ha="left", rotation_mode="anchor")
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.spines[:].set_visible(False)
    save_figure(figure, target)


def plot_reliability(labels: np.ndarray, probabilities: np.ndarray, path: Path) -> None:
    """Draws accuracy by confidence (Guo et al., 2017, https://arxiv.org/abs/1706.04599), and how often each occurs.

    Args:
        labels: the true classes, `(examples,)`, integers from 0.
        probabilities: `(examples, classes)`.
        path: the PNG to write.
    """
    bins = calibration_bins(labels, probabilities)
    figure = Figure(figsize=(5.2, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_reliability(upper, bins)
    style_axes(upper, f"Expected calibration error {ece(labels, probabilities):.1%}")
    upper.set(ylabel="share right", ylim=(0, 1))
    _draw_bars(lower, bins.counts / len(labels), color=GREY)
    style_axes(lower)
    lower.yaxis.set_major_locator(MaxNLocator(3))
    # No confidence is below 1 / classes.
    lowest = CALIBRATION_BINS // probabilities.shape[1] / CALIBRATION_BINS
    lower.set(xlabel="confidence", ylabel=f"of {len(labels):,} examples", xlim=(lowest, 1))
    for axis in (upper.yaxis, lower.yaxis, lower.xaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    save_figure(figure, path)


def plot_predictions(values: ArrayLike, predictions: ArrayLike, path: Path) -> None:
    """Draws predicted over true values, with the line on which both are the same.

    Args:
        values: the true ones, `(examples,)`.
        predictions: `(examples,)`.
        path: the PNG to write.
    """
    values, predictions = np.asarray(values), np.asarray(predictions)
    figure = Figure(figsize=(5.2, 5.2), layout="constrained")
    axes = figure.subplots()
    axes.scatter(values, predictions, s=14, color=BLUE, alpha=max(0.05, min(0.7, 50 / len(values))), linewidths=0)
    ends = min(values.min(), predictions.min()), max(values.max(), predictions.max())
    axes.plot(ends, ends, "--", color=INK, linewidth=1)
    style_axes(axes, f"Mean absolute error {mae(values, predictions):.4g}")
    axes.set(xlabel="true", ylabel="predicted", aspect="equal")
    save_figure(figure, path)


def _curves(rows: Sequence[Mapping[str, float]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Rows of a log -> epochs and values of each figure, `(points,)` each, where there is at least one point."""
    names = dict.fromkeys(name for row in rows for name in row if name not in NOT_FIGURES)
    points = {
        name: [(row["epoch"], row[name]) for row in rows if name in row and np.isfinite(row[name])] for name in names
    }
    return {name: tuple(np.array(some, dtype=float).T) for name, some in points.items() if some}


def _are_shares(values: np.ndarray) -> bool:
    return bool(values.min() >= 0 and values.max() <= 1)


def _draw_curves(axes: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    figures = list(dict.fromkeys(name.removeprefix(VALIDATION) for name in curves))
    for name, (epochs, values) in curves.items():
        figure = name.removeprefix(VALIDATION)
        line = {"linestyle": "-", "color": COLOURS[figures.index(figure) % len(COLOURS)]}
        if figure == name and VALIDATION + figure in curves:
            line.update(linestyle="--", markerfacecolor="white")
        # A line of one point is seen by its marker only.
        marker = "o" if len(epochs) == 1 else ""
        axes.plot(
            epochs, values, marker=marker, label=name.replace(VALIDATION, "validation ").replace("_", " "), **line
        )
        if name.startswith(VALIDATION) and name.endswith("loss"):
            _mark_lowest(axes, epochs, values, line["color"])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)


def _mark_lowest(axes: Axes, epochs: np.ndarray, values: np.ndarray, colour: str) -> None:
    lowest = values.argmin()
    point = (epochs[lowest], values[lowest])
    axes.plot(*point, "o", color=colour)
    text = {"ha": "center", "color": colour, "fontsize": 9}
    axes.annotate(f"{values[lowest]:.3g}", point, (0, 8), textcoords="offset points", **text)


def _draw_reliability(axes: Axes, bins: CalibrationBins) -> None:
    """Bars of accuracy, and its gaps to the confidence, of which the calibration error is the mean."""
    both = np.minimum(bins.accuracy, bins.confidence)
    _draw_bars(axes, both, color=BLUE, label="accuracy")
    _draw_bars(axes, bins.confidence - both, bottom=both, color=PALE_ORANGE, label="confidence beyond accuracy")
    _draw_bars(axes, bins.accuracy - both, bottom=both, color=PALE_BLUE, label="accuracy beyond confidence")
    axes.plot([0, 1], [0, 1], "--", color=INK, linewidth=1, label="calibrated")
    axes.figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9, labelcolor=INK)


def _draw_bars(axes: Axes, heights: np.ndarray, **options) -> None:
    lefts = np.arange(CALIBRATION_BINS) / CALIBRATION_BINS
    axes.bar(lefts, heights, 1 / CALIBRATION_BINS, align="edge", edgecolor="white", **options)


def style_axes(axes: Axes, title: str = "") -> None:
    """The look of all pictures of the suite: a title on the left, grey axes, lines across."""
    axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=GREY, labelcolor=INK, labelsize=9, length=0, which="both")
    axes.grid(axis="y", color=PALE)
    axes.set_axisbelow(True)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def save_figure(figure: Figure, target: Path | IO[bytes], dpi: int = 150) -> None:
    """Writes a figure as a PNG on white, to a file that is whole or not there, or into what is open."""

    def write(file: IO[bytes]) -> None:
        figure.savefig(file, format="png", dpi=dpi, facecolor="white")

    if isinstance(target, Path):
        write_atomically(target, write)
    else:
        write(target)
