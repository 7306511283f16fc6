"""Trains a captioner: data, features, tokeniser, network, training, figures, baselines, model folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from apps.captioning.baselines import fit_baselines
from apps.captioning.captioner import APP, TOKENISER, ImageCaptioner, check_encoder
from apps.captioning.config import SMALL, CaptioningSettings
from apps.captioning.data import CaptionedPictures, TrainingData
from apps.captioning.encoders import Encoder, Pixels, load_encoder, load_pretrained, take_encoder
from apps.captioning.evaluate import NAMES, find_scenes, measure
from apps.captioning.examples import EpochBatches, Examples, as_text
from apps.captioning.features import WHOLE, View, cache_folder, load_features
from apps.captioning.metrics import CiderScorer, caption_report
from apps.captioning.network import KerasNetwork
from apps.captioning.rewards import RewardedBatches
from common import cli
from common.card import build_card
from common.config import parse_settings
from common.errors import UserError
from common.figures import Row
from common.model_folder import ModelFolder, check_out, load_model
from common.sources import Source
from common.text import Tokeniser, fit_tokeniser
from common.verbs import finish_training

if TYPE_CHECKING:
    from common.training import Task

PROG = "python -m apps.captioning.train"
SETTINGS = CaptioningSettings

TITLE = "A captioner of pictures"
PURPOSE = "Writes a sentence about a picture; what it was trained on says which kind of picture it knows."
LIMITS = (
    "Pictures like those it learnt from; of anything else it writes a fluent sentence that is not true.",
    "Counts, colours of small things, and who does what to whom are often wrong; it cannot read.",
    "It repeats what people wrote in its training data, assumptions about the people in the pictures among it.",
    "Not made for descriptions on which somebody depends.",
)
_LOOKED_AT = 1000
_ROWS = 64


def main(arguments: list[str]) -> None:
    settings = parse_settings(CaptioningSettings, arguments, PROG)
    work = check_out(settings.out, settings.overwrite, settings.resume)
    data = TrainingData.load(settings)
    for pictures in (*data.train, *data.held_out):
        cli.say(pictures.summary())
    start = start_from(settings, data)
    encoded = [encode_pictures(settings, pictures, start.encoder) for pictures in data.train]
    held_out = [(pictures, encode_pictures(settings, pictures, start.encoder)) for pictures in data.held_out]
    examples = encode_examples(settings, data, start, encoded)
    captioner, weights, log = train_network(settings, data, start, examples, held_out, work)
    command, entries = cli.as_command(PROG, arguments), []
    baselines = fit_baselines(data.train, [as_compared(captioner, rows) for rows in encoded])
    for text, (pictures, rows) in zip(settings.data, held_out, strict=True):
        compared = as_compared(captioner, rows)
        theirs = {name: baseline(compared) for name, baseline in baselines.items()}
        scenes = find_scenes(Source.parse(text), "validation")
        entries.append(measure(captioner, pictures, rows, command, baselines=theirs, scenes=scenes))
    plain, facts = settings.model_dump(mode="json"), {"encoder_weights": start.encoder.weights, "log": log}
    if start.tuned_before != "none":
        plain["fine_tune"], facts["encoder_weights"] = start.tuned_before, ""
        weights |= start.encoder.weights_by_path()
    model = ModelFolder(APP, plain, weights, {TOKENISER: start.tokeniser.model}, facts, entries)
    card = build_card(TITLE, PURPOSE, settings.data, plain, entries, LIMITS)
    finish_training(settings, work, model, card, NAMES)


def as_compared(captioner: ImageCaptioner, encoded: np.ndarray) -> np.ndarray:
    """Pictures as the baselines compare them: by what a fine-tuned encoder sees, else as they were encoded."""
    from apps.captioning.model import PretrainedEncoder
    from common.backend import ops

    encoder = captioner.network.model.encoder
    if not isinstance(encoder, PretrainedEncoder):
        return encoded
    parts = [encoded[start : start + _ROWS] for start in range(0, len(encoded), _ROWS)]
    # Of the places their mean is all that counts.
    return np.concatenate([ops.convert_to_numpy(encoder(part)).mean(axis=1, keepdims=True) for part in parts])


@dataclass(frozen=True)
class Start:
    """What a training begins from.

    Attributes:
        encoder: what looks at pictures before the network does.
        tokeniser: of the captions.
        weights: of the network by path, none of those that are fresh.
        tuned_before: which layers of the encoder an earlier training tuned, if it is one that comes with the model.
    """

    encoder: Encoder
    tokeniser: Tokeniser
    weights: dict[str, np.ndarray]
    tuned_before: str = "none"


def start_from(settings: CaptioningSettings, data: TrainingData) -> Start:
    """The encoder, perhaps another model's; a tokeniser fitted on the train part, or with weights that of `--pretrain`.

    Raises:
        UserError: there are no weights for the encoder, the model to begin from had another, or is needed, or flags
            contradict each other.
    """
    if settings.own_captions and not settings.pretrain:
        raise UserError("--own-captions: an untrained network writes nothing worth a reward; add --pretrain MODEL")
    if settings.encoder_of and (settings.pretrain or settings.sees_pixels):
        raise UserError(f"--encoder-of {settings.encoder_of}: leave out --pretrain, --fine-tune and --encoder small")
    if settings.pretrain:
        return _continue_from(settings, "--pretrain", settings.pretrain)
    texts = [as_text(caption) for part in data.train for some in part.captions for caption in some]
    tokeniser = fit_tokeniser(texts, settings.vocabulary, fold_case=True, whole_words=settings.words == "whole")
    if settings.encoder_of:
        other = _continue_from(settings, "--encoder-of", settings.encoder_of)
        return replace(other, tokeniser=tokeniser, weights={})
    encoder = load_encoder(settings, settings.encoder_weights)
    if settings.sees_pixels and settings.encoder != SMALL:
        return Start(encoder, tokeniser, load_pretrained(settings.encoder, settings.encoder_weights).weights_by_path())
    return Start(encoder, tokeniser, {})


def _continue_from(settings: CaptioningSettings, flag: str, folder: Path) -> Start:
    saved = load_model(folder, APP)
    theirs = CaptioningSettings.from_values(saved.settings, saved.where)
    if theirs.encoder != settings.encoder:
        raise UserError(f"{flag} {folder}: its encoder is {theirs.encoder}; use that one")
    weights, tokeniser = dict(saved.weights), Tokeniser(saved.files[TOKENISER])
    if theirs.sees_pixels and not settings.sees_pixels:
        return Start(take_encoder(settings.encoder, weights), tokeniser, weights, theirs.fine_tune)
    encoder = load_encoder(settings, settings.encoder_weights)
    if not theirs.sees_pixels:
        frozen = load_pretrained(settings.encoder, settings.encoder_weights) if settings.sees_pixels else encoder
        check_encoder(frozen, saved, settings.encoder_weights)
        weights |= frozen.weights_by_path() if settings.sees_pixels else {}
    return Start(encoder, tokeniser, weights)


def encode_pictures(
    settings: CaptioningSettings, pictures: CaptionedPictures, encoder: Encoder, view: View = WHOLE
) -> np.ndarray:
    """What the encoder gives of each picture, from the cache where it is there."""
    return load_features(pictures, encoder, cache_folder(settings.cache), view)


def encode_examples(
    settings: CaptioningSettings, data: TrainingData, start: Start, encoded: Sequence[np.ndarray]
) -> list[Examples]:
    """What is learnt from, with mirror images and parts of pictures if asked for."""
    examples = []
    for pictures, rows in zip(data.train, encoded, strict=True):
        if not isinstance(start.encoder, Pixels):
            others = [encode_pictures(settings, pictures, start.encoder, view) for view in other_views(settings)]
        else:
            others = [rows[:, :, ::-1]] if settings.mirrored else []
        examples.append(Examples.encode(pictures, [rows, *others], start.tokeniser, settings.most_pieces))
    return examples


def other_views(settings: CaptioningSettings) -> list[View]:
    """How pictures are seen besides as they are, where features are computed once."""
    parts = [View(settings.mirrored, number + 1, settings.shake) for number in range(settings.views)]
    return [View(mirrored=True), *parts] if settings.mirrored else parts


def train_network(
    settings: CaptioningSettings,
    data: TrainingData,
    start: Start,
    examples: Sequence[Examples],
    held_out: Sequence[tuple[CaptionedPictures, np.ndarray]],
    work: Path,
) -> tuple[ImageCaptioner, dict[str, np.ndarray], list[Row]]:
    """Builds the network, begins from the weights it is given, trains it: the captioner, its weights, the log."""
    from apps.captioning.model import NAMING, build_model
    from common.backend import keras, use_precision
    from common.checkpoint import assign_by_path, weights_by_path
    from common.training import train

    use_precision(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings, start.encoder.shape, start.tokeniser.vocabulary_size)
    assign_by_path(model, start.weights)
    captioner = ImageCaptioner(KerasNetwork(model), start.encoder, start.tokeniser, settings.most_pieces)

    def evaluate(model: keras.Model) -> dict[str, float]:
        parts = [greedy_figures(captioner, *part) for part in held_out]
        return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}

    log = train(make_task(settings, data, examples, captioner, evaluate), settings, work)
    # What names words only helps to train.
    weights = {path: array for path, array in weights_by_path(model).items() if NAMING not in path.split("/")}
    return captioner, weights, log


def make_task(
    settings: CaptioningSettings,
    data: TrainingData,
    examples: Sequence[Examples],
    captioner: ImageCaptioner,
    evaluate: Callable[[Any], dict[str, float]],
) -> "Task":
    """What is learnt: the references, or with `own_captions` which of its own captions agree with them best."""
    from common.losses import SmoothedCrossentropy, WeightedCrossentropy
    from common.training import Task

    model = captioner.network.model
    if not settings.own_captions:
        loss, sizes = SmoothedCrossentropy(settings.label_smoothing), (settings.batch_pictures, settings.batch_captions)
        return Task(model, loss, lambda epoch: EpochBatches(examples, *sizes, settings.seed, epoch), evaluate, "cider")
    scorers = [CiderScorer(pictures.captions, with_end=True) for pictures in data.train]

    def batches(epoch: int) -> RewardedBatches:
        return RewardedBatches(captioner, data.train, examples, scorers, settings, epoch)

    return Task(model, WeightedCrossentropy(), batches, evaluate, "cider", from_weights=True)


def greedy_figures(captioner: ImageCaptioner, pictures: CaptionedPictures, encoded: np.ndarray) -> dict[str, float]:
    """CIDEr-D and BLEU-4 of greedy search, which costs a fraction of a beam, on the first thousand pictures."""
    written = captioner.write(encoded[:_LOOKED_AT], beam=1)
    report = caption_report(written, pictures.captions[: len(written)])
    return {name: report[name] for name in ("cider", "bleu4")}


if __name__ == "__main__":
    cli.run(main)
