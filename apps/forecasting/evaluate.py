"""Figures of a trained forecaster on a part of a table, every window counted."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from apps.forecasting.config import MOST_STEPS, DataSettings, ProtocolSettings, merge_data_settings
from apps.forecasting.data import Panel, load_panel
from apps.forecasting.forecaster import APP, Forecaster
from apps.forecasting.report import FIGURES, measure, verdict
from apps.forecasting.splits import check_unseen
from common import cli
from common.config import EvaluateSettings, parse_settings
from common.figures import as_entry
from common.files import make_folder
from common.model_folder import ModelFolder, load_model
from common.sources import Source, identify
from common.verbs import finish_evaluation

PROG = "python -m apps evaluate"


class ForecastingEvaluateSettings(DataSettings, ProtocolSettings, EvaluateSettings):
    """Measures a forecaster on every window of a part of a table, beside baselines."""

    model: Path = Field(
        Path("saved_models/forecasting"), description="model folder", json_schema_extra={"positional": True}
    )
    data: str | None = Field(None, description="sample, tfds:NAME or a path; by default what it was trained on")
    horizon: int | None = Field(
        None, gt=0, le=MOST_STEPS, description="steps of each forecast; those of the training if not given"
    )
    split: Literal["train", "validation", "test"] = Field("test", description="which part of the data")


SETTINGS = ForecastingEvaluateSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(ForecastingEvaluateSettings, arguments, PROG)
    saved = load_model(settings.model, APP, with_weights=False)
    forecaster = Forecaster.load(settings.model, settings.precision, settings.runtime)
    source, panel, protocol = read_panel(settings, forecaster, saved)
    cli.say(panel.summary())
    found, cases = measure(forecaster, panel, protocol, settings.split, settings.horizon)
    cli.say(verdict(found["baselines"]))
    command = cli.as_command(PROG, arguments)
    if settings.plot:
        from apps.forecasting.plots import plot_errors

        make_folder(settings.plot / source.label)
        plot_errors(cases, settings.plot / source.label / "errors.png")
        cli.say(f"picture written to {settings.plot / source.label}")
    finish_evaluation(settings, settings.model, [as_entry(source.label, settings.split, found, command)], FIGURES)


def read_panel(
    settings: ForecastingEvaluateSettings, forecaster: Forecaster, saved: ModelFolder
) -> tuple[Source, Panel, str]:
    """The source, its series and the protocol: as given, and where nothing is, as in the training.

    Raises:
        UserError: the data cannot be read, or the model has seen the part that it is to be measured on.
    """
    trained, source = forecaster.settings, Source.parse(settings.data or forecaster.settings.data)
    panel = load_panel(source, merge_data_settings(trained, settings), trained.horizon)
    protocol = settings.protocol if "protocol" in settings.model_fields_set else trained.protocol
    if identify(source) == saved.facts["data"]:
        check_unseen(panel, trained.protocol, protocol, settings.split)
    return source, panel, protocol


if __name__ == "__main__":
    cli.run(main)
