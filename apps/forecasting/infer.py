"""Forecasts from the command line; in Python, `Forecaster` does."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from apps.forecasting.config import MOST_STEPS, DataSettings, merge_data_settings
from apps.forecasting.data import Panel, load_panel
from apps.forecasting.forecaster import Forecast, Forecaster
from common import cli
from common.config import InferSettings, parse_settings
from common.errors import UserError
from common.sources import Source
from common.verbs import print_answers

PROG = "python -m apps.forecasting.infer"
_SHOWN = 6


class ForecastingInferSettings(DataSettings, InferSettings):
    """Says how series go on: those of a table, or numbers in arguments or lines of standard input."""

    values: tuple[str, ...] = Field(
        (), description="histories, numbers with commas or blanks between them", json_schema_extra={"positional": True}
    )
    data: str | None = Field(None, description="sample, tfds:NAME or a path of a CSV or TSV, plain or .gz")
    model: Path = Field(Path("saved_models/forecasting-global"), description="model folder")
    horizon: int | None = Field(
        None, gt=0, le=MOST_STEPS, description="steps to forecast; those of the training if not given"
    )
    coverage: float = Field(0.8, gt=0, lt=1, description="share of what comes that intervals are to hold")
    known_rows: int = Field(
        0, ge=0, description="rows at the end of each series kept from the network, to be shown beside the forecast"
    )
    plot: Path | None = Field(None, description="folder for pictures")
    paths: int = Field(0, ge=0, le=1000, description="ways the series may take, drawn at random, for --json and --csv")


SETTINGS = ForecastingInferSettings


@dataclass(frozen=True)
class Step:
    """One step of one series, as a row of the table that is printed."""

    series: str
    time: str
    forecast: float
    low: float
    high: float
    quantiles: dict[str, float]
    paths: list[float] | None = None

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON and CSV."""
        row = asdict(self)
        if self.paths is None:
            del row["paths"]
        return row


def main(arguments: list[str]) -> None:
    settings = parse_settings(ForecastingInferSettings, arguments, PROG)
    if settings.data is None:
        answer_arguments(settings)
        return
    forecaster = Forecaster.load(settings.model, runtime=settings.runtime)
    merged = merge_data_settings(forecaster.settings, settings)
    panel = load_panel(Source.parse(settings.data), merged, forecaster.settings.horizon)
    cli.say(panel.summary())
    history = hold_back(panel, settings.known_rows)
    forecasts = forecaster.predict(history, settings.horizon)
    for forecast in forecasts:
        forecast.interval(settings.coverage)
    if settings.plot:
        draw(settings, panel, history, forecasts)
    steps = [
        step
        for forecast in forecasts
        for step in as_steps(
            forecast, settings.coverage, forecaster.sample(forecast, settings.paths) if settings.paths else None
        )
    ]
    widths = [max(len(step.series) for step in steps), max(len(step.time) for step in steps)]
    if not settings.as_json and not settings.as_csv:
        share = f"{settings.coverage:.0%} interval"
        print(f"{'series':<{widths[0]}}  {'time':<{widths[1]}}  {'forecast':>12}  {share:>28}")
    print_answers(settings, steps, (as_line(step, *widths) for step in steps))


def answer_arguments(settings: ForecastingInferSettings) -> None:
    """A line for each history that was typed or piped in."""
    given = cli.gather_texts(settings.values, None)
    series = [read_values(text, where) for where, text in given]
    forecaster = Forecaster.load(settings.model, runtime=settings.runtime)
    changes = {"time": None, "series": None, "target": ("value",)}
    changes |= {"season": settings.season} if settings.season else {}
    forecasts = [
        forecaster.predict(pd.DataFrame({"value": values}), settings.horizon, where, **changes)[0]
        for values, (where, _) in zip(series, given, strict=True)
    ]
    print_answers(settings, forecasts, (in_a_line(forecast, settings.coverage) for forecast in forecasts))


def read_values(text: str, where: str) -> np.ndarray:
    """`112, 118 132` -> the numbers, float64 `(time,)`.

    Raises:
        UserError: a part is no finite number.
    """
    parts = text.replace(",", " ").split()
    try:
        values = np.array([float(part) for part in parts])
    except ValueError:
        raise UserError(f"{where}: {text[:40]!r} is no row of numbers; for a table write --data FILE") from None
    if not np.isfinite(values).all():
        raise UserError(f"{where}: {parts[int(np.flatnonzero(~np.isfinite(values))[0])]!r} is no finite number")
    return values


def hold_back(panel: Panel, rows: int) -> Panel:
    """The panel without the last rows of each series.

    Raises:
        UserError: a series has no more rows than that.
    """
    if not rows:
        return panel
    if short := [one for one in panel.series if len(one.values) <= rows]:
        raise UserError(f"--known-rows {rows:,}: {short[0].name} has {len(short[0].values):,} rows; keep fewer")
    return Panel(panel.name, [one.until(len(one.values) - rows) for one in panel.series], panel.frequency, panel.notes)


def as_steps(forecast: Forecast, coverage: float, paths: np.ndarray | None = None) -> Iterator[Step]:
    """A forecast as rows of a table, with sampled paths `(paths, horizon)` if there are any."""
    low, high = forecast.interval(coverage)
    for step, time in enumerate(forecast.times):
        quantiles = {
            f"{level:g}": float(value) for level, value in zip(forecast.levels, forecast.quantiles[step], strict=True)
        }
        drawn = None if paths is None else paths[:, step].tolist()
        point, below, above = float(forecast.median[step]), float(low[step]), float(high[step])
        yield Step(forecast.series, time, point, below, above, quantiles, drawn)


def as_line(step: Step, series_width: int, time_width: int) -> str:
    """`AAPL  2010-04-01  226.4  211.9 to 240.1`, in columns."""
    interval = f"{step.low:.6g} to {step.high:.6g}"
    return f"{step.series:<{series_width}}  {step.time:<{time_width}}  {step.forecast:>12.6g}  {interval:>28}"


def in_a_line(forecast: Forecast, coverage: float) -> str:
    """`+1 150 (140 to 160), +2 ...`, and how many steps are not shown."""
    low, high = forecast.interval(coverage)
    shown = [
        f"{time} {value:.6g} ({below:.6g} to {above:.6g})"
        for time, value, below, above in zip(forecast.times, forecast.median, low, high, strict=True)
    ]
    rest = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f", and {rest} more" if rest > 0 else "")


def draw(settings: ForecastingInferSettings, panel: Panel, history: Panel, forecasts: list[Forecast]) -> None:
    """A picture of the forecasts, `forecast.png`, and `forecast-2.png` and on where there are many series."""
    from apps.forecasting.plots import plot_forecasts

    for path in plot_forecasts(panel, history, forecasts, settings.coverage, settings.plot):
        cli.say(f"picture written to {path}")


if __name__ == "__main__":
    cli.run(main)
