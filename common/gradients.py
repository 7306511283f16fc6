"""Gradients: measured, clipped in the four usual ways, and followed back through time, on every Keras backend."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.backend import keras, ops
from common.layers import RECURRENT

Tensor = Any

# A gradient so many times smaller than where it entered has vanished for all that training can do, and one so many
# times larger has exploded.
FACTOR = 100.0


def norms(gradients: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of each gradient, float32 `(variables,)`."""
    return ops.stack([ops.sqrt(ops.sum(ops.square(ops.cast(gradient, "float32")))) for gradient in gradients])


def global_norm(variable_norms: Tensor) -> Tensor:
    """The norm of all gradients as one vector, from the norms of each `(variables,)`."""
    return ops.sqrt(ops.sum(ops.square(variable_norms)))


def clip_by_global_norm(gradients: Sequence[Tensor], variables: Sequence[Tensor], at: float) -> list[Tensor]:
    """Scales all gradients by one factor, so that their joint norm is at most `at` (Pascanu et al., 2013)."""
    return _scaled(gradients, [_shrink(global_norm(norms(gradients)), at)] * len(gradients))


def clip_by_norm(gradients: Sequence[Tensor], variables: Sequence[Tensor], at: float) -> list[Tensor]:
    """Scales each gradient by itself, so that its norm is at most `at`; the direction of the whole changes."""
    variable_norms = norms(gradients)
    return _scaled(gradients, [_shrink(variable_norms[index], at) for index in range(len(gradients))])


def clip_by_value(gradients: Sequence[Tensor], variables: Sequence[Tensor], at: float) -> list[Tensor]:
    """Cuts each entry to [-at, at] (Mikolov, 2012)."""
    return [ops.clip(gradient, -at, at) for gradient in gradients]


def clip_adaptively(gradients: Sequence[Tensor], variables: Sequence[Tensor], at: float) -> list[Tensor]:
    """Bounds the norm of each unit's gradient by `at` times the norm of its weights (Brock et al., 2021).

    A unit is a column of a matrix, a single entry of a vector. Norms of weights count as at least 1e-3, so that
    weights that start at zero can move.
    """
    return [_clip_units(gradient, variable, at) for gradient, variable in zip(gradients, variables, strict=True)]


CLIPPING: dict[str, Callable[[Sequence[Tensor], Sequence[Tensor], float], list[Tensor]]] = {
    "global_norm": clip_by_global_norm,
    "norm": clip_by_norm,
    "value": clip_by_value,
    "adaptive": clip_adaptively,
    "none": lambda gradients, variables, at: list(gradients),
}


def _shrink(norm: Tensor, at: float) -> Tensor:
    return ops.minimum(1.0, at / ops.maximum(norm, 1e-12))


def _scaled(gradients: Sequence[Tensor], factors: Sequence[Tensor]) -> list[Tensor]:
    return [gradient * ops.cast(factor, gradient.dtype) for gradient, factor in zip(gradients, factors, strict=True)]


def _clip_units(gradient: Tensor, variable: Tensor, at: float) -> Tensor:
    axes = tuple(range(len(gradient.shape) - 1))
    if not axes:
        limit = at * ops.maximum(ops.abs(variable), 1e-3)
        return ops.clip(gradient, -limit, limit)
    limit = at * ops.maximum(ops.norm(ops.convert_to_tensor(variable), axis=axes, keepdims=True), 1e-3)
    norm = ops.norm(gradient, axis=axes, keepdims=True)
    return gradient * ops.minimum(1.0, limit / ops.maximum(norm, 1e-12))


@dataclass(frozen=True)
class Flow:
    """The gradient along one recurrent layer, by how many steps before its last it stands.

    Attributes:
        layer: the path of the layer.
        norms: the norm of dLoss/dh_t, a mean over rows, `(steps,)`: first that of the last step read, then of the step
            before it, and so on. The loss is that of each row by itself.
        rows: how many rows were that long, `(steps,)`.
    """

    layer: str
    norms: np.ndarray
    rows: np.ndarray

    @property
    def survives(self) -> np.ndarray:
        """The norms as shares of the first, `(steps,)`; zero where there was no gradient to begin with."""
        return self.norms / self.norms[0] if self.norms[0] else np.zeros_like(self.norms)

    def verdict(self) -> tuple[str, int]:
        """`vanishes` or `explodes`, and how many steps back it first has by `FACTOR`; or `lasts`, and all steps."""
        survives = np.where(np.isfinite(self.survives), self.survives, np.inf)
        gone, grown = survives < 1 / FACTOR, survives > FACTOR
        if not (gone | grown).any():
            return "lasts", len(survives) - 1
        steps = int(np.argmax(gone | grown))
        return ("vanishes" if gone[steps] else "explodes"), steps


