"""What `make demo` shows of this app."""

from pathlib import Path

from apps.sentiment.classifier import SentimentClassifier
from apps.sentiment.infer import as_line
from common.forms import MANY_TO_ONE
from common.model_folder import read_config
from common.sources import read_lines
from common.tables import read_table

FORM = MANY_TO_ONE
MODEL = Path("saved_models/sentiment")
SAMPLES = Path(__file__).parent / "samples"


def main() -> None:
    """Labels the sample texts, the words that decided in colour, and counts how many labelled sentences are right."""
    kind = read_config(MODEL)["settings"]["backbone"]
    print(f"sentiment, {FORM.name}: a sequence of words in, one label out ({kind})\n{FORM.as_text()}")
    classifier = SentimentClassifier.load(MODEL, runtime="auto")
    for prediction in classifier.predict(list(read_lines(SAMPLES / "reviews.txt")), with_words=True):
        print(as_line(prediction))
    rows = [row for _, row in read_table(SAMPLES / "sentences.tsv", ("label", "text"))]
    predictions = classifier.predict([row["text"] for row in rows])
    wrong = [(row, found) for row, found in zip(rows, predictions, strict=True) if row["label"] != found.label]
    print(f"\n{len(rows) - len(wrong)} of {len(rows)} labelled sentences, never trained on, are right; not these:")
    for row, found in wrong:
        print(f"  {found.label} {found.probability:.0%}, should be {row['label']}: {row['text']}")
