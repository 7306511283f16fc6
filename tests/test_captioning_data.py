"""Pictures with captions in every form they come in, and what is wrong with them in one line.

Sets of TensorFlow Datasets are mocked: nothing is downloaded, and no connection is opened.
"""

import gzip
import io
import json
import socket
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps.captioning.config import CaptioningSettings, DataSettings
from apps.captioning.data import MOST_WORDS, CaptionedPictures, TrainingData, load_pictures
from apps.captioning.sample import draw, is_true, split_scenes
from common.errors import UserError
from common.sources import Source

# A picture of one shade each.
SHADES = {"a.png": 10, "b.png": 60, "c.png": 120, "sub/d.png": 200}
ROWS = [
    ("train", "a.png", "A dog runs ."),
    ("dev", "c.png", " A cat. "),
    ("train", "b.png", 'Two "wet" dogs.'),
    ("train", "a.png", "A brown dog."),
    ("test", "sub/d.png", "Ein Mädchen."),
]


def as_table(rows, header=("split", "image", "caption")) -> str:
    return "".join("\t".join(row) + "\n" for row in (header, *rows))


def encode(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 20), (shade,) * 3).save(file, "PNG")
    return file.getvalue()


def write_images(folder: Path, names=tuple(SHADES)) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(SHADES[name]))


def write_tar(path: Path, names=tuple(SHADES), prefix="images/") -> None:
    with tarfile.open(path, "w") as archive:
        for name in names:
            member = tarfile.TarInfo(prefix + name)
            member.size = len(encode(SHADES[name]))
            archive.addfile(member, io.BytesIO(encode(SHADES[name])))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "captions.tsv").write_text(as_table(ROWS), encoding="utf-8")
    write_images(tmp_path / "images")
    return tmp_path


def load(path, split="train", **options) -> CaptionedPictures:
    return load_pictures(Source.parse(str(path)), split, DataSettings(**options))


def shades(pictures: CaptionedPictures) -> list[int]:
    found = [pictures.read(index) for index in range(len(pictures))]
    assert {picture.mode for picture in found} == {"RGB"}
    return [picture.getpixel((5, 5))[0] for picture in found]


def test_a_folder_is_read_by_its_splits(folder):
    train, validation, test = (load(folder, split) for split in ("train", "validation", "test"))
    assert (train.names, validation.names, test.names) == (["a.png", "b.png"], ["c.png"], ["sub/d.png"])
    assert train.captions == [["A dog runs .", "A brown dog."], ['Two "wet" dogs.']]
    assert (validation.captions, test.captions) == ([["A cat."]], [["Ein Mädchen."]])
    assert [shades(part) for part in (train, validation, test)] == [[10, 60], [120], [200]]
    assert train.summary() == f"{folder.name}, train: 2 pictures, 3 captions"
    assert load(folder, "dev").names == ["c.png"]


@pytest.mark.parametrize("form", ["tsv.gz", "csv", "images.tar", "without images/", "./images.tar", "the file itself"])
def test_every_form_of_a_folder_gives_the_same(folder, form):
    expected, path = load(folder), folder
    table, images = folder / "captions.tsv", folder / "images"
    if form == "tsv.gz":
        (folder / "captions.tsv.gz").write_bytes(gzip.compress(table.read_bytes()))
        table.unlink()
    elif form == "csv":
        quoted = "".join(f'{a},{b},"{c}"\n' for a, b, c in ((*row[:2], row[2].replace('"', '""')) for row in ROWS))
        (folder / "captions.csv").write_text("split,image,caption\n" + quoted, encoding="utf-8")
        table.unlink()
    elif form.endswith("images.tar"):
        write_tar(folder / "images.tar", prefix=form.removesuffix(".tar") + "/")
        images.rename(folder / "elsewhere")
    elif form == "without images/":
        write_images(folder)
        images.rename(folder / "elsewhere")
    else:
        path = table.rename(folder / "mine.tsv")
    found = load(path)
    assert (found.names, found.captions) == (expected.names, expected.captions)
    assert shades(found) == [10, 60]


