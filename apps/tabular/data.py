"""Rows of a table from files, folders, TensorFlow Datasets and scikit-learn's sets; their splits; batches."""

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from apps.tabular.columns import Arrays, as_texts, is_classification
from apps.tabular.config import DataSettings, TabularSettings
from common import sources
from common.errors import UserError
from common.sources import SPLITS, Source, find_file, open_tfds, prepare_tfds
from common.tables import check_columns, read_table

ENDINGS = (".csv", ".tsv", ".jsonl")
PENGUINS = Path(__file__).parent / "samples" / "penguins.csv"
# The plain `sample` is this one.
SAMPLE = "breast_cancer"
_UCI = "UCI Machine Learning Repository, CC BY 4.0, as it comes with scikit-learn"
SAMPLES = {
    "breast_cancer": f"569 tumours, Wisconsin Diagnostic (Street, Wolberg & Mangasarian, 1993); {_UCI}",
    "iris": f"150 irises of three species (Fisher, 1936); {_UCI}",
    "wine": f"178 wines of three growers (Forina, 1988); {_UCI}",
    "diabetes": "442 patients and how their diabetes went on (Efron et al., 2004), as it comes with scikit-learn",
    "digits": f"1,797 written digits of 8 x 8 dots (Alpaydin & Kaynak, 1998); {_UCI}",
    "penguins": "344 penguins, three species (Gorman, Williams & Fraser, 2014, doi 10.1371/journal.pone.0090081); CC0",
}
_ROWS_AT_ONCE = 50_000

Frames = dict[str, pd.DataFrame]


def load_frames(source: Source, settings: DataSettings) -> Frames:
    """The splits that a source has of its own; `train` alone where it has none. A row's index is its place from 0 on.

    Raises:
        UserError: what is missing or wrong, with file, row and column.
    """
    readers = {"sample": _read_sample, "tfds": _read_tfds, "path": _read_path}
    frames = readers[source.kind](source.name, settings)
    for split, frame in frames.items():
        if frame.empty:
            raise UserError(f"--data {source}: no rows in split {split}")
    return frames


def split_frames(frames: Frames, settings: TabularSettings, where: str) -> Frames:
    """Adds the test and the validation split where they are not there, taken from train by the seed.

    Raises:
        UserError: train is too small to be parted.
    """
    frames = dict(frames)
    for split, share in (("test", settings.held_out), ("validation", settings.validation)):
        if split not in frames:
            train = frames["train"]
            is_held = _draw(_classes(train, settings, where), share, settings.seed)
            if is_held.all() or not is_held.any():
                raise UserError(f"{where}: {len(train)} rows are too few to hold a {split} part out")
            frames |= {"train": train[~is_held], split: train[is_held]}
    return frames


def identify(source: Source) -> str:
    """As in `common.sources`; the plain sample is the one of its name."""
    return f"sample:{SAMPLE}" if str(source) == "sample" else sources.identify(source)


def describe(source: Source) -> str:
    """A source for a model card; of a sample also what it holds, from where, under which licence."""
    about = SAMPLES.get(SAMPLE if source.name == "sample" else source.name) if source.kind == "sample" else None
    return f"{source}: {about}" if about else str(source)


