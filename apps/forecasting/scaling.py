"""The scales of series and covariates, fitted on the train part, kept as plain JSON."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from apps.forecasting.data import Series
from common.config import Settings


class Scales(Settings):
    """Mean and deviation of each series that is known by name and of each covariate, of train rows alone."""

    names: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    known_means: tuple[float, ...] = ()
    known_scales: tuple[float, ...] = ()
    past_means: tuple[float, ...] = ()
    past_scales: tuple[float, ...] = ()

    def of(self, series: Series, rows: int) -> tuple[float, float]:
        """Mean and scale of a series: those of the training, or those of its first `rows` if it is not known."""
        if series.name in self.names:
            place = self.names.index(series.name)
            return self.means[place], self.scales[place]
        return level_of(series.values[:rows])

    def shape(self) -> dict[str, int]:
        """How many series and columns of covariates there are."""
        return {"series": len(self.names), "known": len(self.known_means), "past": len(self.past_means)}

    def scale_covariates(self, series: Series) -> Series:
        """The series with its covariates scaled."""
        return replace(
            series,
            known=(series.known - np.array(self.known_means)) / np.array(self.known_scales),
            past=(series.past - np.array(self.past_means)) / np.array(self.past_scales),
        )


def fit_scales(series: Sequence[Series], stops: Sequence[int], by_name: bool) -> Scales:
    """Fits on the rows of each series before its stop.

    Args:
        series: all of a panel.
        stops: the row behind the last of the train part, for each.
        by_name: whether series are told by their names; else each is scaled by what is given of it.
    """
    kept = list(zip(series, stops, strict=True)) if by_name else []
    levels = [level_of(one.values[:stop]) for one, stop in kept]
    known = _columns([one.known[:stop] for one, stop in zip(series, stops, strict=True)])
    past = _columns([one.past[:stop] for one, stop in zip(series, stops, strict=True)])
    return Scales(
        names=[one.name for one, _ in kept],
        means=[mean for mean, _ in levels],
        scales=[scale for _, scale in levels],
        known_means=known[0],
        known_scales=known[1],
        past_means=past[0],
        past_scales=past[1],
    )


def level_of(values: np.ndarray) -> tuple[float, float]:
    """Mean and deviation, 1 where nothing varies: `(time,)`."""
    return float(np.mean(values)), float(np.std(values)) or 1.0


def _columns(parts: list[np.ndarray]) -> tuple[list[float], list[float]]:
    rows = np.concatenate(parts)
    return rows.mean(axis=0).tolist(), [scale or 1.0 for scale in rows.std(axis=0).tolist()]
