"""Labelled texts from files, folders, TensorFlow Datasets and the sample; token ids; batches."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apps.sentiment.config import DataSettings, SentimentSettings
from apps.sentiment.sample import generate_sample
from common.batching import pad, token_batches, turn
from common.errors import UserError
from common.sources import SPLITS, Source, find_file, find_split, is_held_out, load_parts, open_tfds, prepare_tfds
from common.tables import check_columns, read_table
from common.text import Tokeniser, check_characters, normalise

ENDINGS = (".tsv", ".csv", ".jsonl")
MOST_CHARACTERS = 100_000
_SAMPLES = Path(__file__).parent / "samples"
_SAMPLE_SPLITS = {"train": slice(0, 4000), "validation": slice(4000, 4500), "test": slice(4500, 5000)}
_SAME_LABEL = {"negative": "neg", "positive": "pos"}


@dataclass(frozen=True)
class Corpus:
    """Labelled texts of one split of one source.

    Attributes:
        name: the source, as a figure's label.
        split: which part of it.
        texts: normalised.
        labels: by name.
        weight: share of the source in an epoch.
    """

    name: str
    split: str
    texts: list[str]
    labels: list[str]
    weight: float = 1.0

    def summary(self) -> str:
        counts = ", ".join(f"{count:,} {label}" for label, count in sorted(Counter(self.labels).items()))
        return f"{self.name}, {self.split}: {len(self.texts):,} texts ({counts})"

    def label_ids(self, names: Sequence[str]) -> np.ndarray:
        """The labels as int32 class ids `(texts,)`.

        Raises:
            UserError: a label is not among `names`.
        """
        ids = {name: index for index, name in enumerate(names)}
        if unknown := set(self.labels) - set(ids):
            text = self.texts[self.labels.index(min(unknown))]
            raise UserError(
                f"{self.name}, {self.split}: unknown label {min(unknown)!r} of the text {text[:40]!r}; "
                f"the labels are {', '.join(names)}"
            )
        return np.array([ids[label] for label in self.labels], np.int32)


@dataclass(frozen=True)
class TrainingData:
    """What a training learns from, what chooses its best epoch, and the names of the classes in their order."""

    train: list[Corpus]
    held_out: list[Corpus]
    labels: list[str]

    @classmethod
    def load(cls, settings: SentimentSettings) -> "TrainingData":
        """Reads the train and the validation split of every `--data`.

        Raises:
            UserError: something is missing or wrong, or there is but one label.
        """
        train, held_out = load_parts(settings.data, lambda source, split: load_corpus(source, split, settings))
        labels = sorted({label for corpus in train for label in corpus.labels})
        if len(labels) < 2:
            raise UserError(f"--data {settings.data[0]}: all labels are {labels[0]!r}; two or more are needed")
        return cls(train, held_out, labels)

    def train_texts(self) -> list[str]:
        return [text for corpus in self.train for text in corpus.texts]

    def train_ids(self) -> np.ndarray:
        """Class ids `(texts,)` of all `train_texts`."""
        return np.concatenate([corpus.label_ids(self.labels) for corpus in self.train])


def load_corpus(source: Source, split: str, settings: DataSettings) -> Corpus:
    """Reads one split of one source, every row checked.

    A single file has no splits: it is train and validation, parted by the hash of each text, and it is the whole of
    any other split asked for.

    Raises:
        UserError: what is missing or wrong, with file, row and column.
    """
    readers = {"sample": _read_sample, "tfds": _read_tfds, "path": _read_path}
    rows = list(readers[source.kind](source.name, split, settings))
    if not rows:
        raise UserError(f"--data {source}: no rows in split {split}")
    texts, labels = zip(*rows, strict=True)
    labels = [_SAME_LABEL.get(label, label) for label in labels]
    return Corpus(source.label, split, list(texts), labels, source.weight)


def check_text(text: str, where: str) -> str:
    """The text, normalised.

    Raises:
        UserError: it is empty, longer than any review, or not made of characters.
    """
    if len(text) > MOST_CHARACTERS:
        raise UserError(
            f"{where}: the text has {len(text):,} characters, at most {MOST_CHARACTERS:,} are read; split it"
        )
    check_characters(text, where)
    text = normalise(text)
    if not text:
        raise UserError(f"{where}: the text is empty")
    return text


def encode(tokeniser: Tokeniser, texts: Sequence[str], most_pieces: int) -> list[np.ndarray]:
    """Normalised texts as int32 token ids `(time,)`, shortened."""
    return [shorten(row, most_pieces) for row in tokeniser.encode(texts)]


def shorten(row: np.ndarray, most_pieces: int) -> np.ndarray:
    """A quarter of `most_pieces` from the start of a row and the rest from its end, where verdicts stand."""
    head = most_pieces // 4
    return row if len(row) <= most_pieces else np.r_[row[:head], row[head - most_pieces :]]


@dataclass(frozen=True)
class Examples:
    """Encoded training texts, a list of token ids and an array of class ids `(texts,)` for each corpus."""

    rows: list[list[np.ndarray]]
    label_ids: list[np.ndarray]
    weights: list[float]

    @classmethod
    def encode(cls, data: TrainingData, tokeniser: Tokeniser, most_pieces: int) -> "Examples":
        return cls(
            [encode(tokeniser, corpus.texts, most_pieces) for corpus in data.train],
            [corpus.label_ids(data.labels) for corpus in data.train],
            [corpus.weight for corpus in data.train],
        )


class EpochBatches:
    """The batches of one epoch: token ids `(batch, time)` with class ids `(batch,)`, of like length, from all corpora.

    Each corpus gives `weight` times its size, in turn from a fixed shuffle, so that over the epochs all its texts are
    seen equally often.
    """

    def __init__(self, examples: Examples, settings: SentimentSettings, epoch: int):
        seed = settings.seed
        turns = [
            turn(len(ids), weight, seed, epoch)
            for ids, weight in zip(examples.label_ids, examples.weights, strict=True)
        ]
        self._rows = [rows[index] for rows, turn in zip(examples.rows, turns, strict=True) for index in turn]
        self._label_ids = np.concatenate([ids[turn] for ids, turn in zip(examples.label_ids, turns, strict=True)])
        lengths, rng = [len(row) for row in self._rows], np.random.default_rng((seed, epoch))
        self._batches = token_batches(lengths, settings.batch_tokens, rng, settings.batch_rows)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        batch = self._batches[index]
        return pad([self._rows[row] for row in batch]), self._label_ids[batch]


def _read_sample(name: str, split: str, settings: DataSettings) -> Iterator[tuple[str, str]]:
    if name == "everyday":
        yield from _read_everyday(split)
        return
    if name != "sample":
        raise UserError(f"--data sample:{name}: there is no such sample; there are sample and sample:everyday")
    if split not in _SAMPLE_SPLITS:
        raise UserError(f"--split {split}: the sample has {', '.join(_SAMPLE_SPLITS)}")
    # Cut from one list, whose texts are all different.
    yield from generate_sample(_SAMPLE_SPLITS["test"].stop, seed=1)[_SAMPLE_SPLITS[split]]


def _read_everyday(split: str) -> Iterator[tuple[str, str]]:
    """Sentences written for the project about all that is no film; two writers, so that validation is no echo."""
    files = {split: _SAMPLES / f"everyday_{split}.tsv" for split in ("train", "validation")}
    if split not in files:
        raise UserError(f"--split {split}: sample:everyday has {', '.join(files)}")
    for _, row in read_table(files[split], ("text", "label")):
        yield row["text"], row["label"]


def _read_tfds(name: str, split: str, settings: DataSettings) -> Iterator[tuple[str, str]]:
    import tensorflow_datasets as tfds

    where, builder = f"--data tfds:{name}", open_tfds(name)
    features = builder.info.features
    check_columns(where, list(features), (settings.text_column, settings.label_column))
    kinds = ((settings.text_column, tfds.features.Text), (settings.label_column, tfds.features.ClassLabel))
    for column, kind in kinds:
        if not isinstance(features[column], kind):
            raise UserError(f"{where}: the feature {column!r} is no {kind.__name__} but {features[column]}")
    real_split, held = find_split(where, split, prepare_tfds(builder, where))
    for number, row in enumerate(tfds.as_numpy(builder.as_dataset(split=real_split)), start=1):
        place, label_id = f"{where}, {real_split}, row {number}", int(row[settings.label_column])
        if label_id < 0:
            raise UserError(f"{place}: no label; the labels of some test splits are secret, ask for another split")
        text = check_text(row[settings.text_column].decode(), place)
        if held in (None, is_held_out(text, settings.held_out)):
            yield text, features[settings.label_column].int2str(label_id)


def _read_path(name: str, split: str, settings: DataSettings) -> Iterator[tuple[str, str]]:
    path, where = Path(name), f"--data {name}"
    # Unlike `Path.exists`, these take a name that is too long, or a closed folder above, for nothing there.
    if os.path.isdir(path):
        files = {split: find_file(path, split, ENDINGS) for names in SPLITS.values() for split in names}
        if split not in files:
            files[split] = find_file(path, split, ENDINGS)
        real_split, held = find_split(where, split, [split for split, file in files.items() if file])
        path = files[real_split]
    elif os.path.exists(path):
        held = {"train": False, "validation": True}.get(split)
    else:
        raise UserError(f"{where}: there is no such file or folder")
    for where, row in read_table(path, (settings.text_column, settings.label_column)):
        text, label = check_text(row[settings.text_column], where), row[settings.label_column].strip()
        if not label:
            raise UserError(f"{where}: the label is empty")
        if held in (None, is_held_out(text, settings.held_out)):
            yield text, label
