"""The columns of a table: found, fitted on train, kept as plain JSON, and the way from rows to arrays."""

from typing import Any

import numpy as np
import pandas as pd

from apps.tabular.config import DataSettings, NetworkSettings
from common.config import Settings
from common.errors import UserError
from common.tables import check_columns

UNKNOWN = 0
MISSING = ("", "?", "na", "n/a", "nan", "null")
MOST_CLASSES = 20
_LARGEST = 1e30
_FAR = 10.0
# Where so few of a column's cells are not numbers, they are taken for slips and not for categories.
_SLIPS = 0.05

Arrays = dict[str, np.ndarray]


class Number(Settings):
    """A numeric column: what stands for a missing cell, the scale, and how many cells were missing."""

    name: str
    median: float
    mean: float
    scale: float
    missing: int


class Category(Settings):
    """A column of categories, "" for a missing cell among them; the id of each is its place from 1 on, 0 is unknown."""

    name: str
    values: tuple[str, ...]
    missing: int


class Target(Settings):
    """What is predicted: one of `labels` or, where there are none, a number of this mean and scale."""

    name: str
    labels: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def outputs(self) -> int:
        return len(self.labels) or 1

    def encode(self, frame: pd.DataFrame, where: str) -> np.ndarray:
        """Class ids int32 `(rows,)`, or values float64 `(rows,)` as they stand.

        Raises:
            UserError: a cell is missing, of an unknown class or no number.
        """
        texts = target_texts(frame, self.name, where)
        if not self.labels:
            return numbers_of(frame, self.name, where)
        ids = pd.Index(self.labels).get_indexer(texts).astype(np.int32)
        _refuse(ids < 0, frame, self.name, where, f"is none of the classes trained on: {', '.join(self.labels)}")
        return ids


class Columns(Settings):
    """What was learnt of a table's columns, of train rows alone."""

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]
    target: Target
    left_out: dict[str, str]

    @property
    def names(self) -> list[str]:
        return [column.name for column in (*self.numbers, *self.categories)]

    @property
    def number_width(self) -> int:
        return sum(2 if column.missing else 1 for column in self.numbers)

    def encode(self, frame: pd.DataFrame, where: str) -> Arrays:
        """Rows -> numbers float32 `(rows, number_width)` and category ids int32 `(rows, categories)`.

        A missing number is the median, and a further column marks it if train had missing ones. Scaled numbers end
        at ten standard deviations.

        Raises:
            UserError: a column is not there, or a cell of a numeric column is no number.
        """
        check_columns(where, list(frame), self.names)
        numbers, ids = [], []
        for column in self.numbers:
            values = numbers_of(frame, column.name, where)
            scaled = (np.where(np.isnan(values), column.median, values) - column.mean) / column.scale
            numbers += [np.clip(scaled, -_FAR, _FAR), *([np.isnan(values)] if column.missing else [])]
        for column in self.categories:
            ids.append(pd.Index(column.values).get_indexer(as_texts(frame[column.name])) + 1)
        return {
            "numbers": np.array(numbers, np.float32).T.reshape(len(frame), self.number_width),
            "category_ids": np.array(ids, np.int32).T.reshape(len(frame), len(self.categories)),
        }

    def summary(self) -> str:
        kind = f"{len(self.target.labels)} classes" if self.target.labels else "a number"
        lines = [f"target {self.target.name}: {kind}"]
        for kind, columns in (("numbers", self.numbers), ("categories", self.categories)):
            names = [
                f"{column.name} ({column.missing} missing)" if column.missing else column.name for column in columns
            ]
            lines.append(f"{len(names)} columns of {kind}: {', '.join(names) or 'none'}")
        lines += [f"left out: {name}, {reason}" for name, reason in self.left_out.items()]
        return "\n".join(lines)


def fit_columns(frame: pd.DataFrame, settings: DataSettings | NetworkSettings, where: str) -> Columns:
    """Finds out what each column of the train rows holds, and fits what rows become.

    Raises:
        UserError: a column named in the settings is not there, one of numbers has a slip, nothing can be predicted or
            nothing is left to predict it from.
    """
    check_columns(where, list(frame), [settings.target, *settings.categorical, *settings.ignore])
    numbers, categories, left_out = [], [], dict.fromkeys(settings.ignore, "as told")
    for name in frame.columns.drop([settings.target, *settings.ignore]):
        texts = as_texts(frame[name])
        if (texts == "").all():
            left_out[name] = "no cell has a value"
        elif texts.nunique() == 1:
            left_out[name] = f"{texts.iloc[0]!r} in every row"
        elif name not in settings.categorical and is_numeric(frame, name, where):
            numbers.append(_fit_number(name, numbers_of(frame, name, where)))
        elif not (counts := texts.value_counts()).ge(settings.least_count).any():
            left_out[name] = f"no category occurs {settings.least_count} times"
        else:
            often = counts.index[counts >= settings.least_count]
            categories.append(Category(name=name, values=sorted(often), missing=(texts == "").sum()))
    if not numbers and not categories:
        raise UserError(f"{where}: no column is left to predict {settings.target!r} from")
    target = fit_target(frame, settings, where)
    return Columns(numbers=numbers, categories=categories, target=target, left_out=left_out)


