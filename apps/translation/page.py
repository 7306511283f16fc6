"""The tab of this app on the demo page."""

from html import escape
from pathlib import Path

import gradio as gr

from apps.translation.demo import FORM, MODEL, SAMPLES
from apps.translation.translator import Translation, Translator
from common import page
from common.errors import UserError
from common.plots import plot_attention
from common.sources import read_lines

MOST_CHARACTERS = 400
# The search is compiled for each number, so it always looks for all, and the page shows some.
BEST = 5


def answer(translator: Translator, text: str | None, languages: list[str], shown: int) -> str:
    """The translations into each language, best first, and where the network looked for the best, as HTML."""
    text = page.check_length(text, MOST_CHARACTERS)
    if not languages:
        raise UserError("no language to translate into; choose one or more")
    options = {"beam": BEST, "n_best": BEST, "with_alignment": True, "places": ["the sentence"]}
    parts = [_as_html(translator.predict([text], language, **options)[0], int(shown)) for language in languages]
    note = "A row for each sub-word written, from the top: the darker, the more the network looked there."
    return f'<div class="answer"><div class="columns">{"".join(parts)}</div><p class="note">{note}</p></div>'


def _as_html(found: Translation, shown: int) -> str:
    rows = [(f"{one.score:.3f}", one.text) for one in found.alternatives[:shown]]
    looked = found.alignment
    drawn = page.drawing(
        plot_attention, looked.weights, looked.source_pieces, looked.target_pieces, text=f"attention, {found.language}"
    )
    heading = f"<h3>{found.language}: {escape(found.text)}</h3>"
    best = page.table(("score", f"the best {len(rows)}"), rows) if shown > 1 else ""
    return f"<div>{heading}{best}{drawn}</div>"


def build(translator: Translator) -> None:
    text = gr.Textbox(label="A sentence in English", max_length=MOST_CHARACTERS)
    with gr.Row():
        languages = gr.CheckboxGroup(translator.languages, value=translator.languages, label="Into", min_width=180)
        shown = gr.Slider(1, BEST, value=1, step=1, label="Translations of each", min_width=180)
    place = gr.HTML(render=False)
    handler = page.guard(lambda *given: answer(translator, *given))
    asked = [text, languages, shown]
    samples = read_lines(SAMPLES / "sentences.txt")
    page.sample_buttons({line: [line, translator.languages, 3] for line in samples}, asked, handler, place)
    gr.Button("Translate", variant="primary").click(handler, asked, place)
    place.render()


def load(folder: Path | None) -> Translator:
    translator = Translator.load(folder, runtime="auto")
    # The search is traced anew when it first sees another length.
    for text in ("A dog.", "A dog runs across the snow."):
        answer(translator, text, translator.languages[:1], 1)
    return translator


TAB = page.Tab(
    name="Translation",
    about="Reads a sentence, then writes it in other languages, sub-word by sub-word, each time looking at all of it.",
    build=build,
    load=load,
    form=FORM,
    model=MODEL,
    remedy="python -m apps.translation.train --data sample --out saved_models/translation",
)