def read_frame(path: Path, columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """All rows of a table, as text.

    Raises:
        UserError: the file is missing, damaged or empty, a row does not fit the header, or a column is not there.
    """
    rows, parts = (row for _, row in read_table(path, columns)), []
    while part := list(islice(rows, _ROWS_AT_ONCE)):
        parts.append(pd.DataFrame(part))
    if not parts:
        raise UserError(f"{path}: a header and no rows")
    return pd.concat(parts, ignore_index=True)


class EpochBatches:
    """The batches of one epoch: arrays by name with targets and weights, in an order drawn anew for each epoch.

    Args:
        arrays: inputs by name, `(rows, ...)` each.
        targets: `(rows,)`.
        weights: how much each row counts, `(rows,)`.
        batch_rows: rows in a batch; None: a fiftieth of all, from 16 to 1024.
        seed: of the order.
        epoch: which epoch.
    """

    def __init__(
        self,
        arrays: Arrays,
        targets: np.ndarray,
        weights: np.ndarray,
        batch_rows: int | None,
        seed: int,
        epoch: int,
    ):
        self._arrays, self._targets, self._weights = arrays, targets, weights
        self._size = batch_rows or int(np.clip(len(targets) // 50, 16, 1024))
        self._order = np.random.default_rng((seed, epoch)).permutation(len(targets))

    def __len__(self) -> int:
        return -(-len(self._order) // self._size)

    def __getitem__(self, index: int) -> tuple[Arrays, np.ndarray, np.ndarray]:
        rows = self._order[index * self._size : (index + 1) * self._size]
        inputs = {name: array[rows] for name, array in self._arrays.items()}
        return inputs, self._targets[rows], self._weights[rows]


def class_weights(class_ids: np.ndarray, classes: int) -> np.ndarray:
    """A weight a row, so that the rows of each class weigh the same together and 1 on average: `(rows,)`."""
    counts = np.bincount(class_ids, minlength=classes)
    return (len(class_ids) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[class_ids].astype(np.float32)


def _classes(frame: pd.DataFrame, settings: DataSettings, where: str) -> np.ndarray:
    """What the split keeps in proportion: the classes, or one group of all rows where the target is a number."""
    if is_classification(frame, settings, where):
        return as_texts(frame[settings.target]).to_numpy(object)
    return np.zeros(len(frame), int)


def _draw(groups: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Whether each row is drawn `(rows,)`: the share of each group, by chance."""
    rng, is_drawn = np.random.default_rng(seed), np.zeros(len(groups), bool)
    for rows in pd.Series(groups).groupby(groups, sort=True).indices.values():
        is_drawn[rng.permutation(rows)[: round(len(rows) * share)]] = True
    return is_drawn


def _read_sample(name: str, settings: DataSettings) -> Frames:
    import sklearn.datasets

    name = SAMPLE if name == "sample" else name
    if name not in SAMPLES:
        raise UserError(f"--data sample:{name}: there is no such set; there are {', '.join(SAMPLES)}")
    if name == "penguins":
        return {"train": read_frame(PENGUINS)}
    # Diabetes comes scaled over all rows, test rows too, unless asked for as measured.
    found = getattr(sklearn.datasets, f"load_{name}")(as_frame=True, **{"diabetes": {"scaled": False}}.get(name, {}))
    frame = found.frame
    if "target_names" in found:
        frame["target"] = np.asarray(found.target_names).astype(str)[frame["target"]]
    return {"train": frame}


def _read_tfds(name: str, settings: DataSettings) -> Frames:
    import tensorflow_datasets as tfds

    builder = open_tfds(name)
    features = builder.info.features
    for column, feature in features.items():
        if feature.shape != ():
            raise UserError(f"--data tfds:{name}: the feature {column!r} is no single value, so this is no table")
    check_columns(f"--data tfds:{name}", list(features), [settings.target])
    splits = prepare_tfds(builder, f"--data tfds:{name}")

    def cell(column: str, value):
        if isinstance(features[column], tfds.features.ClassLabel):
            return features[column].int2str(int(value))
        return value.decode() if isinstance(value, bytes) else value

    found = _by_our_names({split: split for split in splits}, f"--data tfds:{name}")
    return {
        split: pd.DataFrame(
            {column: cell(column, value) for column, value in row.items()}
            for row in tfds.as_numpy(builder.as_dataset(split=theirs))
        )
        for split, theirs in found.items()
    }


def _read_path(name: str, settings: DataSettings) -> Frames:
    path, where = Path(name), f"--data {name}"
    if os.path.isdir(path):
        files = {split: find_file(path, split, ENDINGS) for names in SPLITS.values() for split in names}
        files = _by_our_names({split: file for split, file in files.items() if file}, where)
        return {split: read_frame(file, (settings.target,)) for split, file in files.items()}
    if not os.path.exists(path):
        raise UserError(f"{where}: there is no such file or folder")
    if settings.split_column is None:
        return {"train": read_frame(path, (settings.target,))}
    frame = read_frame(path, (settings.target, settings.split_column))
    parts = dict(list(frame.drop(columns=settings.split_column).groupby(frame[settings.split_column])))
    return _by_our_names(parts, where)


def _by_our_names(found: dict, where: str) -> dict:
    """Splits under the names train, validation and test, whatever they are called in the source."""
    ours = {name: split for split, names in SPLITS.items() for name in names}
    if strange := [name for name in found if name not in ours]:
        raise UserError(f"{where}: unknown split {strange[0]!r}; the names are {', '.join(ours)}")
    if "train" not in found:
        raise UserError(f"{where}: no split 'train'; found: {', '.join(found) or 'none'}")
    return {ours[name]: part for name, part in found.items()}
