"""Figures of a trained classifier on labelled texts."""

from pathlib import Path

import numpy as np
from pydantic import Field

from apps.sentiment.classifier import SentimentClassifier
from apps.sentiment.config import DataSettings
from apps.sentiment.data import load_corpus
from common import cli, plots
from common.config import EvaluateSettings, Precision, parse_settings
from common.figures import as_entry
from common.files import make_folder
from common.metrics import CLASSIFICATION, classification_report, softmax
from common.sources import Source
from common.verbs import finish_evaluation

PROG = "python -m apps evaluate"


class SentimentEvaluateSettings(DataSettings, EvaluateSettings):
    """Measures a classifier on labelled texts."""

    model: Path = Field(
        Path("saved_models/sentiment"), description="model folder", json_schema_extra={"positional": True}
    )
    data: tuple[str, ...] = Field(("sample",), description="sample, tfds:NAME or a path; may be given several times")
    precision: Precision = Field("auto", description="type of the arithmetic")


SETTINGS = SentimentEvaluateSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(SentimentEvaluateSettings, arguments, PROG)
    classifier = SentimentClassifier.load(settings.model, settings.precision, settings.runtime)
    entries = []
    for text in settings.data:
        corpus = load_corpus(Source.parse(text), settings.split, settings)
        cli.say(corpus.summary())
        label_ids = corpus.label_ids(classifier.labels)
        probabilities = softmax(classifier.logits(corpus.texts), classifier.temperature)
        command = cli.as_command(PROG, arguments)
        entries.append(as_entry(corpus.name, corpus.split, classification_report(label_ids, probabilities), command))
        if settings.plot:
            draw(settings.plot / corpus.name, label_ids, probabilities, classifier.labels)
    finish_evaluation(settings, settings.model, entries, list(CLASSIFICATION))


def draw(folder: Path, label_ids: np.ndarray, probabilities: np.ndarray, labels: list[str]) -> None:
    """Pictures of what is taken for what, and of how far probabilities can be trusted."""
    make_folder(folder)
    plots.plot_confusion(
        np.array(classification_report(label_ids, probabilities)["confusion"]), labels, folder / "confusion.png"
    )
    plots.plot_reliability(label_ids, probabilities, folder / "reliability.png")
    cli.say(f"pictures written to {folder}")


if __name__ == "__main__":
    cli.run(main)
