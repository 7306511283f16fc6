"""Gradients: measured, and clipped in the four usual ways. Every function is `keras.ops` on lists of arrays."""

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

Tensor = Any


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
