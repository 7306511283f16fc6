"""The forecaster as others use it: a table in, forecasts with intervals out, whatever runs the network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from apps.forecasting.config import ForecastingSettings
from apps.forecasting.data import Panel, Series, build_panel
from apps.forecasting.intervals import fit_widths, recency, widen
from apps.forecasting.linear import Linear, best_share, fit_linear
from apps.forecasting.paths import fit_memory, sample_paths
from apps.forecasting.scaling import Scales
from apps.forecasting.windows import Addresses, Arrays, Frame, Windows
from common.config import Runtime
from common.errors import UserError
from common.litert import load_exported
from common.model_folder import ModelFolder, load_model

APP = "forecasting"
LINEAR = "linear.npz"
_WINDOWS_AT_ONCE = 1024

Network = Callable[[Arrays], np.ndarray]


@dataclass(frozen=True)
class Forecast:
    """What is to come of one series.

    Attributes:
        series: its name.
        times: of the steps, as text; `+1`, `+2` ... where the series has no times.
        levels: of the quantiles, rising.
        quantiles: float64 `(horizon, levels)`, rising along the last axis.
    """

    series: str
    times: list[str]
    levels: tuple[float, ...]
    quantiles: np.ndarray

    @property
    def median(self) -> np.ndarray:
        """The forecast itself, `(horizon,)`."""
        return self.quantiles[:, len(self.levels) // 2]

    def interval(self, coverage: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        """The ends of the interval that is to hold this share of what comes, `(horizon,)` each.

        Raises:
            UserError: the model has no such quantiles.
        """
        found = [index for index, level in enumerate(self.levels) if abs(1 - 2 * level - coverage) < 1e-6]
        if not found:
            shares = ", ".join(f"{1 - 2 * level:.2g}" for level in self.levels if level < 0.5)
            raise UserError(f"an interval of {coverage:g} is not among those of the model: {shares}")
        return self.quantiles[:, found[0]], self.quantiles[:, -1 - found[0]]

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON and CSV."""
        quantiles = {f"{level:g}": column.tolist() for level, column in zip(self.levels, self.quantiles.T, strict=True)}
        return {"series": self.series, "times": self.times, "forecast": self.median.tolist(), "quantiles": quantiles}


def build_network(saved: ModelFolder, precision: str = "float32") -> Any:
    """The `keras.Model` of a model folder that has been read."""
    from apps.forecasting.model import Shape, build_model
    from common.checkpoint import load_network

    settings = ForecastingSettings.from_values(saved.settings, saved.where)
    shape = Shape(**Scales.from_values(saved.facts["scales"], saved.where).shape())
    return load_network(lambda: build_model(settings, shape), saved.weights, precision)


