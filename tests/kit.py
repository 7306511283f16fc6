"""What several tests share: layers tried in every way that Keras calls them, and commands run as a user runs them."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import tree

ROOT = Path(__file__).resolve().parent.parent
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


def environment(**changes: str) -> dict[str, str]:
    """That of this process, with TensorFlow silenced, no colours, and no settings that would colour the outcome."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "KERAS_BACKEND")}
    return {**inherited, **_QUIET, **changes}


def run_app(*arguments: str | Path, stdin: str = "") -> Outcome:
    """Runs `python -m ARGUMENTS` in the root of the repository."""
    command = [sys.executable, "-m", *map(str, arguments)]
    pipes = {"input": stdin, "capture_output": True, "encoding": "utf-8"}
    done = subprocess.run(command, cwd=ROOT, env=environment(), timeout=1800, **pipes)
    return Outcome(done.returncode, done.stdout, done.stderr)


def place(checkpoint: Path) -> tuple[int, int]:
    """Epochs finished and steps taken since, of a run that may be writing; (-1, -1) before it begins to."""
    if not checkpoint.exists():
        return -1, -1
    with np.load(checkpoint) as arrays:
        state = json.loads(arrays["state"].tobytes())
    return state["epoch"], state["step"]


def to_numpy(values: Any) -> Any:
    """Arrays in any nesting as float32 or integer arrays of NumPy."""
    return tree.map_structure(keras.ops.convert_to_numpy, values)


def check_layer(layer: keras.layers.Layer, **inputs: Any) -> Any:
    """Calls a layer in all ways and expects the same numbers of each.

    Eagerly; in a functional model over `keras.Input` of open batch and time; and once more after a round trip of its
    configuration through JSON. Shapes and types foretold for a symbolic call must be those of the numbers.

    Args:
        layer: not built, or built for these inputs.
        inputs: arrays by the names of the arguments of `call`; time is axis 1 of arrays of two axes or more.

    Returns:
        The outputs, as NumPy arrays.
    """
    expected = to_numpy(layer(**inputs))
    symbols = tree.map_structure(lambda array: keras.Input(_open_shape(array), dtype=array.dtype.name), inputs)
    outputs = layer(**symbols)
    model = keras.Model(tree.flatten(symbols), outputs)
    _check_equal(model.predict_on_batch(tree.flatten(inputs)), expected)
    tree.map_structure(_check_spec, outputs, expected)

    twin = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    twin(**inputs)
    twin.set_weights(layer.get_weights())
    _check_equal(to_numpy(twin(**inputs)), expected)
    return expected


def _open_shape(array: np.ndarray) -> tuple[int | None, ...]:
    """`(batch, time, features)` -> `(None, features)`, `(batch, time)` of ids or a mask -> `(None,)`."""
    is_state = array.ndim == 2 and array.dtype.kind == "f"
    return array.shape[1:] if is_state else (None, *array.shape[2:])


def _check_equal(found: Any, expected: Any) -> None:
    tree.map_structure(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6), found, expected)


def _check_spec(symbol: keras.KerasTensor, array: np.ndarray) -> None:
    assert symbol.dtype == array.dtype.name
    foretold = zip(symbol.shape, array.shape, strict=True)
    assert all(size in (None, real) for size, real in foretold), f"{symbol.shape} foretold, {array.shape} found"
