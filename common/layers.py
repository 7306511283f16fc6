"""The recurrent layers of the suite: `SimpleRNN` and `LSTM`, with the weights and the numbers of Keras' own."""

from typing import Any

from common import recurrence
from common.backend import keras, ops

Tensor = Any


class _Recurrent(keras.layers.Layer):
    """What both recurrent layers share: weights, the projection of all inputs, direction and masks.

    Sequences are padded on the right. A forward pass never sees the padding before the end of a row, and a pass in
    reverse keeps its state at zero through it, so that padding changes no output. Outputs at padding are zero.

    Args:
        units: size of the state.
        reverse: read each sequence from its end to its start; outputs stay in the order of the input.
        weight_drop: share of the recurrent kernel's entries dropped in training, anew for each batch
            (Merity et al., 2018); it costs one product less than dropout at every step.

    Attributes:
        probe: None, or what runs the loop instead, `probe(loop, mask, projected, kernel, initial_state)`, the mask
            `(time, batch, 1)` or None; `gradients.measure_flow` sets it for the time of a measurement.
    """

    gates = 1
    probe = None

    def __init__(self, units: int, reverse: bool = False, weight_drop: float = 0.0, **arguments: Any):
        super().__init__(**arguments)
        self.units = units
        self.reverse = reverse
        self.weight_drop = keras.layers.Dropout(weight_drop) if weight_drop else None

    def build(self, sequences_shape: tuple[int | None, ...]) -> None:
        width = self.gates * self.units
        self.kernel = self.add_weight((sequences_shape[-1], width), "glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight((self.units, width), "orthogonal", name="recurrent_kernel")
        self.bias = self.add_weight((width,), self.initial_bias, name="bias")

    def initial_bias(self, shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
        return ops.zeros(shape, dtype)

    def call(
        self,
        sequences: Tensor,
        padding_mask: Tensor | None = None,
        initial_state: list[Tensor] | None = None,
        training: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """Runs the layer over whole sequences.

        Args:
            sequences: `(batch, time, features)`.
            padding_mask: `(batch, time)`, True at real steps; None where every step is real.
            initial_state: arrays `(batch, units)`, one for a SimpleRNN (h), two for an LSTM (h, c); zeros if None.
            training: whether weights are dropped.

        Returns:
            Outputs `(batch, time, units)`, and the state after the last step computed, in the form of
            `initial_state`. With a mask and a forward layer that last step may be padding.
        """
        projected = self._project(ops.transpose(sequences, (1, 0, 2)))
        mask = None if padding_mask is None else ops.transpose(padding_mask)[..., None]
        if self.reverse:
            if mask is not None:
                projected = ops.where(mask, projected, self._closed(projected.dtype))
            projected = ops.flip(projected, axis=0)
        kernel = ops.cast(self.recurrent_kernel, projected.dtype)
        if self.weight_drop is not None:
            kernel = self.weight_drop(kernel, training=training)
        if initial_state is None:
            initial_state = [ops.zeros_like(projected[0, :, : self.units])] * self.states
        if self.probe is None:
            outputs, state = self._recur(projected, kernel, initial_state)
        else:
            outputs, state = self.probe(self._recur, mask, projected, kernel, initial_state)
        if self.reverse:
            outputs = ops.flip(outputs, axis=0)
        if mask is not None:
            outputs = outputs * ops.cast(mask, outputs.dtype)
        return ops.transpose(outputs, (1, 0, 2)), state

    def _project(self, sequences: Tensor) -> Tensor:
        """(..., features) -> (..., gates * units), in one product."""
        return ops.matmul(sequences, ops.cast(self.kernel, sequences.dtype)) + ops.cast(self.bias, sequences.dtype)

    def step(self, features: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """One step by itself, for decoding: features `(..., features)`, a state of arrays `(..., units)`.

        Returns:
            The output `(..., units)` and the state after it.
        """
        return self._advance(self._project(features), ops.cast(self.recurrent_kernel, features.dtype), state)

    def compute_output_spec(self, sequences, padding_mask=None, initial_state=None, training=False):
        batch, time, _ = sequences.shape
        state = [keras.KerasTensor((batch, self.units), self.compute_dtype) for _ in range(self.states)]
        return keras.KerasTensor((batch, time, self.units), self.compute_dtype), state


class SimpleRNN(_Recurrent):
    """h_t = tanh(x_t W + h_{t-1} U + b) (Elman, 1990). Arguments as in `_Recurrent`."""

    gates = 1
    states = 1

    def _closed(self, dtype: str) -> Tensor:
        """The pre-activation that leaves a state of zero at zero."""
        return ops.zeros((self.units,), dtype)

    def _recur(self, projected, kernel, initial_state):
        hiddens = recurrence.simple_rnn(projected, kernel, initial_state[0])
        return hiddens, [hiddens[-1]]

    def _advance(self, projected, kernel, state):
        hidden = recurrence.simple_rnn_step(projected, state[0], kernel)
        return hidden, [hidden]


class LSTM(_Recurrent):
    """The LSTM with forget gate, its forget bias starting at 1 (Gers et al., 2000). Arguments as in `_Recurrent`."""

    gates = 4
    states = 2

    def initial_bias(self, shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
        zeros, ones = ops.zeros((self.units,), dtype), ops.ones((self.units,), dtype)
        return ops.concatenate([zeros, ones, zeros, zeros])

    def _closed(self, dtype: str) -> Tensor:
        """Pre-activations with the input gate shut, so that a state of zero stays at zero."""
        zeros = ops.zeros((3 * self.units,), dtype)
        return ops.concatenate([ops.full((self.units,), -1e4, dtype), zeros])

    def _recur(self, projected, kernel, initial_state):
        hiddens, cells = recurrence.lstm(projected, kernel, *initial_state)
        return hiddens, [hiddens[-1], cells[-1]]

    def _advance(self, projected, kernel, state):
        hidden, cell, _ = recurrence.lstm_step(projected, *state, kernel)
        return hidden, [hidden, cell]


RECURRENT = {"simple_rnn": SimpleRNN, "lstm": LSTM}
BACKBONES = ("lstm", "simple_rnn", "dense")


class Backbone(keras.layers.Layer):
    """A stack of layers from features to features, the same for every app; chosen by name.

    `lstm` and `simple_rnn` read a sequence step after step, in one or both directions; `dense` is the feed-forward
    network, applied to each step by itself, blind to order.

    Args:
        kind: one of `BACKBONES`.
        units: size of each layer, and of each direction.
        layers: how many are stacked; from the second on each adds to what it was given.
        bidirectional: read from the end to the start as well, outputs joined on the last axis.
        dropout: share of the features dropped between layers.
        weight_drop: as in `_Recurrent`.
    """

    def __init__(
        self,
        kind: str,
        units: int,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        weight_drop: float = 0.0,
        **arguments: Any,
    ):
        super().__init__(**arguments)
        self.bidirectional = bidirectional and kind != "dense"
        self.dropout = keras.layers.Dropout(dropout)
        self.stack = []
        for level in range(layers):
            if kind == "dense":
                self.stack.append([keras.layers.Dense(units, activation="relu", name=f"dense_{level}")])
                continue
            directions = (False, True) if bidirectional else (False,)
            self.stack.append(
                [
                    RECURRENT[kind](units, reverse, weight_drop, name=f"{'backward' if reverse else 'forward'}_{level}")
                    for reverse in directions
                ]
            )

    def build(self, sequences_shape: tuple[int | None, ...]) -> None:
        for level in self.stack:
            for layer in level:
                layer.build(sequences_shape)
            width = sum(layer.units for layer in level)
            sequences_shape = (*sequences_shape[:-1], width)

    def call(self, sequences: Tensor, padding_mask: Tensor | None = None, training: bool = False) -> Tensor:
        """`(batch, time, features)`, mask `(batch, time)` -> `(batch, time, directions * units)`."""
        for index, level in enumerate(self.stack):
            given = self.dropout(sequences, training=training) if index else sequences
            outputs = [self._run(layer, given, padding_mask, training) for layer in level]
            outputs = ops.concatenate(outputs, axis=-1) if len(outputs) > 1 else outputs[0]
            sequences = outputs + given if index else outputs
        return sequences

    @staticmethod
    def _run(layer: keras.layers.Layer, sequences: Tensor, padding_mask: Tensor | None, training: bool) -> Tensor:
        if isinstance(layer, _Recurrent):
            return layer(sequences, padding_mask=padding_mask, training=training)[0]
        return layer(sequences)

    def compute_output_spec(self, sequences, padding_mask=None, training=False):
        width = sum(layer.units for layer in self.stack[-1])
        return keras.KerasTensor((*sequences.shape[:-1], width), self.compute_dtype)


def last_step(sequences: Tensor, padding_mask: Tensor) -> Tensor:
    """The last real step of each row: `(batch, time, features)`, `(batch, time)` -> `(batch, features)`."""
    following = ops.pad(padding_mask[:, 1:], ((0, 0), (0, 1)))
    is_last = ops.cast(ops.logical_and(padding_mask, ops.logical_not(following)), sequences.dtype)
    # A product with a one-hot row: its gradient is a product too, where a gather's would be a slow scatter.
    return ops.einsum("bt,btf->bf", is_last, sequences)


class Pooling(keras.layers.Layer):
    """One vector for a sequence, for many to one: any of `last`, `mean`, `max`, `attention`, joined.

    `last` takes, of a bidirectional backbone, the last step of the forward and the first of the backward half.
    `attention` weighs the steps by a learned additive score (Yang et al., 2016).
    """

    def __init__(self, kinds: tuple[str, ...], bidirectional: bool, **arguments: Any):
        super().__init__(**arguments)
        self.kinds = tuple(kinds)
        self.bidirectional = bidirectional

    def build(self, sequences_shape: tuple[int | None, ...]) -> None:
        if "attention" in self.kinds:
            width = sequences_shape[-1]
            self.hidden = keras.layers.Dense(width, activation="tanh", name="hidden")
            self.hidden.build(sequences_shape)
            self.score = keras.layers.Dense(1, use_bias=False, name="score")
            self.score.build((*sequences_shape[:-1], width))

    def call(self, sequences: Tensor, padding_mask: Tensor) -> Tensor:
        """`(batch, time, features)`, mask `(batch, time)` -> `(batch, kinds * features)`."""
        pooled = [getattr(self, f"_{kind}")(sequences, padding_mask) for kind in self.kinds]
        return ops.concatenate(pooled, axis=-1) if len(pooled) > 1 else pooled[0]

    def compute_output_spec(self, sequences, padding_mask):
        return keras.KerasTensor((sequences.shape[0], len(self.kinds) * sequences.shape[-1]), self.compute_dtype)

    def _last(self, sequences: Tensor, padding_mask: Tensor) -> Tensor:
        if not self.bidirectional:
            return last_step(sequences, padding_mask)
        units = sequences.shape[-1] // 2
        return ops.concatenate([last_step(sequences[..., :units], padding_mask), sequences[:, 0, units:]], axis=-1)

    def _mean(self, sequences: Tensor, padding_mask: Tensor) -> Tensor:
        real = ops.cast(padding_mask, "float32")
        weights = real / ops.maximum(ops.sum(real, axis=1, keepdims=True), 1.0)
        return ops.einsum("bt,btf->bf", ops.cast(weights, sequences.dtype), sequences)

    def _max(self, sequences: Tensor, padding_mask: Tensor) -> Tensor:
        lowest = ops.cast(-1e4, sequences.dtype)
        return ops.max(ops.where(padding_mask[..., None], sequences, lowest), axis=1)

    def _attention(self, sequences: Tensor, padding_mask: Tensor) -> Tensor:
        scores = ops.cast(self.score(self.hidden(sequences))[..., 0], "float32")
        weights = ops.softmax(ops.where(padding_mask, scores, -1e9), axis=1)
        return ops.einsum("bt,btf->bf", ops.cast(weights, sequences.dtype), sequences)


class WordDropout(keras.layers.Layer):
    """Replaces token ids by that of the unknown word in training (Iyyer et al., 2015): ids `(batch, time)`."""

    def __init__(self, rate: float, unknown_id: int, **arguments: Any):
        super().__init__(**arguments)
        self.rate = rate
        self.unknown_id = unknown_id
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, token_ids: Tensor, padding_mask: Tensor, training: bool = False) -> Tensor:
        if not training or not self.rate:
            return token_ids
        drawn = keras.random.uniform(ops.shape(token_ids), seed=self.seed_generator)
        return ops.where(ops.logical_and(padding_mask, drawn < self.rate), self.unknown_id, token_ids)

    def compute_output_spec(self, token_ids, padding_mask, training=False):
        return keras.KerasTensor(token_ids.shape, token_ids.dtype)
