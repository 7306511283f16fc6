"""Clipping, each way against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from common.gradients import CLIPPING, global_norm, norms

AT = 0.5
SHAPES = [(4, 3), (3,), (2, 3, 3), ()]


def draw(scale: float, seed: int) -> list[np.ndarray]:
    """One array for each of `SHAPES`."""
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(scale=scale, size=shape), "float32") for shape in SHAPES]


def clip(kind: str, gradients: list[np.ndarray], at: float = AT) -> list[np.ndarray]:
    variables = draw(scale=1.0, seed=1)
    return [ops.convert_to_numpy(gradient) for gradient in CLIPPING[kind](gradients, variables, at)]


def joint_norm(arrays: list[np.ndarray]) -> float:
    return float(np.linalg.norm(np.concatenate([np.ravel(array) for array in arrays])))


def unit_norms(array: np.ndarray) -> np.ndarray:
    """The norm of each column of a matrix, the size of each entry of a vector."""
    return np.sqrt(np.sum(array**2, axis=tuple(range(array.ndim - 1)))) if array.ndim > 1 else np.abs(array)


def test_norms_and_the_global_norm_are_those_of_numpy():
    gradients = draw(scale=3.0, seed=0)
    found = norms(gradients)
    np.testing.assert_allclose(found, [np.linalg.norm(np.ravel(array)) for array in gradients], rtol=1e-6)
    assert float(global_norm(found)) == pytest.approx(joint_norm(gradients), rel=1e-6)


def test_norms_of_bfloat16_are_summed_in_float32():
    """In bfloat16 a sum of ones stops at 256."""
    [norm] = norms([ops.ones((1000,), "bfloat16")])
    assert float(norm) == pytest.approx(np.sqrt(1000), rel=1e-6)


def test_the_global_norm_is_bounded_and_the_direction_kept():
    gradients = draw(scale=3.0, seed=0)
    factor = AT / joint_norm(gradients)
    for found, gradient in zip(clip("global_norm", gradients), gradients, strict=True):
        np.testing.assert_allclose(found, factor * gradient, rtol=1e-5)


def test_by_norm_each_gradient_is_bounded_by_itself():
    gradients = [draw(scale=3.0, seed=0)[0], draw(scale=1e-3, seed=0)[1]]
    large, small = CLIPPING["norm"](gradients, gradients, AT)
    np.testing.assert_allclose(large, AT / np.linalg.norm(gradients[0]) * gradients[0], rtol=1e-5)
    np.testing.assert_array_equal(small, gradients[1])


def test_by_value_each_entry_is_bounded_by_itself():
    gradients = draw(scale=3.0, seed=0)
    for found, gradient in zip(clip("value", gradients), gradients, strict=True):
        np.testing.assert_array_equal(found, np.clip(gradient, -AT, AT))


def test_adaptively_the_gradient_of_each_unit_is_bounded_by_the_norm_of_its_weights():
    gradients, variables = draw(scale=3.0, seed=0), draw(scale=1.0, seed=1)
    for found, gradient, variable in zip(clip("adaptive", gradients), gradients, variables, strict=True):
        limit = AT * np.maximum(unit_norms(variable), 1e-3)
        factor = np.minimum(1, limit / unit_norms(gradient))
        assert (factor < 1).any()
        np.testing.assert_allclose(found, factor * gradient, rtol=1e-5)


def test_adaptively_weights_of_zero_can_move():
    [found] = CLIPPING["adaptive"]([np.ones((3, 3), "float32")], [np.zeros((3, 3), "float32")], AT)
    np.testing.assert_allclose(unit_norms(ops.convert_to_numpy(found)), AT * 1e-3, rtol=1e-5)


def test_none_changes_nothing():
    gradients = draw(scale=1e6, seed=0)
    for found, gradient in zip(clip("none", gradients), gradients, strict=True):
        np.testing.assert_array_equal(found, gradient)


@pytest.mark.parametrize("kind", CLIPPING)
def test_gradients_that_are_small_or_zero_stay_as_they_are(kind):
    for gradients in (draw(scale=1e-5, seed=0), [np.zeros(shape, "float32") for shape in SHAPES]):
        for found, gradient in zip(clip(kind, gradients), gradients, strict=True):
            np.testing.assert_array_equal(found, gradient)


@pytest.mark.parametrize("kind", CLIPPING)
@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 100), at=st.floats(1e-3, 1e3))
def test_clipping_makes_no_gradient_larger_and_turns_none_round(kind, scale, seed, at):
    gradients = draw(scale, seed)
    for found, gradient in zip(clip(kind, gradients, at), gradients, strict=True):
        assert (np.abs(found) <= np.abs(gradient) * (1 + 1e-6)).all()
        assert (found * gradient >= 0).all()
