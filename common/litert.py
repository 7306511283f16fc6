"""Runs LiteRT files, and reads the model folders they stand in, without TensorFlow and without Keras."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from common.errors import UserError
from common.model_folder import ModelFolder, read_config, read_metrics
from common.sources import checksum

LITERT = "model.tflite"
SIGNATURE = "serving_default"
Runtime = Literal["auto", "keras", "litert"]
Arrays = dict[str, np.ndarray]


class LiteRTNetwork:
    """A signature of a LiteRT file as a function from arrays to arrays; batch and time may change from call to call.

    Args:
        content: of the file.
        signature: name of the function.
        threads: that it may use.

    Raises:
        UserError: it is no such file, or has no such signature.
    """

    def __init__(self, content: bytes, signature: str = SIGNATURE, threads: int | None = None):
        from ai_edge_litert.interpreter import Interpreter

        try:
            with _silent_stderr():
                self._interpreter = Interpreter(model_content=content, num_threads=threads)
                self._interpreter.allocate_tensors()
                self._run = self._interpreter.get_signature_runner(signature)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{LITERT}: not a file that LiteRT can run: {str(error).splitlines()[0]}") from error
        self.inputs = list(self._run.get_input_details())

    def __call__(self, arrays: Arrays) -> Arrays:
        """Arrays by the names of the inputs -> arrays by the names of the outputs."""
        return self._run(**{name: arrays[name] for name in self.inputs})


def choose_runtime(folder: Path, runtime: Runtime) -> Runtime:
    """What runs the model of a folder: with `auto` LiteRT where it has been exported, else Keras.

    Raises:
        UserError: LiteRT is asked for, and the model has not been exported.
    """
    has_file = (folder / LITERT).is_file()
    if runtime == "litert" and not has_file:
        raise UserError(f"--runtime litert: no {LITERT} in {folder}; make it with python -m apps export {folder}")
    if runtime == "auto":
        return "litert" if has_file else "keras"
    return runtime


def load_exported(folder: Path, app: str) -> tuple[ModelFolder, LiteRTNetwork]:
    """A model folder with all its files but the weights, checked, and the network in its LiteRT file.

    Raises:
        UserError: it is not there, not a model, of another app, damaged, or was never exported.
    """
    config = read_config(folder)
    if config["app"] != app:
        raise UserError(f"{folder}: a model of the app {config['app']!r}, not of {app!r}")
    names = [name for name in config["sha256"] if name != "weights.npz"]
    if LITERT not in names:
        raise UserError(f"{folder}/{LITERT}: not in config.json; make it with python -m apps export {folder}")
    files = {name: _read(folder / name, config["sha256"][name]) for name in names}
    network = LiteRTNetwork(files.pop(LITERT))
    saved = ModelFolder(
        app, config["settings"], {}, files, config["facts"], read_metrics(folder), f"{folder}/config.json"
    )
    return saved, network


def _read(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read, the model folder is incomplete: {error.strerror}") from error
    if checksum(content) != digest:
        raise UserError(f"{path}: truncated or altered, its SHA-256 is not the one in config.json; export it again")
    return content


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """LiteRT greets on standard error whenever it starts, and no setting of its own stops it."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
