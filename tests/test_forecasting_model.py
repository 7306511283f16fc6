"""Windows and networks of the forecasting app: what they see, what they cannot see, what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from apps.forecasting.config import ForecastingSettings
from apps.forecasting.data import Panel, Series
from apps.forecasting.model import Pinball, Shape, build_networks
from apps.forecasting.scaling import fit_scales
from apps.forecasting.train import train_network
from apps.forecasting.windows import EpochBatches, Frame, Windows, address, origins_within, window_weights
from common.backend import keras

SMALL = {"look_back": 12, "segment": 4, "horizon": 6, "units": 3, "quantiles": (0.1, 0.3, 0.5, 0.7, 0.9)}
KINDS = [("segments", "lstm"), ("segments", "simple_rnn"), ("segments", "dense"), ("steps", "lstm")]
FULL = Shape(series=2, known=1, past=1)
RNG = np.random.default_rng(0)


def series(values: np.ndarray, season: int = 1, known: int = 0, past: int = 0, ahead: int = 0) -> Series:
    count = len(values)
    return Series("x", values, RNG.normal(size=(count + ahead, known)), RNG.normal(size=(count, past)), season)


def networks(shape: Shape = FULL, **changes):
    keras.utils.set_random_seed(1)
    chosen = ForecastingSettings(**{**SMALL, **changes})
    return chosen, build_networks(chosen, shape)


def inputs_of(chosen: ForecastingSettings, covariates: int = 1) -> dict[str, np.ndarray]:
    """Four windows of two series."""
    both = [series(RNG.normal(size=60).cumsum(), 5, covariates, covariates, ahead=9) for _ in range(2)]
    return Windows(both, Frame.of(chosen), np.zeros(2), np.ones(2)).inputs(np.arange(4) % 2, np.arange(20, 24))


@given(
    origin=st.integers(5, 30),
    lengths=st.none() | st.integers(3, 8),
    seasonal=st.booleans(),
    season=st.integers(1, 9),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_window_never_looks_into_the_future(origin, lengths, seasonal, season, data):
    """Whatever happens from the origin on, the inputs stay the same; but for what is known ahead."""
    frame, values = Frame(8, 4, 3, seasonal), np.arange(40.0)
    later = data.draw(st.lists(st.floats(-1e3, 1e3), min_size=40 - origin, max_size=40 - origin))
    changed = np.concatenate([values[:origin], later])
    past, known = np.arange(40.0)[:, None], np.arange(50.0)[:, None]
    changed_past = np.concatenate([past[:origin], np.array(later)[:, None]])

    def inputs(values: np.ndarray, past: np.ndarray):
        windows = Windows([Series("x", values, known, past, season)], frame, np.zeros(1), np.ones(1))
        cut = None if lengths is None else np.array([lengths])
        return windows.inputs(np.array([0]), np.array([origin]), cut)

    one, other = inputs(values, past), inputs(changed, changed_past)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert one["known"][0, -1, 0] == origin + 3


def test_a_window_is_what_a_plain_loop_cuts():
    values = RNG.normal(size=30)
    windows = Windows([series(values[:9]), series(values, 3)], Frame(6, 2, 2, seasonal=True), [1, 2], [2, 4])
    found = windows.inputs(np.array([1, 0]), np.array([20, 4]))
    scaled = (values - 2) / 4
    np.testing.assert_allclose(found["history"][0], scaled[14:20], rtol=1e-5)
    np.testing.assert_allclose(found["seasonal"][0], scaled[17:19], rtol=1e-5)
    np.testing.assert_allclose(windows.targets(np.array([1]), np.array([20]))[0], scaled[20:22], rtol=1e-5)
    # Four steps of history, with two of padding before them.
    np.testing.assert_array_equal(found["observed"][1], [0, 0, 1, 1, 1, 1])
    np.testing.assert_allclose(found["history"][1], [0, 0, *(values[:4] - 1) / 2], rtol=1e-5)
    assert np.isnan(windows.targets(np.array([0]), np.array([8]))[0]).tolist() == [False, True]


def test_the_windows_of_a_part_end_in_it_and_their_histories_may_begin_before_it():
    frame = Frame(6, 3, 6)
    assert origins_within(series(np.zeros(30)), 10, 15, frame).tolist() == [10, 11, 12]
    assert origins_within(series(np.zeros(30)), 0, 10, frame).tolist() == [6, 7]
    assert origins_within(series(np.zeros(30)), 0, 8, frame).tolist() == []
    numbers, origins = address([np.array([6, 7]), np.array([], int), np.array([9])])
    assert (numbers.tolist(), origins.tolist()) == ([0, 0, 2], [6, 7, 9])


def test_scales_are_fitted_on_the_train_part_alone():
    values, known = RNG.normal(3, 2, 50), RNG.normal(size=(50, 1))
    one = Series("x", values, known, np.zeros((50, 0)))
    wild = Series(
        "x", np.r_[values[:30], np.full(20, 1e6)], np.r_[known[:30], np.full((20, 1), 1e6)], np.zeros((50, 0))
    )
    assert fit_scales([one], [30], True) == fit_scales([wild], [30], True)
    found = fit_scales([one], [30], True)
    assert found.means[0] == pytest.approx(sum(values[:30]) / 30)
    assert found.known_scales[0] == pytest.approx(np.std(known[:30]))


def test_every_window_comes_once_an_epoch_and_each_epoch_in_an_order_of_its_own():
    chosen = ForecastingSettings(**SMALL, batch_windows=4, epoch_windows=19)
    windows = Windows([series(np.arange(50.0))], Frame(12, 6, 12), np.zeros(1), np.ones(1))
    numbers, origins = address([np.arange(12, 31)])

    def seen(epoch: int) -> list[float]:
        batches = EpochBatches(windows, numbers, origins, chosen, epoch)
        return [float(first) for index in range(len(batches)) for first in batches[index][1][:, 0]]

    assert seen(0) == seen(0)
    assert seen(0) != seen(1)
    assert sorted(seen(0)) == sorted(seen(1)) == list(range(12, 31))


def test_an_error_weighs_as_many_deviations_of_its_history_as_it_has():
    history, observed = np.array([[3.0, 1, 5], [9, 1, 5], [4, 4, 4]]), np.array([[1.0, 1, 1], [0, 1, 1], [1, 1, 1]])
    found = window_weights({"history": history * observed, "observed": observed})
    np.testing.assert_allclose(found, [1 / np.std([3, 1, 5]), 1 / np.std([1, 5]), 10], rtol=1e-6)


@pytest.mark.parametrize(("architecture", "backbone"), KINDS)
@pytest.mark.parametrize("seasonal", [False, True])
def test_quantiles_never_cross_whatever_the_weights(architecture, backbone, seasonal):
    chosen, built = networks(architecture=architecture, backbone=backbone, seasonal=seasonal, layers=2)
    model = built.forecasting
    for variable in model.trainable_variables:
        variable.assign(RNG.normal(0, 3, variable.shape))
    found = model.predict_on_batch(inputs_of(chosen))
    assert found.shape == (4, 6, 5)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=-1) >= 0).all()


@pytest.mark.parametrize(("architecture", "backbone"), KINDS)
@pytest.mark.parametrize("centre", ["last", "mean"])
def test_a_forecast_shifts_with_the_level_of_its_input(architecture, backbone, centre):
    chosen, built = networks(
        Shape(2),
        architecture=architecture,
        backbone=backbone,
        centre=centre,
        scale="window",
        seasonal=True,
    )
    inputs = inputs_of(chosen, covariates=0)
    shifted = {**inputs, "history": inputs["history"] + 5, "seasonal": inputs["seasonal"] + 5}
    one, other = (built.forecasting.predict_on_batch(some) for some in (inputs, shifted))
    np.testing.assert_allclose(other, one + 5, atol=2e-4)
    stretched = {**inputs, "history": inputs["history"] * 7, "seasonal": inputs["seasonal"] * 7}
    np.testing.assert_allclose(built.forecasting.predict_on_batch(stretched), one * 7, atol=2e-3)


@pytest.mark.parametrize(("architecture", "backbone"), KINDS)
def test_the_weights_of_training_and_of_forecasting_are_the_same(architecture, backbone):
    _, built = networks(architecture=architecture, backbone=backbone)
    paths = [[variable.path for variable in model.trainable_variables] for model in (built.training, built.forecasting)]
    assert paths[0] == paths[1]
    assert len(set(paths[0])) == len(paths[0])


def test_free_running_on_its_own_medians_is_teacher_forcing_with_them():
    """The step-by-step network, told that its own medians came true, forecasts what it forecasts alone."""
    chosen, built = networks(architecture="steps")
    inputs = inputs_of(chosen)
    free = built.forecasting.predict_on_batch(inputs)
    forced = built.training.predict_on_batch({**inputs, "future": free[..., 2]})
    np.testing.assert_allclose(forced, free, atol=1e-5)
    # The first step knows no more than the history in either way; those behind it are told something else.
    other = built.training.predict_on_batch({**inputs, "future": free[..., 2] + 1})
    np.testing.assert_allclose(other[:, 0], free[:, 0], atol=1e-5)
    assert np.abs(other[:, 1:] - free[:, 1:]).min() > 0.1


def test_in_training_a_share_of_the_true_values_is_withheld():
    """With none given it runs free, and with all of them it is forced; in between it does a bit of both."""
    found = {}
    for share in (0.0, 0.5, 1.0):
        chosen, built = networks(architecture="steps", teacher_forcing=share, dropout=0)
        rng = np.random.default_rng(3)
        inputs = {name: rng.normal(size=array.shape).astype(array.dtype) for name, array in inputs_of(chosen).items()}
        inputs["series_id"] = np.zeros(4, np.int32)
        told = {**inputs, "future": np.full((4, 6), 9, np.float32)}
        found[share] = np.asarray(built.training(told, training=True))
        free, forced = built.forecasting.predict_on_batch(inputs), built.training.predict_on_batch(told)
    np.testing.assert_allclose(found[0.0], free, atol=1e-4)
    np.testing.assert_allclose(found[1.0], forced, atol=1e-4)
    assert (np.abs(found[0.5] - free).max() > 0.1) and (np.abs(found[0.5] - forced).max() > 0.1)


def test_what_lies_before_a_history_changes_nothing():
    chosen, built = networks(Shape(2), shortest=3, scale="window")
    inputs = inputs_of(chosen, covariates=0)
    observed = np.arange(12) >= 5
    padded = {**inputs, "observed": np.tile(observed, (4, 1)).astype(np.float32)}
    noisy = {**padded, "history": np.where(observed, padded["history"], 99).astype(np.float32)}
    one, other = (built.forecasting.predict_on_batch(some) for some in (padded, noisy))
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert np.abs(one - built.forecasting.predict_on_batch(inputs)).max() > 1e-3


def test_the_loss_is_the_pinball_loss_of_scikit_learn_over_what_is_known():
    levels = (0.1, 0.5, 0.9)
    truth, quantiles = RNG.normal(size=(3, 4)).astype(np.float32), RNG.normal(size=(3, 4, 3)).astype(np.float32)
    truth[1, 2:] = np.nan
    expected = [
        np.mean(
            [mean_pinball_loss(row[known := np.isfinite(row)], found[known, k], alpha=a) for k, a in enumerate(levels)]
        )
        for row, found in zip(truth, quantiles, strict=True)
    ]
    assert float(Pinball(levels)(truth, quantiles)) == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_pure_sine_is_forecast_to_within_two_percent(tmp_path):
    one = series(np.sin(2 * np.pi * np.arange(900) / 16), 16)
    chosen = ForecastingSettings(
        horizon=16,
        look_back=32,
        segment=16,
        units=32,
        dropout=0,
        epochs=8,
        learning_rate=0.02,
        average=0,
        batch_windows=64,
        epoch_windows=1920,
        precision="float32",
        patience=8,
    )
    forecaster, _, _ = train_network(chosen, Panel("sine", [one]), tmp_path)
    [found] = forecaster.predict(Panel("sine", [one]))
    expected = np.sin(2 * np.pi * np.arange(900, 916) / 16)
    assert np.abs(found.median - expected).max() < 0.02
