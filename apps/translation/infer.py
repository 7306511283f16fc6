"""Translates sentences from the command line; in Python, `Translator` does."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from apps.translation.config import split_names
from apps.translation.translator import Translation, Translator
from common import cli
from common.config import InferSettings, parse_settings
from common.errors import UserError
from common.files import make_folder
from common.sequences import check_n_best
from common.verbs import print_answers

PROG = "python -m apps.translation.infer"


class TranslationInferSettings(InferSettings):
    """Translates sentences: arguments, lines of a file, or lines of standard input."""

    texts: tuple[str, ...] = Field((), description="sentences to translate", json_schema_extra={"positional": True})
    model: tuple[Path, ...] = Field(
        (Path("saved_models/translation"),), description="model folder; may be given several times"
    )
    to: str = Field("", description="languages to translate into, with commas between them; by default all known")
    file: Path | None = Field(None, description="file with a sentence a line, plain, .gz or .xz")
    beam: int = Field(5, gt=0, le=100, description="hypotheses kept at each step; 1 is greedy search")
    n_best: int = Field(1, gt=0, description="translations of each sentence, at most as many as beams")
    length_penalty: float = Field(1.0, ge=0, description="0 favours short translations, 1 takes the mean of a sub-word")
    plot: Path | None = Field(None, description="folder for a picture a sentence of where the network looked")


SETTINGS = TranslationInferSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(TranslationInferSettings, arguments, PROG)
    given = cli.gather_texts(settings.texts, settings.file)
    check_n_best(settings.n_best, settings.beam)
    translators = [Translator.load(folder, runtime=settings.runtime, beam=settings.beam) for folder in settings.model]
    answers = translate(translators, given, settings)
    if settings.plot:
        draw(settings.plot, answers)
    print_answers(settings, answers, map(as_line, answers))


def translate(
    translators: Sequence[Translator], given: Sequence[tuple[str, str]], settings: TranslationInferSettings
) -> list[Translation]:
    """Each sentence in each language asked for, sentence by sentence; the first model that knows a language gives it.

    Raises:
        UserError: no model knows a language, or a sentence is empty or too long.
    """
    known = {language: translator for translator in reversed(translators) for language in translator.languages}
    asked = split_names(settings.to) or list(known)
    if strange := [language for language in asked if language not in known]:
        raise UserError(f"--to {strange[0]}: not known; there are {', '.join(known)}")
    places, texts = zip(*given, strict=True)
    options = {"beam": settings.beam, "n_best": settings.n_best, "length_penalty": settings.length_penalty}
    options |= {"with_alignment": settings.plot is not None, "places": places}
    columns = [known[language].predict(texts, language, **options) for language in asked]
    return [translation for row in zip(*columns, strict=True) for translation in row]


def as_line(translation: Translation) -> str:
    """`de  Ein Hund rennt durch den Schnee.`; of several alternatives a line each, with their scores."""
    if len(translation.alternatives) == 1:
        return f"{translation.language}  {translation.text}"
    lines = (f"{translation.language}  {found.score:7.3f}  {found.text}" for found in translation.alternatives)
    return "\n".join(lines)


def draw(folder: Path, answers: Sequence[Translation]) -> None:
    """A picture a translation: its sub-words against those of the source."""
    from common import plots

    make_folder(folder)
    for number, answer in enumerate(answers, start=1):
        alignment = answer.alignment
        path = folder / f"{number:03d}_{answer.language}.png"
        plots.plot_attention(alignment.weights, alignment.source_pieces, alignment.target_pieces, path)
    cli.say(f"pictures written to {folder}")


if __name__ == "__main__":
    cli.run(main)
