"""Pictures from files, bytes and Pillow, as RGB; what is no picture, or too large, is refused before it is unpacked."""

import contextlib
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from common.errors import UserError

MOST_PIXELS = 100_000_000
SMALLEST = 16
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
# Pillow knows more, and hands some of them to other programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
# What Pillow raises where the bytes of a picture are wrong.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    NotImplementedError,
    MemoryError,
    struct.error,
    zlib.error,
)

Picture = str | Path | bytes | Image.Image


def read_picture(source: Picture, where: str = "") -> Image.Image:
    """Reads a picture as RGB: the first frame of an animation, turned as its EXIF says, transparent parts white.

    Args:
        source: a path, the bytes of a file, or a picture of Pillow's in any mode; 16 bits are scaled to 8.
        where: names the picture in an error; a path names itself.

    Raises:
        UserError: there is no such file, it is no picture, damaged or truncated, smaller than `SMALLEST` pixels a
            side, or larger than `MOST_PIXELS`, which is read from its header.
    """
    if isinstance(source, str | Path):
        where = where or str(source)
    where = where or "picture"
    if isinstance(source, Image.Image):
        _check_size(source, where)
        with _reading(where):
            return _as_rgb(source)
    with _open(source, where) as file:
        with _reading(where):
            picture = Image.open(file, formats=_FORMATS)
        _check_size(picture, where)
        with _reading(where):
            picture.load()
            return _as_rgb(picture)


def as_pixels(picture: Image.Image, size: int, part: tuple[float, float, float, float] | None = None) -> np.ndarray:
    """The picture squashed to a square, uint8 `(size, size, 3)`: nothing is cut off, and small things do not flicker.

    Bicubic, with the filter widened by the reduction (antialiased).

    Args:
        picture: in any mode.
        size: pixels a side.
        part: left, upper, right and lower edge of what is shown of it, in pixels; all by default.
    """
    return np.array(picture.convert("RGB").resize((size, size), Image.Resampling.BICUBIC, part, reducing_gap=3))


def list_pictures(paths: Sequence[str | Path]) -> list[Path]:
    """Files as they are given; in the place of a folder the pictures in it, known by their ending, sorted by name.

    Raises:
        UserError: a folder has no pictures, or cannot be read.
    """
    found = []
    for path in map(Path, paths):
        found += _in_folder(path) if os.path.isdir(path) else [path]
    return found


def _in_folder(folder: Path) -> list[Path]:
    try:
        pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
    except OSError as error:
        raise UserError(f"{folder}: {(error.strerror or str(error)).lower()}") from error
    if not pictures:
        raise UserError(f"{folder}: no pictures in this folder; looked for {', '.join(ENDINGS)}")
    return pictures


def _open(source: str | Path | bytes, where: str) -> IO[bytes]:
    if isinstance(source, bytes):
        return BytesIO(source)
    try:
        return open(source, "rb")
    except (OSError, ValueError) as error:
        # A name with a zero byte is a ValueError.
        raise UserError(f"{where}: {(getattr(error, 'strerror', None) or str(error)).lower()}") from error


@contextlib.contextmanager
def _reading(where: str) -> Iterator[None]:
    """Tells what goes wrong in Pillow as a UserError, in one line; its warnings are not the user's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise UserError(_too_large(where)) from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"{where}: not a picture, or damaged from the start; known are {', '.join(_FORMATS)}"
        ) from error
    except _DAMAGED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{where}: the picture is damaged or truncated: {reason}") from error


def _check_size(picture: Image.Image, where: str) -> None:
    if picture.width * picture.height > MOST_PIXELS:
        raise UserError(_too_large(where))
    if min(picture.size) < SMALLEST:
        width, height = picture.size
        raise UserError(f"{where}: {width} x {height} pixels; a picture needs at least {SMALLEST} a side")


def _too_large(where: str) -> str:
    return f"{where}: more than {MOST_PIXELS // 10**6} million pixels; scale the picture down"


def _as_rgb(picture: Image.Image) -> Image.Image:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        return _scale_to_bytes(picture).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    above = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")


def _scale_to_bytes(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits, or of floats from 0 to 1 or to 255, as grey of 8 bits."""
    values = np.asarray(picture, dtype=np.float32)
    if picture.mode == "F":
        values = np.nan_to_num(values)
        scale = 255 if values.max() <= 1 else 1
    else:
        scale = 255 / 65535
    return Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))
