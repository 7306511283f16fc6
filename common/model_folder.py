"""The model folder: all that infer, evaluate and export read of a trained model, and the checks on the way in.

`config.json` (app, settings, versions, data, SHA-256 of the other files), `weights.npz`, `metrics.json`, `README.md`
and the app's own files. Loading runs no code from the folder: plain JSON and arrays, no pickle, no `.keras` file, whose
deserialisation has executed code (CVE-2025-1550).
"""

import io
import json
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from common.files import make_folder, replace_folder, write_atomically
from common.sources import checksum

SCHEMA = 1
_SCALE = ":scale"
WEIGHTS = "weights.npz"


@dataclass(frozen=True)
class ModelFolder:
    """A trained model as it stands on disk.

    Attributes:
        app: the app it belongs to.
        settings: plain values of the app's settings.
        weights: float32 arrays by the path of their variable.
        files: contents of the app's own files by name, such as the tokeniser.
        facts: what else the app must know, such as the labels, and where the data came from.
        metrics: figures, each with its data, split, command and date.
        where: its `config.json`, for messages; empty if it was not read from a disk.
    """

    app: str
    settings: dict[str, Any]
    weights: Mapping[str, np.ndarray]
    files: dict[str, bytes] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    where: str = field(default="", compare=False)


def save_model(folder: Path, model: ModelFolder, card: str, storage: str = "float32") -> None:
    """Writes the whole folder under a temporary name, then puts it in its place.

    Args:
        folder: where to; what stands there is replaced at the end.
        model: what to write.
        card: the model card, Markdown.
        storage: type of the stored weights: `float32`, `float16` or `int8`: matrices by a scale a column, convolutions
            in float16.

    Raises:
        UserError: the folder cannot be written.
    """
    temporary = folder.with_name(folder.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    make_folder(temporary)
    contents = {WEIGHTS: _pack(model.weights, storage), **model.files}
    config = {
        "schema": SCHEMA,
        "app": model.app,
        "settings": model.settings,
        "facts": model.facts,
        "versions": _versions(),
        "sha256": {name: checksum(content) for name, content in contents.items()},
    }
    contents |= {
        "config.json": _as_json(config),
        "metrics.json": _as_json(model.metrics),
        "README.md": card.encode(),
    }
    for name, content in contents.items():
        write_atomically(temporary / name, lambda file, content=content: file.write(content))
    replace_folder(temporary, folder)


def load_model(folder: Path, app: str, with_weights: bool = True, remedy: str = "get the model again") -> ModelFolder:
    """Reads and checks a model folder.

    Args:
        folder: of the model.
        app: that it must belong to.
        with_weights: whether the weights are read; an export holds them in a form of its own.
        remedy: what mends a damaged file.

    Raises:
        UserError: it is not there, not a model, of another app, of a newer schema, truncated or altered.
    """
    config = read_config(folder)
    if config["app"] != app:
        raise UserError(f"{folder}: a model of the app {config['app']!r}, not of {app!r}")
    wanted = {name: digest for name, digest in config["sha256"].items() if with_weights or name != WEIGHTS}
    contents = {name: _checked(folder / name, digest, remedy) for name, digest in wanted.items()}
    weights = _unpack(contents.pop(WEIGHTS), folder) if with_weights else {}
    metrics = read_metrics(folder)
    return ModelFolder(app, config["settings"], weights, contents, config["facts"], metrics, f"{folder}/config.json")


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a model folder, its schema checked.

    Raises:
        UserError: it is not there, not a model's, or written by a newer version.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such model folder")
    config = _read_json(folder / "config.json")
    if not isinstance(config, dict) or "schema" not in config:
        raise UserError(f"{folder}/config.json: not the config of a model folder")
    if config["schema"] != SCHEMA:
        found = f"schema {config['schema']!r}, this version reads {SCHEMA}"
        raise UserError(f"{folder}/config.json: {found}; use the version that wrote it")
    if missing := {"app", "settings", "facts", "sha256"} - set(config):
        raise UserError(f"{folder}/config.json: damaged, without {', '.join(sorted(missing))}")
    if not isinstance(config["sha256"], dict) or WEIGHTS not in config["sha256"]:
        raise UserError(f"{folder}/config.json: damaged, without the SHA-256 of weights.npz")
    return config


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The figures of a model folder, an entry for each data and split.

    Raises:
        UserError: they are missing or damaged.
    """
    metrics = _read_json(folder / "metrics.json")
    if not isinstance(metrics, list):
        raise UserError(f"{folder}/metrics.json: damaged: not a list of figures")
    return metrics


def add_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Puts files into a model folder, and their checksums into its `config.json`."""
    config = read_config(folder)
    for name, content in files.items():
        write_atomically(folder / name, lambda file, content=content: file.write(content))
    config["sha256"] |= {name: checksum(content) for name, content in files.items()}
    write_atomically(folder / "config.json", lambda file: file.write(_as_json(config)))


def write_metrics(folder: Path, metrics: list[dict[str, Any]]) -> None:
    """Replaces the figures of a model folder."""
    write_atomically(folder / "metrics.json", lambda file: file.write(_as_json(metrics)))


def check_out(folder: Path, overwrite: bool, resume: bool) -> Path:
    """The work folder of a training that will end in `folder`, made ready.

    Raises:
        UserError: a model stands in `folder` or a run was stopped there, and neither flag says what to do.
    """
    if not folder.name:
        raise UserError(f"--out {folder}: a folder of its own is needed, such as runs/model")
    work = folder.with_name(folder.name + ".training")
    if folder.exists() and not overwrite:
        raise UserError(f"--out {folder}: already there; choose another name, or replace it with --overwrite")
    # A run that ended before its first checkpoint, on bad data for instance, has left an empty folder.
    begun = work.is_dir() and any(work.iterdir())
    if begun and not (overwrite or resume):
        raise UserError(
            f"--out {folder}: a run stopped there ({work}); go on with --resume or begin anew with --overwrite"
        )
    if not resume:
        shutil.rmtree(work, ignore_errors=True)
    return make_folder(work)


def _pack(weights: Mapping[str, np.ndarray], storage: str) -> bytes:
    arrays: dict[str, np.ndarray] = {}
    for path, value in weights.items():
        if storage == "int8" and value.ndim == 2:
            scale = np.abs(value).max(axis=0, keepdims=True) / 127 + 1e-12
            arrays[path], arrays[path + _SCALE] = np.round(value / scale).astype(np.int8), scale.astype(np.float32)
        else:
            # Errors of convolutions add up from layer to layer.
            is_half = storage == "float16" or (storage == "int8" and value.ndim > 2)
            arrays[path] = value.astype(np.float16 if is_half else np.float32)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def _unpack(content: bytes, folder: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{folder}/weights.npz: not the weights of a model") from error
    return {
        path: value.astype(np.float32) * arrays.get(path + _SCALE, np.float32(1))
        for path, value in arrays.items()
        if not path.endswith(_SCALE)
    }


def _checked(path: Path, digest: str, remedy: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read, the model folder is incomplete: {error.strerror}") from error
    if checksum(content) != digest:
        raise UserError(f"{path}: truncated or altered, its SHA-256 is not the one in config.json; {remedy}")
    return content


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file, so this is no model folder") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: damaged: {error}") from error


def _as_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _versions() -> dict[str, str]:
    found = {}
    for package in ("rnn-apps", "keras", "tensorflow", "numpy", "sentencepiece"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
