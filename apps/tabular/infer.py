"""Predicts rows from the command line; in Python, `TabularPredictor` does."""

import csv
from collections import Counter
from pathlib import Path

from pydantic import Field

from apps.tabular.columns import Columns
from apps.tabular.data import read_frame
from apps.tabular.predictor import Estimate, Prediction, TabularPredictor
from common import cli
from common.config import InferSettings, parse_settings
from common.errors import UserError
from common.verbs import print_answers

PROG = "python -m apps.tabular.infer"


class TabularInferSettings(InferSettings):
    """Predicts a class or a number for each row: of a table, of arguments, or of lines of standard input."""

    rows: tuple[str, ...] = Field(
        (), description="rows as COLUMN=VALUE,COLUMN=VALUE...", json_schema_extra={"positional": True}
    )
    row: tuple[str, ...] = Field((), description="a row written likewise; may be given several times")
    file: Path | None = Field(None, description="CSV, TSV or JSON lines, plain, .gz or .xz")
    model: Path = Field(Path("saved_models/tabular"), description="model folder")


SETTINGS = TabularInferSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(TabularInferSettings, arguments, PROG)
    given = read_frame(settings.file) if settings.file else cli.gather_texts((*settings.rows, *settings.row), None)
    predictor = TabularPredictor.load(settings.model, runtime=settings.runtime)
    if settings.file:
        predictions = predictor.predict(given, str(settings.file))
    else:
        predictions = predictor.predict([read_row(text, predictor.columns) for _, text in given], "the rows given")
    for column, cells in Counter(name for found in predictions for name in found.unknown).items():
        example = next(found.unknown[column] for found in predictions if column in found.unknown)
        cli.say(f"note: {column}: {cells:,} cells of a category that training did not know, such as {example!r}")
    print_answers(settings, predictions, (as_line(found, number) for number, found in enumerate(predictions, start=1)))


def read_row(text: str, columns: Columns) -> dict[str, str]:
    """`a=1,b=2` -> `{"a": "1", "b": "2"}`; a part with a comma in it stands in double quotes.

    Raises:
        UserError: a part is not COLUMN=VALUE, or a column is missing, strange or given twice.
    """
    parts = [part.strip().partition("=") for part in next(csv.reader([text], skipinitialspace=True), [])]
    row = {name.strip(): value for name, _, value in parts}
    if wrong := [name for name, sign, _ in parts if not sign]:
        raise UserError(f"row {text!r}: {wrong[0]!r} is not COLUMN=VALUE")
    if len(row) < len(parts):
        raise UserError(f"row {text!r}: a column is given twice")
    if strange := set(row) - {*columns.names, *columns.left_out, columns.target.name}:
        raise UserError(f"row {text!r}: no column {min(strange)!r}; the model reads {', '.join(columns.names)}")
    if missing := [name for name in columns.names if name not in row]:
        raise UserError(f"row {text!r}: no {', '.join(missing)}; write {missing[0]}= where a value is not known")
    return row


def as_line(prediction: Prediction | Estimate, number: int) -> str:
    """`row 3  Adelie  98.1 %` or `row 3  152.3  (98.7 to 205.9)`, and which categories were not known."""
    if isinstance(prediction, Prediction):
        answer = f"{prediction.label}  {prediction.probability:6.1%}"
    else:
        interval = "" if prediction.low is None else f"  ({prediction.low:.6g} to {prediction.high:.6g})"
        answer = f"{prediction.value:.6g}{interval}"
    note = ", ".join(f"{name} {value!r}" for name, value in prediction.unknown.items())
    return f"row {number}  {answer}" + (f"  [not known: {note}]" if note else "")


if __name__ == "__main__":
    cli.run(main)
