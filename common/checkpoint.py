"""The state of a training run in one file: weights, optimiser, random state, place in the data, log."""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common.backend import keras, ops, use_precision
from common.errors import UserError
from common.figures import Row
from common.files import write_atomically


@dataclass
class State:
    """Where a run stands, apart from the arrays.

    Attributes:
        epoch: epochs finished.
        step: steps taken in the epoch under way.
        first_loss: the loss of the first batch, against which an explosion is judged.
        rollbacks: how often an exploded loss sent the run back.
        rows: the log, a row an epoch.
        settings: those the run was begun with, as plain values.
    """

    epoch: int = 0
    step: int = 0
    first_loss: float | None = None
    rollbacks: int = 0
    rows: list[Row] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: Path, model: keras.Model, state: State) -> None:
    """Writes all that the next step depends on: `model` with its optimiser, metrics and random state, and `state`."""
    arrays = {f"{index:04d}": ops.convert_to_numpy(v) for index, v in enumerate(_variables(model))}
    text = np.frombuffer(json.dumps(asdict(state)).encode(), np.uint8)
    write_atomically(path, lambda file: np.savez(file, state=text, **arrays))


def load_checkpoint(path: Path, model: keras.Model) -> State:
    """Puts the arrays of a checkpoint into `model` and returns its state.

    Raises:
        UserError: there is none, it is damaged, or it belongs to a model of another shape.
    """
    variables = _variables(model)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            state = State(**json.loads(arrays["state"].tobytes()))
            values = [arrays[f"{index:04d}"] for index in range(len(arrays.files) - 1)]
    except FileNotFoundError as error:
        raise UserError(f"--resume: there is no checkpoint at {path}; start without --resume") from error
    except (EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"--resume: {path} is damaged; begin anew with --overwrite") from error
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise UserError(f"--resume: {path} belongs to other settings; use those it was begun with")
    assign(variables, values)
    return state


def save_weights(path: Path, model: keras.Model) -> None:
    """Writes the trainable weights of `model`, in their order."""
    arrays = {f"{index:04d}": ops.convert_to_numpy(v) for index, v in enumerate(model.trainable_variables)}
    write_atomically(path, lambda file: np.savez(file, **arrays))


def load_weights(path: Path, model: keras.Model) -> None:
    """Puts what `save_weights` wrote back into `model`."""
    with np.load(path, allow_pickle=False) as arrays:
        assign(model.trainable_variables, [arrays[name] for name in sorted(arrays.files)])


def assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Sets each variable to the value of its place."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def weights_by_path(model: keras.Model) -> dict[str, np.ndarray]:
    """The weights of `model` by the paths of their variables, as a model folder holds them; frozen ones as well."""
    return {variable.path: ops.convert_to_numpy(variable) for variable in model.weights}


def assign_by_path(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Sets those variables of `model` whose paths are in `weights`.

    Raises:
        UserError: a weight has no place in the model, or another shape there.
    """
    variables = {variable.path: variable for variable in model.weights}
    for path, value in weights.items():
        if path not in variables or tuple(variables[path].shape) != value.shape:
            there = tuple(variables[path].shape) if path in variables else "nothing"
            raise UserError(f"the weights {path} {value.shape} do not fit this network, which has {there} there")
        variables[path].assign(value)


def load_network(build: Callable[[], keras.Model], weights: Mapping[str, np.ndarray], precision: str) -> keras.Model:
    """A trained network, as a model folder holds it.

    Args:
        build: makes the network, under the precision asked for.
        weights: by path, as a model folder holds them.
        precision: `float32`, `mixed_bfloat16` or `auto`.

    Raises:
        UserError: the weights do not fit the network.
    """
    use_precision(precision)
    model = build()
    assign_by_path(model, weights)
    return model


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]
