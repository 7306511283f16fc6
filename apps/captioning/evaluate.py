"""Figures of a trained captioner on pictures with captions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from apps.captioning.captioner import BEAM, LENGTH_PENALTY, ImageCaptioner
from apps.captioning.config import DataSettings, EncoderFiles
from apps.captioning.data import CaptionedPictures, load_pictures
from apps.captioning.features import cache_folder, load_features
from apps.captioning.infer import draw_captions
from apps.captioning.metrics import CiderScorer, caption_report
from apps.captioning.sample import Scene, is_true, split_scenes
from common import cli
from common.config import EvaluateSettings, parse_settings
from common.figures import Entry, as_entry, compare
from common.sources import Source
from common.verbs import finish_evaluation

PROG = "python -m apps evaluate"
NAMES = ["bleu1", "bleu2", "bleu3", "bleu4", "cider", "rouge_l", "distinct", "length", "true"]
_DRAWN = 12


class CaptioningEvaluateSettings(DataSettings, EncoderFiles, EvaluateSettings):
    """Measures a captioner on pictures with captions."""

    model: Path = Field(
        Path("saved_models/captioning"), description="model folder", json_schema_extra={"positional": True}
    )
    data: tuple[str, ...] = Field(("sample",), description="sample, tfds:NAME or a path; may be given several times")
    beam: int = Field(BEAM, gt=0, description="hypotheses kept at each step; 1 is greedy search")
    length_penalty: float = Field(LENGTH_PENALTY, ge=0, description="0 favours short captions")


SETTINGS = CaptioningEvaluateSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(CaptioningEvaluateSettings, arguments, PROG)
    where = settings.model, settings.encoder_weights
    captioner = ImageCaptioner.load(*where, settings.precision, settings.runtime, settings.beam)
    command, entries = cli.as_command(PROG, arguments), []
    for text in settings.data:
        source = Source.parse(text)
        pictures = load_pictures(source, settings.split, settings)
        cli.say(pictures.summary())
        if settings.plot:
            draw(captioner, pictures, settings)
        encoded = load_features(pictures, captioner.encoder, cache_folder(settings.cache))
        search, scenes = (settings.beam, settings.length_penalty), find_scenes(source, settings.split)
        entries.append(measure(captioner, pictures, encoded, command, *search, scenes=scenes))
    finish_evaluation(settings, settings.model, entries, NAMES)


def measure(
    captioner: ImageCaptioner,
    pictures: CaptionedPictures,
    encoded: np.ndarray,
    command: str,
    beam: int = BEAM,
    length_penalty: float = LENGTH_PENALTY,
    baselines: Mapping[str, Sequence[str]] | None = None,
    scenes: Sequence[Scene] | None = None,
) -> Entry:
    """All figures on one set of pictures, beside those of the baselines: each picture's score is its CIDEr-D.

    Args:
        captioner: the one measured.
        pictures: with their captions, the references.
        encoded: what the encoder gave of each picture.
        command: that can be typed to measure it again.
        beam: hypotheses kept at each step.
        length_penalty: 0 favours short captions.
        baselines: their captions of these pictures; none to leave the comparison out.
        scenes: what the pictures show, where it is known, as it is of the sample.
    """
    written = captioner.write(encoded, beam, length_penalty)
    found = caption_report(written, pictures.captions)
    # Those that stand first are shown in the list of models.
    report = {**true_share(written, scenes), **{name: found[name] for name in ("bleu4", "cider")}, **found}
    report |= {"beam": beam, "length_penalty": length_penalty}
    if baselines:
        scorer = CiderScorer(pictures.captions)
        ours, *theirs = (scorer.score(texts, pictures.captions) for texts in (written, *baselines.values()))
        report["baselines"] = compare(ours, dict(zip(baselines, theirs, strict=True)), "cider")
    return as_entry(pictures.name, pictures.split, report, command)


def find_scenes(source: Source, split: str) -> list[Scene] | None:
    """What the pictures of the sample show; None of other sources."""
    return split_scenes(split, source.name) if source.kind == "sample" else None


def true_share(written: Sequence[str], scenes: Sequence[Scene] | None) -> dict[str, float]:
    """`true`, the share of captions that are sentences of the sample's grammar and true; nothing of other pictures."""
    if scenes is None:
        return {}
    return {"true": float(np.mean([is_true(scene, text) for scene, text in zip(scenes, written, strict=True)]))}


def draw(captioner: ImageCaptioner, pictures: CaptionedPictures, settings: CaptioningEvaluateSettings) -> None:
    """The first pictures with where the network looked at each word, a file each."""
    shown = [pictures.read(index) for index in range(min(_DRAWN, len(pictures)))]
    names = pictures.names[: len(shown)]
    search = {"beam": settings.beam, "length_penalty": settings.length_penalty}
    answers = captioner.predict(shown, **search, with_attention=True, places=names)
    for answer in answers:
        cli.say(f"{answer.picture}  {answer.text}")
    draw_captions(settings.plot, shown, answers)


if __name__ == "__main__":
    cli.run(main)
