"""Linear models and gradient boosting, the baselines of the tabular app."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score

from apps.tabular.baselines import as_matrix, evaluate_baselines, fit_baselines


def arrays_of(count: int, categories: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "numbers": rng.normal(size=(count, 2)).astype(np.float32),
        "category_ids": rng.integers(0, categories, (count, 1)).astype(np.int32),
    }


def scores(arrays, targets, is_classification: bool) -> dict[str, np.ndarray]:
    models = fit_baselines(arrays, targets, np.ones(len(targets)), is_classification, seed=0)
    return evaluate_baselines(models, arrays, targets, is_classification)


def test_categories_are_no_quantity_to_either_baseline():
    arrays = arrays_of(200)
    for name, right in scores(arrays, (arrays["category_ids"][:, 0] == 1).astype(int), True).items():
        assert right.dtype == bool, name
        assert right.all(), name


def test_the_mean_of_the_scores_of_a_regression_is_r2():
    arrays = arrays_of(100)
    targets = arrays["numbers"] @ [1, 2] + arrays["category_ids"][:, 0] * 3.0
    models = fit_baselines(arrays, targets, np.ones(100), False, seed=0)
    found = evaluate_baselines(models, arrays, targets, False)
    assert set(found) == {"ridge", "boosting"}
    assert found["ridge"].mean() > 0.99
    for name, model in models.items():
        assert found[name].mean() == pytest.approx(r2_score(targets, model.predict(as_matrix(arrays))))


def test_an_id_never_seen_in_training_is_answered():
    arrays = arrays_of(50)
    models = fit_baselines(arrays, np.arange(50) % 2, np.ones(50), True, seed=0)
    new = {**arrays, "category_ids": np.full((50, 1), 7, np.int32)}
    assert all(len(right) == 50 for right in evaluate_baselines(models, new, np.zeros(50), True).values())


def test_a_column_of_very_many_categories_is_read_by_its_ids():
    arrays = arrays_of(600, categories=400)
    assert set(scores(arrays, np.arange(600) % 2, True)) == {"logistic", "boosting"}


def test_numbers_alone_give_scikit_learns_logistic_regression():
    arrays = {"numbers": arrays_of(80)["numbers"], "category_ids": np.zeros((80, 0), np.int32)}
    targets = (arrays["numbers"][:, 0] > 0.5).astype(int)
    expected = LogisticRegression().fit(arrays["numbers"], targets).predict(arrays["numbers"]) == targets
    np.testing.assert_array_equal(scores(arrays, targets, True)["logistic"], expected)


def test_a_heavy_row_outweighs_a_light_one():
    arrays = {"numbers": np.zeros((60, 1), np.float32), "category_ids": np.zeros((60, 0), np.int32)}
    targets = np.arange(60) % 2
    for heavy in (0, 1):
        weights = np.where(targets == heavy, 10.0, 0.1)
        for model in fit_baselines(arrays, targets, weights, True, seed=0).values():
            assert model.predict(as_matrix(arrays)[:1]).tolist() == [heavy]
