"""Tables from files, folders, scikit-learn's sets and TensorFlow Datasets; their splits; batches."""

import gzip
import lzma

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.tabular.config import TabularSettings
from apps.tabular.data import (
    SAMPLES,
    EpochBatches,
    class_weights,
    identify,
    load_frames,
    read_frame,
    split_frames,
)
from common.errors import UserError
from common.sources import Source

CSV = "size,kind\n1,a\n2,b\n,a\n"
FRAME = pd.DataFrame({"size": range(100), "kind": ["a"] * 80 + ["b"] * 19 + ["c"]})
KIND = TabularSettings(target="kind")


def load(source: str, **options) -> dict[str, pd.DataFrame]:
    return load_frames(Source.parse(source), TabularSettings(**{"target": "kind", **options}))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV.encode()),
        # The time of packing would be part of the test's name, and xdist wants the same names of all workers.
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("a.csv.xz", lzma.compress(CSV.encode())),
        ("a.tsv", CSV.replace(",", "\t").encode()),
        ("a.jsonl", b'{"size": 1, "kind": "a"}\n{"size": 2, "kind": "b"}\n{"size": null, "kind": "a"}\n'),
    ],
)
def test_the_same_rows_come_from_every_kind_of_file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    [(split, frame)] = load(str(tmp_path / name)).items()
    assert split == "train"
    assert frame.to_numpy().tolist() == [["1", "a"], ["2", "b"], ["", "a"]]


def test_a_table_longer_than_a_part_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("apps.tabular.data._ROWS_AT_ONCE", 2)
    (tmp_path / "a.csv").write_text(CSV)
    assert read_frame(tmp_path / "a.csv").index.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.csv", "size,kind\n", "a header and no rows"),
        ("a.csv", "size,label\n1,a\n", "no column 'kind'; found: size, label"),
        ("a.csv", "size,kind\n1,a\n2\n", "row 2: 1 fields where the header has 2"),
        ("b.csv", CSV, "there is no such file or folder"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path, name, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        load(str(tmp_path / name))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_has_a_target_and_the_size_known_of_it(name):
    sizes = {"breast_cancer": 569, "iris": 150, "wine": 178, "diabetes": 442, "digits": 1797, "penguins": 344}
    frame = load(f"sample:{name}")["train"]
    assert len(frame) == sizes[name]
    assert ("species" if name == "penguins" else "target") in frame
    assert frame.index.tolist() == list(range(len(frame)))


def test_the_plain_sample_is_breast_cancer_with_its_classes_by_name():
    pd.testing.assert_frame_equal(load("sample")["train"], load("sample:breast_cancer")["train"])
    assert load("sample")["train"]["target"].value_counts().to_dict() == {"benign": 357, "malignant": 212}


def test_diabetes_comes_as_measured():
    assert load("sample:diabetes")["train"]["age"].between(19, 79).all()


def test_a_sample_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UserError, match=f"no such set; there are {', '.join(SAMPLES)}"):
        load("sample:titanic")


def test_a_fifth_is_held_out_and_each_class_keeps_its_share():
    frames = split_frames({"train": FRAME}, KIND, "t.csv")
    assert {split: len(frame) for split, frame in frames.items()} == {"train": 64, "test": 20, "validation": 16}
    assert frames["test"]["kind"].value_counts().to_dict() == {"a": 16, "b": 4}
    # A class of one row stays where it can be learnt.
    assert "c" in set(frames["train"]["kind"])


@settings(deadline=None, max_examples=25)
@given(st.integers(12, 60), st.integers(0, 3), st.floats(0.1, 0.5), st.sampled_from(["classification", "regression"]))
def test_every_row_is_in_one_split_alone(size, seed, share, task):
    frame = pd.DataFrame({"kind": np.arange(size) % 2})
    options = TabularSettings(target="kind", seed=seed, held_out=share, validation=0.3, task=task)
    frames = split_frames({"train": frame}, options, "t.csv")
    assert sorted(row for part in frames.values() for row in part.index) == list(range(size))
    assert abs(len(frames["test"]) - size * share) <= 1


def test_the_seed_alone_decides_the_split():
    first, same, other = (
        split_frames({"train": FRAME}, KIND.model_copy(update={"seed": seed}), "t.csv")["test"] for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, same)
    assert set(first.index) != set(other.index)


