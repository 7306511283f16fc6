"""Pictures with captions from folders, Karpathy's JSON files, TensorFlow Datasets and the sample."""

import json
import math
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from apps.captioning.config import CaptioningSettings, DataSettings
from apps.captioning.pictures import read_picture
from apps.captioning.sample import captions as sample_captions
from apps.captioning.sample import draw, split_scenes
from common.errors import UserError
from common.sources import Source, find_file, find_split, is_held_out, load_parts, open_tfds, prepare_tfds, read_lines
from common.tables import check_columns, read_table
from common.text import check_characters

MOST_WORDS = 1000
_COLUMNS = ("split", "image", "caption")
_TABLES = (".tsv", ".csv")
# The part of COCO's validation split that Karpathy & Fei-Fei (2015) train on.
_ALSO_TRAIN = "restval"


@dataclass(frozen=True)
class CaptionedPictures:
    """Pictures of one split of one source, each with its captions.

    Attributes:
        name: the source, as a figure's label.
        split: which part of it.
        names: of the pictures, all different.
        captions: of each picture, at least one.
        read: gives the picture at an index, RGB; a UserError if it is damaged. Quickest in ascending order.
        weight: share of the source in an epoch.
    """

    name: str
    split: str
    names: list[str]
    captions: list[list[str]]
    read: Callable[[int], Image.Image]
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.names)

    def summary(self) -> str:
        count = sum(map(len, self.captions))
        return f"{self.name}, {self.split}: {len(self):,} pictures, {count:,} captions"


@dataclass(frozen=True)
class TrainingData:
    """What a training learns from, and what chooses its best epoch."""

    train: list[CaptionedPictures]
    held_out: list[CaptionedPictures]

    @classmethod
    def load(cls, settings: CaptioningSettings) -> "TrainingData":
        """Finds the train and the validation split of every `--data`; the pictures are read later.

        Raises:
            UserError: something is missing or wrong.
        """
        train, held_out = load_parts(settings.data, lambda source, split: load_pictures(source, split, settings))
        return cls(train, held_out)


@dataclass
class _Entry:
    """A picture as a caption file has it: where it is named first, its split, and its captions as they stand."""

    where: str
    split: str
    captions: list[str]


def load_pictures(source: Source, split: str, settings: DataSettings) -> CaptionedPictures:
    """Reads the captions of one split of one source, and sees that each has its picture.

    A path is a folder with `captions.tsv` or `captions.csv`, plain, .gz or .xz, whose columns are split, image and
    caption; or with a `dataset_NAME.json` in the form of Karpathy & Fei-Fei (2015); or it is such a file itself. The
    pictures are beside it in a folder `images`, or in `images.tar`, or in the folder itself.

    Where there is no validation split, the names of the pictures part train by their hash.

    Raises:
        UserError: what is missing or wrong, with file and row.
    """
    readers = {"sample": _read_sample, "tfds": _read_tfds, "path": _read_path}
    pictures = readers[source.kind](source, split, settings)
    if not pictures.names:
        raise UserError(f"--data {source}: no pictures in split {split}")
    return replace(pictures, weight=source.weight)


def check_caption(caption: Any, where: str) -> str:
    """The caption without space around it.

    Raises:
        UserError: it is no text, empty, longer than any caption, or not made of characters.
    """
    if not isinstance(caption, str):
        raise UserError(f"{where}: the caption is no text. Received: {caption!r:.40}")
    check_characters(caption, where)
    words = len(caption.split())
    if not words:
        raise UserError(f"{where}: the caption is empty")
    if words > MOST_WORDS:
        raise UserError(f"{where}: {words:,} words, at most {MOST_WORDS:,} are one caption; split it")
    return caption.strip()


def _read_sample(source: Source, split: str, settings: DataSettings) -> CaptionedPictures:
    scenes = split_scenes(split, source.name)
    names = [f"{split}-{number:04}" for number in range(len(scenes))]
    captions = list(map(sample_captions, scenes))
    return CaptionedPictures(source.label, split, names, captions, lambda index: draw(scenes[index]))