class FlowMeter:
    """Follows the gradient back through every recurrent layer of a model: how much of it reaches which step.

    No backend's own gradient is called. h_t acts on what follows through the outputs and through the next step's
    pre-activations z_{t+1} = x_{t+1} W + h_t U alone, so dLoss/dh_t is the gradient of zeros added to the outputs at t,
    plus that of zeros added to z_{t+1} times U transposed; and Keras hands gradients to an optimiser, which here takes
    no step. Dropout is off, and the model is left as it was.

    Args:
        model: built, compiled or not; its recurrent layers are those of `layers.RECURRENT`, however deep in it.
        loss: a Keras loss that takes the mean over rows, or None for a model that adds its own.
        from_last: let the gradient enter each layer at the last step it reads only. A pooling over all steps hands each
            its share directly, and hides what the recurrence itself passes on.

    Raises:
        ValueError: the model has no recurrent layer.
    """

    def __init__(self, model: keras.Model, loss: Any, from_last: bool = False):
        layers = [layer for layer in model._flatten_layers() if isinstance(layer, tuple(RECURRENT.values()))]
        if not layers:
            raise ValueError(f"`model` must have a recurrent layer. Received: {model.name}")
        places = {id(variable): place for place, variable in enumerate(model.variables)}
        self.layers = sorted(layers, key=lambda layer: places[id(layer.kernel)])
        self.model, self.loss, self.from_last = model, loss, from_last
        self._probed: dict[str, _Probed] = {}

    def measure(self, batches: Iterable[tuple[Any, ...]]) -> list[Flow]:
        """The flow through each layer with the weights as they are.

        Args:
            batches: `(inputs, targets)` or `(inputs, targets, weights)`; each new shape takes a few seconds to compile.
        """
        norms: list[list[np.ndarray]] = []
        for inputs, *targets in batches:
            shapes = str(keras.tree.map_structure(np.shape, inputs))
            if shapes not in self._probed:
                probes = [_Probe(layer, self.from_last) for layer in self.layers]
                self._probed[shapes] = _Probed(self.model, probes, self.loss, inputs)
            norms.append(self._probed[shapes].norms(inputs, targets))
        return [_as_flow(layer.path, parts) for layer, parts in zip(self.layers, zip(*norms, strict=True), strict=True)]


class _Probe:
    """Zeros added to what enters and to what leaves the loop of a layer, whose gradients are those of the loss there.

    All is `(time, batch, ...)` in the order in which the layer reads. At the first call, which shows the shapes, there
    are no zeros yet.
    """

    def __init__(self, layer: keras.layers.Layer, from_last: bool):
        self.layer, self.from_last = layer, from_last
        self.entry = self.exit = self.real = None

    def __call__(self, loop, mask, projected, kernel, initial_state):
        """Runs `loop` in the place of the layer."""
        self.shape, self.dtype = projected.shape, projected.dtype
        if self.entry is None:
            return loop(projected, kernel, initial_state)
        outputs, state = loop(projected + self.entry, kernel, initial_state)
        if mask is not None:
            real = ops.cast(mask[..., 0], "float32")
            self.real.assign(ops.flip(real, axis=0) if self.layer.reverse else real)
        watched = outputs + self.exit
        if self.from_last:
            following = ops.pad(self.real[1:], ((0, 1), (0, 0)))
            watched = ops.where((self.real > following)[..., None], watched, ops.stop_gradient(outputs))
        return watched, [watched[-1], *state[1:]]

    def make_zeros(self) -> None:
        self.entry = keras.Variable(np.zeros(self.shape), dtype=self.dtype, name="entry")
        self.exit = keras.Variable(np.zeros((*self.shape[:2], self.layer.units)), dtype=self.dtype, name="exit")
        self.real = keras.Variable(np.ones(self.shape[:2]), dtype="float32", trainable=False, name="real")

    def norms(self, entry: np.ndarray, total: np.ndarray) -> np.ndarray:
        """The norm of each row's dLoss/dh_t by steps back, `(steps, batch)`; NaN before the first step of a row.

        Args:
            entry: gradient of the zeros before the loop, `(time, batch, gates * units)`.
            total: gradient of those after it, `(time, batch, units)`, to which the rest is added.
        """
        total[:-1] += entry[1:] @ _to_float64(self.layer.recurrent_kernel).T
        # The loss is a mean over rows.
        norms = np.sqrt(np.square(total).sum(axis=-1)) * total.shape[1]
        reals = ops.convert_to_numpy(self.real).astype(bool)
        aligned = np.full((int(reals.sum(axis=0).max()), total.shape[1]), np.nan)
        for row, real in enumerate(reals.T):
            aligned[: real.sum(), row] = norms[real, row][::-1]
        return aligned


