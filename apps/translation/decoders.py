"""The two decoders: what was written so far and the memory of the source in, features of the next sub-word out."""

from typing import Any, NamedTuple

from common.attention import Attention
from common.backend import keras, ops
from common.layers import RECURRENT

Tensor = Any
State = Any


class EncodedSource(NamedTuple):
    """What the encoder made of a source.

    Attributes:
        memory: `(batch, places, features)`.
        padding_mask: True at real places, `(batch, places)`.
        summary: `(batch, features)`.
        keys: of each look of the decoder, the same at all its steps.
    """

    memory: Tensor
    padding_mask: Tensor
    summary: Tensor
    keys: tuple[Tensor, ...]


class Look(keras.layers.Layer):
    """Attention of one of `ATTENTIONS`; or with `none` the summary of the source, the same for every query."""

    def __init__(self, kind: str, units: int, **arguments: Any):
        super().__init__(**arguments)
        self.attention = None if kind == "none" else Attention(kind, units, name="attention")

    def build(self, queries_shape: tuple[int | None, ...], memory_shape: tuple[int | None, ...]) -> None:
        if self.attention is not None:
            self.attention.build(queries_shape, memory_shape)

    def keys(self, memory: Tensor) -> Tensor:
        """What queries are held against, as in `Attention`; the memory itself where they are held against nothing."""
        return memory if self.attention is None else self.attention.keys(memory)

    def call(self, queries: Tensor, source: EncodedSource, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Queries `(batch, queries, units)` -> contexts `(batch, queries, features)`, weights as in `Attention`."""
        if self.attention is not None:
            return self.attention(queries, source.memory, source.padding_mask, keys)
        batch, count, _ = ops.shape(queries)
        contexts = ops.broadcast_to(source.summary[:, None], (batch, count, source.summary.shape[-1]))
        return contexts, ops.zeros((batch, count, ops.shape(source.memory)[1]), "float32")


class Decoder(keras.layers.Layer):
    """What both decoders share: the state they start from, and the layer that joins state and context.

    Args:
        kind: of the recurrent layers, `lstm` or `simple_rnn`.
        units: of each.
        attention: one of `ATTENTIONS`, or `none`.
        size: features that come out.
        dropout: share of features dropped between the layers.
    """

    depth = 1

    def __init__(self, kind: str, units: int, attention: str, size: int, dropout: float, **arguments: Any):
        super().__init__(**arguments)
        self.units, self.size = units, size
        self.layers = [RECURRENT[kind](units, name=f"layer_{level}") for level in range(self.depth)]
        self.looks = [Look(attention, units, name=f"look_{level}") for level in range(self.depth)]
        self.dropout = keras.layers.Dropout(dropout)
        self.begin = keras.layers.Dense(self.depth * units, activation="tanh", name="begin")
        self.join = keras.layers.Dense(size, activation="tanh", name="join")

    def read(self, memory: Tensor, padding_mask: Tensor, summary: Tensor) -> EncodedSource:
        """What an encoder gives, as the decoder uses it."""
        return EncodedSource(memory, padding_mask, summary, tuple(look.keys(memory) for look in self.looks))

    def start(self, summary: Tensor) -> list[list[Tensor]]:
        """The state of each layer before the first step, from the summary of the source `(batch, features)`."""
        hiddens = ops.split(self.begin(summary), self.depth, axis=-1)
        return [
            [hidden] + [ops.zeros_like(hidden)] * (layer.states - 1)
            for layer, hidden in zip(self.layers, hiddens, strict=True)
        ]


class ParallelDecoder(Decoder):
    """All steps of a target at once: LSTM, attention, LSTM over both, a second attention.

    Between the layers there is no loop around the attention, so each is one large product. The first layer knows
    what was written and nothing of the source; the second has read where the first has looked, and so where it is.
    """

    depth = 2

    def build(self, embedded_shape: tuple[int | None, ...], memory_shape: tuple[int | None, ...]) -> None:
        states = (*embedded_shape[:-1], self.units)
        read = (*embedded_shape[:-1], self.units + memory_shape[-1])
        self.layers[0].build(embedded_shape)
        self.layers[1].build(read)
        for look in self.looks:
            look.build(states, memory_shape)
        self.begin.build((embedded_shape[0], memory_shape[-1]))
        self.join.build((*embedded_shape[:-1], 2 * self.units + memory_shape[-1]))

    def call(self, embedded: Tensor, source: EncodedSource, training: bool = False) -> tuple[Tensor, Tensor]:
        """Vectors `(batch, time, embedding)` -> features `(batch, time, size)`, weights `(batch, time, places)`."""
        state = self.start(source.summary)
        first, _ = self.layers[0](embedded, initial_state=state[0])
        first = self.dropout(first, training=training)
        context, _ = self.looks[0](first, source, source.keys[0])
        second, _ = self.layers[1](ops.concatenate([first, context], axis=-1), initial_state=state[1])
        second = self.dropout(second, training=training)
        context, weights = self.looks[1](second, source, source.keys[1])
        return self.join(ops.concatenate([first, second, context], axis=-1)), weights

    def step(self, embedded: Tensor, source: EncodedSource, state: State) -> tuple:
        """One step of several hypotheses: vectors `(batch, beam, embedding)` -> features and the next state."""
        first, next_first = self.layers[0].step(embedded, state[0])
        context, _ = self.looks[0](first, source, source.keys[0])
        second, next_second = self.layers[1].step(ops.concatenate([first, context], axis=-1), state[1])
        context, _ = self.looks[1](second, source, source.keys[1])
        return self.join(ops.concatenate([first, second, context], axis=-1)), [next_first, next_second]


class InputFeedingDecoder(Decoder):
    """The classic: one layer, and what attention made of the source is fed into the next step (Luong et al., 2015)."""

    def build(self, embedded_shape: tuple[int | None, ...], memory_shape: tuple[int | None, ...]) -> None:
        batch = embedded_shape[0]
        self.layers[0].build((batch, None, embedded_shape[-1] + self.size))
        self.looks[0].build((batch, None, self.units), memory_shape)
        self.begin.build((batch, memory_shape[-1]))
        self.join.build((batch, None, self.units + memory_shape[-1]))

    def start(self, summary: Tensor) -> list[list[Tensor]]:
        return [*super().start(summary), [ops.zeros((ops.shape(summary)[0], self.size), summary.dtype)]]

    def call(self, embedded: Tensor, source: EncodedSource, training: bool = False) -> tuple[Tensor, Tensor]:
        """As in `ParallelDecoder`, by a loop over time."""
        nowhere = ops.zeros_like(source.memory[:, None, :, 0], dtype="float32")
        state = keras.tree.map_structure(lambda array: array[:, None], self.start(source.summary))

        def step(carry, vector):
            _, state, weights = self._step(vector[:, None], source, carry[0])
            # What is kept of each step must have the form of what is carried on.
            return (state, weights), (state, weights)

        _, (states, weights) = ops.scan(step, (state, nowhere), ops.transpose(embedded, (1, 0, 2)))
        features, weights = (ops.transpose(array[:, :, 0], (1, 0, 2)) for array in (states[1][0], weights))
        return self.dropout(features, training=training), weights

    def step(self, embedded: Tensor, source: EncodedSource, state: State) -> tuple:
        """As in `ParallelDecoder`."""
        features, state, _ = self._step(embedded, source, state)
        return features, state

    def _step(self, embedded, source, state):
        given = ops.concatenate([embedded, state[1][0]], axis=-1)
        hidden, inner = self.layers[0].step(given, state[0])
        context, weights = self.looks[0](hidden, source, source.keys[0])
        features = self.join(ops.concatenate([hidden, context], axis=-1))
        return features, [inner, [features]], weights


DECODERS = {"parallel": ParallelDecoder, "input_feeding": InputFeedingDecoder}
