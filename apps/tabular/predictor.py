"""The predictor as others use it: rows in, classes or numbers out, whatever runs the network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from apps.tabular.columns import UNKNOWN, Arrays, Columns
from apps.tabular.config import TabularSettings
from common.config import Runtime
from common.errors import UserError
from common.litert import load_exported
from common.metrics import classification_report, fit_temperature, regression_report, softmax
from common.model_folder import ModelFolder, load_model

APP = "tabular"
INTERVAL = 0.9
_ROWS_AT_ONCE = 4096

Network = Callable[[Arrays], np.ndarray]


@dataclass(frozen=True)
class Prediction:
    """A class for one row.

    Attributes:
        label: the most probable one.
        probability: of that label, calibrated.
        probabilities: of every label.
        unknown: cells whose category training did not know, by their column.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    unknown: dict[str, str]

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON and CSV."""
        return asdict(self)


@dataclass(frozen=True)
class Estimate:
    """A number for one row.

    Attributes:
        value: the number.
        low: with `high` the ends of an interval that holds nine of ten true values; None if too few rows were held
            out to know.
        high: see `low`.
        unknown: as in `Prediction`.
    """

    value: float
    low: float | None
    high: float | None
    unknown: dict[str, str]

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON and CSV."""
        return asdict(self)


def build_network(saved: ModelFolder, precision: str = "float32") -> Any:
    """The `keras.Model` of a model folder that has been read."""
    from apps.tabular.model import build_model
    from common.checkpoint import load_network

    settings = TabularSettings.from_values(saved.settings, saved.where)
    columns = Columns.from_values(saved.facts["columns"], saved.where)
    return load_network(lambda: build_model(settings, columns), saved.weights, precision)


class TabularPredictor:
    """Predicts the target of rows.

    Args:
        network: arrays of `Columns.encode` -> float32 `(rows, outputs)`.
        columns: those of the training.
        temperature: divides logits, so that probabilities are calibrated (Guo et al., 2017).
        half_width: of the interval around a number.
    """

    def __init__(self, network: Network, columns: Columns, temperature: float = 1.0, half_width: float | None = None):
        self.network = network
        self.columns = columns
        self.temperature = temperature
        self.half_width = half_width

    @classmethod
    def load(cls, folder: str | Path, precision: str = "float32", runtime: Runtime = "keras") -> "TabularPredictor":
        """Reads a model folder; with `litert`, or `auto` where the model was exported, TensorFlow is not imported.

        Raises:
            UserError: the folder is missing, damaged, of another app, or not exported to what is to run it.
        """
        folder = Path(folder)
        if found := load_exported(folder, APP, runtime):
            saved, exported = found
            return cls.over(saved, lambda arrays: exported(arrays)["outputs"])
        return cls.of(load_model(folder, APP), precision)

    @classmethod
    def of(cls, saved: ModelFolder, precision: str = "float32") -> "TabularPredictor":
        """Builds the predictor from a model folder that has been read."""
        return cls.over(saved, build_network(saved, precision).predict_on_batch)

    @classmethod
    def over(cls, saved: ModelFolder, network: Network) -> "TabularPredictor":
        """The predictor of a model folder that has been read, over what runs its network."""
        columns = Columns.from_values(saved.facts["columns"], saved.where)
        return cls(network, columns, saved.facts["temperature"], saved.facts["half_width"])

    def facts(self) -> dict[str, Any]:
        """What `load` reads beside settings and weights, as plain values."""
        columns = self.columns.model_dump(mode="json")
        return {"columns": columns, "temperature": self.temperature, "half_width": self.half_width}

    def predict(
        self, rows: pd.DataFrame | Sequence[Mapping[str, Any]], where: str = "rows"
    ) -> list[Prediction] | list[Estimate]:
        """Predicts the target of each row; columns that are not needed are not looked at.

        Args:
            rows: a frame, or a dictionary a row; None, NaN and empty text are missing values.
            where: where the rows stand, for error messages.

        Raises:
            UserError: there is no row, a column is missing, or a cell of a numeric column is no number.
        """
        frame = pd.DataFrame(rows).reset_index(drop=True)
        if frame.empty:
            raise UserError(f"{where}: no rows")
        arrays = self.columns.encode(frame, where)
        answers = self.answers(arrays)
        unknown = self._unknown(frame, arrays["category_ids"])
        if self.columns.target.labels:
            return [self._prediction(*pair) for pair in zip(answers, unknown, strict=True)]
        return [self._estimate(float(answer), cells) for answer, cells in zip(answers, unknown, strict=True)]

    def answers(self, arrays: Arrays) -> np.ndarray:
        """Encoded rows -> probabilities `(rows, classes)`, or numbers `(rows,)`."""
        target, outputs = self.columns.target, self.outputs(arrays)
        return softmax(outputs, self.temperature) if target.labels else outputs[:, 0] * target.scale + target.mean

    def outputs(self, arrays: Arrays) -> np.ndarray:
        """Encoded rows -> what the network gives, float32 `(rows, outputs)`."""
        starts = range(0, len(arrays["numbers"]), _ROWS_AT_ONCE)
        batches = ({name: array[start : start + _ROWS_AT_ONCE] for name, array in arrays.items()} for start in starts)
        return np.concatenate([self.network(batch) for batch in batches])

    def measure(self, arrays: Arrays, targets: np.ndarray) -> dict[str, Any]:
        """The figures on encoded rows whose targets are known."""
        answers, unknown = self.answers(arrays), int(np.sum(arrays["category_ids"] == UNKNOWN))
        if self.columns.target.labels:
            return {**classification_report(targets, answers), "unknown_cells": unknown}
        within = None if self.half_width is None else float(np.mean(np.abs(targets - answers) <= self.half_width))
        return {**regression_report(targets, answers), "within_interval": within, "unknown_cells": unknown}

    def calibrate(self, arrays: Arrays, targets: np.ndarray) -> None:
        """Fits the temperature, or the width of the interval, on rows that the network was not trained on.

        The interval is that of split conformal prediction (Lei et al., 2018, https://arxiv.org/abs/1604.04173).
        """
        if self.columns.target.labels:
            self.temperature = fit_temperature(self.outputs(arrays), targets)
            return
        misses = np.sort(np.abs(self.answers(arrays) - targets))
        rank = int(np.ceil((len(misses) + 1) * INTERVAL))
        self.half_width = float(misses[rank - 1]) if rank <= len(misses) else None

    def _prediction(self, shares: np.ndarray, unknown: dict[str, str]) -> Prediction:
        labels, best = self.columns.target.labels, int(shares.argmax())
        by_label = {label: float(share) for label, share in zip(labels, shares, strict=True)}
        return Prediction(labels[best], float(shares[best]), by_label, unknown)

    def _estimate(self, value: float, unknown: dict[str, str]) -> Estimate:
        low, high = (None, None) if self.half_width is None else (value - self.half_width, value + self.half_width)
        return Estimate(value, low, high, unknown)

    def _unknown(self, frame: pd.DataFrame, category_ids: np.ndarray) -> list[dict[str, str]]:
        """For each row its cells whose category training did not know, by column."""
        unknown: list[dict[str, str]] = [{} for _ in range(len(frame))]
        for row, index in np.argwhere(category_ids == UNKNOWN):
            name = self.columns.categories[index].name
            unknown[row][name] = str(frame[name].iloc[row])
        return unknown
