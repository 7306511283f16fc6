"""Tables from files, TensorFlow Datasets and the sample, checked and taken apart into series."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from apps.forecasting.config import CovariateSettings, DataSettings
from apps.forecasting.sample import sample_table, varied_series
from apps.forecasting.times import (
    Frequency,
    calendar,
    find_time_column,
    infer_frequency,
    missing_steps,
    parse_times,
)
from common.errors import UserError
from common.sources import Source, open_tfds, prepare_tfds, read_lines
from common.tables import check_columns, read_table

MISSING = ("", "?", "na", "n/a", "nan", "null", "none")
_LARGEST = 1e30
# Where so few of a column's cells are not numbers, they are taken for slips and not for text.
_SLIPS = 0.05


@dataclass(frozen=True)
class Series:
    """One row of numbers in the order of time.

    Attributes:
        name: of the series, of the target, or of both.
        values: float64 `(time,)`, none missing.
        known: covariates known ahead, float64 `(time or more, columns)`; it may reach into the future.
        past: covariates known up to the present, float64 `(time, columns)`.
        season: steps after which it repeats.
        times: of the values, where there is a time column.
        first_row: place of the first value in the table, from 1 on, for messages.
    """

    name: str
    values: np.ndarray
    known: np.ndarray
    past: np.ndarray
    season: int = 1
    times: pd.DatetimeIndex | None = None
    first_row: int = 1

    def until(self, stop: int) -> "Series":
        """The part before row `stop`; of the covariates, what is known ahead stays."""
        times = None if self.times is None else self.times[:stop]
        return Series(self.name, self.values[:stop], self.known, self.past[:stop], self.season, times, self.first_row)


@dataclass(frozen=True)
class Panel:
    """All series of a table.

    Attributes:
        name: the source, as a figure's label.
        series: at least one.
        frequency: None where there is no time column.
        notes: what was found and what was mended.
    """

    name: str
    series: list[Series]
    frequency: Frequency | None = None
    notes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """What there is, in a line, and a line for each note."""
        lengths = [len(one.values) for one in self.series]
        steps = f"{min(lengths):,}" if min(lengths) == max(lengths) else f"{min(lengths):,} to {max(lengths):,}"
        every = f", every {self.frequency.name}" if self.frequency else ", no times"
        names = ", ".join(one.name for one in self.series[:8]) + (", ..." if len(self.series) > 8 else "")
        season = sorted({one.season for one in self.series})
        seasons = f"{season[0]}" if len(season) == 1 else f"{season[0]} to {season[-1]}"
        lines = [f"{self.name}: {len(self.series):,} series of {steps} steps{every}, season {seasons}: {names}"]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def load_panel(source: Source, settings: DataSettings | CovariateSettings, ahead: int = 0) -> Panel:
    """Reads a source.

    Args:
        source: of `--data`.
        settings: names of columns, and how to mend.
        ahead: steps behind the last row for which the calendar is written.

    Raises:
        UserError: what is missing or wrong, with file, row and column.
    """
    if source.kind == "sample" and source.name == "varied":
        return Panel(
            str(source),
            [
                Series(f"s{number}", values, np.zeros((len(values), 0)), np.zeros((len(values), 0)), season)
                for number, (values, season) in enumerate(varied_series(), start=1)
            ],
        )
    readers = {"sample": _read_sample, "tfds": _read_tfds, "path": read_path}
    frame = readers[source.kind](source.name)
    return build_panel(frame, settings, f"--data {source}", source.label, ahead)


def build_panel(
    frame: pd.DataFrame, settings: DataSettings | CovariateSettings, where: str, name: str, ahead: int = 0
) -> Panel:
    """A table -> its series, checked; the index of a row is its place from 0 on. Arguments as in `load_panel`.

    Raises:
        UserError: a column is not there, a cell is no number or no time, values are missing or out of order and not
            to be mended, or a series is without change.
    """
    if frame.empty:
        raise UserError(f"{where}: a header and no rows")
    time = settings.time or find_time_column(frame)
    named = [
        *settings.known,
        *settings.past,
        *([time] if time else []),
        *([settings.series] if settings.series else []),
    ]
    targets = [] if settings.target == ("all",) else list(settings.target)
    check_columns(where, [str(column) for column in frame], [*named, *targets])
    notes: list[str] = []
    targets = targets or _number_columns(frame.drop(columns=named), where, notes)
    groups = (
        [("", frame)]
        if settings.series is None
        else [(str(key), part) for key, part in frame.groupby(frame[settings.series].astype(str), sort=False)]
    )
    builder = _Builder(settings, time, targets, where, notes, ahead)
    series = [one for key, part in groups for one in builder.build(key, part)]
    return Panel(name, series, builder.frequency, notes)


def read_path(name: str) -> pd.DataFrame:
    """The cells of a CSV or TSV as text; where it has no header, its columns are called 1, 2, 3 ...

    Raises:
        UserError: the file is missing or damaged, or a row does not fit the header.
    """
    path, where = Path(name), f"--data {name}"
    if not os.path.isfile(path):
        raise UserError(f"{where}: there is no such file")
    first = next(read_lines(path), "")
    separator = "\t" if "\t" in first else ","
    if all(_is_number(cell) for cell in first.split(separator)):
        return _read_without_header(path, separator)
    return pd.DataFrame([row for _, row in read_table(path, ())])


class _Builder:
    """Takes the rows of one series after the other; the frequency of the first is that of all."""

    def __init__(
        self,
        settings: DataSettings | CovariateSettings,
        time: str | None,
        targets: list[str],
        where: str,
        notes: list[str],
        ahead: int,
    ):
        self.settings, self.time, self.targets, self.where, self.notes = settings, time, targets, where, notes
        self.ahead = ahead
        self.frequency: Frequency | None = None

    def build(self, key: str, rows: pd.DataFrame) -> Iterator[Series]:
        where = f"{self.where}, series {key}" if key else self.where
        names = [*self.targets, *self.settings.known, *self.settings.past]
        numbers = pd.DataFrame({name: numbers_of(rows, name, where) for name in names}, index=rows.index)
        times = None
        if self.time:
            times = parse_times(rows[self.time], where)
            numbers, times = self._on_grid(numbers, times, where)
        numbers, stop = self._without_gaps(numbers, where)
        for target in self.targets:
            values = numbers[target].to_numpy()[:stop]
            _check_values(values, target, where)
            season = self.settings.season or (self.frequency.season if self.frequency else 1)
            name = " ".join(part for part in (key, target if len(self.targets) > 1 or not key else "") if part)
            past = numbers[list(self.settings.past)].to_numpy()[:stop]
            yield Series(
                name,
                values,
                self._known(numbers, times),
                past,
                season,
                None if times is None else times[:stop],
                int(rows.index[0]) + 1,
            )

    def _known(self, numbers: pd.DataFrame, times: pd.DatetimeIndex | None) -> np.ndarray:
        known = numbers[list(self.settings.known)].to_numpy()
        if not self.settings.calendar:
            return known
        if times is None:
            raise UserError(f"{self.where}: --calendar needs a column of times; name it with --time")
        if not self.settings.known:
            known, times = np.zeros((len(times) + self.ahead, 0)), times.append(self.frequency.after(times, self.ahead))
        return np.concatenate([known, calendar(times)], axis=1)

    def _on_grid(
        self, numbers: pd.DataFrame, times: pd.DatetimeIndex, where: str
    ) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
        """Rows in the order of time, one a step: what is not so is refused, or mended if asked to."""
        numbers, times = self._in_order(numbers, times, where)
        self.frequency = self.frequency or infer_frequency(times, where)
        places = self.frequency.numbers(times)
        if len(off := np.flatnonzero(np.abs(places - np.round(places)) > 1e-6)):
            raise UserError(
                f"{where}, row {numbers.index[off[0]] + 1}: {times[off[0]]} is not on the grid of every "
                f"{self.frequency.name} from {times[0]}; {len(off):,} such rows"
            )
        left_out = missing_steps(places, self.frequency)
        if not left_out.any():
            return numbers, times
        at = int(np.flatnonzero(left_out)[0])
        found = (
            f"{left_out.sum():,} steps of {self.frequency.name} are missing in {np.count_nonzero(left_out):,} places, "
            f"first {left_out[at]:,} before {times[at]} (row {numbers.index[at] + 1})"
        )
        self._mend(f"{where}: {found}")
        whole = self.frequency.after(times[:1], int(np.round(places[-1]))).insert(0, times[0])
        grid = numbers.set_axis(times).reindex(whole)
        return grid.reset_index(drop=True), whole

    def _in_order(
        self, numbers: pd.DataFrame, times: pd.DatetimeIndex, where: str
    ) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
        steps = np.diff(times.to_numpy())
        if len(back := np.flatnonzero(steps < np.timedelta64(0))):
            self._mend(
                f"{where}, row {numbers.index[back[0] + 1] + 1}: {times[back[0] + 1]} is before the row above it"
            )
            order = np.argsort(times.to_numpy(), kind="stable")
            numbers, times = numbers.iloc[order], times[order]
        twice = times.duplicated(keep="last")
        if twice.any():
            at = int(np.flatnonzero(twice)[0])
            mended = ", the last row of each is taken" if self.settings.fill != "none" else ""
            self._mend(
                f"{where}, row {numbers.index[at] + 1}: {times[at]} is there twice; {twice.sum():,} such rows{mended}"
            )
            numbers, times = numbers[~twice], times[~twice]
        return numbers, times

    def _without_gaps(self, numbers: pd.DataFrame, where: str) -> tuple[pd.DataFrame, int]:
        """No cell is missing but targets of the future: rows, and how many of them have targets."""
        targets = numbers[self.targets]
        present = np.flatnonzero(targets.notna().any(axis=1))
        if not len(present):
            raise UserError(f"{where}: no row has a value of {', '.join(self.targets)}")
        # Rows behind the last value give what is known ahead.
        stop = int(present[-1]) + 1 if self.settings.known else len(numbers)
        missing = numbers.isna()
        missing.iloc[stop:] = False
        if missing.to_numpy().any():
            row, column = np.argwhere(missing.to_numpy())[0]
            self._mend(
                f"{where}, row {numbers.index[row] + 1}, column {numbers.columns[column]!r}: no value; "
                f"{int(missing.to_numpy().sum()):,} are missing"
            )
            numbers = numbers.interpolate() if self.settings.fill == "linear" else numbers
            numbers = numbers.ffill().bfill()
        return numbers, stop

    def _mend(self, found: str) -> None:
        if self.settings.fill == "none":
            raise UserError(f"{found}; mend the table, or have it mended with --fill forward or --fill linear")
        self.notes.append(f"{found}; mended by --fill {self.settings.fill}")


def numbers_of(frame: pd.DataFrame, name: str, where: str) -> np.ndarray:
    """A column as float64 `(rows,)`, NaN where a cell is missing.

    Raises:
        UserError: a cell is text, infinite, or beyond any measurement.
    """
    numbers, is_wrong = _parse(frame[name])
    if is_wrong.any():
        at = int(np.flatnonzero(is_wrong)[0])
        cell, more = str(frame[name].iloc[at]), f"; {is_wrong.sum():,} such rows" if is_wrong.sum() > 1 else ""
        raise UserError(f"{where}, row {frame.index[at] + 1}, column {name!r}: {cell!r} is no finite number{more}")
    return numbers


def _parse(cells: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Numbers float64 `(rows,)`, and which cells are neither a finite number nor missing."""
    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
        numbers = cells.to_numpy(np.float64, na_value=np.nan)
        is_missing = np.isnan(numbers)
    else:
        texts = cells.astype(object).map(lambda cell: "" if pd.isna(cell) else str(cell).strip())
        is_missing = texts.str.lower().isin(MISSING).to_numpy()
        numbers = pd.to_numeric(texts.mask(is_missing), errors="coerce").to_numpy(np.float64)
    return numbers, ~is_missing & ~(np.abs(numbers) <= _LARGEST)


