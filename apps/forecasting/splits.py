"""How the rows of each series are parted in time: to learn from, to choose by, to test."""

from apps.forecasting.data import Panel
from common.errors import UserError

SPLITS = ("train", "validation", "test")
_MONTH = 30 * 86_400
_MONTHS = (12, 4, 4)

Parts = dict[str, tuple[int, int]]


def split_rows(panel: Panel, protocol: str) -> list[Parts]:
    """For each series the first row of each part and the row behind its last.

    Args:
        panel: the series.
        protocol: `ltsf` takes 12, 4 and 4 months of 30 days where there is a time column, as the field does on the
            ETT sets (Zhou et al., 2021); otherwise 70, 10 and 20 % of the rows.

    Raises:
        UserError: there are fewer rows than months.
    """
    if protocol == "ltsf" and panel.frequency is not None:
        return [_months(panel, len(one.values)) for one in panel.series]
    return [_shares(len(one.values)) for one in panel.series]


def check_unseen(panel: Panel, trained: str, asked: str, split: str) -> None:
    """Refuses to measure a model on rows that it was trained on or chosen by.

    Raises:
        UserError: the part of one protocol reaches into train or validation of the other.
    """
    before = SPLITS[: SPLITS.index(split)]
    for theirs, ours in zip(split_rows(panel, trained), split_rows(panel, asked), strict=True):
        seen = max([theirs[part][1] for part in before], default=0)
        if ours[split][0] < seen:
            raise UserError(
                f"--protocol {asked}: its part {split!r} begins at row {ours[split][0] + 1:,}, and the model, trained "
                f"with --protocol {trained}, has seen rows up to {seen:,}; train it with --protocol {asked}"
            )


def _shares(rows: int) -> Parts:
    train, test = int(rows * 0.7), int(rows * 0.2)
    return {"train": (0, train), "validation": (train, rows - test), "test": (rows - test, rows)}


def _months(panel: Panel, rows: int) -> Parts:
    if panel.frequency.unit != "seconds" or panel.frequency.count > _MONTH:
        raise UserError(f"--protocol ltsf: needs steps of equal length, not {panel.frequency.name}; take ltsf_shares")
    month = _MONTH // panel.frequency.count
    train, validation, test = (month * count for count in _MONTHS)
    if rows < train + validation + test:
        raise UserError(
            f"--protocol ltsf: {rows:,} rows, and 20 months of 30 days are {train + validation + test:,}; "
            "take --protocol ltsf_shares"
        )
    return {
        "train": (0, train),
        "validation": (train, train + validation),
        "test": (train + validation, train + validation + test),
    }