def test_nothing_of_an_archive_is_written_to_the_disk(folder):
    (folder / "images").rename(folder.parent / "elsewhere")
    write_tar(folder / "images.tar")
    before = sorted(folder.rglob("*"))
    assert shades(load(folder)) == [10, 60] and sorted(folder.rglob("*")) == before


def test_pictures_are_read_in_any_order(folder):
    pictures = load(folder)
    assert [pictures.read(index).getpixel((0, 0))[0] for index in (1, 0, 0, 1)] == [60, 10, 10, 60]


def test_a_validation_split_is_held_out_by_the_names_of_pictures(tmp_path):
    names = [f"{number:03}.png" for number in range(200)]
    rows = [("train", name, f"Picture {name}.") for name in names for _ in range(2)]
    (tmp_path / "captions.tsv").write_text(as_table(rows))
    for name in names:
        (tmp_path / name).write_bytes(b"")
    train, validation = (load(tmp_path, split, held_out=0.2) for split in ("train", "validation"))
    assert set(train.names) | set(validation.names) == set(names) and not set(train.names) & set(validation.names)
    assert 20 < len(validation) < 60 and {len(texts) for texts in train.captions + validation.captions} == {2}
    again = load(tmp_path, "validation", held_out=0.2)
    assert again.names == validation.names


KARPATHY = [
    {"filename": "a.png", "split": "train", "sentences": [{"raw": "A dog."}, {"raw": " A brown dog.\n", "tokens": []}]},
    {"filename": "b.png", "split": "restval", "sentences": [{"raw": "Two dogs."}], "imgid": 1},
    {"filename": "c.png", "split": "val", "sentences": [{"raw": "A cat."}]},
    {"filename": "d.png", "filepath": "sub", "split": "test", "sentences": [{"raw": "A girl."}]},
]


@pytest.mark.parametrize("by", ["folder", "file", "packed"])
def test_karpathys_files_are_read(tmp_path, by):
    write_images(tmp_path / "images")
    path = tmp_path / ("dataset_mine.json.gz" if by == "packed" else "dataset_mine.json")
    content = json.dumps({"images": KARPATHY, "dataset": "mine"}).encode()
    path.write_bytes(gzip.compress(content) if by == "packed" else content)
    train, validation, test = (
        load(path if by == "file" else tmp_path, split) for split in ("train", "validation", "test")
    )
    assert train.captions == [["A dog.", "A brown dog."], ["Two dogs."]]
    assert [shades(part) for part in (train, validation, test)] == [[10, 60], [120], [200]]
    assert test.names == ["sub/d.png"]


