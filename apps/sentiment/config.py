"""The settings of the sentiment app, each declared once."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from common.config import AppTrainingSettings, Settings


class DataSettings(Settings):
    """How labelled text is read."""

    text_column: str = Field("text", description="column, key or feature that holds the text")
    label_column: str = Field("label", description="column, key or feature that holds the label")
    held_out: float = Field(0.1, gt=0, lt=1, description="share of train held out where data has no validation split")


class NetworkSettings(Settings):
    """The network, and how text becomes its input."""

    backbone: Literal["lstm", "simple_rnn", "dense"] = Field("lstm", description="layers that read the sequence")
    units: int = Field(64, gt=0, description="size of each layer, and of each direction")
    layers: int = Field(1, gt=0, description="layers, one above the other")
    bidirectional: bool = Field(True, description="read from the end to the start as well")
    pooling: tuple[Literal["last", "mean", "max", "attention"], ...] = Field(
        ("max", "mean", "last"),
        min_length=1,
        description="how a sequence becomes one vector; may be given several times",
    )
    embedding: int = Field(128, gt=0, description="size of the vector of a sub-word")
    hidden: int = Field(64, gt=0, description="units between the pooled vector and the classes")
    vocabulary: int = Field(8000, ge=300, description="sub-words, at most")
    fold_case: bool = Field(True, description="read capital letters as small ones")
    most_pieces: int = Field(
        512, ge=16, description="sub-words read of a text: a quarter from its start, the rest its end"
    )


class SentimentSettings(DataSettings, NetworkSettings, AppTrainingSettings):
    """Trains a classifier of texts, such as reviews: many steps in, one answer out."""

    data: tuple[str, ...] = Field(
        ("sample",),
        description="sample, tfds:NAME or a path, @WEIGHT for its share of an epoch; may be given several times",
    )
    pretrain: tuple[Path, ...] = Field(
        (), description="begin from the folder of a language model or classifier, or from texts to train the former on"
    )
    batch_tokens: int = Field(16_000, ge=64, description="positions in a batch, padding included")
    batch_rows: int = Field(256, gt=0, description="texts in a batch, at most")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of features dropped before and after pooling")
    embedding_dropout: float = Field(
        0.2, ge=0, lt=1, description="share of embedding channels dropped, whole rows long"
    )
    word_dropout: float = Field(0.05, ge=0, lt=1, description="share of sub-words read as unknown")
    weight_drop: float = Field(0.0, ge=0, lt=1, description="share of recurrent weights dropped")
