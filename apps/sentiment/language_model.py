"""A language model over unlabelled texts, whose embedding and backbone the classifier begins from.

Dai & Le (2015) found this the way to a good recurrent classifier. The model reads the texts as endless streams, one
forwards and one backwards, each with its own layer; both predict the next sub-word over the same, tied embedding.
"""

import copy
from typing import Any

import numpy as np

from common.backend import keras, ops
from common.layers import RECURRENT

Tensor = Any


class SampledSoftmax(keras.layers.Layer):
    """Cross-entropy over a part of the vocabulary, unbiased in its sums (Bengio & Senécal, 2003; Jean et al., 2015).

    The `head` most frequent pieces always take part; of the rest one is drawn from each of `tail` equal strata, and
    counts for its whole stratum. Token ids must be sorted by frequency, as SentencePiece's are.

    Args:
        log_frequencies: `(vocabulary,)`, where the output bias starts.
        head: pieces always in.
        tail: pieces drawn.
    """

    def __init__(self, log_frequencies: np.ndarray, head: int, tail: int, **arguments: Any):
        super().__init__(**arguments)
        self.vocabulary = len(log_frequencies)
        self.log_frequencies = log_frequencies
        self.head = min(head, self.vocabulary)
        self.tail = min(tail, self.vocabulary - self.head)
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, features_shape: tuple[int | None, ...], *_: Any) -> None:
        start = keras.initializers.Constant(self.log_frequencies)
        self.bias = self.add_weight((self.vocabulary,), start, name="bias", autocast=False)

    def call(self, features: Tensor, targets: Tensor, table: Tensor, training: bool = False) -> Tensor:
        """Features `(rows, width)`, targets `(rows,)`, embedding `(vocabulary, width)` -> losses float32 `(rows,)`."""
        if not training:
            logits = self._logits(features, table, self.bias)
            return ops.logsumexp(logits, axis=-1) - ops.take_along_axis(logits, targets[:, None], axis=-1)[:, 0]
        candidates, correction = self._draw()
        logits = self._logits(
            features, ops.take(table, candidates, axis=0), ops.take(self.bias, candidates) + correction
        )
        logits = ops.where(candidates[None] == targets[:, None], -1e9, logits)
        of_target = ops.cast(ops.sum(features * ops.take(table, targets, axis=0), axis=-1), "float32")
        of_target = of_target + ops.take(self.bias, targets)
        highest = ops.stop_gradient(ops.maximum(ops.max(logits, axis=-1), of_target))
        total = ops.sum(ops.exp(logits - highest[:, None]), axis=-1) + ops.exp(of_target - highest)
        return ops.log(total) + highest - of_target

    def _draw(self) -> tuple[Tensor, Tensor]:
        """Candidate ids `(head + tail,)`, and the log of how many pieces each stands for."""
        head = ops.arange(self.head)
        if not self.tail:
            return head, ops.zeros((self.head,))
        stratum = (self.vocabulary - self.head) / self.tail
        drawn = keras.random.uniform((self.tail,), seed=self.seed_generator, dtype="float32")
        places = ops.cast(ops.floor((ops.arange(self.tail, dtype="float32") + drawn) * stratum), "int32")
        tail = ops.minimum(self.head + places, self.vocabulary - 1)
        correction = ops.concatenate([ops.zeros((self.head,)), ops.full((self.tail,), float(np.log(stratum)))])
        return ops.concatenate([head, tail]), correction

    @staticmethod
    def _logits(features: Tensor, table: Tensor, bias: Tensor) -> Tensor:
        return ops.cast(ops.matmul(features, ops.transpose(table)), "float32") + bias


