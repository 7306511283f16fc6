"""What `make demo` shows of this app."""

from pathlib import Path

from apps.tabular.data import read_frame
from apps.tabular.infer import as_line
from apps.tabular.predictor import TabularPredictor
from common.forms import ONE_TO_ONE

FORM = ONE_TO_ONE
MODEL = Path("saved_models/tabular")
SAMPLES = Path(__file__).parent / "samples"


def main() -> None:
    """Names the species of penguins from their measurements, of which some are missing."""
    predictor = TabularPredictor.load(MODEL, runtime="auto")
    print(f"tabular, {FORM.name}: a row in, a class out (dense)\n{FORM.as_text()}")
    frame = read_frame(SAMPLES / "birds.csv")
    for number, prediction in enumerate(predictor.predict(frame), start=1):
        print(f"{as_line(prediction, number)}  {', '.join(frame.iloc[number - 1])}")
