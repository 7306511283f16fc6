"""Checkpoints: all that the next step depends on is in the file, and files that do not fit are refused."""

import keras
import numpy as np
import pytest
from keras import ops

from common.checkpoint import (
    State,
    assign_by_path,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
    weights_by_path,
)
from common.errors import UserError
from common.optimizer import ClippedAdamW

FEATURES = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
STATE = State(epoch=1, step=2, first_loss=0.5, rollbacks=1, rows=[{"epoch": 1, "loss": 0.1 + 0.2}])


def build(units: int = 3, seed: int = 0) -> keras.Model:
    """A network with random state of its own: dropout."""
    keras.utils.set_random_seed(seed)
    features = keras.Input((3,))
    hidden = keras.layers.Dense(units, activation="tanh", name="hidden")(features)
    model = keras.Model(features, keras.layers.Dense(1, name="answer")(keras.layers.Dropout(0.5)(hidden)))
    model.compile(ClippedAdamW(learning_rate=0.01, use_ema=True), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def take_steps(model: keras.Model, count: int) -> list[float]:
    """The running mean of the loss after each of some steps."""
    return [model.train_on_batch(FEATURES, FEATURES[:, :1]) for _ in range(count)]


def arrays_of(model: keras.Model) -> list[np.ndarray]:
    return [ops.convert_to_numpy(v) for v in (*model.variables, *model.optimizer.variables, *model.metrics_variables)]


@pytest.fixture
def trained():
    model = build()
    take_steps(model, 3)
    return model


def test_a_checkpoint_returns_every_array_and_the_state(trained, tmp_path):
    save_checkpoint(tmp_path / "checkpoint.npz", trained, STATE)
    other = build(seed=1)
    assert load_checkpoint(tmp_path / "checkpoint.npz", other) == STATE
    for found, expected in zip(arrays_of(other), arrays_of(trained), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_steps_after_a_checkpoint_are_bit_equal_to_those_without_one(trained, tmp_path):
    """Dropout, momentum, the schedule's place and the running loss go on."""
    save_checkpoint(tmp_path / "checkpoint.npz", trained, State())
    other = build(seed=1)
    take_steps(other, 1)
    load_checkpoint(tmp_path / "checkpoint.npz", other)
    assert take_steps(other, 3) == take_steps(trained, 3)
    for found, expected in zip(arrays_of(other), arrays_of(trained), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    with pytest.raises(UserError, match=r"there is no checkpoint at .* start without --resume"):
        load_checkpoint(tmp_path / "checkpoint.npz", build())


def test_a_checkpoint_of_another_shape_is_refused_and_changes_nothing(trained, tmp_path):
    save_checkpoint(tmp_path / "checkpoint.npz", trained, STATE)
    other = build(units=4)
    before = arrays_of(other)
    with pytest.raises(UserError, match="belongs to other settings"):
        load_checkpoint(tmp_path / "checkpoint.npz", other)
    for found, expected in zip(arrays_of(other), before, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_checkpoint_that_is_cut_short_is_refused(trained, tmp_path, share):
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, trained, STATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match="damaged"):
        load_checkpoint(path, trained)


def test_weights_return_and_the_optimiser_stays(trained, tmp_path):
    save_weights(tmp_path / "best.npz", trained)
    other = build(seed=1)
    load_weights(tmp_path / "best.npz", other)
    for found, expected in zip(other.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert int(other.optimizer.iterations) == 0


def test_weights_by_path_fit_a_network_of_the_same_build(trained):
    weights = weights_by_path(trained)
    assert set(weights) == {"hidden/kernel", "hidden/bias", "answer/kernel", "answer/bias"}
    other = build(seed=1)
    assign_by_path(other, weights)
    np.testing.assert_array_equal(other.predict_on_batch(FEATURES), trained.predict_on_batch(FEATURES))


def test_some_weights_by_path_leave_the_others_alone(trained):
    other = build(seed=1)
    before = weights_by_path(other)
    assign_by_path(other, {"hidden/kernel": np.ones((3, 3), "float32")})
    after = weights_by_path(other)
    np.testing.assert_array_equal(after.pop("hidden/kernel"), np.ones((3, 3)))
    for path, value in after.items():
        np.testing.assert_array_equal(value, before[path])


@pytest.mark.parametrize(
    ("path", "shape", "there"), [("hidden/kernel", (3, 5), r"\(3, 3\)"), ("other/kernel", (3, 3), "nothing")]
)
def test_weights_that_do_not_fit_are_named(trained, path, shape, there):
    with pytest.raises(UserError, match=f"the weights {path} .* do not fit this network, which has {there} there"):
        assign_by_path(trained, {path: np.zeros(shape, "float32")})
