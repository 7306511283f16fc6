"""Many to one: the sentiment of a text."""

from apps.sentiment.classifier import Prediction, SentimentClassifier

__all__ = ["Prediction", "SentimentClassifier"]
