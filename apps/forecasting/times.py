"""Times of a series: read in one format, their frequency found and checked, continued into the future."""

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from common.errors import UserError

TIME_NAMES = ("time", "date", "datetime", "timestamp", "ds", "month", "day", "period")
# Months and years, which Pandas does not guess.
_MORE_FORMATS = ("%Y", "%b %Y", "%B %Y", "%b-%Y", "%b %y", "%b-%y", "%Y %b", "%m/%Y", "%Y/%m", "%Y.%m")
_DAY = pd.Timedelta(days=1)
# How far trading days may lie apart: the exchange of New York was closed for four in September 2001.
_MOST_HOLIDAYS = 5


@dataclass(frozen=True)
class Frequency:
    """The step between two times.

    Attributes:
        unit: `months`, `seconds`, or `business_days`, on which holidays may be left out.
        count: how many of them a step has.
    """

    unit: str
    count: int = 1

    @cached_property
    def name(self) -> str:
        """`1 month`, `15 minutes`, `business days`."""
        if self.unit == "business_days":
            return "business days"
        sizes = {"months": {"year": 12, "month": 1}}.get(
            self.unit, {"week": 604_800, "day": 86_400, "hour": 3600, "minute": 60, "second": 1}
        )
        name, size = next((name, size) for name, size in sizes.items() if self.count % size == 0)
        count = self.count // size
        return f"{count} {name}" if count == 1 else f"{count} {name}s"

    @cached_property
    def season(self) -> int:
        """Steps in the season that comes to mind first: a year of months, a week of days, a day of hours."""
        if self.unit == "months":
            return max(12 // self.count, 1)
        if self.unit == "business_days":
            return 5
        for period in (3600, 86_400, 604_800, 31_536_000):
            if self.count < period and round(period / self.count) > 1 and (period > 3600 or self.count < 60):
                return round(period / self.count)
        return 1

    def numbers(self, times: pd.DatetimeIndex) -> np.ndarray:
        """The place of each time on the grid that begins at the first, float `(times,)`; whole where it lies on it."""
        if self.unit == "months":
            months = np.asarray(times.year * 12 + times.month, float)
            same_day = (times.day == times[0].day) | (times.is_month_end & bool(times[0].is_month_end))
            return (months - months[0]) / self.count + np.where(same_day, 0.0, 0.5)
        if self.unit == "business_days":
            days = times.to_numpy().astype("datetime64[D]")
            return np.busday_count(days[0], days).astype(float)
        return ((times - times[0]) / pd.Timedelta(seconds=self.count)).to_numpy(float)

    def after(self, times: pd.DatetimeIndex, count: int) -> pd.DatetimeIndex:
        """The `count` times that follow the last of `times`."""
        if self.unit == "months":
            step = pd.DateOffset(months=self.count)
            following = pd.DatetimeIndex([times[-1] + step * number for number in range(1, count + 1)])
            return following + pd.offsets.MonthEnd(0) if times.is_month_end.all() else following
        step = pd.offsets.BDay() if self.unit == "business_days" else pd.Timedelta(seconds=self.count)
        return pd.date_range(times[-1], periods=count + 1, freq=step)[1:]


def parse_times(texts: pd.Series, where: str) -> pd.DatetimeIndex:
    """Texts of one format as times; what is a time already stays.

    Raises:
        UserError: a cell is missing, no time, or of another format than the first.
    """
    if pd.api.types.is_datetime64_any_dtype(texts):
        _refuse(texts.isna(), texts, where, "is missing")
        return pd.DatetimeIndex(texts).tz_localize(None)
    texts = texts.astype(str).str.strip()
    first = texts.iloc[0]
    formats = _formats(first)
    if not formats:
        raise UserError(
            f"{where}, row {texts.index[0] + 1}, column {texts.name!r}: {first!r} is no time, such as 2024-01-31"
        )
    found = [pd.to_datetime(texts, format=format, errors="coerce", utc="%z" in format) for format in formats]
    # Days and months are told apart by all rows: the format that reads most of them is theirs.
    best = min(range(len(found)), key=lambda index: found[index].isna().sum())
    _refuse(found[best].isna(), texts, where, f"is no time in the format of the first row, {first!r}; write all alike")
    return pd.DatetimeIndex(found[best]).tz_localize(None)


def find_time_column(frame: pd.DataFrame) -> str | None:
    """The column of times, by its name and first cell: `date`, `time`, `ds` ..., in small or capital letters."""
    by_name = {str(column).strip().lower(): column for column in frame.columns}
    named = [by_name[name] for name in TIME_NAMES if name in by_name]
    # A column called day may hold the numbers 1 to 31.
    return next((name for name in named if _formats(str(frame[name].iloc[0]))), None)


def infer_frequency(times: pd.DatetimeIndex, where: str) -> Frequency:
    """The most usual step of sorted times.

    Raises:
        UserError: there are fewer than three different times.
    """
    times = times.unique()
    if len(times) < 3:
        raise UserError(f"{where}: {len(times)} different times; three or more are needed to know their frequency")
    steps = np.diff(times.to_numpy().astype("datetime64[s]").astype(np.int64))
    months = np.diff(np.asarray(times.year * 12 + times.month))
    same_day = len(np.unique(times.day)) == 1 or bool(times.is_month_end.all())
    if same_day and (months > 0).all() and np.median(steps) >= 28 * 86_400:
        return Frequency("months", _most_frequent(months))
    step = max(_most_frequent(steps), 1)
    whole_days = bool((times == times.normalize()).all())
    if step == _DAY.total_seconds() and whole_days and len(times) > 7 and (times.day_of_week < 5).all():
        return Frequency("business_days")
    return Frequency("seconds", step)


def missing_steps(numbers: np.ndarray, frequency: Frequency) -> np.ndarray:
    """How many steps are left out before each time, int `(times,)`; holidays do not count among business days."""
    left_out = np.diff(np.round(numbers).astype(int), prepend=-1) - 1
    if frequency.unit == "business_days":
        return np.where(left_out < _MOST_HOLIDAYS, 0, left_out)
    return left_out


def calendar(times: pd.DatetimeIndex) -> np.ndarray:
    """Hour, weekday and day of the year as points on circles, float `(times, 6)`: a sine and a cosine each."""
    turns = np.stack(
        [times.hour / 24 + times.minute / 1440, times.day_of_week / 7, (times.day_of_year - 1) / 365.25], axis=1
    )
    return np.concatenate([np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns)], axis=1)


def _formats(text: str) -> list[str]:
    """The formats that a text may be a time in: days before months as well, where both can be."""
    with warnings.catch_warnings():
        # Pandas warns where the other reading is the only one.
        warnings.simplefilter("ignore", UserWarning)
        guessed = [pd.tseries.api.guess_datetime_format(text.strip(), dayfirst=dayfirst) for dayfirst in (False, True)]
    return [format for format in dict.fromkeys(guessed) if format] or [
        format for format in _MORE_FORMATS if pd.notna(pd.to_datetime(text.strip(), format=format, errors="coerce"))
    ]


def _most_frequent(values: np.ndarray) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])


def _refuse(is_wrong: pd.Series, texts: pd.Series, where: str, rule: str) -> None:
    wrong = np.flatnonzero(is_wrong)
    if len(wrong):
        row = texts.index[wrong[0]] + 1
        raise UserError(f"{where}, row {row}, column {texts.name!r}: {str(texts.iloc[wrong[0]])!r} {rule}")
