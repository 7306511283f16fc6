"""What a forecaster would have been worth: forecasts from one origin after the other, on levels and on returns."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from apps.forecasting.evaluate import ForecastingEvaluateSettings, read_panel
from apps.forecasting.forecaster import APP, Forecaster
from apps.forecasting.report import Cases, build_cases, figures
from apps.forecasting.scores import DieboldMariano, diebold_mariano, directional_accuracy
from common import cli
from common.config import parse_settings
from common.figures import as_entry, record
from common.files import make_folder
from common.model_folder import load_model

PROG = "python -m apps.forecasting.backtest"
_SURE = 0.05


class ForecastingBacktestSettings(ForecastingEvaluateSettings):
    """Forecasts from one origin after the other, and says plainly whether the naive forecast is beaten."""

    model: Path = Field(
        Path("saved_models/forecasting-global"), description="model folder", json_schema_extra={"positional": True}
    )
    stride: int = Field(1, gt=0, description="steps from one origin to the next")


SETTINGS = ForecastingBacktestSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(ForecastingBacktestSettings, arguments, PROG)
    saved = load_model(settings.model, APP)
    forecaster = Forecaster.of(saved, settings.precision)
    source, panel, protocol = read_panel(settings, forecaster, saved)
    cli.say(panel.summary())
    cases = build_cases(forecaster, panel, protocol, settings.split, settings.horizon, settings.stride)
    found = {**backtest(cases, settings.stride), "protocol": protocol}
    command = cli.as_command(PROG, arguments)
    entry = as_entry(source.label, f"{settings.split}, backtest", found, command)
    if settings.plot:
        from apps.forecasting.plots import plot_errors

        path = make_folder(settings.plot) / "backtest.png"
        plot_errors(cases, path)
        cli.say(f"picture written to {path}")
    if settings.record:
        record(settings.model, [entry])
    print(json.dumps(entry, indent=2) if settings.as_json else as_text(entry))


def backtest(cases: Cases, stride: int) -> dict[str, Any]:
    """Figures of the network, and of each baseline the network's skill against it.

    A return is the change from the last value before the origin, as a share of it; where a series has values of zero
    or below it is the change in mean changes over a season, as in MASE.

    Args:
        cases: forecasts from origins that lie `stride` steps apart.
        stride: see there.
    """
    last = _last_values(cases)
    base = _bases(cases, last)
    overlap = -(-cases.truth.shape[1] // stride)
    times = _origin_times(cases)

    def errors(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        level = np.abs(cases.truth - points).mean(axis=1)
        return level, level / base

    ours = errors(cases.points)
    rows = {"network": {"mae": float(ours[0].mean()), "return_mae": float(ours[1].mean())}}
    for name, points in cases.baselines.items():
        theirs = errors(points)
        test = diebold_mariano(_by_time(ours[1], times), _by_time(theirs[1], times), overlap)
        rows[name] = _beside(ours, theirs) | _as_figures(test)
    return {
        **figures(cases),
        "origins": len(np.unique(times)),
        "stride": stride,
        "models": rows,
        "direction": {step: _direction(cases, last, step) for step in sorted({1, cases.truth.shape[1]})},
        "naive_is_beaten": _is_beaten(rows["naive"]),
    }


def as_text(entry: dict[str, Any]) -> str:
    """The report for people: a row a model, the directions, and the verdict on the naive forecast."""
    held = f"; 80 % intervals held {entry['coverage_80']:.1%}" if "coverage_80" in entry else ""
    lines = [
        f"{entry['data']}, {entry['split']}: {entry['examples']:,} forecasts of {entry['series']:,} series from "
        f"{entry['origins']:,} origins, {entry['horizon']} steps ahead{held}",
        f"{'':<15}{'error, levels':>15}{'skill':>9}{'error, returns':>16}{'skill':>9}{'Diebold-Mariano':>17}{'p':>8}",
    ]
    for name, row in entry["models"].items():
        line = f"{name:<15}{row['mae']:>15.5g}"
        if name == "network":
            line += f"{'':>9}{row['return_mae']:>16.4%}"
        else:
            test = "" if row["dm"] is None else f"{row['dm']:>17.2f}{row['p']:>8.3f}"
            line += f"{row['skill']:>+9.1%}{row['return_mae']:>16.4%}{row['return_skill']:>+9.1%}{test}"
        lines.append(line)
    for step, found in entry["direction"].items():
        if found:
            lines.append(
                f"direction, steps ahead {step}: {found['share']:.1%} right of {found['trials']:,} "
                f"(95 %: {found['low']:.1%} to {found['high']:.1%}; always up: {found['always_up']:.1%})"
            )
    return "\n".join([*lines, _verdict(entry["models"]["naive"])])


def _verdict(row: dict[str, float | None]) -> str:
    which = "lower" if row["return_skill"] > 0 else "higher"
    skill = f"the network's error on returns is {abs(row['return_skill']):.1%} {which}"
    sure = "too few origins for a test" if row["p"] is None else f"p {row['p']:.3f}"
    if _is_beaten(row):
        return f"the naive forecast is beaten: {skill}, {sure}"
    return f"the naive forecast is not beaten: {skill}, {sure}"


def _is_beaten(row: dict[str, float | None]) -> bool:
    return row["return_skill"] > 0 and row["p"] is not None and row["p"] < _SURE


def _beside(ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """Errors of a baseline, and by which share the network's are lower."""
    level, relative = (float(some.mean()) for some in theirs)
    return {
        "mae": level,
        "skill": 1 - float(ours[0].mean()) / level if level else 0.0,
        "return_mae": relative,
        "return_skill": 1 - float(ours[1].mean()) / relative if relative else 0.0,
    }


def _as_figures(test: DieboldMariano | None) -> dict[str, float | None]:
    return {"dm": None, "p": None} if test is None else {"dm": test.statistic, "p": test.p_value}


def _direction(cases: Cases, last: np.ndarray, step: int) -> dict[str, float] | None:
    found = directional_accuracy(last, cases.truth[:, step - 1], cases.points[:, step - 1])
    if found is None:
        return None
    moved = cases.truth[:, step - 1] != last
    return found._asdict() | {"always_up": float(np.mean(cases.truth[moved, step - 1] > last[moved]))}


def _last_values(cases: Cases) -> np.ndarray:
    """The value before each origin, `(windows,)`."""
    pairs = zip(cases.numbers, cases.origins, strict=True)
    return np.array([cases.series[number].values[origin - 1] for number, origin in pairs])


def _bases(cases: Cases, last: np.ndarray) -> np.ndarray:
    """What makes an error one of a return, `(windows,)`."""
    positive = np.array([bool((one.values > 0).all()) for one in cases.series])
    return np.where(positive[cases.numbers], last, cases.scales[cases.numbers])


def _origin_times(cases: Cases) -> np.ndarray:
    """When each forecast was made, as integers: series of one table may begin at different times."""
    if cases.series[0].times is None:
        return cases.origins
    pairs = zip(cases.numbers, cases.origins, strict=True)
    return np.array([cases.series[number].times[origin].value for number, origin in pairs])


def _by_time(losses: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The mean loss at each time, in the order of time: series that move together are one trial, not many."""
    places = np.unique(times, return_inverse=True)[1]
    return np.bincount(places, weights=losses) / np.bincount(places)


if __name__ == "__main__":
    cli.run(main)
