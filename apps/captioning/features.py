"""What the encoder gives of all pictures of a data set: computed once, kept in a file, anew only where they change.

A cache is two files: `NAME.npy`, the features, memory-mapped when read; and `NAME.json`, the encoder, the checksum of
its weights and of the pixels of each picture. A picture that changed, came or went is noticed, and only what is new
is computed.
"""

import itertools
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from apps.captioning.data import CaptionedPictures
from apps.captioning.encoders import Encoder, Pixels
from apps.captioning.pictures import as_pixels
from common.files import write_atomically
from common.sources import checksum

SCHEMA = 1
_BATCH = 32


@dataclass(frozen=True)
class View:
    """How pictures are seen: whole, as mirror images, or in parts cut out by chance.

    Attributes:
        mirrored: left and right changed; half of the parts.
        number: of the part, which tells it from others of the same picture; 0 for the whole.
        cut: share of each side that is cut off at most.
    """

    mirrored: bool = False
    number: int = 0
    cut: float = 0.0

    @property
    def names(self) -> list[str]:
        """What its cache is called by beside pictures and encoder."""
        return [*(["mirrored"] if self.mirrored else []), *([f"part-{self.cut}-{self.number}"] if self.number else [])]

    def pixels(self, picture: Image.Image, index: int, size: int) -> np.ndarray:
        """The picture at an index, uint8 `(size, size, 3)`."""
        part, is_turned = None, self.mirrored
        if self.number:
            rng, sides = np.random.default_rng((self.number, index)), np.array(picture.size)
            shown = sides * rng.uniform(1 - self.cut, 1, size=2)
            corner = rng.uniform(0, sides - shown)
            part, is_turned = (*corner, *np.minimum(corner + shown, sides)), self.mirrored and rng.random() < 0.5
        pixels = as_pixels(picture, size, part)
        return np.ascontiguousarray(pixels[:, ::-1]) if is_turned else pixels


WHOLE = View()


def cache_folder(given: Path | None) -> Path:
    """The folder named, else `rnn-apps/captioning` in the user's cache folder ($XDG_CACHE_HOME or ~/.cache)."""
    if given is not None:
        return given
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rnn-apps" / "captioning"


def load_features(
    pictures: CaptionedPictures, encoder: Encoder, folder: Path, view: View = WHOLE, count: int | None = None
) -> np.ndarray:
    """What the encoder gives of each picture, from the cache where it is there.

    Pixels themselves, for a network that has its own encoder, are read anew and kept nowhere.

    Args:
        pictures: to look at.
        encoder: what looks.
        folder: of the cache.
        view: how each picture is seen.
        count: take the first so many pictures only; all by default.

    Returns:
        `(pictures, *encoder.shape)` of the encoder's dtype, memory-mapped if it comes from the cache.

    Raises:
        UserError: a picture cannot be read, or the cache cannot be written.
    """
    store = _Store(pictures, encoder, folder, view, len(pictures) if count is None else min(count, len(pictures)))
    return store.read_pixels() if isinstance(encoder, Pixels) else store.load()


class _Store:
    """The features of one set of pictures, on the disk or on their way there."""

    def __init__(self, pictures: CaptionedPictures, encoder: Encoder, folder: Path, view: View, count: int):
        self.pictures, self.encoder, self.view, self.count = pictures, encoder, view, count
        parts = [pictures.name, pictures.split, encoder.name, *view.names]
        name = re.sub(r"[^\w.+]+", "-", "_".join(parts))
        self.array, self.record = folder / f"{name}.npy", folder / f"{name}.json"

    def read_pixels(self) -> np.ndarray:
        pixels = np.empty((self.count, *self.encoder.shape), np.uint8)
        for index in self._progress("reading"):
            pixels[index] = self._pixels(index)
        return pixels

    def load(self) -> np.ndarray:
        known, features = self._known()
        if known:
            sums = [checksum(self._pixels(index).tobytes()) for index in self._progress("checking")]
            if sums == known[: self.count]:
                return features[: self.count]
        self._compute({digest: row for row, digest in enumerate(known)}, features)
        return np.load(self.array, mmap_mode="r")

    def _known(self) -> tuple[list[str], np.ndarray | None]:
        """The checksums of the pictures in the cache, and their features; none if missing or of another encoder."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            features = np.load(self.array, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return [], None
        if not isinstance(record, dict) or self._head() != {name: record.get(name) for name in self._head()}:
            return [], None
        known = record.get("pictures", [])
        fits = features.shape == (len(known), *self.encoder.shape) and features.dtype == self.encoder.dtype
        return (known, features) if fits else ([], None)

    def _head(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "encoder": self.encoder.name, "weights": self.encoder.weights}

    def _compute(self, known: dict[str, int], features: np.ndarray | None) -> None:
        sums: list[str] = []
        header = {"descr": np.dtype(self.encoder.dtype).str, "fortran_order": False}
        header["shape"] = (self.count, *self.encoder.shape)

        def write(file) -> None:
            np.lib.format.write_array_header_1_0(file, header)
            for batch, rows in self._rows(known, features):
                sums.extend(batch)
                file.write(rows.tobytes())

        # A record never stands beside features that it does not describe.
        self.record.unlink(missing_ok=True)
        write_atomically(self.array, write)
        text = json.dumps({**self._head(), "pictures": sums})
        write_atomically(self.record, lambda file: file.write(text.encode()))

    def _rows(self, known: dict[str, int], features: np.ndarray | None) -> Iterator[tuple[list[str], np.ndarray]]:
        """Checksums and features of all pictures in order, some at a time; from the old cache where they are known."""
        progress = self._progress("features")
        while indices := list(itertools.islice(progress, _BATCH)):
            pixels = np.stack([self._pixels(index) for index in indices])
            sums = [checksum(picture.tobytes()) for picture in pixels]
            rows = np.empty((len(indices), *self.encoder.shape), self.encoder.dtype)
            is_new = np.array([digest not in known for digest in sums])
            if is_new.any():
                rows[is_new] = self.encoder(pixels[is_new])
            for place in np.flatnonzero(~is_new):
                rows[place] = features[known[sums[place]]]
            yield sums, rows

    def _pixels(self, index: int) -> np.ndarray:
        return self.view.pixels(self.pictures.read(index), index, self.encoder.size)

    def _progress(self, what: str) -> Iterator[int]:
        title = f"{what}, {' '.join([self.pictures.name, self.pictures.split, *self.view.names])}"
        return iter(tqdm(range(self.count), desc=title, unit="picture", leave=False))
