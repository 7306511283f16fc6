"""The network: places of a picture, a decoder over them, logits by the table of the words' vectors itself."""

from typing import Any

from apps.captioning.config import SMALL, CaptioningSettings
from apps.captioning.decoders import AttentionDecoder, PlainDecoder, SeenPicture
from apps.captioning.encoders import build_pretrained, preparation
from common.backend import keras, ops
from common.decoding import Step
from common.text import END, PADDING

Tensor = Any
# The layer of `name_words`, of which a trained captioner has no need.
NAMING = "naming"
# Of the small encoder's residual convolutions, after each halving.
_REACHES = (0, 3, 1, 1)


class Residual(keras.layers.Layer):
    """Two convolutions whose outcome is added to their input (He et al., 2016, https://arxiv.org/abs/1603.05027).

    The second begins at zero, so that deep stacks train without normalisation (Zhang et al., 2019,
    https://arxiv.org/abs/1901.09321).

    Args:
        channels: of the input and of the output.
        reach: pixels a side of the convolutions.
    """

    def __init__(self, channels: int, reach: int, **arguments: Any):
        super().__init__(**arguments)
        options = {"padding": "same", "kernel_initializer": "he_normal"}
        self.first = keras.layers.Conv2D(channels, reach, name="first", **options)
        self.second = keras.layers.Conv2D(channels, reach, name="second", **(options | {"kernel_initializer": "zeros"}))

    def build(self, features_shape: tuple[int | None, ...]) -> None:
        self.first.build(features_shape)
        self.second.build(features_shape)

    def call(self, features: Tensor) -> Tensor:
        """Features `(pictures, rows, columns, channels)` -> the same shape."""
        return features + self.second(ops.relu(self.first(ops.relu(features))))


