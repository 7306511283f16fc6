"""Trains a forecaster: table, series, windows, network, training, calibration, baselines, model folder."""

from pathlib import Path

import numpy as np

from apps.forecasting.config import ForecastingSettings
from apps.forecasting.data import Panel, load_panel
from apps.forecasting.forecaster import APP, Forecaster
from apps.forecasting.report import FIGURES, measure, verdict
from apps.forecasting.scaling import fit_scales
from apps.forecasting.shapes import settle
from apps.forecasting.splits import split_rows
from apps.forecasting.windows import (
    Addresses,
    EpochBatches,
    Windows,
    address,
    in_batches,
    origins_within,
    thin,
    window_weights,
)
from common import cli
from common.card import build_card
from common.config import parse_settings
from common.figures import Row, as_entry
from common.model_folder import ModelFolder, check_out
from common.sources import Source, identify
from common.verbs import finish_training

PROG = "python -m apps.forecasting.train"
SETTINGS = ForecastingSettings

TITLE = "A forecaster of series"
PURPOSE = "Says how one or many series of numbers go on, step by step, with intervals around each step."
LIMITS = (
    "Series that go on as they did: what has never happened in the history is not foreseen.",
    "Intervals hold their share of steps on average over rows like those of the validation part, not in each case.",
    "Prices of stocks are close to a random walk: see the report of the backtest before a forecast of them is trusted.",
)
# Validation windows that choose the epoch: a few thousand tell the same as all of them.
_MOST_HELD_OUT = 4096
_MOST_CALIBRATED = 20_000


def main(arguments: list[str]) -> None:
    settings = parse_settings(ForecastingSettings, arguments, PROG)
    work, source = check_out(settings.out, settings.overwrite, settings.resume), Source.parse(settings.data)
    panel = load_panel(source, settings, settings.horizon)
    cli.say(panel.summary())
    parts = split_rows(panel, settings.protocol)
    settings = settle(settings, panel, parts)
    forecaster, weights, log = train_network(settings, panel, work)
    command = cli.as_command(PROG, arguments)
    # The test part is for `evaluate`: whoever sees its figures at each training chooses by them.
    found, _ = measure(forecaster, panel, settings.protocol, "validation")
    entry = as_entry(source.label, "validation", found, command, settings.seed)
    cli.say(verdict(entry["baselines"]))
    plain, facts = settings.model_dump(mode="json"), {**forecaster.facts(), "data": identify(source), "log": log}
    card = build_card(TITLE, PURPOSE, panel.summary().splitlines(), plain, [entry], LIMITS)
    model = ModelFolder(APP, plain, weights, forecaster.files(), facts, [entry])
    finish_training(settings, work, model, card, FIGURES)


def train_network(
    settings: ForecastingSettings, panel: Panel, work: Path
) -> tuple[Forecaster, dict[str, np.ndarray], list[Row]]:
    """Builds the network and trains it; the calibrated forecaster, the weights by their paths, and the log."""
    from apps.forecasting.model import Pinball, Shape, build_networks
    from common.backend import keras, use_precision
    from common.checkpoint import weights_by_path
    from common.training import Task, train

    parts = split_rows(panel, settings.protocol)
    stops = [part["train"][1] for part in parts]
    scales = fit_scales(panel.series, stops, by_name=settings.identity or settings.scale == "train")
    use_precision(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    networks = build_networks(settings, Shape(**scales.shape()))
    forecaster = Forecaster(networks.forecasting.predict_on_batch, settings, scales)
    windows = forecaster.windows(panel.series, stops)
    learnt, held_out = (
        address(
            [origins_within(one, *part[name], windows.frame) for one, part in zip(panel.series, parts, strict=True)]
        )
        for name in ("train", "validation")
    )
    cli.say(f"{len(learnt[0]):,} windows to learn from, {len(held_out[0]):,} to choose by")
    held_out, some = thin(held_out, _MOST_CALIBRATED), thin(held_out, _MOST_HELD_OUT)

    def batches(epoch: int) -> EpochBatches:
        return EpochBatches(windows, *learnt, settings, epoch)

    def evaluate(model: keras.Model) -> dict[str, float]:
        return held_out_figures(forecaster, windows, some)

    task = Task(networks.training, Pinball(settings.quantiles), batches, evaluate, "val_loss", higher_is_better=False)
    log = train(task, settings, work)
    if settings.blend:
        forecaster.blend(windows, learnt, held_out)
        cli.say(f"share of the network beside the linear model: {forecaster.share:.2f}")
    forecaster.calibrate(windows, *held_out)
    return forecaster, weights_by_path(networks.forecasting), log


def held_out_figures(forecaster: Forecaster, windows: Windows, held_out: Addresses) -> dict[str, float]:
    """Pinball loss of the quantiles and squared error of the medians, in the scale that the training counts in."""
    settings, losses, squares, count = forecaster.settings, 0.0, 0.0, 0
    levels, middle = np.array(settings.quantiles), len(settings.quantiles) // 2
    for some in in_batches(*held_out, 1024):
        inputs, targets = windows.inputs(*some), windows.targets(*some)
        weights = window_weights(inputs) if settings.scale == "window" else np.ones(len(targets))
        errors = (targets[..., None] - forecaster.raw_quantiles(windows, *some)) * weights[:, None, None]
        losses += float(np.maximum(levels * errors, (levels - 1) * errors).mean(axis=-1).sum())
        squares += float(np.square(errors[..., middle]).sum())
        count += targets.size
    return {"val_loss": losses / count, "val_mse": squares / count}


if __name__ == "__main__":
    cli.run(main)
