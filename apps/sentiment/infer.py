"""Labels texts from the command line; in Python, `SentimentClassifier` does."""

from pathlib import Path

from pydantic import Field

from apps.sentiment.classifier import Prediction, SentimentClassifier
from common import cli, terminal
from common.config import InferSettings, parse_settings
from common.verbs import print_answers

PROG = "python -m apps.sentiment.infer"


class SentimentInferSettings(InferSettings):
    """Labels texts: arguments, lines of a file, or lines of standard input."""

    texts: tuple[str, ...] = Field((), description="texts to label", json_schema_extra={"positional": True})
    model: Path = Field(Path("saved_models/sentiment"), description="model folder")
    file: Path | None = Field(None, description="file with a text a line, plain, .gz or .xz")
    explain: bool = Field(False, description="show what each word did to the probability")


SETTINGS = SentimentInferSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(SentimentInferSettings, arguments, PROG)
    given = cli.gather_texts(settings.texts, settings.file)
    classifier = SentimentClassifier.load(settings.model, runtime=settings.runtime)
    predictions = classifier.predict([text for _, text in given], settings.explain, [where for where, _ in given])
    print_answers(settings, predictions, map(as_line, predictions))


def praise(prediction: Prediction) -> list[float]:
    """What each word did, above zero where it speaks well of the subject, whatever the label."""
    sign = -1 if prediction.label == "neg" else 1
    return [sign * word.share for word in prediction.words]


def as_line(prediction: Prediction) -> str:
    """`pos  98.1 %  A wonderful film.`, with words in colour where it is known what they did."""
    text = " ".join(prediction.text.split())
    if prediction.words is not None:
        text = terminal.shade([word.word for word in prediction.words], praise(prediction))
    note = "  [the middle was too long to read]" if prediction.truncated else ""
    return f"{prediction.label}  {prediction.probability:6.1%}  {text}{note}"


if __name__ == "__main__":
    cli.run(main)
