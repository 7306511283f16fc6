"""The settings of the translation app, each declared once."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from common.config import AppTrainingSettings, Settings


def split_names(text: str) -> list[str]:
    """`de, fr` -> the names."""
    return [name.strip() for name in text.split(",") if name.strip()]


class DataSettings(Settings):
    """How parallel sentences are read."""

    source: str = Field("en", description="language translated from: the ending of files, or a column or feature")
    target: str = Field("de", description="languages translated into, with commas between them")
    held_out: float = Field(0.1, gt=0, lt=1, description="share of train held out where data has no validation split")

    @property
    def targets(self) -> list[str]:
        """The languages of `target`, in order."""
        return split_names(self.target)


class NetworkSettings(Settings):
    """The network, and how text becomes its input."""

    backbone: Literal["lstm", "simple_rnn"] = Field("lstm", description="layers that read and write")
    units: int = Field(256, gt=0, description="size of each encoder layer in each direction")
    layers: int = Field(2, gt=0, description="encoder layers, one above the other")
    decoder: Literal["parallel", "input_feeding"] = Field(
        "parallel",
        description="two layers around two attentions, all steps at once; or one whose attention feeds the next step",
    )
    decoder_units: int = Field(512, gt=0, description="size of the decoder's layers")
    attention: Literal["multiplicative", "additive", "none"] = Field(
        "multiplicative", description="how the decoder looks at the source; none: at its summary alone"
    )
    embedding: int = Field(256, gt=0, description="size of the vector of a sub-word")
    vocabulary: int = Field(8000, ge=100, description="sub-words, at most")
    joint: bool = Field(True, description="one vocabulary for all languages, and one table of vectors")
    most_pieces: int = Field(128, ge=8, description="sub-words read of a sentence in training, at most")


class TranslationSettings(DataSettings, NetworkSettings, AppTrainingSettings):
    """Trains a translator on parallel sentences: a sequence in, another out."""

    data: tuple[str, ...] = Field(
        ("sample",),
        description="sample, tfds:NAME or a path, @WEIGHT for its share of an epoch; may be given several times",
    )
    pretrain: Path | None = Field(None, description="begin from the model in this folder, of the same settings")
    batch_tokens: int = Field(2400, ge=32, description="positions in a batch of either language, padding included")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of features dropped between layers")
    embedding_dropout: float = Field(0.2, ge=0, lt=1, description="share of embedding channels dropped")
    word_dropout: float = Field(0.0, ge=0, lt=1, description="share of sub-words read as unknown")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share taken from the true sub-word")
    scheduled_sampling: float = Field(
        0.0, ge=0, lt=1, description="share of the decoder's inputs that are its own guesses at the end of training"
    )
    learning_rate: float = Field(1e-3, gt=0, description="rate at the end of the warm-up, from where it decays")
