"""What `make demo` shows of this app."""

from pathlib import Path

from apps.forecasting.data import load_panel
from apps.forecasting.forecaster import Forecaster
from apps.forecasting.infer import hold_back
from apps.forecasting.scores import coverage
from common.sources import Source

MODEL = Path("saved_models/forecasting-global")
SAMPLES = Path(__file__).parent / "samples"
_SETS = (("hours.csv", {}, 24), ("months.csv", {"series": "shop", "target": ("sales",)}, 12))


def main() -> None:
    """Forecasts series it never saw, all but their last rows given, and sets what came beside the forecasts."""
    print("forecasting, many to many: a history in, what follows out, with intervals (lstm)")
    forecaster = Forecaster.load(MODEL)
    for name, columns, steps in _SETS:
        panel = load_panel(Source.parse(str(SAMPLES / name)), forecaster.settings.model_copy(update=columns))
        came = {one.name: one.values[-steps:] for one in panel.series}
        for forecast in forecaster.predict(hold_back(panel, steps), steps):
            (low, high), truth = forecast.interval(0.8), came[forecast.series]
            print(
                f"{name}, {forecast.series:<10} {forecast.times[-1]:<20} {forecast.median[-1]:8.2f} "
                f"({low[-1]:.2f} to {high[-1]:.2f}), came {truth[-1]:.2f}; "
                f"of {steps} steps the 80 % intervals held {coverage(truth, low, high):.0%}"
            )