def test_splits_of_a_folder_are_kept(tmp_path):
    for name, rows in (("train", 40), ("dev", 6), ("test", 5)):
        FRAME[:rows].assign(kind=["a", "b"] * (rows // 2) + ["a"] * (rows % 2)).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    frames = split_frames(load(str(tmp_path)), KIND, "folder")
    assert {split: len(frame) for split, frame in frames.items()} == {"train": 40, "validation": 6, "test": 5}


def test_splits_of_a_column_are_kept_and_the_rest_is_taken_from_train(tmp_path):
    parts = ["train"] * 8 + ["test"] * 2
    pd.DataFrame({"size": range(10), "kind": ["a", "b"] * 5, "part": parts}).to_csv(tmp_path / "a.csv", index=False)
    frames = load(str(tmp_path / "a.csv"), split_column="part")
    assert {split: frame["size"].tolist() for split, frame in frames.items()} == {
        "train": list("01234567"),
        "test": ["8", "9"],
    }
    assert "part" not in frames["train"]
    assert len(split_frames(frames, KIND, "t.csv")["test"]) == 2


def test_a_strange_split_and_a_missing_train_split_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("size,kind,part\n1,a,train\n2,b,spare\n")
    with pytest.raises(
        UserError, match="unknown split 'spare'; the names are train, validation, valid, val, dev, test"
    ):
        load(str(tmp_path / "a.csv"), split_column="part")
    (tmp_path / "test.csv").write_text(CSV)
    with pytest.raises(UserError, match="no split 'train'; found: test"):
        load(str(tmp_path))


def test_too_few_rows_to_hold_any_out_are_refused():
    with pytest.raises(UserError, match="2 rows are too few to hold a test part out"):
        split_frames({"train": FRAME[-2:]}, KIND, "t.csv")


def test_a_file_is_known_again_under_another_name_and_not_when_altered(tmp_path):
    for name, content in (("a.csv", CSV), ("b.csv", CSV), ("c.csv", CSV + "4,b\n")):
        (tmp_path / name).write_text(content)
    a, b, c = (identify(Source.parse(str(tmp_path / name))) for name in ("a.csv", "b.csv", "c.csv"))
    assert a == b != c
    assert identify(Source.parse("sample:iris")) == "sample:iris"
    assert identify(Source.parse("sample")) == identify(Source.parse("sample:breast_cancer"))


def batches(rows: int, epoch: int, batch_rows: int | None = None) -> EpochBatches:
    arrays = {"numbers": np.arange(rows, dtype=np.float32)[:, None], "category_ids": np.zeros((rows, 0), np.int32)}
    return EpochBatches(arrays, np.arange(rows), np.arange(rows) / 2, batch_rows, seed=0, epoch=epoch)


def test_an_epoch_holds_each_row_once_with_its_target_and_weight():
    epoch = batches(50, epoch=0, batch_rows=8)
    rows = [epoch[index] for index in range(len(epoch))]
    assert [len(targets) for _, targets, _ in rows] == [8] * 6 + [2]
    assert sorted(np.concatenate([targets for _, targets, _ in rows])) == list(range(50))
    for inputs, targets, weights in rows:
        np.testing.assert_array_equal(inputs["numbers"][:, 0], targets)
        np.testing.assert_array_equal(weights, targets / 2)


def test_the_order_changes_from_epoch_to_epoch_and_comes_back():
    first, again, second = (batches(50, epoch)[0][1] for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize(("rows", "size"), [(100, 16), (5000, 100), (100_000, 1024)])
def test_larger_tables_have_larger_batches(rows, size):
    assert len(batches(rows, 0)[0][1]) == size


def test_balanced_classes_weigh_the_same_and_rows_one_on_average():
    # Three rows of one class and one of another, worked through by hand: 4 / (2 * 3) and 4 / (2 * 1).
    np.testing.assert_allclose(class_weights(np.array([0, 0, 0, 1]), 3), [2 / 3] * 3 + [2])


def test_a_set_of_tensorflow_datasets_is_read_with_classes_by_name():
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=20):
        frames = load("tfds:titanic", target="survived")
        rows = list(tfds.as_numpy(tfds.builder("titanic").as_dataset(split="train")))
    frame = frames["train"]
    assert frame["survived"].tolist() == [("died", "survived")[row["survived"]] for row in rows]
    assert frame["name"].tolist() == [row["name"].decode() for row in rows]
    assert frame["age"].dtype == np.float32


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tfds:mnist", "the feature 'image' is no single value, so this is no table"),
        ("tfds:titanic", "no column 'kind'; found: pclass, survived, name"),
        ("tfds:no_such_set", "TensorFlow Datasets has no such set"),
    ],
)
def test_a_set_that_is_no_table_is_refused(name, message):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(), pytest.raises(UserError, match=message):
        load(name)
