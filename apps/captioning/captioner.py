"""The captioner as others use it: pictures in, sentences about them out, whatever runs the network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from apps.captioning.config import CaptioningSettings
from apps.captioning.encoders import Encoder, load_encoder, pixels_for
from apps.captioning.network import ExportedNetwork, KerasNetwork, Network
from apps.captioning.pictures import as_pixels, read_picture
from common import cli
from common.config import Runtime
from common.errors import UserError
from common.litert import LITERT, load_exported
from common.model_folder import ModelFolder, load_model
from common.sequences import Alternative, Written, as_plain_row, check_n_best
from common.text import PADDING, START, Tokeniser

APP = "captioning"
TOKENISER = "tokeniser.model"
BEAM, LENGTH_PENALTY = 3, 1.0
_BATCH = 32
_WORD_BEGINS = "▁"


@dataclass(frozen=True)
class Glances:
    """Where the network looked: weights `(words, rows, columns)` of the places, which sum to one for each word."""

    words: list[str]
    weights: np.ndarray


@dataclass(frozen=True)
class Caption:
    """An answer for one picture.

    Attributes:
        picture: its file, or what else it was called.
        text: the best caption.
        score: of it, as in `Alternative`.
        alternatives: the n best, the first among them.
        attention: where the network looked, if asked for.
    """

    picture: str
    text: str
    score: float
    alternatives: list[Alternative]
    attention: Glances | None = None

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON and CSV."""
        return as_plain_row(self, "attention")


