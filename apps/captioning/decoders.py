"""The two decoders: the places of a picture and what was written so far in, features of the next sub-word out."""

from typing import Any, NamedTuple

from common.attention import Attention
from common.backend import keras, ops
from common.layers import RECURRENT

Tensor = Any
State = Any


class SeenPicture(NamedTuple):
    """What the network made of a picture.

    Attributes:
        places: `(pictures, places, units)`.
        summary: their mean, `(pictures, units)`.
        keys: what each attention holds its queries against; none without attention.
    """

    places: Tensor
    summary: Tensor
    keys: tuple[Tensor, ...] = ()


class PlainDecoder(keras.layers.Layer):
    """One recurrent layer that sees the picture once, as its first input (Vinyals et al., 2015).

    https://arxiv.org/abs/1411.4555

    Args:
        kind: of the recurrent layer, `lstm` or `simple_rnn`.
        units: of it.
        size: features that come out.
        dropout: share of features dropped.
    """

    can_look = False

    def __init__(self, kind: str, units: int, size: int, dropout: float, **arguments: Any):
        super().__init__(**arguments)
        self.layer = RECURRENT[kind](units, name="layer")
        self.units, self.size = units, size
        self.dropout = keras.layers.Dropout(dropout)
        self.see = keras.layers.Dense(size, name="see")
        self.join = keras.layers.Dense(size, activation="tanh", name="join")

    def build(self, embedded_shape: tuple[int | None, ...], places_shape: tuple[int | None, ...]) -> None:
        self.layer.build(embedded_shape)
        self.see.build((places_shape[0], places_shape[-1]))
        self.join.build((*embedded_shape[:-1], self.units))

    def look_at(self, places: Tensor) -> SeenPicture:
        """Places `(pictures, places, units)`, as the decoder uses them."""
        return SeenPicture(places, ops.mean(places, axis=1))

    def start(self, picture: SeenPicture) -> State:
        """The state after the picture and before the first word: arrays `(pictures, units)`."""
        first = self.see(picture.summary)
        nothing = ops.zeros((ops.shape(first)[0], self.units), first.dtype)
        return self.layer.step(first, [nothing] * self.layer.states)[1]

    def call(self, embedded: Tensor, picture: SeenPicture, training: bool = False) -> tuple[Tensor, None]:
        """Vectors `(pictures, captions, time, embedding)` -> features `(pictures, captions, time, size)`, and None."""
        rows, captions = _as_rows(embedded), ops.shape(embedded)[1]
        hidden, _ = self.layer(rows, initial_state=_for_each(self.start(picture), captions))
        hidden = self.dropout(hidden, training=training)
        return _as_captions(self.join(hidden), captions), None

    def step(self, embedded: Tensor, picture: SeenPicture, state: State) -> tuple[Tensor, State]:
        """One step of several hypotheses: vectors `(pictures, beam, embedding)` -> features and the next state."""
        hidden, state = self.layer.step(embedded, state)
        return self.join(hidden), state


