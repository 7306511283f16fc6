"""Sets of TensorFlow Datasets, mocked: nothing is downloaded, and these tests open no connection.

`tfds.testing.mock_data` takes features from the code of a set. The names of its splits are metadata, which the wheel
does not hold: either they are unknown, or a test writes them into a folder of its own.
"""

import json
import socket
from pathlib import Path

import pytest

from apps.sentiment.config import DataSettings
from apps.sentiment.data import Corpus, load_corpus
from common.errors import UserError, WorkFailed
from common.sources import Source

tfds = pytest.importorskip("tensorflow_datasets")

SST2 = {"text_column": "sentence"}


def load(source: str, split: str, **options) -> Corpus:
    return load_corpus(Source.parse(source), split, DataSettings(**options))


@pytest.fixture(autouse=True)
def no_connections(monkeypatch):
    def refuse(*arguments):
        raise ConnectionError("a test wanted a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(("name", "options"), [("tfds:imdb_reviews", {}), ("tfds:glue/sst2", SST2)])
def test_a_set_is_read_with_its_labels_by_name(name, options):
    with tfds.testing.mock_data(num_examples=60):
        parts = {split: load(name, split, **options) for split in ("train", "validation", "test")}
        builder = tfds.builder(name.removeprefix("tfds:"))
        rows = list(tfds.as_numpy(builder.as_dataset(split="test")))
    expected = [" ".join(row[options.get("text_column", "text")].decode().split()) for row in rows]
    assert parts["test"].texts == expected
    assert parts["test"].labels == [("neg", "pos")[row["label"]] for row in rows]
    assert parts["test"].name == name
    # The mock gives every split the same examples, and knows of no validation split: a part of train is held out.
    assert sorted(parts["train"].texts + parts["validation"].texts) == sorted(expected)
    assert 0 < len(parts["validation"].texts) < 20


def write_metadata(folder: Path, *splits: str) -> Path:
    """What a prepared glue/sst2 has beside its data, as far as splits are concerned."""
    place = folder / "glue" / "sst2" / "2.0.0"
    place.mkdir(parents=True)
    entries = [{"name": split, "shardLengths": ["60"], "numBytes": "1"} for split in splits]
    info = {"name": "glue", "version": "2.0.0", "fileFormat": "tfrecord", "splits": entries}
    (place / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def test_a_set_with_a_validation_split_holds_nothing_of_train_out(tmp_path):
    metadata = write_metadata(tmp_path, "train", "validation", "test")
    with tfds.testing.mock_data(num_examples=60, data_dir=str(metadata)):
        sizes = [len(load("tfds:glue/sst2", split, **SST2).texts) for split in ("train", "validation", "test")]
        assert sizes == [60, 60, 60]
        with pytest.raises(UserError, match="no split 'elsewhere'; found: train, validation, test"):
            load("tfds:glue/sst2", "elsewhere", **SST2)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("tfds:glue/sst2", {}, "tfds:glue/sst2: no column 'text'; found: sentence, label, idx"),
        ("tfds:imdb_reviews", {"label_column": "stars"}, "no column 'stars'; found: text, label"),
        ("tfds:imdb_reviews", {"text_column": "label"}, "the feature 'label' is no Text"),
        ("tfds:imdb_reviews", {"label_column": "text"}, "the feature 'text' is no ClassLabel"),
        ("tfds:no_such_set", {}, "tfds:no_such_set: TensorFlow Datasets has no such set"),
        ("tfds:imdb_reviews/no_such_config", {}, "has no such set"),
        ("tfds:imdb_reviews:99.0.0", {}, "has no such set"),
    ],
)
def test_a_set_or_feature_that_is_not_there_is_named(source, options, message):
    with tfds.testing.mock_data(), pytest.raises(UserError, match=message):
        load(source, "train", **options)


def test_secret_labels_are_told():
    """The test split of GLUE has -1 for every label."""

    def as_dataset(self, *arguments, **options):
        import tensorflow as tf

        return tf.data.Dataset.from_tensors({"sentence": "A fine film.", "label": -1, "idx": 0})

    with tfds.testing.mock_data(as_dataset_fn=as_dataset), pytest.raises(UserError, match="test, row 1: no label"):
        load("tfds:glue/sst2", "test", **SST2)


def test_an_empty_text_is_named_with_its_row():
    def as_dataset(self, *arguments, **options):
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices({"text": ["Fine.", " "], "label": [1, 0]})

    message = "--data tfds:imdb_reviews, test, row 2: the text is empty"
    with tfds.testing.mock_data(as_dataset_fn=as_dataset), pytest.raises(UserError, match=message):
        load("tfds:imdb_reviews", "test")


def test_a_failed_download_is_work_that_failed(monkeypatch):
    def fail(self, *arguments, **options):
        raise ConnectionError("no route to host")

    with tfds.testing.mock_data():
        monkeypatch.setattr("tensorflow_datasets.core.dataset_builder.DatasetBuilder.download_and_prepare", fail)
        with pytest.raises(WorkFailed, match="--data tfds:imdb_reviews: cannot be downloaded: no route to host"):
            load("tfds:imdb_reviews", "train")