def without(rows, *names):
    return [row for row in rows if row[1] not in names]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([*ROWS, ("train", "e.png", "A fish.")], r"captions\.tsv, row 6: there is no picture 'e\.png' in .*images"),
        ([*ROWS, ("train", "../images/a.png", "A fish.")], "row 6: there is no picture"),
        ([*ROWS, ("train", "sub", "A fish.")], "row 6: there is no picture 'sub'"),
        ([*ROWS, ("train", "b.png", " ")], "row 6: the caption is empty"),
        ([*ROWS, ("train", "b.png", "word " * (MOST_WORDS + 1))], "row 6: 1,001 words, at most 1,000"),
        ([*ROWS, ("", "b.png", "A dog.")], "row 6: the split is empty"),
        ([*ROWS, ("train", "", "A dog.")], "row 6: the image is empty"),
        ([*ROWS, ("test", "b.png", "A dog.")], r"row 6: 'b.png' is in test, and in train at .*captions\.tsv, row 3"),
        ([*ROWS, ("train", "b.png")], "row 6: 2 fields where the header has 3"),
        ([], r"captions\.tsv: no captions below the header"),
        (ROWS[1:2], "no split 'train'; found: dev"),
    ],
)
def test_a_wrong_row_is_named(folder, rows, words):
    (folder / "captions.tsv").write_text(as_table(rows), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        load(folder)


@pytest.mark.parametrize("missing", ["split", "image", "caption"])
def test_a_missing_column_is_named(folder, missing):
    header = ["x" if name == missing else name for name in ("split", "image", "caption")]
    (folder / "captions.tsv").write_text(as_table(ROWS, header), encoding="utf-8")
    with pytest.raises(UserError, match=f"no column '{missing}'; found: "):
        load(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[]", 'no "images"'),
        ('{"images": []}', '"images" must be a list of pictures'),
        ('{"images": [1]}', "image 1: an object with filename, split and sentences"),
        ('{"images": [{"filename": "a.png", "split": "train"}]}', "image 1: no column 'sentences'; found: filename"),
        ([{**KARPATHY[0], "sentences": []}], r"image 1: 'a\.png' has no sentences"),
        ([KARPATHY[0], {**KARPATHY[1], "sentences": [{"raw": "x"}, {"raw": " "}]}], "image 2, sentence 2: .* is empty"),
        ([{**KARPATHY[0], "sentences": ["x"]}], "image 1, sentence 1: the caption is no text"),
        ([{**KARPATHY[0], "sentences": [{"raw": "\ud83d"}]}], "image 1, sentence 1: not UTF-8"),
        ([{**KARPATHY[0], "split": 3}], "image 1: filename and split must be texts"),
        ([KARPATHY[0], KARPATHY[0]], r"image 2: 'a\.png' is there already, at .*image 1"),
        ([{**KARPATHY[0], "filename": "e.png"}, KARPATHY[2]], r"image 1: there is no picture 'e\.png'"),
    ],
)
def test_what_is_wrong_with_karpathys_files_is_named(tmp_path, content, words):
    write_images(tmp_path / "images")
    content = content if isinstance(content, str) else json.dumps({"images": content})
    (tmp_path / "dataset_mine.json").write_text(content)
    with pytest.raises(UserError, match=words) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="there is no such file or folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"neither captions\.tsv nor captions\.csv nor dataset_NAME\.json"):
        load(tmp_path)
    for name in ("dataset_one.json", "dataset_two.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(UserError, match=r"which of dataset_one\.json, dataset_two\.json\? Name the file"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: b"x" * 2000, "not a plain tar file, or damaged"),
        (gzip.compress, "not a plain tar file, or damaged"),
        (lambda content: content[: len(content) - 10240 + 600], "images.tar: "),
    ],
)
def test_a_damaged_archive_is_told(folder, damage, words):
    (folder / "images").rename(folder / "elsewhere")
    write_tar(folder / "images.tar")
    path = folder / "images.tar"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=words):
        load(folder, "test")


def test_an_archive_without_a_picture_is_told(folder):
    (folder / "images").rename(folder / "elsewhere")
    write_tar(folder / "images.tar", ["a.png"])
    with pytest.raises(UserError, match=r"row 3: there is no picture 'b\.png' in .*images\.tar"):
        load(folder)


def test_a_damaged_picture_is_told_when_it_is_read(folder):
    (folder / "images" / "b.png").write_bytes(b"hello")
    pictures = load(folder)
    assert pictures.read(0).size == (20, 20)
    with pytest.raises(UserError, match=r"b\.png: not a picture"):
        pictures.read(1)


def test_the_sample_is_drawn_when_it_is_read():
    test = load("sample", "test")
    scenes = split_scenes("test")
    assert len(test) == len(scenes) == 500 and test.summary() == "sample, test: 500 pictures, 2,500 captions"
    for index in (0, 7, 499):
        assert all(is_true(scenes[index], caption) for caption in test.captions[index])
        np.testing.assert_array_equal(test.read(index), draw(scenes[index]))
    assert len(set(test.names + load("sample", "validation").names)) == 1000
    with pytest.raises(UserError, match="--split dev: the sample has train"):
        load("sample", "dev")
    with pytest.raises(UserError, match="--data sample:other: there is no such sample; there are sample and"):
        load("sample:other")