class ImageCaptioner:
    """Writes captions for pictures.

    Args:
        network: searches, and says where it looked.
        encoder: from pixels to what the network is given.
        tokeniser: that of the training.
        most_pieces: sub-words of a caption, at most.
    """

    def __init__(self, network: Network, encoder: Encoder, tokeniser: Tokeniser, most_pieces: int):
        self.network, self.encoder, self.tokeniser = network, encoder, tokeniser
        self.most_pieces = most_pieces

    @classmethod
    def load(
        cls,
        folder: str | Path,
        encoder_weights: str | Path | None = None,
        precision: str = "float32",
        runtime: Runtime = "keras",
        beam: int | None = None,
    ) -> "ImageCaptioner":
        """Reads a model folder; with `litert`, or `auto` where the model was exported, TensorFlow is not imported.

        Args:
            folder: of the model.
            encoder_weights: file with the weights of its pretrained encoder, which an export and a fine-tuned model
                hold themselves; None has Keras download them.
            precision: of the arithmetic of Keras.
            runtime: what runs the network.
            beam: hypotheses that will be kept, if it is known; with `auto`, Keras runs another than the exported one.

        Raises:
            UserError: the folder is missing, damaged, of another app or not exported to what is to run it, or the
                encoder's weights are missing or others than those the model was trained with.
        """
        folder, weights = Path(folder), None if encoder_weights is None else Path(encoder_weights)
        if found := load_exported(folder, APP, runtime):
            saved, exported = found
            network = ExportedNetwork(exported, f"{folder}/{LITERT}")
            if network.is_wanted(runtime, beam):
                settings = CaptioningSettings.from_values(saved.settings, saved.where)
                encoder = pixels_for(settings)
                return cls(network, encoder, Tokeniser(saved.files[TOKENISER]), settings.most_pieces)
        return cls.of(load_model(folder, APP), weights, precision)

    @classmethod
    def of(cls, saved: ModelFolder, encoder_weights: Path | None, precision: str = "float32") -> "ImageCaptioner":
        """Builds the captioner from a model folder that has been read; arguments as in `load`."""
        from apps.captioning.model import build_model
        from common.checkpoint import load_network

        settings = CaptioningSettings.from_values(saved.settings, saved.where)
        encoder = load_encoder(settings, encoder_weights)
        check_encoder(encoder, saved, encoder_weights)
        tokeniser = Tokeniser(saved.files[TOKENISER])
        sizes = encoder.shape, tokeniser.vocabulary_size
        model = load_network(lambda: build_model(settings, *sizes), saved.weights, precision)
        return cls(KerasNetwork(model), encoder, tokeniser, settings.most_pieces)

    def predict(
        self,
        pictures: Sequence[str | Path | bytes | Image.Image],
        beam: int = BEAM,
        n_best: int = 1,
        length_penalty: float = LENGTH_PENALTY,
        with_attention: bool = False,
        places: Sequence[str] | None = None,
    ) -> list[Caption]:
        """Captions pictures.

        Args:
            pictures: files, their bytes, or pictures of Pillow's.
            beam: hypotheses kept at each step; 1 is greedy search.
            n_best: how many captions to return, at most `beam`.
            length_penalty: 0 favours short captions; see `SearchOptions`.
            with_attention: whether to say where the network looked.
            places: what each picture is called, in answers and errors; by default its path or its number.

        Raises:
            UserError: a picture cannot be read, `n_best` is above `beam`, or the network has no attention.
        """
        check_n_best(n_best, beam)
        if with_attention and not self.network.can_look:
            raise UserError("this model has no attention: its decoder saw the picture once; train with another decoder")
        names = list(places or map(_name, pictures, range(1, len(pictures) + 1)))
        answers = []
        for start in range(0, len(pictures), _BATCH):
            some = zip(pictures[start : start + _BATCH], names[start : start + _BATCH], strict=True)
            pixels = [as_pixels(read_picture(picture, name), self.encoder.size) for picture, name in some]
            encoded = self.encoder(np.stack(pixels))
            found = self.search(encoded, beam, length_penalty, n_best)
            for name, picture, (sequences, scores) in zip(names[start:], encoded, found, strict=False):
                answers.append(self._answer(name, picture, sequences, scores, n_best, with_attention))
        return answers

    def search(
        self, encoded: np.ndarray, beam: int, length_penalty: float, n_best: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Token ids `(beam, time)` and scores `(beam,)` for each picture, as the encoder gave it."""
        for start in range(0, len(encoded), _BATCH):
            batch = np.asarray(encoded[start : start + _BATCH])
            limits = np.full(len(batch), self.most_pieces, np.int32)
            yield from zip(*self.network.search(batch, limits, beam, length_penalty, n_best), strict=True)

    def write(self, encoded: np.ndarray, beam: int = BEAM, length_penalty: float = LENGTH_PENALTY) -> list[str]:
        """The best caption of each picture, as the encoder gave it."""
        found = self.search(encoded, beam, length_penalty, n_best=1)
        return [self.tokeniser.decode(sequences[0]) for sequences, _ in found]

    def look(self, picture: np.ndarray, token_ids: np.ndarray) -> Glances:
        """Where the network looked for each word of a caption; a word of several sub-words has their mean.

        Args:
            picture: as the encoder gave it.
            token_ids: of the caption with its END, `(time,)`; PADDING behind it is left out.
        """
        written = token_ids[token_ids != PADDING]
        read = np.r_[START, written[:-1]][None].astype(np.int32)
        # The last of all is the glance at which the caption ended.
        weights = self.network.attend(picture[None], read)[0, :-1].reshape(-1, *self.encoder.grid)
        pieces = self.tokeniser.names(written[:-1])
        begins = [place for place, piece in enumerate(pieces) if piece.startswith(_WORD_BEGINS) or not place]
        ends = [*begins[1:], len(pieces)]
        words = ["".join(pieces[start:end]).removeprefix(_WORD_BEGINS) for start, end in zip(begins, ends, strict=True)]
        means = [weights[start:end].mean(axis=0) for start, end in zip(begins, ends, strict=True)]
        return Glances(words, np.stack(means) if means else weights)

    def _answer(
        self,
        name: str,
        picture: np.ndarray,
        sequences: np.ndarray,
        scores: np.ndarray,
        n_best: int,
        with_attention: bool,
    ) -> Caption:
        written = Written.of(sequences, scores, self.tokeniser, n_best)
        attention = self.look(picture, written.token_ids) if with_attention else None
        best = written.alternatives[0]
        return Caption(name, best.text, best.score, written.alternatives, attention)


def check_encoder(encoder: Encoder, saved: ModelFolder, given: Path | None) -> None:
    """Compares the encoder's weights with those that a model was trained with.

    Raises:
        UserError: they were named, and are others. Others that Keras downloaded are used, with a note.
    """
    if encoder.weights == saved.facts["encoder_weights"]:
        return
    what = f"not the weights of {encoder.name} that the model was trained with"
    if given is not None:
        raise UserError(f"--encoder-weights {given}: {what}; name those, or leave the flag out")
    cli.say(f"note: {what} but Keras' own; captions may be a little worse than its figures")


def _name(picture: str | Path | bytes | Image.Image, number: int) -> str:
    return str(picture) if isinstance(picture, str | Path) else f"picture {number}"
