"""Exports a captioner, its encoder inside: pixels to the ids of the whole beam for LiteRT, files to captions for a
SavedModel.
"""

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from apps.captioning.captioner import APP, BEAM, LENGTH_PENALTY, TOKENISER, ImageCaptioner
from apps.captioning.encoders import Frozen
from apps.captioning.model import Captioner
from apps.captioning.pictures import as_pixels, read_picture
from apps.captioning.sample import draw, generate_scenes
from common import cli
from common.backend import keras, ops
from common.config import parse_settings
from common.decoding import SearchOptions, search
from common.export import ExportSettings, Plan, Samples, finish_export
from common.litert import Arrays
from common.losses import token_losses
from common.model_folder import ModelFolder, load_model
from common.search_export import search_signature
from common.sequences import READ, score_by
from common.signature import Signature
from common.text import START

PROG = "python -m apps export"

_SAMPLES = 112
_ROWS = 16
# None is tall, so that any version of Pillow gives the numbers of the graph.
_SIZES = ((224, 224), (500, 375), (300, 96), (61, 40))


class CaptioningExportSettings(ExportSettings):
    """Exports a trained captioner: to LiteRT, or to a SavedModel that takes files."""

    encoder_weights: Path | None = Field(
        None, description="file with ImageNet weights of the encoder; by default Keras downloads them"
    )


SETTINGS = CaptioningExportSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(CaptioningExportSettings, arguments, PROG)
    plan = plan_export(load_model(settings.model, APP), settings.encoder_weights)
    finish_export(settings, plan, cli.as_command(PROG, arguments))


def plan_export(saved: ModelFolder, encoder_weights: Path | None = None) -> Plan:
    """The functions of a captioner, and pictures to try them on."""
    captioner = ImageCaptioner.of(saved, encoder_weights)
    network = Whole(captioner, rounded=False)
    raw = sample_batches()
    arrays = [search_arrays(captioner, batch) for batch in raw]
    # Any ids will do; the start of a caption is one that is written.
    read = [{"pixels": one["pixels"], "token_ids": sample_ids(captioner, len(one["pixels"]))} for one in arrays]

    def reference(given: Arrays) -> Arrays:
        found = captioner.predict(list(given["image"]))
        return {
            "caption": np.array([one.text.encode() for one in found], object),
            "score": np.array([one.score for one in found], np.float32),
        }

    def rescore(given: Arrays, found: Arrays) -> np.ndarray:
        return score_by(partial(losses, captioner), given["pixels"], found["token_ids"][:, 0], LENGTH_PENALTY)

    further = {}
    if captioner.network.can_look:
        further[READ] = read_signature(captioner, network), Samples(read, read[0], "attention")
    return Plan(
        saved,
        arrays_signature(captioner, network),
        Samples(arrays, arrays[0], "scores", written="token_ids", rescore=rescore),
        image_signature(captioner, Whole(captioner, rounded=True)),
        reference,
        Samples(raw, raw[0], "score", written="caption"),
        further=further,
    )


class Whole:
    """A captioner's network with its encoder, from pixels on; the encoder may be a pretrained one.

    Args:
        captioner: over Keras.
        rounded: whether the features of a pretrained encoder are rounded, as in `Frozen.in_graph`.
    """

    def __init__(self, captioner: ImageCaptioner, rounded: bool):
        self._model: Captioner = captioner.network.model
        self._encode = captioner.encoder
        if isinstance(captioner.encoder, Frozen):
            self._encode = partial(captioner.encoder.in_graph, rounded=rounded)

    def begin(self, pixels: Any, beam: int) -> tuple[Any, Any]:
        return self._model.begin(self._encode(pixels), beam)

    def attend(self, pixels: Any, token_ids: Any) -> Any:
        return self._model.attend(self._encode(pixels), token_ids)


def arrays_signature(captioner: ImageCaptioner, network: Whole) -> Signature:
    """Pixels `(batch, size, size, 3)` -> ids of all hypotheses `(batch, beam, time)` and their scores."""
    meaning = {
        "pixels": _pixels_meaning(captioner),
        "limits": f"int32 (batch,), the most ids to write for each row, such as {captioner.most_pieces}",
        "token_ids": f"int32 (batch, {BEAM}, time), of {TOKENISER}, best first, up to END, padded with 0",
    }
    return search_signature(network, _pixels_spec(captioner), meaning, BEAM, repeats=False)


