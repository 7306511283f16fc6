"""Many to many: how series of numbers go on, with intervals."""

from apps.forecasting.forecaster import Forecast, Forecaster

__all__ = ["Forecast", "Forecaster"]
