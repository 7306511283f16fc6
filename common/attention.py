"""Attention: which places of a memory to look at, and what is seen there."""

from typing import Any

from common.backend import keras, ops

Tensor = Any

ATTENTIONS = ("additive", "multiplicative", "scaled")


class Attention(keras.layers.Layer):
    """Weighs the places of a memory by how well each fits a query, and returns their weighted mean.

    `additive` scores by v^T tanh(q W + k) (Bahdanau et al., 2015, https://arxiv.org/abs/1409.0473), `multiplicative` by
    q^T k (Luong et al., 2015, https://arxiv.org/abs/1508.04025, "general"), `scaled` by that divided by the root of
    their size (Vaswani et al., 2017, https://arxiv.org/abs/1706.03762); the keys k are a projection of the memory.
    Unscaled, large features soon have all weight on a single place, from where nothing more is learnt.

    Args:
        kind: one of `ATTENTIONS`.
        units: size of the additive layer; the other forms take that of the query.
    """

    def __init__(self, kind: str, units: int, **arguments: Any):
        super().__init__(**arguments)
        if kind not in ATTENTIONS:
            raise ValueError(f"`kind` must be one of {', '.join(ATTENTIONS)}. Received: {kind}")
        self.kind = kind
        self.units = units

    def build(self, queries_shape: tuple[int | None, ...], memory_shape: tuple[int | None, ...]) -> None:
        size = self.units if self.kind == "additive" else queries_shape[-1]
        self.key = keras.layers.Dense(size, use_bias=False, name="key")
        self.key.build(memory_shape)
        if self.kind == "additive":
            self.query = keras.layers.Dense(size, name="query")
            self.query.build(queries_shape)
            self.score = keras.layers.Dense(1, use_bias=False, name="score")
            self.score.build((*queries_shape[:-1], size))

    def keys(self, memory: Tensor) -> Tensor:
        """What queries are held against, the same for all of them: `(batch, places, features)` -> `(..., units)`."""
        return self.key(memory)

    def call(
        self, queries: Tensor, memory: Tensor, padding_mask: Tensor, keys: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Looks at the memory once for each query.

        Args:
            queries: `(batch, queries, units)`, such as all steps of a sentence, or all beams of one step.
            memory: `(batch, places, features)`.
            padding_mask: `(batch, places)`, True at real places.
            keys: of `keys(memory)`, where they are known already.

        Returns:
            Contexts `(batch, queries, features)` and weights float32 `(batch, queries, places)`, which sum to one and
            are zero at padding.
        """
        keys = self.keys(memory) if keys is None else keys
        if self.kind == "additive":
            scores = self.score(ops.tanh(self.query(queries)[:, :, None] + keys[:, None]))[..., 0]
        else:
            scores = ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))
            if self.kind == "scaled":
                scores = scores * keys.shape[-1] ** -0.5
        weights = ops.softmax(ops.where(padding_mask[:, None], ops.cast(scores, "float32"), -1e9), axis=-1)
        # Where all places are padding, -1e9 everywhere would weigh them alike.
        weights = weights * ops.cast(padding_mask[:, None], "float32")
        return ops.matmul(ops.cast(weights, memory.dtype), memory), weights

    def compute_output_spec(self, queries, memory, padding_mask, keys=None):
        contexts = keras.KerasTensor((*queries.shape[:-1], memory.shape[-1]), self.compute_dtype)
        return contexts, keras.KerasTensor((*queries.shape[:-1], memory.shape[1]), "float32")
