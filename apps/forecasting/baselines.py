"""Forecasts that cost nothing, so that a network has to beat them to be worth its training."""

from collections.abc import Sequence

import numpy as np

from apps.forecasting.data import Series


def naive(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """The last value before each origin, repeated: `(time,)`, `(windows,)` -> `(windows, horizon)`."""
    return np.repeat(values[origins - 1][:, None], horizon, axis=1)


def seasonal_naive(values: np.ndarray, origins: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The last season before each origin, repeated; where there is none yet, the last value."""
    places = origins[:, None] - season + np.arange(horizon) % season
    return np.where(places >= 0, values[np.maximum(places, 0)], values[origins - 1][:, None])


def drift(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """The line through the first and the last value before each origin (Hyndman & Athanasopoulos, 2021), continued."""
    last = values[origins - 1]
    slopes = (last - values[0]) / np.maximum(origins - 1, 1)
    return last[:, None] + slopes[:, None] * np.arange(1, horizon + 1)


def simple_baselines(
    series: Sequence[Series], numbers: np.ndarray, origins: np.ndarray, horizon: int
) -> dict[str, np.ndarray]:
    """`naive`, `seasonal_naive` where a series has a season, and `drift`, by name, each `(windows, horizon)`."""
    found = {"naive": np.zeros((len(origins), horizon))}
    if any(one.season > 1 for one in series):
        found["seasonal_naive"] = np.zeros((len(origins), horizon))
    found["drift"] = np.zeros((len(origins), horizon))
    for number, one in enumerate(series):
        rows = numbers == number
        found["naive"][rows] = naive(one.values, origins[rows], horizon)
        found["drift"][rows] = drift(one.values, origins[rows], horizon)
        if "seasonal_naive" in found:
            found["seasonal_naive"][rows] = seasonal_naive(one.values, origins[rows], horizon, one.season)
    return found