def read_signature(captioner: ImageCaptioner, network: Whole) -> Signature:
    """Pixels and captions -> where the network looks."""
    rows, columns = captioner.encoder.grid
    meaning = {
        "pixels": _pixels_meaning(captioner),
        "token_ids": "int32 (batch, time), START (2) and what was written, padded with 0 on the right",
        "attention": f"float32 (batch, time, {rows} * {columns} places), where the network looked for what follows "
        "each id; sums to one",
    }
    specs = {
        "pixels": _pixels_spec(captioner),
        "token_ids": keras.KerasTensor((None, None), "int32", name="token_ids"),
    }
    return Signature(
        lambda pixels, token_ids: {"attention": network.attend(pixels, token_ids)},
        specs,
        meaning,
    )


def image_signature(captioner: ImageCaptioner, network: Whole) -> Signature:
    """Files `(batch,)` -> captions with scores, and the other hypotheses; decoded and squashed in the graph."""
    from common import saved_model

    tokeniser = saved_model.build_tokeniser(captioner.tokeniser.model)
    size, most = captioner.encoder.size, captioner.most_pieces
    options = SearchOptions(BEAM, LENGTH_PENALTY, best=BEAM, repeats=False)

    def answer(image: Any) -> dict[str, Any]:
        from apps.captioning.graph import read_pictures

        limits = ops.full(ops.shape(image), most, "int32")
        token_ids, scores = search(network, read_pictures(image, size), limits, options)
        return saved_model.as_texts(token_ids, scores, tokeniser, "caption")

    meaning = {
        "image": "string (batch,), files of JPEG or PNG; in base64 over HTTP. A turn in their EXIF is not made",
        **saved_model.texts_meaning(BEAM, LENGTH_PENALTY, "caption"),
    }
    return Signature(answer, {"image": keras.KerasTensor((None,), "string", name="image")}, meaning, keeps=(tokeniser,))


def losses(captioner: ImageCaptioner, pixels: np.ndarray, token_ids: np.ndarray) -> np.ndarray:
    """Pixels and captions from START on -> cross-entropy of each id after START, zero at padding."""
    inputs = {"pictures": captioner.encoder(pixels), "token_ids": token_ids[:, None, :-1]}
    logits = captioner.network.model.predict_on_batch(inputs)
    return ops.convert_to_numpy(token_losses(token_ids[:, 1:], logits[:, 0]))


def sample_batches() -> list[Arrays]:
    """Drawn scenes of several sizes as files of JPEG and PNG, in batches of 1 and of 16."""
    files = []
    for number, scene in enumerate(generate_scenes(_SAMPLES, seed=3)):
        content = io.BytesIO()
        picture = draw(scene, 128).convert("RGB").resize(_SIZES[number % len(_SIZES)])
        picture.save(content, "PNG" if number % 3 else "JPEG")
        files.append(content.getvalue())
    parts = [files[:1], *(files[start : start + _ROWS] for start in range(1, len(files), _ROWS))]
    return [{"image": np.array(part, object)} for part in parts]


def search_arrays(captioner: ImageCaptioner, batch: Arrays) -> Arrays:
    """What `arrays_signature` takes of files."""
    pixels = np.stack([as_pixels(read_picture(content), captioner.encoder.size) for content in batch["image"]])
    limits = np.full(len(pixels), captioner.most_pieces, np.int32)
    return {"pixels": pixels, "limits": limits, "length_penalty": np.float32(LENGTH_PENALTY)}


def sample_ids(captioner: ImageCaptioner, rows: int) -> np.ndarray:
    """Rows that begin as captions do, int32 `(rows, 4)`."""
    size = captioner.tokeniser.vocabulary_size
    ids = np.random.default_rng(rows).integers(START + 2, size, (rows, 4))
    ids[:, 0] = START
    return ids.astype(np.int32)


def _pixels_meaning(captioner: ImageCaptioner) -> str:
    size = captioner.encoder.size
    return f"uint8 (batch, {size}, {size}, 3), pictures squashed to a square, RGB from 0 to 255"


def _pixels_spec(captioner: ImageCaptioner) -> keras.KerasTensor:
    size = captioner.encoder.size
    return keras.KerasTensor((None, size, size, 3), "uint8", name="pixels")


if __name__ == "__main__":
    cli.run(main)
