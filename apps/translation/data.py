"""Parallel sentences from files, folders, TensorFlow Datasets and the sample; token ids; batches."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apps.translation.config import DataSettings, TranslationSettings
from apps.translation.sample import LANGUAGES, generate_sample
from common.batching import pad, token_batches, turn
from common.errors import UserError
from common.sources import SPLITS, Source, find_file, find_split, is_held_out, open_tfds, prepare_tfds, read_lines
from common.tables import check_columns, read_table
from common.text import Tokeniser, check_characters

MOST_WORDS = 1000
_TABLES = (".tsv", ".csv", ".jsonl")
_SAMPLE_SPLITS = {"train": slice(0, 6000), "validation": slice(6000, 6500), "test": slice(6500, 7000)}


@dataclass(frozen=True)
class Corpus:
    """Parallel sentences of one split of one source, into one language.

    Attributes:
        name: the source with its languages, as a figure's label.
        split: which part of it.
        target: language of the translations.
        sources: sentences.
        references: their translations.
        weight: share of the source in an epoch.
    """

    name: str
    split: str
    target: str
    sources: list[str]
    references: list[str]
    weight: float = 1.0

    def summary(self) -> str:
        words = sum(len(text.split()) for text in self.references)
        return f"{self.name}, {self.split}: {len(self.sources):,} pairs, {words:,} words"


def load_corpora(source: Source, split: str, settings: DataSettings) -> list[Corpus]:
    """Reads one split of one source, a corpus for each target language that it has.

    A single file has no splits: it is train and validation, parted by the hash of the source sentence, and it is the
    whole of any other split asked for.

    Raises:
        UserError: what is missing or wrong, with file and line.
    """
    if not settings.targets:
        raise UserError("--target: at least one language is needed, such as --target de,fr")
    readers = {"sample": _read_sample, "tfds": _read_tfds, "path": _read_path}
    corpora = []
    for target in settings.targets:
        pairs = list(readers[source.kind](source.name, split, target, settings))
        if pairs:
            sources, references = map(list, zip(*pairs, strict=True))
            name = f"{source.label} {settings.source}-{target}"
            corpora.append(Corpus(name, split, target, sources, references, source.weight))
    if not corpora:
        raise UserError(f"--data {source}: nothing in {settings.source} and {settings.target} in split {split}")
    return corpora


@dataclass(frozen=True)
class TrainingData:
    """What a training learns from, what chooses its best epoch, and the target languages in their order."""

    train: list[Corpus]
    held_out: list[Corpus]
    languages: list[str]

    @classmethod
    def load(cls, settings: TranslationSettings) -> "TrainingData":
        """Reads the train and the validation split of every `--data`.

        Raises:
            UserError: something is missing or wrong, or a language is in none of the sources.
        """
        sources = [Source.parse(text) for text in settings.data]
        train, held_out = (
            [corpus for source in sources for corpus in load_corpora(source, split, settings)]
            for split in ("train", "validation")
        )
        found = {corpus.target for corpus in train}
        if missing := [target for target in settings.targets if target not in found]:
            raise UserError(f"--target {missing[0]}: no data has it; found: {', '.join(sorted(found))}")
        return cls(train, held_out, settings.targets)


def check_sentence(text: str, where: str) -> str:
    """The sentence with single spaces.

    Raises:
        UserError: it is empty, longer than any sentence, or not made of characters.
    """
    check_characters(text, where)
    words = text.split()
    if not words:
        raise UserError(f"{where}: the sentence is empty")
    if len(words) > MOST_WORDS:
        raise UserError(f"{where}: {len(words):,} words, at most {MOST_WORDS:,} are one sentence; split the text")
    return " ".join(words)


@dataclass(frozen=True)
class Examples:
    """Encoded pairs of one corpus.

    Attributes:
        source_ids: a row each, `(time,)`, that begins with the id of the target language and ends with END.
        target_ids: a row each, from START to END.
        weight: share of the corpus in an epoch.
    """

    source_ids: list[np.ndarray]
    target_ids: list[np.ndarray]
    weight: float

    @classmethod
    def encode(
        cls, corpus: Corpus, source: Tokeniser, target: Tokeniser, languages: Sequence[str], most_pieces: int
    ) -> "Examples":
        """The pairs of a corpus of which neither side is longer than `most_pieces`."""
        language_id = source.vocabulary_size + list(languages).index(corpus.target)
        pairs = zip(encode_sources(corpus.sources, source, language_id), target.encode(corpus.references), strict=True)
        kept = [pair for pair in pairs if max(map(len, pair)) <= most_pieces]
        if not kept:
            raise UserError(f"{corpus.name}: every pair is longer than --most-pieces {most_pieces}")
        return cls(*map(list, zip(*kept, strict=True)), corpus.weight)


def encode_sources(texts: Sequence[str], tokeniser: Tokeniser, language_id: int) -> list[np.ndarray]:
    """Sentences as int32 ids `(time,)`, the target language in the place of START."""
    rows = tokeniser.encode(texts)
    for row in rows:
        row[0] = language_id
    return rows


def as_batch(source_ids: Sequence[np.ndarray], target_ids: Sequence[np.ndarray]) -> tuple[dict, np.ndarray]:
    """Inputs and targets of the network: each target id is foretold from those before it."""
    targets = pad(target_ids)
    return {"source_ids": pad(source_ids), "target_ids": targets[:, :-1]}, targets[:, 1:]


class EpochBatches:
    """The batches of one epoch, of pairs of like length from all corpora; each gives `weight` times its size."""

    def __init__(self, examples: Sequence[Examples], batch_tokens: int, seed: int, epoch: int):
        turns = [turn(len(part.source_ids), part.weight, seed, epoch) for part in examples]
        self._source_ids = [part.source_ids[i] for part, chosen in zip(examples, turns, strict=True) for i in chosen]
        self._target_ids = [part.target_ids[i] for part, chosen in zip(examples, turns, strict=True) for i in chosen]
        lengths = [max(map(len, pair)) for pair in zip(self._source_ids, self._target_ids, strict=True)]
        self._batches = token_batches(lengths, batch_tokens, np.random.default_rng((seed, epoch)))

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[dict, np.ndarray]:
        batch = self._batches[index]
        return as_batch([self._source_ids[i] for i in batch], [self._target_ids[i] for i in batch])


def _read_sample(name: str, split: str, target: str, settings: DataSettings) -> Iterator[tuple[str, str]]:
    if name != "sample":
        raise UserError(f"--data sample:{name}: this app has one sample; write --data sample")
    if split not in _SAMPLE_SPLITS:
        raise UserError(f"--split {split}: the sample has {', '.join(_SAMPLE_SPLITS)}")
    for language in (settings.source, target):
        if language not in LANGUAGES:
            raise UserError(f"--data sample: it is in {', '.join(LANGUAGES)}. Received: {language}")
    # Cut from one list, whose sentences are all different.
    for sentence in generate_sample(_SAMPLE_SPLITS["test"].stop, seed=1)[_SAMPLE_SPLITS[split]]:
        yield sentence[settings.source], sentence[target]


def _read_tfds(name: str, split: str, target: str, settings: DataSettings) -> Iterator[tuple[str, str]]:
    import tensorflow_datasets as tfds

    where, builder = f"--data tfds:{name}", open_tfds(name)
    features = builder.info.features
    check_columns(where, list(features), (settings.source, target))
    real_split, held = find_split(where, split, prepare_tfds(builder, where))
    for number, row in enumerate(tfds.as_numpy(builder.as_dataset(split=real_split)), start=1):
        sides = (row[language].decode() for language in (settings.source, target))
        yield from _checked_pair(sides, f"{where}, {real_split}, row {number}", held, settings)


def _read_path(name: str, split: str, target: str, settings: DataSettings) -> Iterator[tuple[str, str]]:
    path, where = Path(name), f"--data {name}"
    if os.path.isdir(path):
        yield from _read_folder(path, split, target, settings)
        return
    if not os.path.exists(path):
        raise UserError(f"{where}: there is no such file or folder")
    held = {"train": False, "validation": True}.get(split)
    for where, row in read_table(path, (settings.source, target)):
        yield from _checked_pair((row[settings.source], row[target]), where, held, settings)


def _read_folder(folder: Path, split: str, target: str, settings: DataSettings) -> Iterator[tuple[str, str]]:
    """Files such as train.en.gz and train.de.gz, parallel by line; nothing if the folder has none in `target`."""
    names = {name for names in SPLITS.values() for name in names} | {split}
    source_ending, target_ending = f".{settings.source}", f".{target}"
    if not any(find_file(folder, name, (source_ending,)) for name in names):
        raise UserError(f"--data {folder}: no file in {settings.source!r}, such as train.{settings.source}.gz")
    found = {name: find_file(folder, name, (target_ending,)) for name in sorted(names)}
    if not any(found.values()):
        return
    real, held = find_split(f"--data {folder}", split, [name for name, file in found.items() if file])
    files = find_file(folder, real, (source_ending,)), found[real]
    if files[0] is None:
        raise UserError(f"--data {folder}: {files[1].name} stands without its {settings.source} side")
    sides = [list(read_lines(file)) for file in files]
    if len(sides[0]) != len(sides[1]):
        raise UserError(
            f"{files[0]} has {len(sides[0]):,} lines and {files[1]} {len(sides[1]):,}; they must be parallel by line. "
            f"{_find_shift(*sides)}"
        )
    for number, pair in enumerate(zip(*sides, strict=True), start=1):
        yield from _checked_pair(pair, f"{files[0]} and {files[1].name}, line {number}", held, settings)


def _checked_pair(sides, where: str, held: bool | None, settings: DataSettings) -> Iterator[tuple[str, str]]:
    """The pair, both sides checked; nothing if it stands in the other part of a split that is parted."""
    source, reference = (check_sentence(text, where) for text in sides)
    if held in (None, is_held_out(source, settings.held_out)):
        yield source, reference


def _find_shift(sources: Sequence[str], references: Sequence[str]) -> str:
    """Where the longer side most likely has lines that the other lacks: from there on, lengths fit only if shifted."""
    longer, shorter = sorted((sources, references), key=len, reverse=True)
    lengths, others = (np.log([len(line) + 1 for line in side]) for side in (longer, shorter))
    excess = len(longer) - len(shorter)
    as_they_stand, shifted = np.abs(lengths[: len(others)] - others), np.abs(lengths[excess:] - others)
    costs = np.r_[0, np.cumsum(as_they_stand)] + np.r_[np.cumsum(shifted[::-1])[::-1], 0]
    line = int(costs.argmin())
    beside = repr(shorter[line][:40]) if line < len(shorter) else "nothing"
    return f"They look shifted from line {line + 1} on: {longer[line][:40]!r} beside {beside}"
