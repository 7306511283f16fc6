"""The settings of the tabular app, each declared once."""

from typing import Literal

from pydantic import Field

from common.config import AppTrainingSettings, Precision, Settings


class DataSettings(Settings):
    """How a table is read, and parted where it has no splits of its own."""

    target: str = Field("target", description="column to predict; in scikit-learn's sets it is called target")
    task: Literal["auto", "classification", "regression"] = Field(
        "auto", description="what the target is; auto: numbers are regressed, unless few different whole ones"
    )
    categorical: tuple[str, ...] = Field(
        (), description="column of categories, though it holds numbers; may be given several times"
    )
    ignore: tuple[str, ...] = Field((), description="column to leave out; may be given several times")
    split_column: str | None = Field(None, description="column that says train, validation or test")
    held_out: float = Field(0.2, gt=0, lt=1, description="share of all rows for test, where data has no such split")
    validation: float = Field(0.2, gt=0, lt=1, description="share of train that chooses the epoch, likewise")


class NetworkSettings(Settings):
    """The network, and how rows become its input."""

    units: int = Field(64, gt=0, description="size of each layer")
    layers: int = Field(2, gt=0, description="layers, one above the other")
    embedding: int = Field(16, gt=0, description="size of the vector of a category, at most")
    least_count: int = Field(2, gt=0, description="rows that a category must occur in to have a vector of its own")


class TabularSettings(DataSettings, NetworkSettings, AppTrainingSettings):
    """Trains a feed-forward network on a table: one row in, one class or number out."""

    data: str = Field(
        "sample",
        description="sample, sample:NAME (iris, wine, breast_cancer, diabetes, digits, penguins), tfds:NAME or a path",
    )
    batch_rows: int | None = Field(
        None, gt=0, description="rows in a batch; a fiftieth of all, 16 to 1024, if not given"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="share of units dropped after each layer")
    category_dropout: float = Field(0.05, ge=0, lt=1, description="share of categories read as unknown")
    balance: bool = Field(False, description="weigh rows so that each class counts the same")
    epochs: int = Field(200, gt=0, description="passes over the training data")
    patience: int = Field(20, gt=0, description="epochs without improvement before the training stops")
    precision: Precision = Field("float32", description="type of the arithmetic")
