"""What a forecaster is worth on a part of its data: errors, coverage, and the same of the baselines."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from apps.forecasting.baselines import simple_baselines
from apps.forecasting.data import Panel, Series
from apps.forecasting.forecaster import Forecaster
from apps.forecasting.linear import fit_linear
from apps.forecasting.scores import coverage, naive_scale, pinball, smape
from apps.forecasting.splits import Parts, split_rows
from apps.forecasting.windows import Addresses, Frame, Windows, address, origins_within
from common import cli
from common.errors import UserError
from common.figures import compare
from common.metrics import mae, rmse

FIGURES = ("mse", "mae", "rmse", "smape", "mase", "pinball", "coverage_80")
# Quantiles held at once, in 1.6 GB.
_MOST_VALUES = 200_000_000


@dataclass(frozen=True)
class Cases:
    """Forecasts of windows whose truth is known.

    Attributes:
        series: those that the windows are of.
        numbers: series of each window, `(windows,)`.
        origins: row of the first step, `(windows,)`.
        truth: `(windows, horizon)`.
        quantiles: `(windows, horizon, levels)`.
        baselines: points by name, `(windows, horizon)` each.
        levels: of the quantiles.
        scales: what MASE divides the errors of each series by, `(series,)`.
    """

    series: list[Series]
    numbers: np.ndarray
    origins: np.ndarray
    truth: np.ndarray
    quantiles: np.ndarray
    baselines: dict[str, np.ndarray]
    levels: tuple[float, ...]
    scales: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """The medians, `(windows, horizon)`."""
        return self.quantiles[..., len(self.levels) // 2]

    def scaled(self, means: np.ndarray, scales: np.ndarray) -> "Cases":
        """The same less the mean of each series, and divided by its scale, `(series,)` each."""
        mean, scale = means[self.numbers][:, None], scales[self.numbers][:, None]
        return Cases(
            self.series,
            self.numbers,
            self.origins,
            (self.truth - mean) / scale,
            (self.quantiles - mean[..., None]) / scale[..., None],
            {name: (points - mean) / scale for name, points in self.baselines.items()},
            self.levels,
            self.scales / scales,
        )


def build_cases(
    forecaster: Forecaster, panel: Panel, protocol: str, split: str, horizon: int | None = None, stride: int = 1
) -> Cases:
    """Forecasts every window of a part, and the baselines', of which the linear one learns from train.

    Args:
        forecaster: a trained one.
        panel: the series.
        protocol: how they are parted.
        split: the part.
        horizon: steps of each forecast; those of the training if None.
        stride: steps from one origin to the next.

    Raises:
        UserError: the series are not those of the model, or there is no window.
    """
    series, horizon = forecaster.known_series(panel), forecaster.check_horizon(horizon)
    frame, parts = replace(forecaster.frame, horizon=horizon), _parts(series, panel, protocol)
    stops = [part["train"][1] for part in parts]
    windows = forecaster.windows(series, stops)
    numbers, origins = _addresses(series, parts, split, frame, stride)
    if not len(origins):
        raise UserError(
            f"{panel.name}, {split}: no window of {frame.shortest:,} steps of history and {horizon:,} ahead fits "
            f"into {max(len(one.values) for one in series):,} rows; take a shorter --horizon or --look-back"
        )
    step = -(-len(origins) * horizon * len(forecaster.settings.quantiles) // _MOST_VALUES)
    if step > 1:
        cli.say(f"note: of {len(origins):,} windows in {split} one in {step} is measured, as many as memory holds")
        numbers, origins = numbers[::step], origins[::step]
    return Cases(
        series,
        numbers,
        origins,
        _truth(series, numbers, origins, horizon),
        forecaster.quantiles(windows, numbers, origins)[:, :horizon],
        _baselines(series, parts, windows, frame, (numbers, origins)),
        forecaster.settings.quantiles,
        np.array([naive_scale(one.values[:stop], one.season) for one, stop in zip(series, stops, strict=True)]),
    )


def measure(
    forecaster: Forecaster, panel: Panel, protocol: str, split: str, horizon: int | None = None
) -> tuple[dict[str, Any], Cases]:
    """The figures of an entry of `metrics.json`, and the cases they are of.

    By the protocols of the field, errors are of values scaled by the train part.
    """
    cases = build_cases(forecaster, panel, protocol, split, horizon)
    if protocol != "own":
        stops = [part["train"][1] for part in _parts(cases.series, panel, protocol)]
        windows = forecaster.windows(cases.series, stops)
        cases = cases.scaled(windows.means, windows.scales)
    found = figures(cases) | {"protocol": protocol}
    return found | {"baselines": beside_baselines(cases, "mase" if protocol == "own" else "mse")}, cases


def figures(cases: Cases) -> dict[str, Any]:
    """Errors of the medians, pinball loss of the quantiles, and how much the intervals cover."""
    levels, middle = np.array(cases.levels), len(cases.levels) // 2
    covered = {
        f"coverage_{100 * (1 - 2 * level):.0f}": coverage(
            cases.truth, cases.quantiles[..., index], cases.quantiles[..., -1 - index]
        )
        for index, level in enumerate(cases.levels[:middle])
    }
    return {
        "mse": float(np.mean(np.square(cases.truth - cases.points))),
        "mae": mae(cases.truth, cases.points),
        "rmse": rmse(cases.truth, cases.points),
        "smape": smape(cases.truth, cases.points),
        "mase": float(np.mean(_mase(cases, cases.points))),
        "pinball": pinball(cases.truth, cases.quantiles, levels),
        **covered,
        "horizon": cases.truth.shape[1],
        "series": len(cases.series),
        "examples": len(cases.truth),
    }


def beside_baselines(cases: Cases, score: str) -> dict[str, dict[str, float]]:
    """The mean error of each baseline, and by how much the network's is lower, with the interval of the lead.

    Windows that overlap are not independent: the interval is over blocks of origins a horizon long, all series
    together.
    """
    errors = {"mase": _mase, "mse": _squared}[score]
    blocks = np.unique(cases.origins // cases.truth.shape[1], return_inverse=True)[1]
    counts = np.bincount(blocks)

    def by_block(points: np.ndarray) -> np.ndarray:
        # So weighed that the mean over blocks is that over windows.
        return np.bincount(blocks, weights=errors(cases, points)) / counts.mean()

    ours, theirs = by_block(cases.points), {name: by_block(points) for name, points in cases.baselines.items()}
    rows = compare(-ours, {name: -some for name, some in theirs.items()}, score)
    return {name: {**row, score: -row[score]} for name, row in rows.items()}


def verdict(found: Mapping[str, Any]) -> str:
    """Which baselines the network beats, in a line; a lead counts where its interval lies above zero."""
    parts: dict[str, list[str]] = {"beats": [], "is not told apart from": [], "is beaten by": []}
    for name, row in found.items():
        parts["beats" if row["low"] > 0 else "is beaten by" if row["high"] < 0 else "is not told apart from"].append(
            name
        )
    return "the network " + "; ".join(f"{words} {', '.join(names)}" for words, names in parts.items() if names)


def _mase(cases: Cases, points: np.ndarray) -> np.ndarray:
    """The mean absolute error of each window in changes over a season, `(windows,)`."""
    return np.mean(np.abs(cases.truth - points), axis=1) / cases.scales[cases.numbers]


def _squared(cases: Cases, points: np.ndarray) -> np.ndarray:
    return np.mean(np.square(cases.truth - points), axis=1)


def _baselines(
    series: list[Series], parts: list[Parts], windows: Windows, frame: Frame, addresses: Addresses
) -> dict[str, np.ndarray]:
    """Points by name, `(windows, horizon)` each; the linear ones where the train part holds windows to learn from."""
    found = simple_baselines(series, *addresses, frame.horizon)
    train, validation = (_addresses(series, parts, name, frame) for name in ("train", "validation"))
    if len(train[0]) > 1 and len(validation[0]):
        linear = fit_linear(windows, train, validation, frame.horizon).predict(windows, *addresses)
        numbers = addresses[0]
        found["linear"] = linear * windows.scales[numbers, None] + windows.means[numbers, None]
    return found


def _parts(series: list[Series], panel: Panel, protocol: str) -> list[Parts]:
    """The parts of some series of a panel, in their order."""
    by_name = {one.name: parts for one, parts in zip(panel.series, split_rows(panel, protocol), strict=True)}
    return [by_name[one.name] for one in series]


def _addresses(series: list[Series], parts: list[Parts], name: str, frame: Frame, stride: int = 1) -> Addresses:
    """Numbers and origins of all windows of a part."""
    return address([origins_within(one, *part[name], frame, stride) for one, part in zip(series, parts, strict=True)])


def _truth(series: list[Series], numbers: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    truth = np.zeros((len(origins), horizon))
    for number, one in enumerate(series):
        rows = numbers == number
        truth[rows] = one.values[origins[rows][:, None] + np.arange(horizon)]
    return truth
