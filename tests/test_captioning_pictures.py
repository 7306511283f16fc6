"""Pictures of every kind come out as RGB; what is none, or too large, is told in one line."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from apps.captioning.pictures import MOST_PIXELS, SMALLEST, as_pixels, list_pictures, read_picture
from common.errors import UserError

RED, BLUE = (200, 30, 40), (20, 40, 210)


def halves(left=RED, right=BLUE, mode="RGB", size=(40, 24)) -> Image.Image:
    """Two halves of one colour each."""
    picture = Image.new(mode, size, right)
    picture.paste(left, (0, 0, size[0] // 2, size[1]))
    return picture


def as_bytes(picture: Image.Image, form: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def colours(picture: Image.Image) -> np.ndarray:
    """In the middle of the left and of the right half."""
    assert picture.mode == "RGB"
    pixels = np.asarray(picture).astype(int)
    middle = pixels.shape[0] // 2
    return pixels[middle, [pixels.shape[1] // 4, 3 * pixels.shape[1] // 4]]


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
    ],
)
def test_every_format_is_read_from_bytes_and_from_a_file(form, options, tmp_path):
    content = as_bytes(halves(), form, **options)
    (tmp_path / "file").write_bytes(content)
    for source in (content, tmp_path / "file", str(tmp_path / "file")):
        np.testing.assert_allclose(colours(read_picture(source)), [RED, BLUE], atol=12)


@pytest.mark.parametrize("mode", ["P", "RGBA", "RGBX", "YCbCr", "HSV", "PA"])
def test_every_mode_of_pillow_is_taken(mode):
    picture = halves()
    if mode in ("P", "PA"):
        picture = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
    picture = picture.convert(mode)
    np.testing.assert_allclose(colours(read_picture(picture)), [RED, BLUE], atol=12)


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_stays_grey(mode):
    picture = halves((0, 0, 0), (255, 255, 255)).convert(mode)
    np.testing.assert_array_equal(colours(read_picture(as_bytes(picture, "PNG"))), [[0] * 3, [255] * 3])


def test_cmyk_of_a_printer_is_read():
    content = as_bytes(halves((0, 255, 255, 0), (255, 255, 0, 0), "CMYK"), "JPEG", quality=95)
    np.testing.assert_allclose(colours(read_picture(content)), [(255, 0, 0), (0, 0, 255)], atol=12)


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_sixteen_bits_are_scaled_to_eight(mode):
    values = np.repeat(np.where(np.arange(40) < 20, 0x4000, 0xFFFF)[None], 24, axis=0)
    picture = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.int32))
    assert picture.mode == mode
    np.testing.assert_array_equal(colours(read_picture(picture)), [[64] * 3, [255] * 3])
    np.testing.assert_array_equal(colours(read_picture(as_bytes(picture, "TIFF"))), [[64] * 3, [255] * 3])


def test_sixteen_bits_of_colour_are_scaled_to_eight():
    """Written here byte by byte, as Pillow writes none."""
    row = b"\0" + struct.pack(">3H", 0x8000, 0, 0xFFFF) * 20

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">2I5B", 20, 20, 16, 2, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(row * 20)) + chunk(b"IEND", b"")
    np.testing.assert_allclose(colours(read_picture(content)), [(128, 0, 255)] * 2, atol=1)


@pytest.mark.parametrize("scale", [1, 255])
def test_floats_are_scaled(scale):
    values = np.repeat(np.where(np.arange(40) < 20, 0.2, 1.0)[None], 24, axis=0) * scale
    picture = Image.fromarray(values.astype(np.float32))
    np.testing.assert_array_equal(colours(read_picture(picture)), [[51] * 3, [255] * 3])


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_what_is_transparent_is_white(form):
    content = as_bytes(
        halves((0, 0, 0, 0), (*BLUE, 255), "RGBA"), form, **({"lossless": True} if form == "WEBP" else {})
    )
    np.testing.assert_allclose(colours(read_picture(content)), [(255, 255, 255), BLUE], atol=3)


def test_a_transparent_colour_of_a_palette_is_white():
    picture = halves().convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
    content = as_bytes(picture, "PNG", transparency=picture.getpixel((0, 0)))
    np.testing.assert_allclose(colours(read_picture(content)), [(255, 255, 255), BLUE], atol=12)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_shows_its_first_frame(form):
    options = {"save_all": True, "append_images": [halves(BLUE, RED)], "duration": 50}
    content = as_bytes(halves(), form, **options, **({"lossless": True} if form == "WEBP" else {}))
    assert Image.open(io.BytesIO(content)).n_frames == 2
    np.testing.assert_allclose(colours(read_picture(content)), [RED, BLUE], atol=12)


@pytest.mark.parametrize(("orientation", "size"), [(3, (40, 24)), (6, (24, 40)), (8, (24, 40))])
def test_a_picture_is_turned_as_its_exif_says(orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    upright = Image.new("RGB", size, BLUE)
    upright.paste(RED, (0, 0, size[0], size[1] // 2))
    content = as_bytes(upright.transpose(turn), "JPEG", quality=95, exif=exif)
    found = np.asarray(read_picture(content)).astype(int)
    assert found.shape[:2] == size[::-1]
    np.testing.assert_allclose(found[[3, -4], size[0] // 2], [RED, BLUE], atol=12)


def test_the_picture_given_stays_as_it_is():
    picture = halves().convert("RGBA")
    read_picture(picture)
    assert picture.mode == "RGBA"


def header_only(width: int, height: int) -> bytes:
    """The start of a PNG of any size; no pixels follow."""
    data = b"IHDR" + struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + data + struct.pack(">I", zlib.crc32(data)) + b"\0\0\0\0IDAT"


@pytest.mark.parametrize("size", [(30_000, 30_000), (10_001, 10_000), (2**30, 2**30)])
def test_too_many_pixels_are_refused_by_the_header_alone_and_without_a_warning(size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError, match=r"^big\.png: more than 100 million pixels; scale the picture down$"):
            read_picture(header_only(*size), "big.png")


def test_the_most_pixels_are_read_without_a_warning():
    """Pillow warns from 90 million on."""
    content = as_bytes(Image.new("1", (MOST_PIXELS // 10_000, 10_000), 1), "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(content).size == (10_000, 10_000)


@pytest.mark.parametrize("size", [(1, 1), (SMALLEST - 1, 500), (500, SMALLEST - 1)])
def test_a_tiny_picture_is_refused(size):
    words = rf"^dot: {size[0]} x {size[1]} pixels; a picture needs at least 16 a side$"
    for source in (Image.new("RGB", size), as_bytes(Image.new("RGB", size), "PNG")):
        with pytest.raises(UserError, match=words):
            read_picture(source, "dot")
    assert read_picture(Image.new("RGB", (SMALLEST, SMALLEST))).size == (SMALLEST, SMALLEST)


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_truncated_picture_is_told(form):
    content = as_bytes(NOISE, form)
    with pytest.raises(UserError, match=r"^cut: .*damaged"):
        read_picture(content[: len(content) // 2], "cut")


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8", b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_is_told(content, tmp_path):
    with pytest.raises(
        UserError, match=r"^upload: not a picture, or damaged from the start; known are JPEG, PNG, WEBP"
    ):
        read_picture(content, "upload")
    path = tmp_path / "file.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"file\.jpg: not a picture"):
        read_picture(path)


@pytest.mark.parametrize(("name", "words"), [("none.jpg", "no such file"), ("", "is a directory"), ("a\0b", "null")])
def test_a_file_that_cannot_be_opened_is_told(tmp_path, name, words):
    with pytest.raises(UserError, match=words):
        read_picture(str(tmp_path / name))


FORMS = {form: as_bytes(NOISE.resize((20, 20)), form) for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")}


@given(st.sampled_from(sorted(FORMS)), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6))
@settings(deadline=None, max_examples=300)
def test_damaged_bytes_give_a_picture_or_one_line(form, changes):
    content = bytearray(FORMS[form])
    for place, value in changes:
        content[place % len(content)] = value
    try:
        picture = read_picture(bytes(content), "x")
    except UserError as error:
        assert str(error).startswith("x: ") and "\n" not in str(error)
    else:
        assert picture.mode == "RGB" and min(picture.size) >= SMALLEST


@pytest.mark.parametrize("size", [16, 96, 200])
def test_pixels_are_the_whole_picture_squashed_to_a_square(size):
    pixels = as_pixels(halves(size=(120, 50)), size)
    assert pixels.shape == (size, size, 3) and pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels[:, [1, -2]].astype(int), np.broadcast_to([RED, BLUE], (size, 2, 3)), atol=3)


def test_pixels_of_the_same_size_are_those_of_the_picture():
    np.testing.assert_array_equal(as_pixels(NOISE, 64), np.asarray(NOISE))


def test_a_fine_pattern_becomes_its_mean():
    board = Image.fromarray(np.indices((640, 640)).sum(axis=0).astype(np.uint8) % 2 * 255)
    np.testing.assert_allclose(as_pixels(board, 32), 127.5, atol=3)


def test_a_folder_is_its_pictures_in_order(tmp_path):
    for name in ("b.PNG", "a.jpeg", "notes.txt", "c.gif"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub.jpg").mkdir()
    found = list_pictures(["other.xyz", tmp_path, str(tmp_path / "c.gif")])
    assert found == [Path("other.xyz"), *(tmp_path / name for name in ("a.jpeg", "b.PNG", "c.gif")), tmp_path / "c.gif"]


def test_a_folder_without_pictures_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"no pictures in this folder; looked for \.jpg"):
        list_pictures([tmp_path])
