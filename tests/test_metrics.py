import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from common.metrics import (
    CLASSIFICATION,
    REGRESSION,
    TEMPERATURES,
    bootstrap_difference,
    calibration_bins,
    classification_report,
    ece,
    fit_temperature,
    r2_scores,
    regression_report,
    softmax,
)

# A loaded machine would break the deadline, which says nothing of the code.
properties = settings(deadline=None, max_examples=30)

# Worked through by hand: predictions 0, 1, 1, 0, right at the first, third and fourth.
LABELS = np.array([0, 0, 1, 0])
PROBABILITIES = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])


@st.composite
def classified(draw, most_classes: int = 4):
    """Labels and probabilities of up to a dozen examples."""
    classes = draw(st.integers(2, most_classes))
    examples = draw(st.integers(1, 12))
    logits = draw(arrays(np.float64, (examples, classes), elements=st.floats(-5, 5)))
    return draw(arrays(np.int64, examples, elements=st.integers(0, classes - 1))), softmax(logits)


def auc_by_pairs(labels: np.ndarray, scores: np.ndarray) -> float:
    """How many pairs of a positive and a negative are in order; ties are half in order."""
    pairs = [(x, y) for x in scores[labels == 1] for y in scores[labels == 0]]
    return sum((x > y) + (x == y) / 2 for x, y in pairs) / len(pairs)


def test_the_report_agrees_with_figures_worked_out_by_hand():
    report = classification_report(LABELS, PROBABILITIES)
    assert report["accuracy"] == 3 / 4
    assert report["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert report["auc"] == 1
    assert report["ece"] == pytest.approx((0.1 + 0.6 + 0.2 + 0.3) / 4)
    assert report["log_loss"] == pytest.approx(-np.log(0.9 * 0.4 * 0.8 * 0.7) / 4)
    assert report["confusion"] == [[2, 1], [0, 1]]
    assert report["examples"] == 4


def test_the_table_says_which_way_is_better():
    rising = {name for name, metric in CLASSIFICATION.items() if metric.higher_is_better}
    assert rising == {"accuracy", "macro_f1", "auc"}
    assert set(CLASSIFICATION) - rising == {"ece", "log_loss"}


@properties
@given(classified())
def test_log_loss_agrees_with_scikit_learn(example):
    from sklearn.metrics import log_loss

    labels, probabilities = example
    expected = log_loss(labels, probabilities, labels=range(probabilities.shape[1]))
    assert CLASSIFICATION["log_loss"].function(labels, probabilities) == pytest.approx(expected)


def test_log_loss_of_a_probability_of_zero_is_finite():
    certain = np.array([[1.0, 0.0]], dtype=np.float32)
    expected = -np.log(np.finfo(np.float32).eps)
    assert CLASSIFICATION["log_loss"].function(np.array([1]), certain) == pytest.approx(expected)


@properties
@given(classified(most_classes=2))
def test_auc_of_two_classes_is_the_share_of_pairs_in_order(example):
    labels, probabilities = example
    found = CLASSIFICATION["auc"].function(labels, probabilities)
    if len(set(labels)) < 2:
        assert found is None
    else:
        assert found == pytest.approx(auc_by_pairs(labels, probabilities[:, 1]))


def test_auc_of_more_classes_is_the_mean_over_the_classes_that_occur():
    labels = np.array([0, 2, 2, 0, 0])
    probabilities = np.array([[0.5, 0.2, 0.3], [0.4, 0.1, 0.5], [0.2, 0.6, 0.2], [0.3, 0.1, 0.6], [0.8, 0.1, 0.1]])
    expected = np.mean([auc_by_pairs(labels == k, probabilities[:, k]) for k in (0, 2)])
    assert CLASSIFICATION["auc"].function(labels, probabilities) == pytest.approx(expected)


@properties
@given(classified())
def test_every_metric_is_in_its_range(example):
    report = classification_report(*example)
    for name in ("accuracy", "macro_f1", "ece"):
        assert 0 <= report[name] <= 1
    assert report["log_loss"] >= 0
    assert report["auc"] is None or 0 <= report["auc"] <= 1


@properties
@given(classified(), st.randoms(use_true_random=False))
def test_the_order_of_examples_does_not_change_the_report(example, random):
    labels, probabilities = example
    order = random.sample(range(len(labels)), len(labels))
    report, shuffled = (classification_report(labels[o], probabilities[o]) for o in (slice(None), order))
    assert shuffled.pop("confusion") == report.pop("confusion")
    assert shuffled == pytest.approx(report)


@properties
@given(classified())
def test_examples_given_twice_do_not_change_the_metrics(example):
    labels, probabilities = example
    once = classification_report(labels, probabilities)
    twice = classification_report(np.tile(labels, 2), np.tile(probabilities, (2, 1)))
    assert {name: twice[name] for name in CLASSIFICATION} == pytest.approx(
        {name: once[name] for name in CLASSIFICATION}
    )


@properties
@given(classified())
def test_rows_of_the_confusion_sum_to_the_labels_and_its_diagonal_to_the_accuracy(example):
    labels, probabilities = example
    report = classification_report(labels, probabilities)
    confusion = np.array(report["confusion"])
    np.testing.assert_array_equal(confusion.sum(axis=1), np.bincount(labels, minlength=probabilities.shape[1]))
    assert np.trace(confusion) / len(labels) == pytest.approx(report["accuracy"])


@properties
@given(classified())
def test_ece_agrees_with_a_loop_over_bins(example):
    labels, probabilities = example
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    expected = 0.0
    for upper in range(1, 16):
        inside = (np.ceil(confidence * 15) == upper).nonzero()[0]
        if len(inside):
            gap = abs(right[inside].mean() - confidence[inside].mean())
            expected += len(inside) / len(labels) * gap
    assert ece(labels, probabilities) == pytest.approx(expected)


def test_gaps_of_opposite_sign_in_one_bin_cancel():
    probabilities = np.array([[0.75, 0.25]] * 4)
    assert ece(np.array([0, 0, 0, 1]), probabilities) == 0


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    bins = calibration_bins(np.array([0, 0]), np.array([[0.5, 0.5], [1.0, 0.0]]), bins=2)
    np.testing.assert_array_equal(bins.counts, [1, 1])
    np.testing.assert_array_equal(bins.confidence, [0.5, 1.0])
    np.testing.assert_array_equal(bins.accuracy, [1, 1])


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        ([0, 1], [[0.5, 0.5]]),
        ([], np.zeros((0, 2))),
        ([0], [0.5]),
        ([2], [[0.5, 0.5]]),
        ([-1], [[0.5, 0.5]]),
        ([0.5], [[0.5, 0.5]]),
        ([0], [[np.nan, 0.5]]),
    ],
)
def test_what_does_not_fit_is_refused_with_what_came(labels, probabilities):
    with pytest.raises(ValueError, match="Received"):
        classification_report(labels, probabilities)