def _number_columns(frame: pd.DataFrame, where: str, notes: list[str]) -> list[str]:
    """The columns whose cells are numbers, all but slips."""
    found = []
    for name in frame.columns:
        numbers, is_wrong = _parse(frame[name])
        if is_wrong.mean() <= _SLIPS and np.isfinite(numbers).any():
            found.append(name)
        else:
            notes.append(f"column {name!r} is left out, its cells are no numbers")
    if not found:
        raise UserError(f"{where}: no column of numbers; found: {', '.join(map(str, frame.columns)) or 'none'}")
    return found


def _check_values(values: np.ndarray, target: str, where: str) -> None:
    if len(values) > 1 and np.ptp(values) == 0:
        raise UserError(
            f"{where}, column {target!r}: all {len(values):,} values are {values[0]:g}; leave it out, "
            "there is nothing to forecast"
        )


def _read_sample(name: str) -> pd.DataFrame:
    if name != "sample":
        raise UserError(f"--data sample:{name}: there is no such set; write --data sample or sample:varied")
    return sample_table()


def _read_tfds(name: str) -> pd.DataFrame:
    import tensorflow_datasets as tfds

    builder = open_tfds(name)
    for column, feature in builder.info.features.items():
        if feature.shape != ():
            raise UserError(f"--data tfds:{name}: the feature {column!r} is no single value, so this is no table")
    splits = prepare_tfds(builder, f"--data tfds:{name}")
    split = "train" if "train" in splits else splits[0]
    rows = tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False))
    return pd.DataFrame(
        {column: cell.decode() if isinstance(cell, bytes) else cell for column, cell in row.items()} for row in rows
    )


def _read_without_header(path: Path, separator: str) -> pd.DataFrame:
    """A table of nothing but numbers; its columns are called 1, 2, 3 ..."""
    rows: list[list[str]] = []
    for number, line in enumerate(read_lines(path), start=1):
        rows.append(line.split(separator))
        if len(rows[-1]) != len(rows[0]):
            raise UserError(f"{path}, row {number}: {len(rows[-1])} fields where the first has {len(rows[0])}")
    return pd.DataFrame(rows, columns=[str(number) for number in range(1, len(rows[0]) + 1)])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
