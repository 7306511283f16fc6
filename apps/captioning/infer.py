"""Captions pictures from the command line; in Python, `ImageCaptioner` does."""

import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from pydantic import Field

from apps.captioning.captioner import BEAM, LENGTH_PENALTY, Caption, ImageCaptioner
from apps.captioning.pictures import list_pictures, read_picture
from common import cli
from common.config import InferSettings, parse_settings
from common.errors import UserError, WorkFailed
from common.files import make_folder
from common.sequences import check_n_best
from common.verbs import print_answers

PROG = "python -m apps.captioning.infer"
_BATCH = 32


class CaptioningInferSettings(InferSettings):
    """Captions pictures: files and folders in arguments, or in lines of standard input."""

    pictures: tuple[str, ...] = Field(
        (), description="pictures, or folders of pictures", json_schema_extra={"positional": True}
    )
    model: Path = Field(Path("saved_models/captioning"), description="model folder")
    encoder_weights: Path | None = Field(
        None, description="file with ImageNet weights of the encoder; by default Keras downloads them"
    )
    beam: int = Field(BEAM, gt=0, le=100, description="hypotheses kept at each step; 1 is greedy search")
    n_best: int = Field(1, gt=0, description="captions of each picture, at most as many as beams")
    length_penalty: float = Field(
        LENGTH_PENALTY, ge=0, description="0 favours short captions, 1 takes the mean of a sub-word"
    )
    plot: Path | None = Field(None, description="folder for a picture each of where the network looked at each word")


SETTINGS = CaptioningInferSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(CaptioningInferSettings, arguments, PROG)
    check_n_best(settings.n_best, settings.beam)
    paths = list_pictures(gather(settings))
    options = {"runtime": settings.runtime, "beam": settings.beam}
    captioner = ImageCaptioner.load(settings.model, settings.encoder_weights, **options)
    answers, unread = [], []
    for start in range(0, len(paths), _BATCH):
        pictures, problems = read_all(paths[start : start + _BATCH])
        answers += caption(captioner, pictures, settings, first=len(answers) + 1)
        unread += problems
    if not answers:
        raise unread[0] if len(unread) == 1 else UserError(f"{unread[0]}; none of {len(unread)} pictures can be read")
    for problem in unread:
        cli.say(f"error: {problem}")
    if settings.plot:
        cli.say(f"pictures written to {settings.plot}")
    width = max(len(answer.picture) for answer in answers)
    print_answers(settings, answers, (as_line(answer, width) for answer in answers))
    if unread:
        raise WorkFailed(f"{len(unread)} of {len(paths)} pictures could not be read")


def gather(settings: CaptioningInferSettings) -> list[str]:
    """The paths in the arguments, else those in lines of standard input.

    Raises:
        UserError: there is none.
    """
    if not settings.pictures and (sys.stdin is None or sys.stdin.isatty()):
        raise UserError("no picture given: write files or folders behind the command, or pipe their names in")
    return [path for _, path in cli.gather_texts(settings.pictures, None)]


def read_all(paths: Sequence[Path]) -> tuple[list[tuple[str, Image.Image]], list[UserError]]:
    """The pictures that can be read, each with its path, and what is wrong with the others."""
    pictures, problems = [], []
    for path in paths:
        try:
            pictures.append((str(path), read_picture(path)))
        except UserError as error:
            problems.append(error)
    return pictures, problems


def caption(
    captioner: ImageCaptioner,
    pictures: Sequence[tuple[str, Image.Image]],
    settings: CaptioningInferSettings,
    first: int,
) -> list[Caption]:
    """A caption a picture, drawn if asked for; `first` numbers the first of the drawings."""
    search = {"beam": settings.beam, "n_best": settings.n_best, "length_penalty": settings.length_penalty}
    names, shown = [name for name, _ in pictures], [picture for _, picture in pictures]
    answers = captioner.predict(shown, **search, with_attention=settings.plot is not None, places=names)
    if settings.plot:
        draw_captions(settings.plot, shown, answers, first)
    return answers


def draw_captions(folder: Path, pictures: Sequence[Image.Image], answers: Sequence[Caption], first: int = 1) -> None:
    """A PNG a picture, such as `001_dog.png`: where the network looked at each word.

    Raises:
        UserError: the folder cannot be written.
    """
    from apps.captioning.plots import plot_glances

    make_folder(folder)
    for number, (picture, answer) in enumerate(zip(pictures, answers, strict=True), start=first):
        plot_glances(picture, answer.attention, folder / f"{number:03d}_{Path(answer.picture).stem}.png")


def as_line(answer: Caption, width: int) -> str:
    """`dog.jpg  a dog catches a ball`; of several alternatives a line each, with their scores."""
    if len(answer.alternatives) == 1:
        return f"{answer.picture:<{width}}  {answer.text}"
    lines = (f"{answer.picture:<{width}}  {found.score:7.3f}  {found.text}" for found in answer.alternatives)
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main)
