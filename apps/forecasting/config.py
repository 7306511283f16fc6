"""The settings of the forecasting app, each declared once."""

from typing import Literal

from pydantic import Field

from common.config import AppTrainingSettings, Settings

MOST_STEPS = 10_000


class DataSettings(Settings):
    """How a table becomes series."""

    time: str | None = Field(None, description="column of times; found by its name if not given: date, time, ds ...")
    series: str | None = Field(None, description="column that says which series a row belongs to")
    target: tuple[str, ...] = Field(
        ("all",), min_length=1, description="column to forecast, or all that hold numbers; may be given several times"
    )
    fill: Literal["none", "forward", "linear"] = Field(
        "none",
        description="mend gaps, missing values, order and twice given times: last value, or a line; none: refuse",
    )
    season: int | None = Field(
        None, gt=0, description="steps after which the series repeats; by the frequency if not given"
    )


class CovariateSettings(Settings):
    """What else is read beside the targets."""

    known: tuple[str, ...] = Field(
        (), description="column whose future is known, such as a holiday; may be given several times"
    )
    past: tuple[str, ...] = Field((), description="column known up to the present; may be given several times")
    calendar: bool = Field(False, description="read hour, weekday and month from the time column")


class ProtocolSettings(Settings):
    """How the rows are parted, and on which scale errors are taken."""

    protocol: Literal["own", "ltsf", "ltsf_shares"] = Field(
        "own",
        description="own: 70/10/20 % and errors as measured; ltsf: 12/4/4 months of 30 days and errors on scaled "
        "values, as in the field; ltsf_shares: 70/10/20 % and errors on scaled values",
    )


class NetworkSettings(Settings):
    """The network, and what it sees."""

    architecture: Literal["segments", "steps"] = Field(
        "segments", description="segments: many steps at once, all of the horizon in parallel; steps: one after another"
    )
    backbone: Literal["lstm", "simple_rnn", "dense"] = Field("lstm", description="layers that read the history")
    units: int = Field(256, gt=0, description="size of each layer")
    layers: int = Field(1, gt=0, description="layers, one above the other")
    horizon: int = Field(24, gt=0, le=MOST_STEPS, description="steps to forecast")
    look_back: int | None = Field(
        None, gt=1, le=MOST_STEPS, description="steps of history; by horizon and season if not given"
    )
    segment: int | None = Field(None, gt=0, description="steps in a segment; a divisor of the look-back near a season")
    shortest: int | None = Field(
        None, gt=0, description="steps of history that suffice; trains on histories cut short at random"
    )
    quantiles: tuple[float, ...] = Field(
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), description="levels, rising, symmetric around 0.5"
    )
    centre: Literal["last", "mean"] = Field("last", description="what of a history is subtracted")
    scale: Literal["train", "window"] = Field(
        "train", description="whose deviation divides: of train, or of each history"
    )
    seasonal: bool = Field(False, description="show the network the last season, repeated")
    identity: bool = Field(True, description="learn a vector for each series; then no others can be forecast")


class ForecastingSettings(DataSettings, CovariateSettings, ProtocolSettings, NetworkSettings, AppTrainingSettings):
    """Trains a forecaster: many steps of history in, many steps of the future out, with intervals."""

    data: str = Field("sample", description="sample, sample:varied, tfds:NAME or a path of a CSV or TSV, plain or .gz")
    batch_windows: int = Field(256, gt=0, description="windows in a batch")
    epoch_windows: int | None = Field(
        None, gt=0, description="windows drawn for an epoch; all if not given, and few ones again up to 100 batches"
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="share of features dropped before the last layer")
    teacher_forcing: float = Field(
        0.5, ge=0, le=1, description="share of steps at which the step-by-step network is told the true value before"
    )
    blend: bool = Field(True, description="mix the medians with a ridge regression, in shares chosen on validation")
    average: float = Field(0.98, ge=0, lt=1, description="momentum of the average of the weights used; 0: none")
    epochs: int = Field(4, gt=0, description="passes over the training data")


def merge_data_settings(trained: ForecastingSettings, asked: DataSettings) -> ForecastingSettings:
    """The settings of a training, with those of the data replaced where a command line gives others."""
    given = asked.model_fields_set & set(DataSettings.model_fields)
    return trained.model_copy(update={name: getattr(asked, name) for name in given})
