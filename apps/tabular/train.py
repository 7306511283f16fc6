"""Trains a predictor of a column: table, columns, network, training, calibration, baselines, model folder."""

from pathlib import Path

import numpy as np
import pandas as pd

from apps.tabular.baselines import evaluate_baselines, fit_baselines
from apps.tabular.columns import Arrays, Columns, fit_columns
from apps.tabular.config import TabularSettings
from apps.tabular.data import EpochBatches, Frames, class_weights, describe, identify, load_frames, split_frames
from apps.tabular.predictor import APP, TabularPredictor
from common import cli
from common.card import build_card
from common.config import parse_settings
from common.errors import UserError
from common.figures import Row, as_entry, compare
from common.metrics import CLASSIFICATION, REGRESSION, r2_scores
from common.model_folder import ModelFolder, check_out
from common.sources import Source
from common.verbs import finish_training

PROG = "python -m apps.tabular.train"
SETTINGS = TabularSettings

PURPOSE = "Says of a row which class it is in and how sure that is, or which number belongs to it, with its interval."
LIMITS = (
    "Rows like those it learnt from; a number far outside what training saw is read as ten standard deviations.",
    "A category that training did not know is read as an average one, and named in the answer.",
    "Not made for decisions about people.",
)


def main(arguments: list[str]) -> None:
    settings = parse_settings(TabularSettings, arguments, PROG)
    work, source = check_out(settings.out, settings.overwrite, settings.resume), Source.parse(settings.data)
    frames = split_frames(load_frames(source, settings), settings, str(source))
    columns = fit_columns(frames["train"], settings, str(source))
    cli.say(f"{source}: " + ", ".join(f"{len(frame):,} rows in {split}" for split, frame in frames.items()))
    cli.say(columns.summary())
    predictor, weights, log = train_network(settings, columns, frames, work)
    command = cli.as_command(PROG, arguments)
    arrays, targets, _ = encode(settings, columns, frames["test"], f"{source}, test")
    entry = as_entry(source.label, "test", predictor.measure(arrays, targets), command, settings.seed)
    entry["baselines"] = compare_with_baselines(settings, predictor, frames)
    plain, facts = settings.model_dump(mode="json"), {**predictor.facts(), "data": identify(source), "log": log}
    title = f"A predictor of {columns.target.name}"
    card = build_card(title, PURPOSE, [describe(source)], plain, [entry], LIMITS)
    model = ModelFolder(APP, plain, weights, facts=facts, metrics=[entry])
    finish_training(settings, work, model, card, list(CLASSIFICATION if columns.target.labels else REGRESSION))


def train_network(
    settings: TabularSettings, columns: Columns, frames: Frames, work: Path
) -> tuple[TabularPredictor, dict[str, np.ndarray], list[Row]]:
    """Builds the network and trains it; the calibrated predictor, the weights by their paths, and the log."""
    from apps.tabular.model import build_model
    from common.backend import keras, use_precision
    from common.checkpoint import weights_by_path
    from common.training import Task, train

    use_precision(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings, columns)
    predictor, target = TabularPredictor(model.predict_on_batch, columns), columns.target
    arrays, targets, weights = encode(settings, columns, frames["train"], "train")
    held_out, held_out_targets, _ = encode(settings, columns, frames["validation"], "validation")
    scaled = targets if target.labels else ((targets - target.mean) / target.scale).astype(np.float32)

    def batches(epoch: int) -> EpochBatches:
        return EpochBatches(arrays, scaled, weights, settings.batch_rows, settings.seed, epoch)

    def evaluate(model: keras.Model) -> dict[str, float]:
        found = predictor.measure(held_out, held_out_targets)
        return {name: found[name] for name in (("log_loss", "accuracy") if target.labels else ("rmse", "r2"))}

    losses = keras.losses
    loss = losses.SparseCategoricalCrossentropy(from_logits=True) if target.labels else losses.MeanSquaredError()
    metric = "log_loss" if target.labels else "rmse"
    log = train(Task(model, loss, batches, evaluate, metric, higher_is_better=False), settings, work)
    predictor.calibrate(held_out, held_out_targets)
    return predictor, weights_by_path(model), log


def encode(
    settings: TabularSettings, columns: Columns, frame: pd.DataFrame, where: str
) -> tuple[Arrays, np.ndarray, np.ndarray]:
    """Rows as arrays, with their targets and how much each counts."""
    arrays, targets = columns.encode(frame, where), columns.target.encode(frame, where)
    if settings.balance and not columns.target.labels:
        raise UserError("--balance: weighs classes, and the target is a number; leave it away")
    weights = class_weights(targets, columns.target.outputs) if settings.balance else np.ones(len(targets), np.float32)
    return arrays, targets, weights


def compare_with_baselines(
    settings: TabularSettings, predictor: TabularPredictor, frames: Frames
) -> dict[str, dict[str, float]]:
    """The network beside baselines on test; these learn from validation rows too, having no epoch to choose."""
    columns, is_classification = predictor.columns, bool(predictor.columns.target.labels)
    rows = pd.concat([frames["train"], frames["validation"]])
    baselines = fit_baselines(*encode(settings, columns, rows, "train"), is_classification, settings.seed)
    arrays, targets, _ = encode(settings, columns, frames["test"], "test")
    answers = predictor.answers(arrays)
    scores = answers.argmax(axis=1) == targets if is_classification else r2_scores(targets, answers)
    theirs = evaluate_baselines(baselines, arrays, targets, is_classification)
    return compare(scores, theirs, "accuracy" if is_classification else "r2")


if __name__ == "__main__":
    cli.run(main)