def test_training_data_has_its_weights_and_names_apart(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("x") / folder.name
    write_images(other / "images")
    (other / "captions.tsv").write_text(as_table(ROWS), encoding="utf-8")
    data = TrainingData.load(CaptioningSettings(data=(f"{folder}@0.5", str(other), "sample")))
    assert [part.weight for part in data.train] == [0.5, 1, 1]
    assert [len(part) for part in data.held_out] == [1, 1, 500]
    assert [part.name for part in data.train] == [str(folder), str(other), "sample"]
    assert TrainingData.load(CaptioningSettings(data=(str(folder),))).train[0].name == folder.name


@pytest.fixture
def no_connections(monkeypatch):
    def refuse(*arguments):
        raise ConnectionError("a test wanted a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def write_metadata(folder: Path, *splits: str) -> str:
    """What a prepared coco_captions has beside its data, as far as splits are concerned."""
    place = folder / "coco_captions" / "2014" / "1.1.0"
    place.mkdir(parents=True)
    entries = [{"name": split, "shardLengths": ["20"], "numBytes": "1"} for split in splits]
    info = {"name": "coco_captions", "version": "1.1.0", "fileFormat": "tfrecord", "splits": entries}
    (place / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return str(folder)


def coco(asked: list[str], empty: int = -1):
    """Gives 20 pictures of one shade each, and notes which split is asked for.

    The mock's own examples do not do: their sequences have no common length.
    """

    def as_dataset(self, split, decoders, *arguments, **options):
        import tensorflow as tf

        asked.append(split)
        # The set has what is asked of it.
        assert set(decoders.extract_features(self.info.features)) == {"image", "image/filename", "captions"}
        texts = [["" if row == empty else f"Picture {row}.", "A cat."] for row in range(20)]
        return tf.data.Dataset.from_tensor_slices(
            {
                "image": [encode(row) for row in range(20)],
                "image/filename": [f"COCO_{row:03}.jpg" for row in range(20)],
                "captions": {"id": [[0, 1]] * 20, "text": texts},
            }
        )

    return as_dataset


def test_coco_is_read_from_tensorflow_datasets(no_connections, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    asked: list[str] = []
    metadata = write_metadata(tmp_path, "train", "restval", "val", "test")
    with tfds.testing.mock_data(as_dataset_fn=coco(asked), data_dir=metadata):
        train, validation = load("tfds:coco_captions", "train"), load("tfds:coco_captions", "validation")
        assert asked == ["train+restval", "val"]
        assert shades(validation) == list(range(20))
        assert [validation.read(index).getpixel((0, 0))[0] for index in (5, 6, 9, 2)] == [5, 6, 9, 2]
    assert train.name == "tfds:coco_captions" and train.names[3] == "COCO_003.jpg"
    assert train.captions[3] == ["Picture 3.", "A cat."]


def test_a_set_without_a_validation_split_is_parted(no_connections):
    """The mock knows the splits train and test."""
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(as_dataset_fn=coco([])):
        parts = [load("tfds:coco_captions", split, held_out=0.3) for split in ("train", "validation", "test")]
        found = [shades(part) for part in parts]
    train, validation, test = parts
    assert sorted(train.names + validation.names) == test.names and 0 < len(validation) < 15
    assert sorted(found[0] + found[1]) == found[2] == list(range(20))
    assert [int(name[5:8]) for name in validation.names] == found[1]


def test_what_is_wrong_with_a_set_is_named(no_connections):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data():
        with pytest.raises(UserError, match="tfds:imdb_reviews: no column 'image'; found: "):
            load("tfds:imdb_reviews")
        with pytest.raises(UserError, match="tfds:no_such_set: TensorFlow Datasets has no such set"):
            load("tfds:no_such_set")
    with (
        tfds.testing.mock_data(as_dataset_fn=coco([], empty=4)),
        pytest.raises(UserError, match="--data tfds:coco_captions, test, row 5: the caption is empty"),
    ):
        load("tfds:coco_captions", "test")
