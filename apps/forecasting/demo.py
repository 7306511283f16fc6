"""What `make demo` shows of this app."""

from pathlib import Path

from apps.forecasting.data import load_panel
from apps.forecasting.forecaster import Forecaster
from apps.forecasting.infer import hold_back
from apps.forecasting.plots import plot_forecasts
from apps.forecasting.scores import coverage
from common.files import make_folder
from common.forms import MANY_TO_MANY
from common.sources import Source

FORM = MANY_TO_MANY
MODEL = Path("saved_models/forecasting-global")
SAMPLES = Path(__file__).parent / "samples"
DRAWINGS = Path("demo/forecasting")
_SETS = (
    ("hours.csv", {}, 24),
    ("months.csv", {"series": "shop", "target": ("sales",)}, 12),
    # A month of trading days.
    ("prices.csv", {}, 21),
)


def main() -> None:
    """Forecasts series it never saw, all but their last rows given, and sets what came beside the forecasts."""
    print(f"forecasting, {FORM.name}: a history in, what follows out, with intervals (lstm)\n{FORM.as_text()}")
    forecaster = Forecaster.load(MODEL, runtime="auto")
    for name, columns, steps in _SETS:
        panel = load_panel(Source.parse(str(SAMPLES / name)), forecaster.settings.model_copy(update=columns))
        came = {one.name: one.values[-steps:] for one in panel.series}
        history = hold_back(panel, steps)
        forecasts = forecaster.predict(history, steps)
        for one, forecast in zip(history.series, forecasts, strict=True):
            (low, high), truth = forecast.interval(0.8), came[forecast.series]
            print(
                f"{name}, {forecast.series:<10} {forecast.times[-1]:<20} {forecast.median[-1]:8.2f} "
                f"({low[-1]:.2f} to {high[-1]:.2f}), naive {one.values[-1]:.2f}, came {truth[-1]:.2f}; "
                f"of {steps} steps the 80 % intervals held {coverage(truth, low, high):.0%}"
            )
        plot_forecasts(panel, history, forecasts, 0.8, make_folder(DRAWINGS / Path(name).stem))
    print("  the prices are made up, a random walk: there the honest forecast is the naive one, with its interval")
    print(f"  the histories, the forecasts and what came: {DRAWINGS}")
