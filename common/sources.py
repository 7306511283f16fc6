"""Where data comes from: the grammar of `--data`, and files that are plain, gzip or xz."""

import gzip
import hashlib
import lzma
import math
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from common.errors import UserError, WorkFailed

# The names that a split goes by, ours first.
SPLITS = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
_OPENERS = {".gz": gzip.open, ".xz": lzma.open}


@dataclass(frozen=True)
class Source:
    """One `--data`: `sample[:NAME]`, `tfds:NAME[/CONFIG]` or a path, and `@WEIGHT` behind it if not 1."""

    kind: str
    name: str
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "Source":
        """Reads one `--data`.

        Raises:
            UserError: the weight is not a positive number, or nothing stands before it.
        """
        name, at, weight = text.rpartition("@")
        if not at or os.path.exists(text):
            name, weight = text, "1"
        try:
            value = float(weight)
        except ValueError:
            raise UserError(f"--data {text}: the weight after @ must be a number. Received: {weight!r}") from None
        if not 0 < value < math.inf or name in ("", "sample:", "tfds:"):
            raise UserError(f"--data {text}: a source and, after @, a positive weight are needed")
        for kind in ("sample", "tfds"):
            if name.startswith(f"{kind}:"):
                return cls(kind, name.removeprefix(f"{kind}:"), value)
        return cls("sample" if name == "sample" else "path", name, value)

    @property
    def label(self) -> str:
        """A short name for figures: the last part of a path."""
        return Path(self.name).name.split(".")[0] if self.kind == "path" else str(self)

    def __str__(self) -> str:
        is_plain = self.kind == "path" or self.kind == self.name == "sample"
        return self.name if is_plain else f"{self.kind}:{self.name}"


class Part(Protocol):
    """What a split of a source holds: a dataclass with the name of the source, as a figure's label."""

    @property
    def name(self) -> str: ...


AnyPart = TypeVar("AnyPart", bound=Part)


def load_parts(texts: Sequence[str], load: Callable[[Source, str], AnyPart]) -> tuple[list[AnyPart], list[AnyPart]]:
    """The train and the validation split of every `--data`; where two have the same name, as they were written.

    Args:
        texts: each `--data`.
        load: reads a split of a source.
    """
    sources = [Source.parse(text) for text in texts]
    train, held_out = ([load(source, split) for source in sources] for split in ("train", "validation"))
    # Two folders may share their last name, and figures go by names.
    if len({part.name for part in train}) < len(sources):
        train, held_out = (
            [replace(part, name=str(source)) for part, source in zip(parts, sources, strict=True)]
            for parts in (train, held_out)
        )
    return train, held_out


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, plain, .gz or .xz, without their line ends.

    Raises:
        UserError: the file is missing, unreadable, truncated or not UTF-8; the line is named.
    """
    number = 0
    try:
        with _OPENERS.get(path.suffix, open)(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                yield decode_line(line, number, str(path))
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path}, after line {number}: damaged or truncated archive: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def decode_line(line: bytes, number: int, where: str) -> str:
    """A line of a UTF-8 file without its line end, and without a byte-order mark if it is line 1.

    Raises:
        UserError: it is not UTF-8; file and line are named.
    """
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}, line {number}: not UTF-8 ({error.reason}); save it as UTF-8") from error


def find_file(folder: Path, stem: str, endings: tuple[str, ...]) -> Path | None:
    """`folder/stem` with one of the endings, plain, .gz or .xz; the first there is."""
    candidates = (folder / f"{stem}{ending}{archive}" for ending in endings for archive in ("", ".gz", ".xz"))
    return next((path for path in candidates if path.is_file()), None)


def find_split(where: str, split: str, available: list[str]) -> tuple[str, bool | None]:
    """The split to read, and whether to take its held-out part (True), the rest (False) or all of it (None).

    Raises:
        UserError: a source that has the splits `available` has no such split, nor one to take it from.
    """
    if real := next((name for name in SPLITS.get(split, (split,)) if name in available), None):
        parted = split == "train" and not set(SPLITS["validation"]) & set(available)
        return real, False if parted else None
    if split == "validation" and "train" in available:
        return "train", True
    raise UserError(f"{where}: no split {split!r}; found: {', '.join(available) or 'none'}")


def open_tfds(name: str) -> Any:
    """The builder of a set of TensorFlow Datasets, nothing downloaded yet.

    Raises:
        UserError: there is no such set.
    """
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name)
    # DatasetNotFoundError is a ValueError; a version that is not there is an AssertionError.
    except (ValueError, AssertionError) as error:
        raise UserError(f"--data tfds:{name}: TensorFlow Datasets has no such set") from error


def prepare_tfds(builder: Any, where: str) -> list[str]:
    """Downloads a set of TensorFlow Datasets unless it is on the disk; the names of its splits.

    Raises:
        WorkFailed: it cannot be downloaded.
    """
    import tensorflow_datasets as tfds

    try:
        builder.download_and_prepare()
    except (OSError, tfds.core.download.DownloadError) as error:
        raise WorkFailed(f"{where}: cannot be downloaded: {error}") from error
    # A set mocked for a test knows no splits, and gives any that is asked for.
    return list(builder.info.splits) or ["train", "test"]


def checksum(content: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def identify(source: Source) -> str:
    """What tells whether a source is the one trained on: the checksum of a file, else the name."""
    if source.kind == "path" and os.path.isfile(source.name) and os.access(source.name, os.R_OK):
        return checksum(Path(source.name).read_bytes())
    return str(source)


def is_held_out(text: str, share: float) -> bool:
    """Whether an example belongs to the part held out for choosing a model.

    The text itself decides, by its hash: the answer depends on no order and no seed, and equal texts never stand on
    both sides.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < share
