"""AdamW that clips and watches every gradient, on every Keras backend and through plain `fit`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common import gradients
from common.backend import keras, ops

Tensor = Any


@dataclass(frozen=True)
class GradientReport:
    """What the optimiser saw: `norms` are means over its steps, by the path of the variable."""

    norms: dict[str, float]
    global_norm: float
    clipped: float
    skipped: int

    def warning(self) -> str | None:
        """One line if the gradients vanish or explode, in the layer where they do; else None."""
        if self.skipped:
            return f"gradients were not finite in {self.skipped} steps, which were skipped"
        if self.global_norm > 1e3:
            worst = max(self.norms, key=self.norms.get)
            return f"gradients explode: mean norm {self.global_norm:.3g}, most in {worst}"
        silent = [name for name, norm in self.norms.items() if norm < 1e-7]
        if silent:
            return f"gradients vanish: mean norm below 1e-7 in {', '.join(silent)}"
        return None


class Clipped:
    """Put before an optimiser of Keras: it steps on clipped gradients, and skips those that are not finite.

    Clipping and measuring live in `apply`, which `fit` calls on every backend. What is measured is held in variables
    of the optimiser, and so is saved and resumed with the rest.

    Attributes:
        rate_scale: factor on the learning rate, a variable; the training loop lowers it after an explosion.

    Args:
        clip: a name of `gradients.CLIPPING`.
        clip_at: the norm, value or ratio that clipping begins at.
        arguments: those of the optimiser.
    """

    def __init__(self, clip: str = "global_norm", clip_at: float = 1.0, **arguments: Any):
        super().__init__(**arguments)
        self.clip = clip
        self.clip_at = clip_at

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self.exclude_from_weight_decay([variable for variable in variables if len(variable.shape) < 2])
        self.rate_scale = self.add_variable((), initializer="ones", dtype="float32", name="rate_scale")
        self._paths = [variable.path for variable in variables]
        self._norm_sums = self.add_variable((len(variables),), dtype="float32", name="norm_sums")
        self._global_norm_sum = self.add_variable((), dtype="float32", name="global_norm_sum")
        self._steps = self.add_variable((), dtype="float32", name="steps")
        self._clipped = self.add_variable((), dtype="float32", name="clipped")
        self._skipped = self.add_variable((), dtype="float32", name="skipped")

    def apply(self, grads: Sequence[Tensor], trainable_variables: Sequence[Any] | None = None) -> None:
        if trainable_variables is not None:
            self.build(trainable_variables)
        variables = trainable_variables or self._trainable_variables
        dense = [_dense(gradient, variable) for gradient, variable in zip(grads, variables, strict=True)]
        variable_norms = gradients.norms(dense)
        norm = gradients.global_norm(variable_norms)
        finite = ops.isfinite(norm)
        clipped = gradients.CLIPPING[self.clip](dense, variables, self.clip_at)
        self._measure(variable_norms, norm, gradients.norms(clipped), finite)
        super().apply([ops.where(finite, gradient, ops.zeros_like(gradient)) for gradient in clipped], variables)

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        super().update_step(gradient, variable, learning_rate * ops.cast(self.rate_scale, learning_rate.dtype))

    def _measure(self, variable_norms: Tensor, norm: Tensor, clipped_norms: Tensor, finite: Tensor) -> None:
        counted = ops.cast(finite, "float32")
        # Two sums over the same numbers may differ in their last digits.
        changed = ops.any(clipped_norms < variable_norms * (1 - 1e-3))
        self._norm_sums.assign_add(ops.where(finite, variable_norms, ops.zeros_like(variable_norms)))
        self._global_norm_sum.assign_add(ops.where(finite, norm, 0.0))
        self._steps.assign_add(counted)
        self._clipped.assign_add(counted * ops.cast(changed, "float32"))
        self._skipped.assign_add(1 - counted)

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Nothing: `fit` calls this at its end, and a training goes on from its weights, not from their average."""

    def assign_averages(self) -> None:
        """Sets the weights to their moving average."""
        super().finalize_variable_values(self._trainable_variables)

    def take_report(self) -> GradientReport:
        """What was measured since the last report; the counters start anew."""
        counters = (self._norm_sums, self._global_norm_sum, self._steps, self._clipped, self._skipped)
        norm_sums, global_norm_sum, steps, clipped, skipped = (ops.convert_to_numpy(counter) for counter in counters)
        for counter in counters:
            counter.assign(ops.zeros(counter.shape))
        steps = np.maximum(steps, 1)
        norms = {path: float(total / steps) for path, total in zip(self._paths, norm_sums, strict=True)}
        return GradientReport(norms, float(global_norm_sum / steps), float(clipped / steps), int(skipped))


class ClippedAdamW(Clipped, keras.optimizers.AdamW):
    """AdamW (Loshchilov & Hutter, 2019) on clipped gradients. Arguments as in `Clipped`."""


def _dense(gradient: Tensor, variable: Any) -> Tensor:
    """A gradient as one array: TensorFlow's of an embedding has a row a token, and norms and clipping need the sums."""
    if not hasattr(gradient, "indices"):
        return gradient
    return ops.segment_sum(gradient.values, gradient.indices, variable.shape[0])