class SmallEncoder(keras.layers.Layer):
    """A residual network for drawings and small pictures: four layers that halve, and more work at each size.

    It has no batch normalisation, so that what it does in training is what it does afterwards. A place sees 47 pixels a
    side and no more: where places see everything, the decoder need not look at what it writes about.

    Args:
        channels: features of a place that come out.
    """

    def __init__(self, channels: int, **arguments: Any):
        super().__init__(**arguments)
        options = {"padding": "same", "kernel_initializer": "he_normal"}
        widths = (channels // 4, channels // 2, channels, channels)
        self.halving = [
            keras.layers.Conv2D(width, 3, 2, name=f"halving_{level}", **options) for level, width in enumerate(widths)
        ]
        # None at half the size, where it would cost most and see least; at the smallest sizes of a single place.
        self.residual = [
            Residual(width, reach, name=f"residual_{level}")
            for level, (width, reach) in enumerate(zip(widths, _REACHES, strict=True))
            if reach
        ]

    def build(self, pictures_shape: tuple[int | None, ...]) -> None:
        shape = pictures_shape
        for halving, residual in zip(self.halving, (None, *self.residual), strict=True):
            halving.build(shape)
            shape = halving.compute_output_shape(shape)
            if residual:
                residual.build(shape)
        _, rows, columns, self.channels = shape
        self.places = rows * columns

    def call(self, pixels: Tensor) -> Tensor:
        """Pixels from 0 to 255 `(pictures, size, size, 3)` -> features `(pictures, places, channels)`."""
        features = ops.cast(pixels, self.compute_dtype) / 127.5 - 1
        for halving, residual in zip(self.halving, (None, *self.residual), strict=True):
            features = halving(features)
            features = ops.relu(residual(features) if residual else features)
        return ops.reshape(features, (-1, self.places, self.channels))


class PretrainedEncoder(keras.layers.Layer):
    """A network of `keras.applications` in the captioner, to be fine-tuned; its normalisation keeps its statistics.

    Args:
        architecture: its name.
        tuned: `last`, the layers that give the last grid, or `all`.
    """

    def __init__(self, architecture: str, tuned: str, **arguments: Any):
        super().__init__(dtype="float32", **arguments)
        self.network, self._prepare = build_pretrained(architecture), preparation(architecture)
        _, rows, columns, self.channels = self.network.output_shape
        self.places = rows * columns
        for layer in self.network.layers:
            layer.trainable = tuned == "all" or layer.output.shape[1] == rows

    def call(self, pixels: Tensor) -> Tensor:
        """Pixels from 0 to 255 `(pictures, size, size, 3)` -> features `(pictures, places, channels)`."""
        features = self.network(self._prepare(ops.cast(pixels, "float32")), training=False)
        return ops.reshape(features, (-1, self.places, self.channels))


class Captioner(keras.Model):
    """Pictures and captions in, logits of each next token id out.

    Args:
        settings: of the network, and what is dropped in training.
        vocabulary_size: sub-words.
    """

    def __init__(self, settings: CaptioningSettings, vocabulary_size: int):
        super().__init__(name="captioner")
        self.vocabulary_size = vocabulary_size
        self.look_everywhere = settings.look_everywhere
        size, layers = settings.embedding, keras.layers
        self.encoder = _build_encoder(settings)
        moves = (layers.RandomTranslation, layers.RandomZoom) if settings.shake else ()
        self.shaking = [move(settings.shake, settings.shake, fill_mode="nearest") for move in moves]
        # By channel: what is not known of one place is known of none.
        share = 0.0 if settings.encoder == SMALL else settings.feature_dropout
        self.channel_dropout = layers.Dropout(share, noise_shape=(None, 1, None))
        self.project = layers.Dense(settings.units, activation="relu", name="project")
        self.name_words = settings.name_words
        self.naming = layers.Dense(vocabulary_size, name=NAMING) if settings.name_words else None
        # A vector about as long as that of a word in a common corpus, so that the table can give logits as well.
        table = keras.initializers.RandomNormal(stddev=size**-0.5)
        self.embedding = layers.Embedding(vocabulary_size, size, table, name="embedding")
        # One mask a caption, the same at all steps (Gal & Ghahramani, 2016).
        self.embedding_dropout = layers.Dropout(settings.embedding_dropout, noise_shape=(None, None, 1, size))
        self.dropout = layers.Dropout(settings.dropout)
        common = {"size": size, "dropout": settings.dropout, "name": "decoder"}
        if settings.decoder == "plain":
            self.decoder = PlainDecoder(settings.backbone, settings.units, **common)
        else:
            form = settings.attention, settings.attention_units, settings.looks
            self.decoder = AttentionDecoder(settings.backbone, settings.units, *form, **common)

    @property
    def can_look(self) -> bool:
        """Whether the decoder has attention."""
        return self.decoder.can_look

    def build(self, shapes: dict[str, tuple[int | None, ...]]) -> None:
        pictures, (batch, _, time) = shapes["pictures"], shapes["token_ids"]
        self.picture_shape = pictures[1:]
        if self.encoder is None:
            places, channels = pictures[1:]
        else:
            self.encoder.build(pictures)
            places, channels = self.encoder.places, self.encoder.channels
        self.project.build((batch, places, channels))
        # Features alone do not tell left from right.
        self.place = self.add_weight((places, self.project.units), "zeros", name="place")
        if self.naming:
            self.naming.build((batch, places, self.project.units))
        self.embedding.build((batch, time))
        self.decoder.build((batch, time, self.embedding.output_dim), (batch, places, self.project.units))
        self.output_bias = self.add_weight((self.vocabulary_size,), "zeros", name="output_bias")

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        """Pictures with their captions -> logits.

        Args:
            inputs: `pictures`: pixels `(pictures, size, size, 3)`, or what an encoder outside the network gave of each,
                features `(pictures, places, channels)`; and `token_ids` from START `(pictures, captions, time)`,
                all PADDING where a picture has fewer captions than another.
            training: whether features are dropped.

        Returns:
            `(pictures, captions, time, vocabulary)`.
        """
        token_ids, picture = inputs["token_ids"], self.look_at(inputs["pictures"], training)
        if training and self.naming:
            self.add_loss(self.name_words * _naming_loss(self.naming(picture.places), token_ids))
        features, weights = self._decode(token_ids, picture, training)
        if training and self.look_everywhere and weights is not None:
            self.add_loss(self.look_everywhere * _unevenness(weights, token_ids))
        return self._logits(self.dropout(features, training=training))

    def attend(self, pictures: Tensor, token_ids: Tensor) -> Tensor:
        """Where a decoder with attention looks at each step of a caption `(pictures, time)`: `(..., time, places)`."""
        return self._decode(token_ids[:, None], self.look_at(pictures), training=False)[1][:, 0]

    def look_at(self, pictures: Tensor, training: bool = False) -> SeenPicture:
        """Pictures as in `call` -> what the decoder is to look at."""
        # Batches from `tf.data` come without their sizes.
        pictures = ops.reshape(pictures, (-1, *self.picture_shape))
        if self.encoder is not None:
            pictures = self.encoder(self._shake(pictures) if training else pictures)
        places = self.project(self.channel_dropout(ops.cast(pictures, self.compute_dtype), training=training))
        places = self.dropout(places + ops.cast(self.place, places.dtype), training=training)
        return self.decoder.look_at(places)

    def _shake(self, pixels: Tensor) -> Tensor:
        """Each picture moved and zoomed a little, by chance."""
        pixels = ops.cast(pixels, "float32")
        for layer in self.shaking:
            pixels = layer(pixels, training=True)
        return pixels

    def begin(self, pictures: Tensor, beam: int) -> tuple[Step, Any]:
        """A step function over pictures, and its first state, for `beam` hypotheses each."""
        seen = self.look_at(pictures)

        def step(token_ids: Tensor, state: Any) -> tuple[Tensor, Any]:
            features, state = self.decoder.step(self._embed(token_ids), seen, state)
            return ops.log_softmax(ops.cast(self._logits(features), "float32"), axis=-1), state

        start = self.decoder.start(seen)
        return step, keras.tree.map_structure(lambda array: ops.repeat(array[:, None], beam, axis=1), start)

    def _decode(self, token_ids: Tensor, picture: SeenPicture, training: bool) -> tuple[Tensor, Tensor | None]:
        embedded = self.embedding_dropout(self._embed(token_ids), training=training)
        return self.decoder(embedded, picture, training=training)

    def _embed(self, token_ids: Tensor) -> Tensor:
        """Vectors with features of about the size one, as layers expect them."""
        return self.embedding(token_ids) * self.embedding.output_dim**0.5

    def _logits(self, features: Tensor) -> Tensor:
        """Features `(..., embedding)` -> logits `(..., vocabulary)`, by the words' own vectors (Press & Wolf, 2017)."""
        table = ops.cast(self.embedding.embeddings, features.dtype)
        return ops.matmul(features, ops.transpose(table)) + ops.cast(self.output_bias, features.dtype)


def _build_encoder(settings: CaptioningSettings) -> keras.layers.Layer | None:
    """The encoder, where the network has its own."""
    if settings.encoder == SMALL:
        return SmallEncoder(settings.encoder_channels, name="encoder")
    return PretrainedEncoder(settings.encoder, settings.fine_tune, name="encoder") if settings.sees_pixels else None


def _naming_loss(logits: Tensor, token_ids: Tensor) -> Tensor:
    """How badly the best place for each word tells whether any caption of its picture has the word (Fang et al., 2015,
    https://arxiv.org/abs/1411.4952): the binary cross-entropy of all words, for each word that is there.

    Args:
        logits: of each word at each place, `(pictures, places, vocabulary)`.
        token_ids: `(pictures, captions, time)`.
    """
    logits = ops.cast(ops.max(logits, axis=1), "float32")
    is_there = ops.max(ops.one_hot(token_ids, logits.shape[-1], dtype="float32"), axis=(1, 2))
    return ops.sum(ops.softplus(logits) - is_there * logits) / ops.sum(is_there)


def _unevenness(weights: Tensor, token_ids: Tensor) -> Tensor:
    """How far from 1 the attention that a place gets over a caption is: mean square over places and captions.

    The doubly stochastic term of Xu et al. (2015), https://arxiv.org/abs/1502.03044, equation 14, where it is a sum
    over places.
    """
    # Behind END nothing is written.
    is_read = ops.logical_and(ops.not_equal(token_ids, PADDING), ops.not_equal(token_ids, END))
    real = ops.cast(is_read, weights.dtype)
    totals = ops.einsum("pctl,pct->pcl", weights, real)
    is_caption = ops.max(real, axis=-1)
    errors = ops.mean(ops.square(1 - totals), axis=-1)
    return ops.sum(errors * is_caption) / ops.maximum(ops.sum(is_caption), 1.0)


def build_model(settings: CaptioningSettings, picture_shape: tuple[int, ...], vocabulary_size: int) -> Captioner:
    """The network with fresh weights.

    Args:
        settings: as in `Captioner`.
        picture_shape: of what the encoder gives of one picture.
        vocabulary_size: as in `Captioner`.
    """
    model = Captioner(settings, vocabulary_size)
    model.build({"pictures": (None, *picture_shape), "token_ids": (None, None, None)})
    return model