class Forecaster:
    """Forecasts series.

    Args:
        network: arrays of `Windows.inputs` -> quantiles float32 `(batch, horizon, levels)`.
        settings: those of the training, look-back and segment settled.
        scales: fitted on the train part.
        widths: factors on the distances from the median, `(pairs, horizon)`, the outermost pair first.
        memory: how much the rank of a step is like that of the step before it, for sampled paths.
        linear: the regression that the medians are mixed with.
        share: of the network in that mixture.
    """

    def __init__(
        self,
        network: Network,
        settings: ForecastingSettings,
        scales: Scales,
        widths: np.ndarray | None = None,
        memory: float = 0.0,
        linear: Linear | None = None,
        share: float = 1.0,
    ):
        self.network = network
        self.settings = settings
        self.scales = scales
        self.frame = Frame.of(settings)
        pairs = len(settings.quantiles) // 2
        self.memory = memory
        self.linear, self.share = linear, share
        self.widths = np.ones((pairs, settings.horizon)) if widths is None else np.asarray(widths, float)

    @classmethod
    def load(cls, folder: str | Path, precision: str = "float32", runtime: Runtime = "keras") -> "Forecaster":
        """Reads a model folder; with `litert`, or `auto` where the model was exported, TensorFlow is not imported.

        Raises:
            UserError: the folder is missing, damaged, of another app, or not exported to what is to run it.
        """
        folder = Path(folder)
        if found := load_exported(folder, APP, runtime):
            saved, exported = found
            return cls.over(saved, lambda arrays: exported(arrays)["quantiles"])
        return cls.of(load_model(folder, APP), precision)

    @classmethod
    def of(cls, saved: ModelFolder, precision: str = "float32") -> "Forecaster":
        """Builds the forecaster from a model folder that has been read."""
        return cls.over(saved, build_network(saved, precision))

    @classmethod
    def over(cls, saved: ModelFolder, network: Network) -> "Forecaster":
        """The forecaster of a model folder that has been read, over what runs its network."""
        settings = ForecastingSettings.from_values(saved.settings, saved.where)
        scales = Scales.from_values(saved.facts["scales"], saved.where)
        linear = Linear.from_bytes(saved.files[LINEAR]) if LINEAR in saved.files else None
        facts = saved.facts
        return cls(network, settings, scales, facts["widths"], facts["memory"], linear, facts["share"])

    def facts(self) -> dict[str, Any]:
        """What `load` reads beside settings and weights, as plain values."""
        return {
            "scales": self.scales.model_dump(mode="json"),
            "widths": self.widths.round(4).tolist(),
            "memory": self.memory,
            "share": self.share,
        }

    def files(self) -> dict[str, bytes]:
        """The files of the model folder that `load` reads beside it."""
        return {} if self.linear is None else {LINEAR: self.linear.to_bytes()}

    @property
    def _middle(self) -> int:
        return len(self.settings.quantiles) // 2

    def predict(
        self, frame: pd.DataFrame | Panel, horizon: int | None = None, where: str = "the frame", **changes: Any
    ) -> list[Forecast]:
        """Forecasts what follows the last row of each series.

        Args:
            frame: a table with the columns that the settings name; its times may be its index. Rows behind the last
                target, with nothing but columns known ahead, belong to the future.
            horizon: steps; those of the training if None, and never more.
            where: where the table stands, for error messages.
            changes: settings of the data that differ from those of the training, such as `target=("price",)`.

        Raises:
            UserError: the table is not fit, a history is too short, or the horizon too long.
        """
        horizon = self.check_horizon(horizon)
        panel = frame if isinstance(frame, Panel) else self._panel(frame, where, changes)
        series = self.known_series(panel)
        for one in series:
            self._check_history(one, panel.name)
        windows = self.windows(series)
        origins = np.array([len(one.values) for one in series])
        quantiles = self.quantiles(windows, np.arange(len(series)), origins)[:, :horizon]
        levels = self.settings.quantiles
        return [
            Forecast(one.name, self._times(one, panel, horizon), levels, found)
            for one, found in zip(series, quantiles, strict=True)
        ]

    def sample(self, forecast: Forecast, count: int, seed: int = 0) -> np.ndarray:
        """Ways that a series may take, float64 `(count, horizon)`, drawn by the seed."""
        return sample_paths(forecast.quantiles, forecast.levels, self.memory, count, np.random.default_rng(seed))

    def check_horizon(self, horizon: int | None) -> int:
        """The steps to forecast.

        Raises:
            UserError: they are not between one and those of the training.
        """
        most = self.settings.horizon
        if horizon is None:
            return most
        if not 0 < horizon <= most:
            raise UserError(f"--horizon {horizon:,}: this model forecasts 1 to {most:,} steps; train one for more")
        return horizon

    def known_series(self, panel: Panel) -> list[Series]:
        """The series of a panel in the order of the training, where the network has a vector for each.

        Raises:
            UserError: they are not those trained on.
        """
        if not self.settings.identity:
            return panel.series
        names, by_name = self.scales.names, {one.name: one for one in panel.series}
        if set(names) != set(by_name):
            strange = ", ".join(sorted(set(by_name) - set(names))) or "none that is new"
            raise UserError(
                f"{panel.name}: {len(by_name)} series ({strange}), and the model was trained on {len(names)}: "
                f"{', '.join(names[:10])}; a model trained with --no-identity takes any"
            )
        return [by_name[name] for name in names]

    def windows(self, series: Sequence[Series], rows: Sequence[int] | None = None) -> Windows:
        """Scaled windows over series; one not trained on is scaled by its own rows before `rows`, by all if None."""
        stops = rows or [len(one.values) for one in series]
        fitted = [self.scales.of(one, stop) for one, stop in zip(series, stops, strict=True)]
        scaled = [self.scales.scale_covariates(one) for one in series]
        return Windows(scaled, self.frame, *np.transpose(fitted))

    def quantiles(self, windows: Windows, numbers: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Calibrated quantiles in the units of the series, float64 `(windows, horizon, levels)`."""
        scaled = widen(self.raw_quantiles(windows, numbers, origins), self.widths)
        return scaled * windows.scales[numbers, None, None] + windows.means[numbers, None, None]

    def raw_quantiles(
        self, windows: Windows, numbers: np.ndarray, origins: np.ndarray, lengths: np.ndarray | None = None
    ) -> np.ndarray:
        """What network and regression give, float32 `(windows, horizon, levels)`, in the scale of the windows."""
        found = []
        for start in range(0, len(origins), _WINDOWS_AT_ONCE):
            rows = slice(start, start + _WINDOWS_AT_ONCE)
            inputs = windows.inputs(numbers[rows], origins[rows], None if lengths is None else lengths[rows])
            quantiles = np.asarray(self.network(inputs), np.float32)
            if self.linear is not None:
                apart = self.linear.points(inputs) - quantiles[..., self._middle]
                quantiles = quantiles + (1 - self.share) * apart[..., None]
            found.append(quantiles)
        return np.concatenate(found)

    def blend(self, windows: Windows, train: Addresses, validation: Addresses) -> None:
        """Fits the regression on train windows, and its share in the mixture on validation windows."""
        points = self.raw_quantiles(windows, *validation)[..., self._middle]
        linear = fit_linear(windows, train, validation, self.settings.horizon)
        others, targets = linear.predict(windows, *validation), windows.targets(*validation)
        self.linear, self.share = linear, best_share(points, others, targets)

    def calibrate(self, windows: Windows, numbers: np.ndarray, origins: np.ndarray) -> None:
        """Fits the widths of the intervals, and the memory of paths, on windows that the network was not trained on.

        Histories are as short as in the training, where that cuts them.
        """
        lengths = self.frame.draw_lengths(len(origins), np.random.default_rng(self.settings.seed))
        found = self.raw_quantiles(windows, numbers, origins, lengths)
        targets = windows.targets(numbers, origins)
        self.widths = fit_widths(found, targets, self.settings.quantiles, recency(numbers, origins))
        self.memory = fit_memory(widen(found, self.widths), targets, self.settings.quantiles)

    def _panel(self, frame: pd.DataFrame, where: str, changes: dict[str, Any]) -> Panel:
        settings = self.settings.model_copy(update=changes)
        if isinstance(frame.index, pd.DatetimeIndex):
            name = settings.time or str(frame.index.name or "time")
            frame = frame.rename_axis(name).reset_index()
            settings = settings.model_copy(update={"time": name})
        return build_panel(frame.reset_index(drop=True), settings, where, where, settings.horizon)

    def _check_history(self, series: Series, where: str) -> None:
        rows, needed = len(series.values), self.frame.shortest
        if rows < needed:
            raise UserError(
                f"{where}, {series.name}: {rows:,} steps of history, and this model reads {needed:,} or more; give a "
                "longer history, or train with a shorter --look-back"
            )
        if series.known.shape[1] and len(series.known) < rows + self.settings.horizon:
            missing = rows + self.settings.horizon - len(series.known)
            raise UserError(
                f"{where}, {series.name}: {', '.join(self.settings.known)} must be known for all "
                f"{self.settings.horizon} steps ahead; add {missing:,} rows without a target"
            )

    def _times(self, series: Series, panel: Panel, horizon: int) -> list[str]:
        if series.times is None:
            return [f"+{step}" for step in range(1, horizon + 1)]
        times = panel.frequency.after(series.times, horizon)
        return [str(time.date() if time == time.normalize() else time) for time in times]
