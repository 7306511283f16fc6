"""One to one: a class or a number from a row of a table."""

from apps.tabular.predictor import Estimate, Prediction, TabularPredictor

__all__ = ["Estimate", "Prediction", "TabularPredictor"]
