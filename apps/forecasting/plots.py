"""Pictures of forecasts: the history, the fan of what may come, and what came where it is known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from apps.forecasting.data import Panel, Series
from apps.forecasting.forecaster import Forecast
from apps.forecasting.report import Cases
from common.plots import BLUE, COLOURS, GREY, INK, ORANGE, save_figure, style_axes

PANELS = 8
DPI = 110
# The history shown is a few times as long as the forecast, so that the fan is seen.
_HISTORY = 3
_LEAST_HISTORY = 36


def plot_forecasts(
    panel: Panel, history: Panel, forecasts: Sequence[Forecast], coverage: float, folder: Path
) -> list[Path]:
    """Draws a panel a series, eight to a picture.

    Args:
        panel: the whole series; what lies behind the history is drawn as what happened.
        history: what the network was shown.
        forecasts: for its series.
        coverage: of the interval that the legend names.
        folder: where the PNGs go.

    Returns:
        The files written.
    """
    paths = []
    for start in range(0, len(forecasts), PANELS):
        figure = draw_forecasts(panel, history, forecasts[start : start + PANELS], coverage)
        paths.append(folder / ("forecast.png" if not start else f"forecast-{start // PANELS + 1}.png"))
        save_figure(figure, paths[-1], DPI)
    return paths


def draw_forecasts(
    panel: Panel, history: Panel, forecasts: Sequence[Forecast], coverage: float, columns: int = 2
) -> Figure:
    """A figure with a panel a forecast, of which there are at most `PANELS`; arguments as in `plot_forecasts`."""
    whole = {one.name: one for one in panel.series}
    shown = {one.name: one for one in history.series}
    columns = min(columns, len(forecasts))
    rows = -(-len(forecasts) // columns)
    figure = Figure(figsize=(8.0 if columns == 1 else 11.0, 0.9 + 2.5 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, forecast in zip(grid, forecasts, strict=False):
        _draw(axes, whole[forecast.series], shown[forecast.series], panel, forecast, coverage)
        style_axes(axes, forecast.series)
    for axes in grid[len(forecasts) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def _draw(axes: Axes, whole: Series, shown: Series, panel: Panel, forecast: Forecast, coverage: float) -> None:
    horizon, rows = len(forecast.times), len(shown.values)
    first = max(rows - max(_HISTORY * horizon, _LEAST_HISTORY), 0)
    places = _places(shown, panel, horizon)
    axes.plot(places[first:rows], shown.values[first:], color=INK, linewidth=1.2, label="history")
    # The fan opens at the last value, which is known.
    ahead = places[rows - 1 :]
    middle = len(forecast.levels) // 2
    for pair in range(middle):
        low, high = (np.r_[shown.values[-1], forecast.quantiles[:, column]] for column in (pair, -1 - pair))
        axes.fill_between(ahead, low, high, color=BLUE, alpha=0.13, linewidth=0)
    low, high = (np.r_[shown.values[-1], end] for end in forecast.interval(coverage))
    axes.fill_between(
        ahead,
        low,
        high,
        facecolor="none",
        edgecolor=BLUE,
        alpha=0.6,
        linewidth=0.6,
        label=f"{coverage:.0%} interval, and narrower ones",
    )
    axes.plot(ahead, np.r_[shown.values[-1], forecast.median], color=BLUE, linewidth=1.6, label="forecast")
    if happened := len(whole.values[rows : rows + horizon]):
        axes.plot(
            ahead[: happened + 1],
            whole.values[rows - 1 : rows + happened],
            color=ORANGE,
            linewidth=1.2,
            label="what happened",
        )
    axes.axvline(places[rows - 1], color=GREY, linewidth=0.8, linestyle=":")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if shown.times is None:
        axes.set_xlabel("step")
        return
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _places(shown: Series, panel: Panel, horizon: int) -> Any:
    """Where each step of the history and of the horizon stands on the axis."""
    if shown.times is None:
        return np.arange(1, len(shown.values) + horizon + 1)
    return shown.times.append(panel.frequency.after(shown.times, horizon))


def plot_errors(cases: Cases, path: Path) -> None:
    """Draws the error of the network and of the baselines by how far ahead, and how much the intervals hold there.

    Args:
        cases: forecasts whose truth is known.
        path: the PNG to write.
    """
    steps, middle = np.arange(1, cases.truth.shape[1] + 1), len(cases.levels) // 2
    scale = cases.scales[cases.numbers][:, None]
    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    marker = "o" if len(steps) == 1 else ""
    for colour, (name, points) in zip(COLOURS, {"network": cases.points, **cases.baselines}.items(), strict=False):
        errors = np.mean(np.abs(cases.truth - points) / scale, axis=0)
        width = 2.0 if name == "network" else 1.1
        left.plot(steps, errors, marker=marker, color=colour, linewidth=width, label=name.replace("_", " "))
    style_axes(left, "Mean absolute scaled error")
    left.set(xlabel="steps ahead", ylim=(0, None))
    left.legend(frameon=False, fontsize=9, labelcolor=INK)
    for pair in range(middle):
        share = 1 - 2 * cases.levels[pair]
        within = (cases.truth >= cases.quantiles[..., pair]) & (cases.truth <= cases.quantiles[..., -1 - pair])
        colour = COLOURS[pair % len(COLOURS)]
        right.plot(steps, within.mean(axis=0), marker=marker, color=colour, label=f"{share:.0%} interval")
        right.axhline(share, color=colour, linewidth=0.8, linestyle=":")
    style_axes(right, "Share of what came that the intervals hold")
    right.set(xlabel="steps ahead", ylim=(0, 1))
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    right.legend(frameon=False, fontsize=9, labelcolor=INK, ncols=2)
    save_figure(figure, path, DPI)
