"""The tab of this app on the demo page."""

from html import escape
from pathlib import Path

import gradio as gr

from apps.sentiment.classifier import SentimentClassifier
from apps.sentiment.demo import FORM, MODEL, SAMPLES
from apps.sentiment.infer import praise
from common import page
from common.sources import read_lines

MOST_CHARACTERS = 5000
# Below this the network has seen both sides, or neither.
UNDECIDED = 0.6
_KINDS = ("praise", "a complaint", "negation", "good and bad", "sarcasm", "a long text", "a saying")
_SAID = {"pos": "positive", "neg": "negative"}
# Words times parts: what is read again within a second.
_READ_AGAIN, _FEWEST_WORDS = 9_000, 60


def answer(classifier: SentimentClassifier, text: str | None) -> str:
    """The label, how sure it is, and the words in colour, as HTML."""
    text = page.check_length(text, MOST_CHARACTERS)
    parts = _READ_AGAIN // max(len(text.split()), _FEWEST_WORDS)
    [found] = classifier.predict([text], with_words=True, places=["the text"], most_parts=parts)
    label = escape(_SAID.get(found.label, found.label))
    said = label if found.probability >= UNDECIDED else f"undecided, leaning to {label}"
    middle = "; the middle of the text was too long to be read" if found.truncated else ""
    return (
        f'<div class="answer"><h3>{said}</h3>{page.bars(found.probabilities)}'
        f"{page.words([word.word for word in found.words], praise(found))}"
        f'<p class="note">Blue words speak well of the subject, orange ones ill: the network read the text again '
        f"without each of them{middle}. Probabilities are calibrated.</p></div>"
    )


def build(classifier: SentimentClassifier) -> None:
    text = gr.Textbox(label="A text in English", lines=4, max_lines=12, max_length=MOST_CHARACTERS)
    shown = gr.HTML(render=False)
    handler = page.guard(lambda given: answer(classifier, given))
    samples = dict(zip(_KINDS, read_lines(SAMPLES / "reviews.txt"), strict=True))
    page.sample_buttons({kind: [given] for kind, given in samples.items()}, [text], handler, shown)
    gr.Button("Label it", variant="primary").click(handler, text, shown)
    shown.render()


def load(folder: Path | None) -> SentimentClassifier:
    classifier = SentimentClassifier.load(folder, runtime="auto")
    answer(classifier, "The first answer takes longer than others.")
    return classifier


TAB = page.Tab(
    name="Sentiment",
    about="Says whether a text speaks well or ill of its subject, how sure that is, and which words decided.",
    build=build,
    load=load,
    form=FORM,
    model=MODEL,
    remedy="python -m apps.sentiment.train --data sample --out saved_models/sentiment",
)
