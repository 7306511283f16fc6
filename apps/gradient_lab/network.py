"""The small networks of the lab: one layer and a linear readout, from a start that is chosen."""

import numpy as np

from apps.gradient_lab.tasks import RECALLED, SequenceTask
from common.backend import keras, ops
from common.layers import LSTM, RECURRENT, Backbone


def build_network(task: SequenceTask, kind: str, units: int) -> keras.Model:
    """One layer of `kind`, and a linear readout: `(batch, time, features)` -> the answers of the task."""
    inputs = keras.Input((None, task.features))
    states = Backbone(kind, units, name="backbone")(inputs)
    if task.reads == "mean":
        read = ops.mean(states, axis=1)
    else:
        read = states[:, -1] if task.reads == "last" else states[:, -RECALLED:]
    return keras.Model(inputs, keras.layers.Dense(task.outputs, name="readout")(read), name=kind)


def build_loss(task: SequenceTask) -> keras.losses.Loss:
    if task.loss == "mse":
        return keras.losses.MeanSquaredError()
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def recurrent_layer(network: keras.Model) -> keras.layers.Layer | None:
    """The layer that a gradient flows back through; None in a feed-forward network."""
    [[layer]] = network.get_layer("backbone").stack
    return layer if isinstance(layer, tuple(RECURRENT.values())) else None


def set_start(layer: keras.layers.Layer, initialiser: str, gain: float, forget_bias: float) -> None:
    """Draws the recurrent kernel anew.

    Args:
        layer: a `SimpleRNN` or an `LSTM`.
        initialiser: of the kernel, a name of Keras'.
        gain: factor on what it draws.
        forget_bias: bias of the forget gate of an LSTM; its other biases become zero.
    """
    kernel = keras.initializers.get(initialiser)(layer.recurrent_kernel.shape)
    layer.recurrent_kernel.assign(gain * ops.convert_to_numpy(kernel))
    if isinstance(layer, LSTM):
        layer.bias.assign(np.repeat([0.0, forget_bias, 0.0, 0.0], layer.units))
