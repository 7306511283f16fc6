"""How the verbs end in every app: a training with a model folder, an evaluation with figures, infer with answers."""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from common import cli
from common.config import AppTrainingSettings, EvaluateSettings, InferSettings
from common.errors import WorkFailed
from common.figures import Entry, as_text, beats_baselines, record
from common.litert import LITERT
from common.model_folder import ModelFolder, save_model


class Answer(Protocol):
    """What a predictor says of one input."""

    def as_row(self) -> dict[str, Any]: ...


def finish_training(
    settings: AppTrainingSettings, work: Path, model: ModelFolder, card: str, names: Sequence[str]
) -> None:
    """Shows the figures, writes the model folder with the curves of the run, and takes the work folder away.

    Args:
        settings: of the training.
        work: the work folder, with `curves.png` in it.
        model: what is written; its metrics are shown.
        card: the model card, Markdown.
        names: of the figures to show.

    Raises:
        UserError: the folder cannot be written.
        WorkFailed: a baseline is at least as good, and the user wanted to know.
    """
    cli.say(as_text(model.metrics, names))
    files = {**model.files, "curves.png": (work / "curves.png").read_bytes()}
    save_model(settings.out, replace(model, files=files), card, settings.storage)
    shutil.rmtree(work)
    cli.say(f"model written to {settings.out}")
    if settings.fail_below_baseline and not beats_baselines(model.metrics):
        raise WorkFailed("a baseline is at least as good as the network; see above")


def finish_evaluation(settings: EvaluateSettings, model: Path, entries: Sequence[Entry], names: Sequence[str]) -> None:
    """Prints the figures, those called `names` as text or all as JSON, and records them with the model if asked to."""
    if settings.runtime == "litert":
        entries = [entry | {"data": f"{entry['data']}, {LITERT}"} for entry in entries]
    if settings.record:
        record(model, entries)
    document = entries[0] if len(entries) == 1 else entries
    print(json.dumps(document, indent=2) if settings.as_json else as_text(entries, names))


def print_answers(settings: InferSettings, answers: Sequence[Answer], lines: Iterable[str]) -> None:
    """Prints answers as JSON, as CSV or as their `lines`, as asked for."""
    if settings.as_json or settings.as_csv:
        rows = [answer.as_row() for answer in answers]
        print(cli.format_rows(rows, "json" if settings.as_json else "csv"))
        return
    for line in lines:
        print(line)
