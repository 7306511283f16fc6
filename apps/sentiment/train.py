"""Trains a classifier of texts: data, tokeniser, network, training, calibration, baselines, model folder."""

from pathlib import Path

import numpy as np

from apps.sentiment.baselines import evaluate_baselines, fit_baselines
from apps.sentiment.classifier import APP, TOKENISER, SentimentClassifier
from apps.sentiment.config import SentimentSettings
from apps.sentiment.data import EpochBatches, Examples, TrainingData, encode
from apps.sentiment.pretrain import start_from
from common import cli
from common.card import build_card
from common.config import parse_settings
from common.figures import Entry, Row, as_entry, compare
from common.metrics import CLASSIFICATION, classification_report, fit_temperature, softmax
from common.model_folder import ModelFolder, check_out
from common.text import Tokeniser, fit_tokeniser
from common.verbs import finish_training

PROG = "python -m apps.sentiment.train"
SETTINGS = SentimentSettings

TITLE = "A classifier of texts by their sentiment"
PURPOSE = (
    "Says whether a text, from a sentence to a long review, speaks well or ill of its subject, and how sure that is."
)
LIMITS = (
    "English, and texts that judge something; a neutral text gets a label all the same, near a half.",
    "Irony that no word gives away is often taken at its word.",
    "Not made for decisions about people.",
)


def main(arguments: list[str]) -> None:
    settings = parse_settings(SentimentSettings, arguments, PROG)
    work = check_out(settings.out, settings.overwrite, settings.resume)
    data = TrainingData.load(settings)
    for corpus in (*data.train, *data.held_out):
        cli.say(corpus.summary())
    if settings.pretrain:
        tokeniser, weights = start_from(settings, data.labels, work)
    else:
        tokeniser, weights = fit_tokeniser(data.train_texts(), settings.vocabulary, settings.fold_case), {}
    classifier, weights, log = train_network(settings, data, tokeniser, weights, work)
    command = cli.as_command(PROG, arguments)
    entries = calibrate_and_measure(classifier, data, command, settings.seed)
    plain = settings.model_dump(mode="json")
    facts = {"labels": classifier.labels, "temperature": classifier.temperature, "log": log}
    model = ModelFolder(APP, plain, weights, {TOKENISER: classifier.tokeniser.model}, facts, entries)
    card = build_card(TITLE, PURPOSE, settings.data, plain, entries, LIMITS)
    finish_training(settings, work, model, card, list(CLASSIFICATION))


def train_network(
    settings: SentimentSettings, data: TrainingData, tokeniser: Tokeniser, begin: dict[str, np.ndarray], work: Path
) -> tuple[SentimentClassifier, dict[str, np.ndarray], list[Row]]:
    """Builds the network, begins from the weights it is given, trains it: the classifier, its weights, the log."""
    from apps.sentiment.model import build_model
    from common.backend import keras, use_precision
    from common.checkpoint import assign_by_path, weights_by_path
    from common.training import Task, train

    use_precision(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings, tokeniser.vocabulary_size, len(data.labels))
    assign_by_path(model, begin)
    classifier = SentimentClassifier(model.predict_on_batch, tokeniser, data.labels, settings.most_pieces)
    examples = Examples.encode(data, tokeniser, settings.most_pieces)

    held_out = [
        (corpus.name, encode(tokeniser, corpus.texts, settings.most_pieces), corpus.label_ids(data.labels))
        for corpus in data.held_out
    ]

    def evaluate(model: keras.Model) -> dict[str, float]:
        shares = {name: float(np.mean(classifier.run(rows).argmax(axis=1) == ids)) for name, rows, ids in held_out}
        return {"accuracy": float(np.mean(list(shares.values())))} | {f"accuracy_{k}": v for k, v in shares.items()}

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    task = Task(model, loss, lambda epoch: EpochBatches(examples, settings, epoch), evaluate, "accuracy")
    log = train(task, settings, work)
    return classifier, weights_by_path(model), log


def calibrate_and_measure(classifier: SentimentClassifier, data: TrainingData, command: str, seed: int) -> list[Entry]:
    """Fits the temperature on the held-out texts; figures on each held-out corpus, beside those of the baselines."""
    logits = [classifier.logits(corpus.texts) for corpus in data.held_out]
    label_ids = [corpus.label_ids(data.labels) for corpus in data.held_out]
    classifier.temperature = fit_temperature(np.concatenate(logits), np.concatenate(label_ids))
    baselines = fit_baselines(data.train_texts(), data.train_ids())
    entries = []
    for corpus, found, ids in zip(data.held_out, logits, label_ids, strict=True):
        report = classification_report(ids, softmax(found, classifier.temperature))
        correct = evaluate_baselines(baselines, corpus.texts, ids)
        report["baselines"] = compare(found.argmax(axis=1) == ids, correct, "accuracy")
        entries.append(as_entry(corpus.name, corpus.split, report, command, seed))
    return entries


if __name__ == "__main__":
    cli.run(main)
