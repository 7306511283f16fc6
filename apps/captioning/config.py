"""The settings of the captioning app, each declared once."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from common.config import AppTrainingSettings, Settings

SMALL = "small"
# Four layers of the small encoder halve the picture.
SMALL_STRIDE = 16
Encoders = Literal["mobilenet_v2", "efficientnet_v2_b0", "resnet50", "resnet101", "resnet152", "convnext_tiny", "small"]


class DataSettings(Settings):
    """How pictures with captions are read."""

    held_out: float = Field(0.1, gt=0, lt=1, description="share of train held out where data has no validation split")


class EncoderFiles(Settings):
    """Where the weights of a pretrained encoder come from, and where features are kept."""

    encoder_weights: Path | None = Field(
        None, description="file with ImageNet weights of the encoder; by default Keras downloads them"
    )
    cache: Path | None = Field(
        None, description="folder for features of pictures (default: rnn-apps/captioning in the user's cache folder)"
    )


class NetworkSettings(Settings):
    """The network, and how pictures and captions become its input."""

    encoder: Encoders = Field(
        "mobilenet_v2", description="what looks at the picture: a pretrained network, or `small`, trained with the rest"
    )
    fine_tune: Literal["none", "last", "all"] = Field(
        "none",
        description="which layers of a pretrained encoder are trained too, from pixels: those of its last grid, or "
        "all; it then comes with the model",
    )
    picture_size: int = Field(
        96, ge=32, le=512, multiple_of=SMALL_STRIDE, description="pixels a side that the small encoder sees"
    )
    encoder_channels: int = Field(128, ge=8, multiple_of=8, description="features of a place that the small one gives")
    decoder: Literal["attention", "plain"] = Field(
        "attention", description="what writes: looking at places anew for each word, or having seen the picture once"
    )
    backbone: Literal["lstm", "simple_rnn"] = Field("lstm", description="layers that write")
    units: int = Field(512, gt=0, description="size of these layers, and of what a place is projected to")
    attention: Literal["additive", "multiplicative", "scaled"] = Field("additive", description="how places are weighed")
    attention_units: int = Field(256, gt=0, description="size of additive attention")
    looks: int = Field(2, ge=1, le=2, description="how often the decoder looks at the picture for each word")
    embedding: int = Field(256, gt=0, description="size of the vector of a sub-word")
    words: Literal["whole", "pieces"] = Field(
        "whole", description="written word by word, rare ones never; or in sub-words, which spell any word"
    )
    vocabulary: int = Field(3000, ge=50, description="words or sub-words, at most")
    most_pieces: int = Field(
        40, ge=4, description="words or sub-words of a caption, at most, in training and in writing"
    )

    @property
    def sees_pixels(self) -> bool:
        """Whether the encoder is a part of the network, and is trained and saved with it."""
        return self.encoder == SMALL or self.fine_tune != "none"


class CaptioningSettings(DataSettings, EncoderFiles, NetworkSettings, AppTrainingSettings):
    """Trains a captioner on pictures with captions: one thing in, a sequence out."""

    data: tuple[str, ...] = Field(
        ("sample",),
        description="sample, tfds:NAME or a path, @WEIGHT for its share of an epoch; may be given several times",
    )
    pretrain: Path | None = Field(None, description="begin from the model in this folder, of the same settings")
    encoder_of: Path | None = Field(
        None,
        description="take the encoder of the model in this folder as it was tuned there; it comes with this model too",
    )
    batch_pictures: int = Field(32, gt=0, description="pictures in a batch")
    batch_captions: int = Field(0, ge=0, description="captions of each picture in a batch, by chance; 0: all it has")
    own_captions: int = Field(
        0,
        ge=0,
        le=20,
        description="learn from so many captions that it writes itself for each picture, rewarded by CIDEr-D; needs "
        "--pretrain; 0: from the references",
    )
    mirrored: bool = Field(False, description="learn from mirror images too; not where captions tell left from right")
    feature_dropout: float = Field(0.3, ge=0, lt=1, description="share of a pretrained encoder's channels dropped")
    dropout: float = Field(0.4, ge=0, lt=1, description="share of features dropped between layers")
    embedding_dropout: float = Field(0.1, ge=0, lt=1, description="share of embedding channels dropped")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share taken from the true sub-word")
    shake: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="share of its size by which a picture is moved and zoomed where the encoder is trained too; with "
        "--views, what is cut off of each side at most",
    )
    views: int = Field(
        0,
        ge=0,
        le=32,
        description="learn from so many parts of each picture too, cut out by chance; for an encoder that is not "
        "trained, which looks at each once",
    )
    name_words: float = Field(
        0.0, ge=0, description="weight of telling which words the captions have from single places"
    )
    look_everywhere: float = Field(
        0.0, ge=0, description="weight of the doubly stochastic term: all places looked at equally over a caption"
    )
