"""The feed-forward network of the tabular app."""

import numpy as np
import pandas as pd
import pytest

from apps.tabular.columns import fit_columns
from apps.tabular.config import TabularSettings
from apps.tabular.model import build_model

FRAME = pd.DataFrame(
    {
        "x": range(8),
        "colour": ["red", "blue", "", "red"] * 2,
        "shape": ["round", "flat"] * 4,
        "kind": ["a", "b", "c", "a"] * 2,
        "price": np.arange(8) / 3,
    }
)
SETTINGS = TabularSettings(units=3, target="kind")


def build(target: str = "kind", ignore: tuple[str, ...] = (), settings: TabularSettings = SETTINGS):
    settings = settings.model_copy(update={"target": target, "ignore": ignore})
    columns = fit_columns(FRAME.drop(columns={"kind", "price"} - {target}), settings, "t")
    return build_model(settings, columns), columns.encode(FRAME, "t")


@pytest.mark.parametrize("ignore", [(), ("x",), ("colour", "shape")], ids=["both", "categories", "numbers"])
@pytest.mark.parametrize(("target", "outputs"), [("kind", 3), ("price", 1)])
def test_numbers_categories_and_both_give_an_output_a_class_or_one(target, outputs, ignore):
    model, arrays = build(target, ignore)
    assert model.predict_on_batch(arrays).shape == (8, outputs)
    assert model.outputs[0].dtype == "float32"


def test_before_training_all_classes_have_equal_chances():
    model, arrays = build()
    np.testing.assert_array_equal(model.predict_on_batch(arrays), np.zeros((8, 3)))


def test_a_column_of_categories_has_a_vector_each_and_one_for_the_unknown():
    model, _ = build(settings=SETTINGS.model_copy(update={"embedding": 2}))
    shapes = {variable.path: tuple(variable.shape) for variable in model.trainable_variables}
    # "", blue, red; flat, round.
    assert shapes["embedding_0/embeddings"] == (4, 2)
    assert shapes["embedding_1/embeddings"] == (3, 2)
    assert shapes["backbone/dense_0/kernel"] == (1 + 2 + 2, 3)


def test_some_categories_are_read_as_unknown_in_training_alone():
    model, _ = build(settings=SETTINGS.model_copy(update={"category_dropout": 0.5}))
    known = model.get_layer("category_dropout")
    ids = np.ones((100, 2), np.int32)
    share = np.mean(np.asarray(known(ids, np.ones_like(ids, bool), training=True)) == 0)
    assert 0.3 < share < 0.7
    np.testing.assert_array_equal(known(ids, np.ones_like(ids, bool)), ids)