class LanguageModel(keras.Model):
    """Predicts the next sub-word of streams read forwards and, if asked, of streams read backwards.

    The state of each stream is carried from batch to batch, so that the model learns from more than the steps that
    gradients run through (truncated back-propagation through time; Williams & Peng, 1990).

    Args:
        kind: a name of `RECURRENT`.
        units: size of each layer.
        width: of the embedding.
        directions: 1 for forwards alone, 2 for both.
        streams: rows of a batch.
        softmax: the output; its bias starts at the log frequencies.
    """

    def __init__(self, kind: str, units: int, width: int, directions: int, streams: int, softmax: SampledSoftmax):
        super().__init__()
        self.embedding = keras.layers.Embedding(softmax.vocabulary, width, keras.initializers.RandomNormal(stddev=0.05))
        self.readers = [RECURRENT[kind](units) for _ in range(directions)]
        self.projections = [keras.layers.Dense(width) for _ in range(directions)]
        self.softmax = softmax
        states = [RECURRENT[kind].states] * directions
        self.carried = [
            [self.add_weight((streams, units), "zeros", trainable=False) for _ in range(count)] for count in states
        ]

    def call(self, token_ids: Tensor, training: bool = False) -> Tensor:
        """Token ids `(streams, directions, steps + 1)` -> mean loss of a sub-word, which is added to the model's."""
        features = [self._features(token_ids[:, index, :-1], index) for index in range(len(self.readers))]
        targets = [ops.reshape(token_ids[:, index, 1:], (-1,)) for index in range(len(self.readers))]
        table = ops.convert_to_tensor(self.embedding.embeddings)
        table = ops.cast(table, features[0].dtype)
        losses = self.softmax(ops.concatenate(features), ops.concatenate(targets), table, training=training)
        loss = ops.mean(losses)
        self.add_loss(loss)
        return loss

    def forget(self) -> None:
        """Sets the state of every stream to zero."""
        for variable in (variable for states in self.carried for variable in states):
            variable.assign(ops.zeros(variable.shape))

    def transferable(self) -> dict[str, np.ndarray]:
        """The weights that a classifier begins from, by their paths there."""
        weights = {"embedding/embeddings": self.embedding.embeddings}
        for name, reader in zip(("forward_0", "backward_0"), self.readers, strict=False):
            weights |= {f"backbone/{name}/{weight.name}": weight for weight in reader.trainable_variables}
        return {path: ops.convert_to_numpy(weight) for path, weight in weights.items()}

    def _features(self, token_ids: Tensor, index: int) -> Tensor:
        embedded = self.embedding(token_ids)
        state = [ops.cast(variable, embedded.dtype) for variable in self.carried[index]]
        outputs, state = self.readers[index](embedded, initial_state=state)
        for variable, value in zip(self.carried[index], state, strict=True):
            variable.assign(ops.cast(ops.stop_gradient(value), variable.dtype))
        projected = self.projections[index](outputs)
        return ops.reshape(projected, (-1, projected.shape[-1]))


class StreamBatches:
    """A text as parallel streams: batches `(streams, directions, steps + 1)`; each id is the target of the one before.

    Args:
        token_ids: the whole text, `(time,)`.
        streams: rows of a batch; each reads its own stretch of the text.
        steps: predictions a stream and batch.
        directions: 1, or 2 for the text reversed as well.
    """

    def __init__(self, token_ids: np.ndarray, streams: int, steps: int, directions: int):
        length = (len(token_ids) - 1) // streams
        self._steps = steps
        self._streams = [
            np.stack([text[row * length : (row + 1) * length + 1] for row in range(streams)])
            for text in (token_ids, token_ids[::-1])[:directions]
        ]
        self._pass = length // steps
        self._first, self._count = 0, self._pass

    def part(self, first: int, count: int) -> "StreamBatches":
        """`count` batches from the `first` on; after the last of the text comes its first again."""
        part = copy.copy(self)
        part._first, part._count = first, count
        return part

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[np.ndarray]:
        start = (self._first + index) % self._pass * self._steps
        return (np.stack([rows[:, start : start + self._steps + 1] for rows in self._streams], 1).astype(np.int32),)
