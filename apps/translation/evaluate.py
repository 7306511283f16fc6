"""Figures of a trained translator on parallel sentences."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from apps.translation.baselines import Baseline
from apps.translation.config import DataSettings
from apps.translation.data import Corpus, load_corpora
from apps.translation.translator import Translator
from common import cli
from common.config import EvaluateSettings, parse_settings
from common.figures import Entry, as_entry, compare
from common.sources import Source
from common.text_metrics import TRANSLATION, sentence_chrf, translation_report
from common.verbs import finish_evaluation

PROG = "python -m apps evaluate"
NAMES = [*TRANSLATION, "perplexity"]


class TranslationEvaluateSettings(DataSettings, EvaluateSettings):
    """Measures a translator on parallel sentences."""

    model: Path = Field(
        Path("saved_models/translation"), description="model folder", json_schema_extra={"positional": True}
    )
    data: tuple[str, ...] = Field(("sample",), description="sample, tfds:NAME or a path; may be given several times")
    target: str = Field("", description="languages to measure, with commas between them (default: all known)")
    beam: int = Field(5, gt=0, description="hypotheses kept at each step; 1 is greedy search")
    length_penalty: float = Field(1.0, ge=0, description="0 favours short translations, 1 takes the mean of a sub-word")


SETTINGS = TranslationEvaluateSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(TranslationEvaluateSettings, arguments, PROG)
    translator = Translator.load(settings.model, settings.precision, settings.runtime, settings.beam)
    asked = settings if settings.targets else settings.model_copy(update={"target": ",".join(translator.languages)})
    command = cli.as_command(PROG, arguments)
    entries = []
    for text in settings.data:
        for corpus in load_corpora(Source.parse(text), settings.split, asked):
            cli.say(corpus.summary())
            entries.append(measure(translator, corpus, command, settings.beam, settings.length_penalty))
    finish_evaluation(settings, settings.model, entries, NAMES)


def measure(
    translator: Translator,
    corpus: Corpus,
    command: str,
    beam: int = 5,
    length_penalty: float = 1.0,
    baselines: Mapping[str, Baseline] | None = None,
) -> Entry:
    """All figures on one corpus, beside those of the baselines: each example's score is its chrF."""
    found = translator.predict(corpus.sources, corpus.target, beam, length_penalty=length_penalty)
    written = [translation.text for translation in found]
    report = translation_report(written, corpus.references)
    report["perplexity"] = translator.perplexity(corpus.sources, corpus.references, corpus.target)
    report |= {"beam": beam, "length_penalty": length_penalty}
    if baselines:
        theirs = {
            name: sentence_chrf(translate(corpus.sources), corpus.references) for name, translate in baselines.items()
        }
        report["baselines"] = compare(sentence_chrf(written, corpus.references), theirs, "mean_chrf")
    return as_entry(corpus.name, corpus.split, report, command)


if __name__ == "__main__":
    cli.run(main)