def test_softmax_of_logarithms_gives_the_numbers_back():
    np.testing.assert_allclose(softmax(np.log([[0.2, 0.8], [0.5, 0.5]])), [[0.2, 0.8], [0.5, 0.5]])


def test_softmax_of_huge_logits_is_finite():
    np.testing.assert_array_equal(softmax([[800.0, 0.0], [1e308, 1e308]], temperature=1e-3), [[1, 0], [0.5, 0.5]])


@properties
@given(arrays(np.float64, (2, 3), elements=st.floats(-50, 50)), st.floats(-50, 50), st.floats(0.1, 10))
def test_softmax_depends_on_differences_over_temperature_alone(logits, shift, temperature):
    found = softmax(logits + shift, temperature)
    np.testing.assert_allclose(found, softmax(logits / temperature), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature="):
        softmax([[0.0, 1.0]], temperature)


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_the_temperature_makes_the_confidence_the_share_that_is_right(temperature):
    # Of four examples with the same logits three are right, so that the confidence must come to 3/4: T = z / log 3.
    logits = np.array([[temperature * np.log(3), 0.0]] * 4)
    assert fit_temperature(logits, [0, 0, 0, 1]) == pytest.approx(temperature, rel=1e-4)


def test_no_temperature_on_a_grid_is_better_than_the_fitted():
    random = np.random.default_rng(0)
    logits = 4 * random.normal(size=(50, 3))
    labels = (logits + 4 * random.normal(size=(50, 3))).argmax(axis=1)
    loss = CLASSIFICATION["log_loss"].function
    fitted = loss(labels, softmax(logits, fit_temperature(logits, labels)))
    assert fitted <= min(loss(labels, softmax(logits, t)) for t in np.geomspace(*TEMPERATURES, 200)) + 1e-9


def test_the_temperature_stays_at_one_where_every_example_is_right():
    assert fit_temperature([[5.0, 0.0], [0.0, 0.1]], [0, 1]) == 1


def test_the_temperature_of_a_model_that_is_always_wrong_stays_finite():
    fitted = fit_temperature([[5.0, 0.0], [0.0, 5.0]], [1, 0])
    assert 50 < fitted <= TEMPERATURES[1]


def test_the_temperature_does_not_change_which_class_is_first():
    random = np.random.default_rng(1)
    logits, labels = random.normal(size=(20, 3)), random.integers(0, 3, 20)
    scaled = softmax(logits, fit_temperature(logits, labels))
    np.testing.assert_array_equal(scaled.argmax(axis=1), logits.argmax(axis=1))


def test_the_interval_agrees_with_drawing_the_examples_one_by_one():
    random = np.random.default_rng(0)
    correct, baseline = random.random(300) < 0.9, random.random(300) < 0.8
    found = bootstrap_difference(correct, baseline, resamples=4000)
    drawn = random.integers(0, 300, (4000, 300))
    means = correct[drawn].mean(axis=1) - baseline[drawn].mean(axis=1)
    assert found.difference == pytest.approx(correct.mean() - baseline.mean())
    # A percentile of 4000 means with a deviation of 0.03 is known to about 0.002.
    np.testing.assert_allclose((found.low, found.high), np.percentile(means, [2.5, 97.5]), atol=0.006)


def test_examples_are_resampled_in_pairs():
    random = np.random.default_rng(0)
    correct = random.random(100) < 0.5
    assert bootstrap_difference(correct, correct) == (0, 0, 0)


@properties
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_the_interval_is_ordered_and_within_what_a_difference_can_be(pairs):
    correct, baseline = np.array(pairs).T
    found = bootstrap_difference(correct, baseline, resamples=50)
    assert -1 <= found.low <= found.high <= 1
    assert found == bootstrap_difference(correct[::-1], baseline[::-1], resamples=50)


def test_the_interval_of_twenty_five_thousand_examples_has_the_width_of_theory():
    correct = np.arange(25_000) % 10 != 0
    baseline = np.arange(25_000) % 5 != 0
    found = bootstrap_difference(correct, baseline)
    half_width = 1.96 * np.std(correct.astype(float) - baseline) / np.sqrt(25_000)
    assert found.difference == pytest.approx(0.1)
    assert (found.high - found.low) / 2 == pytest.approx(half_width, rel=0.1)


@pytest.mark.parametrize(("correct", "baseline"), [([], []), ([True], [True, False]), ([[True]], [[False]])])
def test_results_of_different_examples_are_refused(correct, baseline):
    with pytest.raises(ValueError, match="Received shapes"):
        bootstrap_difference(correct, baseline)


def test_the_report_of_a_regression_agrees_with_figures_worked_out_by_hand():
    # The errors are 1, -1, 0 and 2; the values vary about 3 by 2, 1, 0 and 3.
    report = regression_report([1, 2, 3, 6], [0, 3, 3, 4])
    assert report == {"r2": pytest.approx(1 - 6 / 14), "mae": 1, "rmse": pytest.approx(np.sqrt(6 / 4)), "examples": 4}


def test_the_table_of_regression_says_which_way_is_better():
    assert {name: metric.higher_is_better for name, metric in REGRESSION.items()} == {
        "r2": True,
        "mae": False,
        "rmse": False,
    }


VALUES = arrays(np.float64, 6, elements=st.floats(-100, 100))


@given(VALUES, VALUES)
def test_the_figures_of_a_regression_agree_with_scikit_learn(values, predictions):
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    report = regression_report(values, predictions)
    assert report["mae"] == pytest.approx(mean_absolute_error(values, predictions))
    assert report["rmse"] == pytest.approx(root_mean_squared_error(values, predictions))
    if np.ptp(values) > 1e-3:
        assert report["r2"] == pytest.approx(r2_score(values, predictions))
        assert report["r2"] == pytest.approx(r2_scores(values, predictions).mean())


def test_r2_of_values_that_are_all_the_same_is_not_defined():
    assert regression_report([2, 2], [1, 3])["r2"] is None


def test_the_mean_as_prediction_has_an_r2_of_zero():
    assert regression_report([1, 2, 6], [3, 3, 3])["r2"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("values", "predictions"), [([1], [1, 2]), ([], []), ([[1]], [[1]]), ([np.nan], [1]), ([1], [np.inf])]
)
def test_a_regression_that_does_not_fit_is_refused_with_what_came(values, predictions):
    with pytest.raises(ValueError, match="Received"):
        regression_report(values, predictions)
