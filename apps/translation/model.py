"""The network: a bidirectional encoder, a decoder with attention, logits by the table of target vectors itself."""

from typing import Any

from apps.translation.config import TranslationSettings
from apps.translation.decoders import DECODERS, EncodedSource
from common.backend import keras, ops
from common.decoding import Step
from common.layers import Backbone, Pooling, WordDropout
from common.text import PADDING, UNKNOWN

Tensor = Any


class EncoderDecoder(keras.Model):
    """Source and target ids in, logits of each next target id out.

    The first id of a source names the target language (Johnson et al., 2017, https://arxiv.org/abs/1611.04558); its
    number is the size of the source vocabulary plus the place of the language.

    Args:
        settings: of the network, and what is dropped in training.
        source_size: sub-words of the source vocabulary.
        target_size: of the target vocabulary.
        languages: how many target languages there are.
    """

    def __init__(self, settings: TranslationSettings, source_size: int, target_size: int, languages: int):
        super().__init__(name="encoder_decoder")
        self.target_size = target_size
        self.scheduled_sampling = settings.scheduled_sampling
        size, layers = settings.embedding, keras.layers
        self.source_embedding = _embedding(source_size + languages, size, "source_embedding")
        self.target_embedding = self.source_embedding
        if not settings.joint:
            self.target_embedding = _embedding(target_size, size, "target_embedding")
        self.word_dropout = WordDropout(settings.word_dropout, UNKNOWN, name="word_dropout")
        # One mask a row, the same at all steps (Gal & Ghahramani, 2016).
        self.embedding_dropout = layers.Dropout(settings.embedding_dropout, noise_shape=(None, 1, size))
        self.encoder = Backbone(
            settings.backbone, settings.units, settings.layers, True, settings.dropout, name="encoder"
        )
        self.dropout = layers.Dropout(settings.dropout)
        self.summary = Pooling(("last",), bidirectional=True, name="summary")
        self.decoder = DECODERS[settings.decoder](
            settings.backbone, settings.decoder_units, settings.attention, size, settings.dropout, name="decoder"
        )
        self.guess_seed = keras.random.SeedGenerator()

    def build(self, shapes: dict[str, tuple[int | None, ...]]) -> None:
        batch, time = shapes["source_ids"]
        self.source_embedding.build((batch, time))
        if self.target_embedding is not self.source_embedding:
            self.target_embedding.build(shapes["target_ids"])
        embedded = (batch, time, self.source_embedding.output_dim)
        self.encoder.build(embedded)
        memory = (batch, time, 2 * self.encoder.stack[-1][0].units)
        self.summary.build(memory)
        self.decoder.build((*shapes["target_ids"], self.target_embedding.output_dim), memory)
        self.output_bias = self.add_weight((self.target_size,), "zeros", name="output_bias")

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        """Source ids `(batch, source)`, target ids `(batch, target)` from START -> logits `(batch, target, size)`."""
        source = self.encode(inputs["source_ids"], training)
        target_ids = inputs["target_ids"]
        if training and self.scheduled_sampling:
            target_ids = self._with_guesses(target_ids, source)
        return self._logits(self._decode(target_ids, source, training)[0])

    def attend(self, source_ids: Tensor, target_ids: Tensor) -> Tensor:
        """Where the decoder looks at each step: float32 `(batch, target, source)`."""
        return self._decode(target_ids, self.encode(source_ids), training=False)[1]

    def encode(self, source_ids: Tensor, training: bool = False) -> EncodedSource:
        """Source ids `(batch, source)` -> what the decoder is to look at."""
        padding_mask = ops.not_equal(source_ids, PADDING)
        token_ids = self.word_dropout(source_ids, padding_mask, training=training)
        embedded = self.embedding_dropout(self._embed(self.source_embedding, token_ids), training=training)
        memory = self.encoder(embedded, padding_mask=padding_mask, training=training)
        memory = self.dropout(memory, training=training)
        return self.decoder.read(memory, padding_mask, self.summary(memory, padding_mask))

    def read(self, source_ids: Tensor, target_ids: Tensor) -> tuple[Tensor, Tensor]:
        """As `call`, and where the decoder looks, as `attend`; by the same arrays as `begin`."""
        features, weights = self._decode(target_ids, self.encode(source_ids), training=False)
        return self._step_logits(features), weights

    def begin(self, source_ids: Tensor, beam: int) -> tuple[Step, Any]:
        """A step function over sources, and its first state, for `beam` hypotheses each."""
        source = self.encode(source_ids)

        def step(token_ids: Tensor, state: Any) -> tuple[Tensor, Any]:
            embedded = self._embed(self.target_embedding, token_ids)
            features, state = self.decoder.step(embedded, source, state)
            return ops.log_softmax(ops.cast(self._step_logits(features), "float32"), axis=-1), state

        start = self.decoder.start(source.summary)
        return step, keras.tree.map_structure(lambda array: ops.repeat(array[:, None], beam, axis=1), start)

    def _decode(self, target_ids: Tensor, source: EncodedSource, training: bool) -> tuple[Tensor, Tensor]:
        embedded = self.embedding_dropout(self._embed(self.target_embedding, target_ids), training=training)
        features, weights = self.decoder(embedded, source, training=training)
        return self.dropout(features, training=training), weights

    @staticmethod
    def _embed(table: keras.layers.Embedding, token_ids: Tensor) -> Tensor:
        """Vectors with features of about the size one, as layers expect them."""
        return table(token_ids) * table.output_dim**0.5

    def _logits(self, features: Tensor) -> Tensor:
        """Features `(..., embedding)` -> logits `(..., target_size)`, by the target's vectors (Press & Wolf, 2017)."""
        table = ops.cast(self.target_embedding.embeddings[: self.target_size], features.dtype)
        return ops.matmul(features, ops.transpose(table)) + ops.cast(self.output_bias, features.dtype)

    def _step_logits(self, features: Tensor) -> Tensor:
        """As `_logits`, by the whole table: an export has it once for this and for looking vectors up."""
        table = ops.cast(self.target_embedding.embeddings, features.dtype)
        logits = ops.matmul(features, ops.transpose(table))[..., : self.target_size]
        return logits + ops.cast(self.output_bias, features.dtype)

    def _with_guesses(self, target_ids: Tensor, source: EncodedSource) -> Tensor:
        """Some target ids replaced by what the network itself would have written there.

        Scheduled sampling (Bengio et al., 2015) in two passes, since all steps are computed at once (Mihaylova &
        Martins, 2019, https://arxiv.org/abs/1906.07651).
        """
        logits = self._logits(self._decode(target_ids, source, training=False)[0])
        guesses = ops.cast(ops.argmax(ops.stop_gradient(logits), axis=-1), target_ids.dtype)
        guesses = ops.concatenate([target_ids[:, :1], guesses[:, :-1]], axis=1)
        drawn = keras.random.uniform(ops.shape(target_ids), seed=self.guess_seed) < self.scheduled_sampling
        return ops.where(ops.logical_and(drawn, target_ids != PADDING), guesses, target_ids)


def _embedding(vocabulary_size: int, size: int, name: str) -> keras.layers.Embedding:
    """A table whose vectors have about the length one, so that it can give logits as well."""
    return keras.layers.Embedding(vocabulary_size, size, keras.initializers.RandomNormal(stddev=size**-0.5), name=name)


def build_model(settings: TranslationSettings, source_size: int, target_size: int, languages: int) -> EncoderDecoder:
    """The network with fresh weights; arguments as in `EncoderDecoder`."""
    model = EncoderDecoder(settings, source_size, target_size, languages)
    model.build({"source_ids": (None, None), "target_ids": (None, None)})
    return model
