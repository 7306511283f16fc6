"""Figures of a trained predictor on rows whose target is known."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from apps.tabular.config import TabularSettings
from apps.tabular.data import identify, load_frames, split_frames
from apps.tabular.predictor import APP, TabularPredictor
from common import cli, plots
from common.config import Settings, parse_settings
from common.errors import UserError
from common.figures import as_entry, as_text, record
from common.files import make_folder
from common.metrics import CLASSIFICATION, REGRESSION, classification_report
from common.model_folder import load_model
from common.sources import Source

PROG = "python -m apps evaluate"


class EvaluateSettings(Settings):
    """Measures a predictor: on the held-out part of the data it was trained on, on all rows of any other table."""

    model: Path = Field(
        Path("saved_models/tabular"), description="model folder", json_schema_extra={"positional": True}
    )
    data: str | None = Field(None, description="sample:NAME, tfds:NAME or a path; by default what it was trained on")
    split: str = Field("test", description="which part of the data: train, validation or test")
    as_json: bool = Field(False, alias="json", description="one JSON document on standard output")
    record: bool = Field(False, description="write the figures into the model's metrics.json")
    plot: Path | None = Field(None, description="folder for pictures of right and wrong answers")
    precision: Literal["float32", "mixed_bfloat16", "auto"] = Field("float32", description="type of the arithmetic")


SETTINGS = EvaluateSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(EvaluateSettings, arguments, PROG)
    predictor = TabularPredictor.load(settings.model, settings.precision)
    source, split, frame = read_split(settings)
    where = f"{source}, {split}"
    cli.say(f"{where}: {len(frame):,} rows")
    command = shlex.join(["python", "-m", "apps", "evaluate", *arguments])
    arrays, targets = predictor.columns.encode(frame, where), predictor.columns.target.encode(frame, where)
    entry = as_entry(source.label, split, predictor.measure(arrays, targets), command)
    if entry["unknown_cells"]:
        cli.say(f"note: {entry['unknown_cells']:,} cells of categories that training did not know")
    if settings.plot:
        draw(settings.plot / source.label, targets, predictor.answers(arrays), predictor.columns.target.labels)
    if settings.record:
        record(settings.model, [entry])
    names = list(CLASSIFICATION if predictor.columns.target.labels else REGRESSION)
    print(json.dumps(entry, indent=2) if settings.as_json else as_text([entry], names))


def read_split(settings: EvaluateSettings) -> tuple[Source, str, pd.DataFrame]:
    """The source, the name of the part that is measured, and its rows.

    Raises:
        UserError: the data cannot be read, or has no such split.
    """
    saved = load_model(settings.model, APP)
    trained = TabularSettings.from_values(saved.settings, f"{settings.model}/config.json")
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
