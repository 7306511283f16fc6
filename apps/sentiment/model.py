"""The network: token ids in, logits out."""

from apps.sentiment.config import SentimentSettings
from common.backend import keras
from common.layers import Backbone, Pooling, WordDropout
from common.text import PADDING, UNKNOWN


def build_model(settings: SentimentSettings, vocabulary_size: int, classes: int) -> keras.Model:
    """Token ids `(batch, time)`, padded on the right -> logits float32 `(batch, classes)`."""
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    padding_mask = keras.ops.not_equal(token_ids, PADDING)
    features = WordDropout(settings.word_dropout, UNKNOWN)(token_ids, padding_mask)
    features = keras.layers.Embedding(vocabulary_size, settings.embedding, name="embedding")(features)
    features = keras.layers.SpatialDropout1D(settings.embedding_dropout)(features)
    features = Backbone(
        settings.backbone,
        settings.units,
        settings.layers,
        settings.bidirectional,
        settings.dropout,
        settings.weight_drop,
        name="backbone",
    )(features, padding_mask=padding_mask)
    pooled = Pooling(settings.pooling, _is_bidirectional(settings), name="pooling")(features, padding_mask)
    pooled = keras.layers.Dropout(settings.dropout)(pooled)
    pooled = keras.layers.Dense(settings.hidden, activation="relu", name="hidden")(pooled)
    pooled = keras.layers.Dropout(settings.dropout / 2)(pooled)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(pooled)
    return keras.Model(token_ids, logits, name="sentiment")


def _is_bidirectional(settings: SentimentSettings) -> bool:
    return settings.bidirectional and settings.backbone != "dense"
