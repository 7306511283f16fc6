"""Two models that cost seconds, so that a network has to beat them to be worth its training."""

from collections.abc import Mapping

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from apps.tabular.columns import Arrays
from common.metrics import r2_scores

# HistGradientBoosting takes no more categories than this; a column of more is read by the order of its ids.
_MOST_CATEGORIES = 255
_STRENGTHS = np.logspace(-3, 4, 15)


def fit_baselines(
    arrays: Arrays, targets: np.ndarray, weights: np.ndarray, is_classification: bool, seed: int
) -> dict[str, Pipeline]:
    """Fits a linear model on one-hot categories, and gradient boosting (Ke et al., 2017) with its own defaults.

    Args:
        arrays: `numbers` and `category_ids`, as the network gets them.
        targets: class ids or values, `(rows,)`.
        weights: how much each row counts, `(rows,)`.
        is_classification: whether the targets are class ids.
        seed: of the boosting.

    Returns:
        "logistic", or "ridge" with its penalty chosen by leaving one out, and "boosting", to predict from `as_matrix`.
    """
    matrix = as_matrix(arrays)
    columns = np.arange(matrix.shape[1])
    is_category = columns >= arrays["numbers"].shape[1]
    one_hot = ColumnTransformer(
        [("one_hot", OneHotEncoder(handle_unknown="ignore"), columns[is_category])], remainder="passthrough"
    )
    few = is_category & (matrix.max(axis=0) < _MOST_CATEGORIES)
    linear = LogisticRegression(max_iter=1000) if is_classification else RidgeCV(_STRENGTHS)
    boosting = HistGradientBoostingClassifier if is_classification else HistGradientBoostingRegressor
    models = {
        "logistic" if is_classification else "ridge": Pipeline([("one_hot", one_hot), ("model", linear)]),
        "boosting": Pipeline([("model", boosting(categorical_features=few, random_state=seed))]),
    }
    return {name: model.fit(matrix, targets, model__sample_weight=weights) for name, model in models.items()}


def evaluate_baselines(
    baselines: Mapping[str, Pipeline], arrays: Arrays, targets: np.ndarray, is_classification: bool
) -> dict[str, np.ndarray]:
    """A score an example of each baseline, by name, `(rows,)`: whether it is right, or its part in R2."""
    answers = {name: model.predict(as_matrix(arrays)) for name, model in baselines.items()}
    if is_classification:
        return {name: answer == targets for name, answer in answers.items()}
    return {name: r2_scores(targets, answer) for name, answer in answers.items()}


def as_matrix(arrays: Arrays) -> np.ndarray:
    """Numbers and category ids side by side, float32 `(rows, columns)`."""
    return np.hstack([arrays["numbers"], arrays["category_ids"].astype(np.float32)])
