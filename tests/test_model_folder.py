"""The model folder: what is saved is what is loaded, and nothing else is."""

import hashlib
import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from common import files
from common.errors import UserError
from common.model_folder import (
    ModelFolder,
    check_out,
    load_model,
    read_config,
    read_metrics,
    save_model,
    write_metrics,
)

# A loaded machine would break the deadline, which says nothing of the code.
properties = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
FILES = ("config.json", "metrics.json", "README.md", "weights.npz", "tokeniser.model")
MODEL = ModelFolder(
    app="sentiment",
    settings={"units": 3, "pooling": ["max"], "pretrain": None},
    weights={
        "cell/kernel": np.array([[1.5, -2.0], [0.25, 0.0], [-3.0, 1.0]], np.float32),
        "cell/bias": np.array([0.1, -0.2], np.float32),
    },
    files={"tokeniser.model": bytes(range(256))},
    facts={"labels": ["neg", "größer"], "temperature": 1.25},
    metrics=[{"data": "sample", "split": "test", "accuracy": 0.75}],
)


@pytest.fixture
def folder(tmp_path) -> Path:
    save_model(tmp_path / "model", MODEL, "# A model\n")
    return tmp_path / "model"


def rewrite_config(folder: Path, **changes) -> None:
    """Changes entries of config.json; None takes one away."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | changes
    plain = json.dumps({name: value for name, value in config.items() if value is not None})
    (folder / "config.json").write_text(plain, encoding="utf-8")


def save_and_load(weights: dict[str, np.ndarray], storage: str) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as place:
        save_model(Path(place) / "model", replace(MODEL, weights=weights), "", storage)
        return dict(load_model(Path(place) / "model", "sentiment").weights)


def test_a_model_comes_back_as_it_was_saved(folder):
    loaded = load_model(folder, "sentiment")
    assert replace(loaded, weights={}) == replace(MODEL, weights={})
    assert sorted(loaded.weights) == sorted(MODEL.weights)
    for path, weight in MODEL.weights.items():
        assert loaded.weights[path].dtype == np.float32
        np.testing.assert_array_equal(loaded.weights[path], weight)


def test_the_folder_holds_what_the_contract_names(folder):
    assert sorted(path.name for path in folder.parent.rglob("*") if path.is_file()) == sorted(FILES)
    assert (folder / "README.md").read_text(encoding="utf-8") == "# A model\n"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["sha256"] == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("weights.npz", "tokeniser.model")
    }
    assert config["versions"]["numpy"] == np.__version__


WEIGHTS = arrays(np.float32, array_shapes(max_dims=3, max_side=4), elements=st.floats(-1000, 1000, width=32))


@properties
@given(WEIGHTS)
def test_float32_storage_changes_nothing(weight):
    np.testing.assert_array_equal(save_and_load({"w": weight}, "float32")["w"], weight)


@properties
@given(WEIGHTS)
def test_float16_storage_keeps_eleven_bits(weight):
    """Half of the last of 11 binary digits, or of the smallest number there is (IEEE 754)."""
    error = np.abs(save_and_load({"w": weight}, "float16")["w"] - weight)
    assert (error <= np.maximum(np.abs(weight) * 2.0**-11, 2.0**-25)).all()


@properties
@given(WEIGHTS)
def test_int8_storage_errs_by_half_a_step_of_the_column(weight):
    """127 steps up to the largest number of each column; vectors keep all their digits, convolutions eleven bits."""
    loaded = save_and_load({"w": weight}, "int8")["w"]
    assert (loaded.shape, loaded.dtype) == (weight.shape, np.float32)
    step = np.abs(weight).max(axis=0, keepdims=True) / 127 if weight.ndim == 2 else 0.0
    half = np.maximum(np.abs(weight) * 2.0**-11, 2.0**-25) if weight.ndim > 2 else 0.0
    assert (np.abs(loaded - weight) <= np.multiply(step, 0.5001) + half + 1e-11).all()


def test_small_storage_is_small(tmp_path):
    weights = {"w": np.random.default_rng(0).normal(size=(300, 100)).astype(np.float32)}
    sizes = {}
    for storage in ("float32", "float16", "int8"):
        save_model(tmp_path / storage, replace(MODEL, weights=weights), "", storage)
        sizes[storage] = (tmp_path / storage / "weights.npz").stat().st_size
    assert sizes["int8"] < 0.6 * sizes["float16"] < 0.4 * sizes["float32"]


@pytest.mark.parametrize("name", ["weights.npz", "tokeniser.model"])
@pytest.mark.parametrize("place", [0, 100, -1])
def test_an_altered_byte_is_found_and_the_file_named(folder, name, place):
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=f"model/{name}: truncated or altered"):
        load_model(folder, "sentiment")


@pytest.mark.parametrize("length", [0, 100])
@pytest.mark.parametrize("name", ["weights.npz", "tokeniser.model"])
def test_a_truncated_file_is_named(folder, name, length):
    (folder / name).write_bytes((folder / name).read_bytes()[:length])
    with pytest.raises(UserError, match=f"model/{name}: truncated or altered"):
        load_model(folder, "sentiment")


@pytest.mark.parametrize("name", ["config.json", "metrics.json"])
def test_truncated_json_is_called_damaged(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:20])
    with pytest.raises(UserError, match=f"model/{name}: damaged"):
        load_model(folder, "sentiment")


@pytest.mark.parametrize("name", [name for name in FILES if name != "README.md"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"model/{name}: "):
        load_model(folder, "sentiment")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"app": "tabular"}, "a model of the app 'tabular', not of 'sentiment'"),
        ({"schema": 2}, r"config\.json: schema 2, this version reads 1"),
        ({"schema": 2, "app": None, "sha256": None}, r"config\.json: schema 2, this version reads 1"),
        ({"schema": None}, r"config\.json: not the config of a model folder"),
        ({"facts": None}, r"config\.json: damaged, without facts"),
        ({"sha256": []}, r"config\.json: damaged, without the SHA-256 of weights\.npz"),
        ({"sha256": {}}, r"config\.json: damaged, without the SHA-256 of weights\.npz"),
    ],
)
def test_a_config_that_is_not_ours_to_read_is_refused(folder, changes, message):
    rewrite_config(folder, **changes)
    with pytest.raises(UserError, match=f"model.*{message}"):
        load_model(folder, "sentiment")


@pytest.mark.parametrize("content", ["[]", "5", '"schema"'])
def test_json_that_is_no_config_is_refused(folder, content):
    (folder / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"config\.json: not the config of a model folder"):
        read_config(folder)


def test_figures_that_are_no_list_are_refused(folder):
    (folder / "metrics.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"metrics\.json: damaged"):
        load_model(folder, "sentiment")


def test_a_folder_that_is_not_there_or_no_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere: there is no such model folder"):
        load_model(tmp_path / "nowhere", "sentiment")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: there is no such model folder"):
        load_model(tmp_path / "file", "sentiment")
    with pytest.raises(UserError, match=r"config\.json: there is no such file, so this is no model folder"):
        load_model(tmp_path, "sentiment")


class Trap:
    """Unpickled, it calls a function: the way in that a model folder must not have."""

    def __reduce__(self):
        return pytest.fail, ("code of the folder was run",)


def test_a_pickle_in_the_weights_is_refused_and_not_run_even_with_its_checksum(folder):
    content = io.BytesIO()
    np.savez(content, trap=np.array([Trap()], dtype=object))
    for weights in (content.getvalue(), b"", b"\x80\x04."):
        (folder / "weights.npz").write_bytes(weights)
        rewrite_config(folder, sha256={"weights.npz": hashlib.sha256(weights).hexdigest()})
        with pytest.raises(UserError, match=r"weights\.npz: not the weights of a model"):
            load_model(folder, "sentiment")


def test_saving_replaces_the_whole_folder_and_leaves_nothing_beside_it(folder):
    (folder / "extra.txt").touch()
    left_over = folder.with_name("model.partial")
    left_over.mkdir()
    (left_over / "torn.npz").touch()
    save_model(folder, replace(MODEL, app="tabular", files={}), "")
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(set(FILES) - {"tokeniser.model"})
    assert read_config(folder)["app"] == "tabular"


def test_a_full_disk_leaves_the_model_that_was_there(folder, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(UserError, match="the disk is full"):
        save_model(folder, replace(MODEL, app="tabular"), "")
    assert load_model(folder, "sentiment").settings == MODEL.settings


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/model.*cannot be written"):
        save_model(tmp_path / "file" / "model", MODEL, "")


def test_figures_are_replaced_without_touching_the_model(folder):
    entries = [{"data": "größer", "split": "test", "accuracy": 0.5}]
    write_metrics(folder, entries)
    assert read_metrics(folder) == entries == load_model(folder, "sentiment").metrics


@pytest.mark.parametrize(
    ("there", "flags", "message"),
    [
        ("model", (), "already there.*--overwrite"),
        ("model", ("resume",), "already there.*--overwrite"),
        ("run", (), "a run stopped there.*--resume.*--overwrite"),
    ],
)
def test_what_stands_at_out_is_kept_unless_a_flag_gives_it_up(tmp_path, there, flags, message):
    out = tmp_path / "model"
    path = out / "config.json" if there == "model" else tmp_path / "model.training" / "checkpoint.npz"
    path.parent.mkdir()
    path.write_bytes(b"dear")
    with pytest.raises(UserError, match=f"--out {out}: {message}"):
        check_out(out, "overwrite" in flags, "resume" in flags)
    assert path.read_bytes() == b"dear"


@pytest.mark.parametrize(
    ("overwrite", "resume", "is_kept"), [(False, True, True), (True, False, False), (True, True, True)]
)
def test_a_stopped_run_goes_on_or_begins_anew_as_the_flags_say(tmp_path, overwrite, resume, is_kept):
    checkpoint = tmp_path / "model.training" / "checkpoint.npz"
    checkpoint.parent.mkdir()
    checkpoint.touch()
    assert check_out(tmp_path / "model", overwrite, resume) == checkpoint.parent
    assert checkpoint.exists() == is_kept


def test_a_run_that_ended_before_it_wrote_anything_may_simply_be_tried_again(tmp_path):
    """As after a wrong column: only the empty work folder is there."""
    for _ in range(2):
        work = check_out(tmp_path / "deep" / "model", overwrite=False, resume=False)
    assert work.is_dir()
    assert not (tmp_path / "deep" / "model").exists()


def test_an_out_that_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/model\.training: cannot be written"):
        check_out(tmp_path / "file" / "model", overwrite=False, resume=False)
    with pytest.raises(UserError, match=r"--out \.: a folder of its own is needed"):
        check_out(Path("."), overwrite=True, resume=False)
