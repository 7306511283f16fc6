"""The network: numbers and category ids in, logits or a value out."""

from apps.tabular.columns import UNKNOWN, Columns
from apps.tabular.config import TabularSettings
from common.backend import keras, ops
from common.layers import Backbone, WordDropout


def build_model(settings: TabularSettings, columns: Columns) -> keras.Model:
    """Numbers float32 `(batch, numbers)`, category ids int32 `(batch, categories)` -> float32 `(batch, outputs)`.

    The outputs are logits, one a class, or one value in the scale of the target.
    """
    numbers = keras.Input((columns.number_width,), dtype="float32", name="numbers")
    category_ids = keras.Input((len(columns.categories),), dtype="int32", name="category_ids")
    features = [numbers] if columns.number_width else []
    if columns.categories:
        drop = WordDropout(settings.category_dropout, UNKNOWN, name="category_dropout")
        known = drop(category_ids, ops.ones_like(category_ids, "bool"))
        for index, column in enumerate(columns.categories):
            # Two categories and the unknown one are told apart by a vector of two.
            size = min(settings.embedding, (len(column.values) + 2) // 2)
            embed = keras.layers.Embedding(len(column.values) + 1, size, name=f"embedding_{index}")
            features.append(embed(known[:, index]))
    joined = keras.layers.Concatenate()(features) if len(features) > 1 else features[0]
    hidden = Backbone("dense", settings.units, settings.layers, dropout=settings.dropout, name="backbone")(joined)
    hidden = keras.layers.Dropout(settings.dropout)(hidden)
    # From zero weights the training starts at the mean of the target, or at equal chances of all classes.
    last = keras.layers.Dense(columns.target.outputs, kernel_initializer="zeros", dtype="float32", name="outputs")
    outputs = last(hidden)
    return keras.Model({"numbers": numbers, "category_ids": category_ids}, outputs, name="tabular")