def _read_path(source: Source, split: str, settings: DataSettings) -> CaptionedPictures:
    path, where = Path(source.name), f"--data {source}"
    # Unlike `Path.exists`, these take a name that is too long, or a closed folder above, for nothing there.
    if os.path.isdir(path):
        path = _find_captions(path)
    elif not os.path.exists(path):
        raise UserError(f"{where}: there is no such file or folder")
    entries = _read_json(path) if ".json" in path.suffixes else _read_table(path)
    real, held = find_split(where, split, list(dict.fromkeys(entry.split for entry in entries.values())))
    chosen = [
        name
        for name, entry in entries.items()
        if entry.split == real and held in (None, is_held_out(name, settings.held_out))
    ]
    pictures = _find_pictures(path.parent)
    for name in chosen:
        if not pictures.has(name):
            raise UserError(f"{entries[name].where}: there is no picture {name!r} in {pictures}")
    captions = [entries[name].captions for name in chosen]
    return CaptionedPictures(source.label, split, chosen, captions, lambda index: pictures.read(chosen[index]))


def _find_captions(folder: Path) -> Path:
    found = [path] if (path := find_file(folder, "captions", _TABLES)) else sorted(folder.glob("dataset*.json*"))
    if not found:
        raise UserError(f"--data {folder}: neither captions.tsv nor captions.csv nor dataset_NAME.json in this folder")
    if len(found) > 1:
        raise UserError(f"--data {folder}: which of {', '.join(path.name for path in found)}? Name the file")
    return found[0]


def _read_table(path: Path) -> dict[str, _Entry]:
    """The pictures by name, in the order of the table, whose rows need not be sorted."""
    entries: dict[str, _Entry] = {}
    for where, row in read_table(path, _COLUMNS):
        split, name = row["split"].strip(), row["image"].strip()
        for column, value in (("split", split), ("image", name)):
            if not value:
                raise UserError(f"{where}: the {column} is empty")
        entry = entries.setdefault(name, _Entry(where, split, []))
        if entry.split != split:
            raise UserError(f"{where}: {name!r} is in {split}, and in {entry.split} at {entry.where}")
        entry.captions.append(check_caption(row["caption"], where))
    if not entries:
        raise UserError(f"{path}: no captions below the header")
    return entries


def _read_json(path: Path) -> dict[str, _Entry]:
    """The pictures of a file such as dataset_flickr8k.json, by name."""
    try:
        images = json.loads("\n".join(read_lines(path)))["images"]
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not JSON: {error}") from error
    except (KeyError, TypeError) as error:
        raise UserError(f'{path}: no "images", a list of pictures with their sentences') from error
    if not isinstance(images, list) or not images:
        raise UserError(f'{path}: "images" must be a list of pictures with their sentences')
    entries: dict[str, _Entry] = {}
    for number, image in enumerate(images, start=1):
        where = f"{path}, image {number}"
        name, split, captions = _read_json_image(image, where)
        if name in entries:
            raise UserError(f"{where}: {name!r} is there already, at {entries[name].where}")
        entries[name] = _Entry(where, split, captions)
    return entries


def _read_json_image(image: Any, where: str) -> tuple[str, str, list[str]]:
    if not isinstance(image, dict):
        raise UserError(f"{where}: an object with filename, split and sentences is needed")
    check_columns(where, list(image), ("filename", "split", "sentences"))
    name, split, sentences = image["filename"], image["split"], image["sentences"]
    if not isinstance(name, str) or not isinstance(split, str) or not isinstance(sentences, list):
        raise UserError(f"{where}: filename and split must be texts, and sentences a list")
    if not sentences:
        raise UserError(f"{where}: {name!r} has no sentences")
    # COCO's pictures are in a folder for each of its own splits.
    folder = image.get("filepath")
    name = f"{folder}/{name}" if isinstance(folder, str) and folder else name
    raw = [sentence.get("raw") if isinstance(sentence, dict) else None for sentence in sentences]
    captions = [check_caption(text, f"{where}, sentence {count}") for count, text in enumerate(raw, start=1)]
    return name, "train" if split == _ALSO_TRAIN else split, captions


class _Folder:
    """Pictures as files below a folder."""

    def __init__(self, folder: Path):
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def has(self, name: str) -> bool:
        # A caption file must not lead out of its folder.
        return ".." not in Path(name).parts and not Path(name).is_absolute() and os.path.isfile(self._folder / name)

    def read(self, name: str) -> Image.Image:
        return read_picture(self._folder / name)