def fit_target(frame: pd.DataFrame, settings: DataSettings, where: str) -> Target:
    """The classes or the scale of the target.

    Raises:
        UserError: it is the same in every row, or different in most and no number.
    """
    name, texts = settings.target, target_texts(frame, settings.target, where)
    labels = sorted(set(texts), key=_order)
    if len(labels) < 2:
        raise UserError(f"{where}: the target {name!r} is {labels[0]!r} in every row; two or more are needed")
    if is_classification(frame, settings, where):
        if len(labels) > len(texts) / 2:
            raise UserError(f"{where}: the target {name!r} has {len(labels)} classes in {len(texts)} rows; too many")
        return Target(name=name, labels=labels)
    values = numbers_of(frame, name, where)
    return Target(name=name, mean=np.mean(values), scale=np.std(values))


def is_classification(frame: pd.DataFrame, settings: DataSettings, where: str) -> bool:
    """Whether the target is a class: text, or whole numbers of which few are different and most come again."""
    target_texts(frame, settings.target, where)
    if settings.task != "auto":
        return settings.task == "classification"
    if not is_numeric(frame, settings.target, where):
        return True
    different = np.unique(numbers_of(frame, settings.target, where))
    return len(different) <= min(MOST_CLASSES, len(frame) / 2) and bool((different % 1 == 0).all())


def target_texts(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """The target of each row as text.

    Raises:
        UserError: the column is not there, or a cell is missing.
    """
    check_columns(where, list(frame), [name])
    texts = as_texts(frame[name])
    _refuse(texts == "", frame, name, where, "is no target; fill it in, or take the row away")
    return texts


def is_numeric(frame: pd.DataFrame, name: str, where: str) -> bool:
    """Whether all cells of a column that have a value are numbers.

    Raises:
        UserError: nearly all are, but not all.
    """
    numbers, is_wrong = _parse(frame[name])
    share = is_wrong.sum() / max(is_wrong.sum() + np.isfinite(numbers).sum(), 1)
    if 0 < share <= _SLIPS:
        mend = "mend it, or have all read as categories: --categorical, for the target --task classification"
        _refuse(is_wrong, frame, name, where, f"is no number, though nearly all others are; {mend}")
    return share == 0


def numbers_of(frame: pd.DataFrame, name: str, where: str) -> np.ndarray:
    """A column as float64 `(rows,)`, NaN where a cell is missing.

    Raises:
        UserError: a cell is no number.
    """
    numbers, is_wrong = _parse(frame[name])
    _refuse(is_wrong, frame, name, where, "is no number")
    return numbers


def as_texts(cells: pd.Series) -> pd.Series:
    """Cells as text without white space around it, "" where one is missing."""
    if not isinstance(cells.dtype, pd.StringDtype):
        cells = cells.astype(object).map(lambda cell: "" if pd.isna(cell) else _text(cell))
    texts = cells.fillna("").str.strip()
    return texts.mask(texts.str.lower().isin(MISSING), "")


def _text(cell: Any) -> str:
    return f"{cell:.15g}" if isinstance(cell, float | np.floating) else str(cell)


def _parse(cells: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Numbers float64 `(rows,)`, NaN where there is none, and which cells are neither a number nor missing."""
    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
        numbers = cells.to_numpy(np.float64, na_value=np.nan)
        is_missing = np.isnan(numbers)
    else:
        texts = as_texts(cells)
        numbers, is_missing = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64), (texts == "").to_numpy()
    return numbers, ~is_missing & ~(np.abs(numbers) <= _LARGEST)


def _fit_number(name: str, values: np.ndarray) -> Number:
    present = values[~np.isnan(values)]
    return Number(
        name=name,
        median=np.median(present),
        mean=present.mean(),
        scale=present.std() or 1.0,
        missing=len(values) - len(present),
    )


def _refuse(is_wrong: Any, frame: pd.DataFrame, name: str, where: str, rule: str) -> None:
    wrong = np.flatnonzero(is_wrong)
    if len(wrong):
        cell, row = frame[name].iloc[wrong[0]], frame.index[wrong[0]] + 1
        more = f" ({len(wrong):,} such rows)" if len(wrong) > 1 else ""
        raise UserError(f"{where}, row {row}, column {name!r}: {str(cell)!r} {rule}{more}")


def _order(label: str) -> tuple[bool, float, str]:
    """Numbers by their size, and texts after them."""
    number = pd.to_numeric(label, errors="coerce")
    return bool(np.isnan(number)), 0.0 if np.isnan(number) else float(number), label