class _Probed(keras.Model):
    """A model with a probe in each recurrent layer, trainable in the zeros of the probes as well."""

    def __init__(self, model: keras.Model, probes: Sequence[_Probe], loss: Any, inputs: Any):
        super().__init__(name="probed")
        self.model, self.probes = model, tuple(probes)
        # A symbolic call shows the shapes and computes nothing.
        symbols = keras.tree.map_structure(lambda array: keras.KerasTensor(array.shape, array.dtype), inputs)
        keras.layers.Lambda(self.call)(symbols)
        for probe in probes:
            probe.make_zeros()
        self.zeros = [zeros for probe in probes for zeros in (probe.entry, probe.exit)]
        self.reals = [probe.real for probe in probes]
        self.compile(_Listener(self.zeros), loss, jit_compile=False)
        self.optimizer.build(self.trainable_variables)

    def call(self, inputs: Any, training: bool = False) -> Any:
        for probe in self.probes:
            probe.layer.probe = probe
        try:
            return self.model(inputs, training=False)
        finally:
            for probe in self.probes:
                del probe.layer.probe

    def norms(self, inputs: Any, targets: Sequence[Any]) -> list[np.ndarray]:
        """Norms of dLoss/dh_t in each layer, by steps back, `(steps, batch)`."""
        self.train_on_batch(inputs, *targets)
        heard = [_to_float64(gradient) for gradient in self.optimizer.heard]
        return [probe.norms(*heard[2 * index : 2 * index + 2]) for index, probe in enumerate(self.probes)]


class _Listener(keras.optimizers.Optimizer):
    """Takes no step, and keeps the gradients of some variables."""

    def __init__(self, variables: Sequence[keras.Variable]):
        super().__init__(learning_rate=0.0, name="listener")
        self._listens_to = list(variables)

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            self.heard = [self.add_variable_from_reference(variable, "heard") for variable in self._listens_to]

    def apply(self, grads: Sequence[Tensor], trainable_variables: Sequence[keras.Variable] | None = None) -> None:
        variables = trainable_variables or self._trainable_variables
        gradients = {id(variable): gradient for variable, gradient in zip(variables, grads, strict=True)}
        for variable, heard in zip(self._listens_to, self.heard, strict=True):
            gradient = gradients[id(variable)]
            # TensorFlow has no gradient at all for what the loss does not depend on.
            heard.assign(ops.zeros_like(heard) if gradient is None else gradient)


def _to_float64(array: Tensor) -> np.ndarray:
    return ops.convert_to_numpy(array).astype(np.float64)


def _as_flow(layer: str, parts: Sequence[np.ndarray]) -> Flow:
    """Joins norms `(steps, batch)` of batches of any length."""
    steps = max(map(len, parts))
    norms = np.concatenate(
        [np.pad(part, ((0, steps - len(part)), (0, 0)), constant_values=np.nan) for part in parts], axis=1
    )
    return Flow(layer, np.nanmean(norms, axis=1), (~np.isnan(norms)).sum(axis=1))