class _Archive:
    """Pictures as members of a tar file, read from where they lie in it: nothing is unpacked to the disk."""

    def __init__(self, path: Path):
        self._path = path
        self._members = _index_tar(path, path.stat().st_mtime_ns)

    def __str__(self) -> str:
        return str(self._path)

    def has(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str) -> Image.Image:
        start, size = self._members[name]
        with self._path.open("rb") as file:
            file.seek(start)
            return read_picture(file.read(size), f"{self._path}, {name}")


def _find_pictures(folder: Path) -> _Folder | _Archive:
    images, archive = folder / "images", folder / "images.tar"
    if images.is_dir():
        return _Folder(images)
    return _Archive(archive) if archive.is_file() else _Folder(folder)


# The splits of one source are in the same archive.
@lru_cache(maxsize=2)
def _index_tar(path: Path, changed: int) -> dict[str, tuple[int, int]]:
    """Where each file lies in an archive, as (start, size) in bytes, by its name without a leading `images/`."""
    try:
        with tarfile.open(path, "r:") as archive:
            members = {
                member.name.removeprefix("./").removeprefix("images/"): (member.offset_data, member.size)
                for member in archive
                if member.isreg() and not member.issparse()
            }
    except (tarfile.TarError, OSError) as error:
        raise UserError(f"{path}: not a plain tar file, or damaged: {error}") from error
    if members and max(start + size for start, size in members.values()) > path.stat().st_size:
        raise UserError(f"{path}: truncated; the last pictures are cut off")
    return members


def _read_tfds(source: Source, split: str, settings: DataSettings) -> CaptionedPictures:
    where, builder = f"--data {source}", open_tfds(source.name)
    check_columns(where, list(builder.info.features), ("image", "captions"))
    available = prepare_tfds(builder, where)
    real, held = find_split(where, split, available)
    if real == "train" and _ALSO_TRAIN in available:
        real = f"train+{_ALSO_TRAIN}"
    rows, names, captions = [], [], []
    for row, example in enumerate(_tfds_rows(builder, real)):
        place = f"{where}, {real}, row {row + 1}"
        name = example["image/filename"].decode() if "image/filename" in example else f"{real}-{row:06}"
        if held not in (None, is_held_out(name, settings.held_out)):
            continue
        texts = [text.decode(errors="surrogateescape") for text in _tfds_texts(example["captions"])]
        if not texts:
            raise UserError(f"{place}: {name!r} has no captions; those of some test splits are secret")
        rows.append(row)
        names.append(name)
        captions.append([check_caption(text, place) for text in texts])
    reader = _TfdsReader(lambda: _tfds_rows(builder, real), rows, f"{where}, {real}")
    return CaptionedPictures(source.label, split, names, captions, reader.read)


def _tfds_texts(captions: Any) -> list[bytes]:
    """COCO's captions are numbered texts, those of other sets texts alone."""
    return list(captions["text"] if isinstance(captions, dict) else captions)


def _tfds_rows(builder: Any, split: str) -> Iterator[dict[str, Any]]:
    """The examples in their order, the picture as the bytes of its file."""
    import tensorflow_datasets as tfds

    wanted = {"image": True, "captions": True}
    if "image/filename" in builder.info.features:
        wanted["image/filename"] = True
    decoders = tfds.decode.PartialDecoding(wanted, {"image": tfds.decode.SkipDecoding()})
    # What is not read to its end must not be kept for the next time.
    config = tfds.ReadConfig(try_autocache=False)
    dataset = builder.as_dataset(split=split, decoders=decoders, shuffle_files=False, read_config=config)
    return iter(tfds.as_numpy(dataset))


class _TfdsReader:
    """Pictures of a set that can only be gone through in order: a step back begins anew."""

    def __init__(self, start: Callable[[], Iterator[dict[str, Any]]], rows: list[int], where: str):
        self._start, self._rows, self._where = start, rows, where
        self._examples: Iterator[dict[str, Any]] = iter(())
        self._next = math.inf

    def read(self, index: int) -> Image.Image:
        row = self._rows[index]
        if row < self._next:
            self._examples, self._next = self._start(), 0
        while self._next <= row:
            example = next(self._examples)
            self._next += 1
        return read_picture(example["image"], f"{self._where}, row {row + 1}")
