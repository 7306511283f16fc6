"""Figures of a trained predictor on rows whose target is known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from apps.tabular.config import TabularSettings
from apps.tabular.data import identify, load_frames, split_frames
from apps.tabular.predictor import APP, TabularPredictor
from common import cli, plots
from common.config import EvaluateSettings, parse_settings
from common.errors import UserError
from common.figures import as_entry
from common.files import make_folder
from common.metrics import CLASSIFICATION, REGRESSION, classification_report
from common.model_folder import ModelFolder, load_model
from common.sources import Source
from common.verbs import finish_evaluation

PROG = "python -m apps evaluate"


class TabularEvaluateSettings(EvaluateSettings):
    """Measures a predictor: on the held-out part of the data it was trained on, on all rows of any other table."""

    model: Path = Field(
        Path("saved_models/tabular"), description="model folder", json_schema_extra={"positional": True}
    )
    data: str | None = Field(None, description="sample:NAME, tfds:NAME or a path; by default what it was trained on")


SETTINGS = TabularEvaluateSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(TabularEvaluateSettings, arguments, PROG)
    saved = load_model(settings.model, APP, with_weights=False)
    predictor = TabularPredictor.load(settings.model, settings.precision, settings.runtime)
    source, split, frame = read_split(settings, saved)
    where = f"{source}, {split}"
    cli.say(f"{where}: {len(frame):,} rows")
    command = cli.as_command(PROG, arguments)
    arrays, targets = predictor.columns.encode(frame, where), predictor.columns.target.encode(frame, where)
    entry = as_entry(source.label, split, predictor.measure(arrays, targets), command)
    if entry["unknown_cells"]:
        cli.say(f"note: {entry['unknown_cells']:,} cells of categories that training did not know")
    if settings.plot:
        draw(settings.plot / source.label, targets, predictor.answers(arrays), predictor.columns.target.labels)
    names = list(CLASSIFICATION if predictor.columns.target.labels else REGRESSION)
    finish_evaluation(settings, settings.model, [entry], names)


def read_split(settings: TabularEvaluateSettings, saved: ModelFolder) -> tuple[Source, str, pd.DataFrame]:
    """The source, the name of the part that is measured, and its rows.

    Raises:
        UserError: the data cannot be read, or has no such split.
    """
    trained = TabularSettings.from_values(saved.settings, saved.where)
    source = Source.parse(settings.data or trained.data)
    if identify(source) == saved.facts["data"]:
        frames = split_frames(load_frames(source, trained), trained, str(source))
    else:
        frames = load_frames(source, trained.model_copy(update={"split_column": None}))
    if list(frames) == ["train"]:
        cli.say(f"note: {source} is not, or no longer, the table trained on: all its rows are measured")
        return source, "all", frames["train"]
    if settings.split not in frames:
        raise UserError(f"--data {source}: no split {settings.split!r}; found: {', '.join(frames)}")
    return source, settings.split, frames[settings.split]


def draw(folder: Path, targets: np.ndarray, answers: np.ndarray, labels: Sequence[str]) -> None:
    """Pictures of what is taken for what, and of how far probabilities or numbers can be trusted."""
    make_folder(folder)
    if labels:
        confusion = np.array(classification_report(targets, answers)["confusion"])
        plots.plot_confusion(confusion, labels, folder / "confusion.png")
        plots.plot_reliability(targets, answers, folder / "reliability.png")
    else:
        plots.plot_predictions(targets, answers, folder / "predictions.png")
    cli.say(f"pictures written to {folder}")


if __name__ == "__main__":
    cli.run(main)
