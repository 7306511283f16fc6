"""Where data comes from: the grammar of `--data`, and files that are plain, gzip or xz."""

import gzip
import hashlib
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError

_OPENERS = {".gz": gzip.open, ".xz": lzma.open}


@dataclass(frozen=True)
class Source:
    """One `--data`: `sample`, `tfds:NAME[/CONFIG]` or a path, and `@WEIGHT` behind it if not 1."""

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
        if not at or Path(text).exists():
            name, weight = text, "1"
        try:
            value = float(weight)
        except ValueError:
            raise UserError(f"--data {text}: the weight after @ must be a number. Received: {weight!r}") from None
        if value <= 0 or not name:
            raise UserError(f"--data {text}: a source and, after @, a positive weight are needed")
        if name == "sample":
            return cls("sample", name, value)
        if name.startswith("tfds:"):
            return cls("tfds", name.removeprefix("tfds:"), value)
        return cls("path", name, value)

    @property
    def label(self) -> str:
        """A short name for figures: the last part of a path."""
        return Path(self.name).name.split(".")[0] if self.kind == "path" else str(self)

    def __str__(self) -> str:
        return f"tfds:{self.name}" if self.kind == "tfds" else self.name


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, plain, .gz or .xz, without their line ends.

    Raises:
        UserError: the file is missing, unreadable, truncated or not UTF-8; the line is named.
    """
    number = 0
    try:
        with _OPENERS.get(path.suffix, open)(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}, line {number}: not UTF-8 ({error.reason}); save the file as UTF-8") from error
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise UserError(f"{path}, after line {number}: damaged or truncated archive: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def find_file(folder: Path, stem: str, endings: tuple[str, ...]) -> Path | None:
    """`folder/stem` with one of the endings, plain, .gz or .xz; the first there is."""
    candidates = (folder / f"{stem}{ending}{archive}" for ending in endings for archive in ("", ".gz", ".xz"))
    return next((path for path in candidates if path.is_file()), None)


def checksum(content: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def is_held_out(text: str, share: float) -> bool:
    """Whether an example belongs to the part held out for choosing a model.

    The text itself decides, by its hash: the answer depends on no order and no seed, and equal texts never stand on
    both sides.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < share
