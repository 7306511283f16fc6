"""The tab of this app on the demo page."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from apps.forecasting.data import Panel, build_panel, read_path
from apps.forecasting.demo import FORM, MODEL, SAMPLES
from apps.forecasting.forecaster import Forecast, Forecaster
from apps.forecasting.infer import hold_back
from apps.forecasting.plots import DPI, PANELS, draw_forecasts
from common import page
from common.errors import UserError
from common.plots import save_figure

MOST_BYTES, MOST_CELLS, MOST_CHARACTERS = 2 * 2**20, 200_000, 100
_SECONDS_KEPT = 600
_WIDTH = 6.4
# File, column of series, target, steps.
_SAMPLES = {
    "prices of stocks, a month ahead": ("prices.csv", "", "", 21),
    "hours: a trend, a season, shifts of level, a walk": ("hours.csv", "", "", 48),
    "months: sales of two shops": ("months.csv", "shop", "sales", 12),
}


@dataclass(frozen=True)
class Table:
    """What a visitor gave, or a sample: kept in memory alone, and no longer than the visit."""

    name: str
    frame: pd.DataFrame


def answer(
    forecaster: Forecaster,
    table: Table | None,
    horizon: int,
    coverage: float,
    is_compared: bool,
    series: str | None,
    target: str | None,
    fill: str,
) -> str:
    """A picture of the forecasts, and for each series its last step beside the naive forecast, as HTML."""
    if table is None:
        raise UserError("no table yet; upload one, or click a sample")
    series, target = (page.check_length(name, MOST_CHARACTERS).strip() for name in (series, target))
    columns = {"fill": fill, "series": series or None, "target": (target or "all",)}
    settings = forecaster.settings.model_copy(update=columns)
    panel = build_panel(table.frame, settings, table.name, table.name, settings.horizon)
    shown = Panel(panel.name, panel.series[:PANELS], panel.frequency, panel.notes)
    history = hold_back(shown, horizon if is_compared else 0)
    forecasts = forecaster.predict(history, horizon)
    figure = draw_forecasts(shown, history, forecasts, coverage, columns=1)
    # A narrow screen shows it narrow.
    figure.set_size_inches(_WIDTH, 0.8 + 2.1 * len(forecasts))
    picture = page.drawing(lambda file: save_figure(figure, file, DPI), text="history and forecast")
    header = ("series", "last step", "forecast", f"{coverage:.0%} interval", "naive", "what came")
    rows = [_as_row(*some, coverage, horizon) for some in zip(shown.series, history.series, forecasts, strict=True)]
    notes = [*panel.notes, "Naive repeats the last value; for prices it is hard to beat."]
    if len(panel.series) > PANELS:
        notes.insert(0, f"the first {PANELS} of {len(panel.series):,} series")
    said = "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    return f'<div class="answer">{picture}{page.table(header, rows)}{said}</div>'


def _as_row(whole: Any, history: Any, forecast: Forecast, coverage: float, horizon: int) -> Sequence[str]:
    (low, high), rows = forecast.interval(coverage), len(history.values)
    came = f"{whole.values[rows + horizon - 1]:.6g}" if len(whole.values) > rows else ""
    point, naive = f"{forecast.median[-1]:.6g}", f"{history.values[-1]:.6g}"
    return forecast.series, forecast.times[-1], point, f"{low[-1]:.6g} to {high[-1]:.6g}", naive, came


def read(path: str) -> Table:
    """A table that a visitor gave; its file is deleted."""
    with page.uploaded(path) as file:
        if file.stat().st_size > MOST_BYTES:
            raise UserError(f"{file.name}: more than {MOST_BYTES // 2**20} MB; the command line reads larger tables")
        frame = read_path(str(file))
        if frame.size > MOST_CELLS:
            raise UserError(f"{file.name}: {frame.size:,} cells; this page reads at most {MOST_CELLS:,}")
        return Table(file.name, frame)


def build(forecaster: Forecaster) -> None:
    most = forecaster.settings.horizon
    table = gr.State(None, time_to_live=_SECONDS_KEPT)
    given = page.upload_field("A table, CSV or TSV")
    levels = [level for level in forecaster.settings.quantiles if level < 0.5]
    intervals = [(f"{1 - 2 * level:.0%}, {level:g} to {1 - level:g}", 1 - 2 * level) for level in levels]
    with gr.Row():
        horizon = gr.Slider(1, most, value=min(24, most), step=1, label="Steps ahead", min_width=180)
        coverage = gr.Dropdown(intervals, value=intervals[0][1], label="Interval, and its quantiles", min_width=180)
    is_compared = gr.Checkbox(label="Keep as many of the last rows back, and compare")
    with gr.Accordion("Columns and gaps", open=False), gr.Row():
        series = gr.Textbox(label="Column that names the series", max_length=MOST_CHARACTERS, min_width=150)
        target = gr.Textbox(label="Column to forecast; all if empty", max_length=MOST_CHARACTERS, min_width=150)
        fill = gr.Dropdown(["none", "forward", "linear"], value="none", label="Mend gaps", min_width=150)
    shown = gr.HTML(render=False)
    options = [horizon, coverage, is_compared, series, target, fill]
    handler = page.guard(lambda *values: answer(forecaster, *values))
    read_first = page.guard(lambda path: (None, read(path), False, ""), None, None, False)
    given.upload(read_first, given, [given, table, is_compared, shown]).success(
        page.guard(lambda found, *values: answer(forecaster, found, *values) if found else gr.skip()),
        [table, *options],
        shown,
    )
    tables = {
        label: [Table(name, read_path(str(SAMPLES / name))), steps, intervals[0][1], True, key, value, "none"]
        for label, (name, key, value, steps) in _SAMPLES.items()
    }
    page.sample_buttons(tables, [table, *options], handler, shown)
    gr.Button("Forecast", variant="primary").click(handler, [table, *options], shown)
    shown.render()


def load(folder: Path | None) -> Forecaster:
    forecaster = Forecaster.load(folder, runtime="auto")
    table = Table("hours.csv", read_path(str(SAMPLES / "hours.csv")))
    answer(forecaster, table, 1, 1 - 2 * forecaster.settings.quantiles[0], False, "", "", "none")
    return forecaster


TAB = page.Tab(
    name="Forecasting",
    about="Reads the history of one or many series and says how each goes on, with intervals around every step.",
    build=build,
    load=load,
    form=FORM,
    model=MODEL,
    remedy="python -m apps.forecasting.train --config apps/forecasting/recipes/global.toml "
    "--out saved_models/forecasting-global",
)