class AttentionDecoder(keras.layers.Layer):
    """Two recurrent layers with attention between them, over the whole caption at once.

    The first reads the words written and the mean of the places; all its steps look at the places in one product,
    without a loop around the attention; a gate closes on what is seen where the next word needs no picture (Xu et al.,
    2015, https://arxiv.org/abs/1502.03044, here a gate for each feature); the second reads both. The first knows what
    was written but not what was seen, so the second may look again: at the other of two things, say.

    Args:
        kind: of the recurrent layers, `lstm` or `simple_rnn`.
        units: of each.
        attention: one of `ATTENTIONS`.
        attention_units: of the additive form.
        looks: how often each step looks, once or twice.
        size: features that come out.
        dropout: share of features dropped between the layers.
    """

    can_look = True

    def __init__(
        self,
        kind: str,
        units: int,
        attention: str,
        attention_units: int,
        looks: int,
        size: int,
        dropout: float,
        **arguments: Any,
    ):
        super().__init__(**arguments)
        self.units, self.size = units, size
        self.layers = [RECURRENT[kind](units, name=f"layer_{level}") for level in range(2)]
        self.attentions = [Attention(attention, attention_units, name=f"attention_{look}") for look in range(looks)]
        self.gates = [keras.layers.Dense(units, activation="sigmoid", name=f"gate_{look}") for look in range(looks)]
        self.dropout = keras.layers.Dropout(dropout)
        self.begin = keras.layers.Dense(2 * units, activation="tanh", name="begin")
        self.join = keras.layers.Dense(size, activation="tanh", name="join")

    def build(self, embedded_shape: tuple[int | None, ...], places_shape: tuple[int | None, ...]) -> None:
        batch, time, size = embedded_shape
        hidden, both = (batch, time, self.units), (batch, time, self.units + places_shape[-1])
        self.layers[0].build((batch, time, size + places_shape[-1]))
        self.layers[1].build(both)
        for attention, gate in zip(self.attentions, self.gates, strict=True):
            attention.build(hidden, places_shape)
            gate.build(hidden)
        self.begin.build((places_shape[0], places_shape[-1]))
        self.join.build(both)

    def look_at(self, places: Tensor) -> SeenPicture:
        """Places `(pictures, places, units)`, as the decoder uses them."""
        keys = tuple(attention.keys(places) for attention in self.attentions)
        return SeenPicture(places, ops.mean(places, axis=1), keys)

    def start(self, picture: SeenPicture) -> State:
        """The state of each layer before the first word, from the mean of the places: arrays `(pictures, units)`."""
        hiddens = ops.split(self.begin(picture.summary), 2, axis=-1)
        return [
            [hidden] + [ops.zeros_like(hidden)] * (layer.states - 1)
            for layer, hidden in zip(self.layers, hiddens, strict=True)
        ]

    def call(self, embedded: Tensor, picture: SeenPicture, training: bool = False) -> tuple[Tensor, Tensor]:
        """As in `PlainDecoder`, and weights of the last look: float32 `(pictures, captions, time, places)`, sum one."""
        captions, time = ops.shape(embedded)[1], ops.shape(embedded)[2]
        states = [_for_each(state, captions) for state in self.start(picture)]
        summary = ops.broadcast_to(picture.summary[:, None, None], (*ops.shape(embedded)[:3], self.units))
        given = _as_rows(ops.concatenate([embedded, summary], axis=-1))
        first, _ = self.layers[0](given, initial_state=states[0])
        first = self.dropout(first, training=training)
        # All captions of a picture look at it together.
        together, apart = (-1, captions * time, self.units), (-1, time, self.units)
        seen, weights = self._look(0, ops.reshape(first, together), picture)
        given = ops.concatenate([first, ops.reshape(seen, apart)], axis=-1)
        second, _ = self.layers[1](given, initial_state=states[1])
        second = self.dropout(second, training=training)
        if len(self.attentions) > 1:
            seen, weights = self._look(1, ops.reshape(second, together), picture)
        seen = ops.reshape(seen, apart)
        features = self.join(ops.concatenate([second, seen], axis=-1))
        weights = ops.reshape(weights, (-1, captions, time, ops.shape(weights)[-1]))
        return _as_captions(features, captions), weights

    def step(self, embedded: Tensor, picture: SeenPicture, state: State) -> tuple[Tensor, State]:
        """As in `PlainDecoder`."""
        summary = ops.broadcast_to(picture.summary[:, None], (*ops.shape(embedded)[:2], self.units))
        first, next_first = self.layers[0].step(ops.concatenate([embedded, summary], axis=-1), state[0])
        seen, _ = self._look(0, first, picture)
        second, next_second = self.layers[1].step(ops.concatenate([first, seen], axis=-1), state[1])
        if len(self.attentions) > 1:
            seen, _ = self._look(1, second, picture)
        return self.join(ops.concatenate([second, seen], axis=-1)), [next_first, next_second]

    def _look(self, look: int, queries: Tensor, picture: SeenPicture) -> tuple[Tensor, Tensor]:
        """Queries `(pictures, queries, units)` -> what they see, gated, `(pictures, queries, units)`; the weights."""
        everywhere = ops.ones(ops.shape(picture.places)[:2], "bool")
        seen, weights = self.attentions[look](queries, picture.places, everywhere, picture.keys[look])
        return self.gates[look](queries) * seen, weights


def _as_rows(array: Tensor) -> Tensor:
    """`(pictures, captions, time, features)` -> `(pictures * captions, time, features)`."""
    return ops.reshape(array, (-1, ops.shape(array)[2], array.shape[-1]))


def _as_captions(rows: Tensor, captions: Tensor) -> Tensor:
    """`(pictures * captions, time, features)` -> `(pictures, captions, time, features)`."""
    return ops.reshape(rows, (-1, captions, ops.shape(rows)[1], rows.shape[-1]))


def _for_each(state: list[Tensor], captions: Tensor) -> list[Tensor]:
    """States of pictures `(pictures, units)` for each of their captions: `(pictures * captions, units)`."""
    return [
        ops.reshape(
            ops.broadcast_to(array[:, None], (ops.shape(array)[0], captions, array.shape[-1])), (-1, array.shape[-1])
        )
        for array in state
    ]
