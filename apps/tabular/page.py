"""The tab of this app on the demo page."""

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from apps.tabular.data import read_frame
from apps.tabular.demo import FORM, MODEL, SAMPLES
from apps.tabular.predictor import Prediction, TabularPredictor
from common import page

MOST_CHARACTERS = 100


def answer(predictor: TabularPredictor, *cells: str | None) -> str:
    """The class and how sure it is, or the number and its interval, as HTML."""
    texts = [page.check_length(cell, MOST_CHARACTERS) for cell in cells]
    [found] = predictor.predict([dict(zip(predictor.columns.names, texts, strict=True))], "the form")
    if isinstance(found, Prediction):
        said = f"<h3>{escape(found.label)}</h3>{page.bars(found.probabilities)}"
    else:
        interval = "" if found.low is None else f", nine times of ten from {found.low:.6g} to {found.high:.6g}"
        said = f"<h3>{found.value:.6g}{interval}</h3>"
    unknown = "; ".join(f"{name} {value!r} was not known in training" for name, value in found.unknown.items())
    note = f'<p class="note">{escape(unknown)}: it is read as an average one.</p>' if unknown else ""
    return f'<div class="answer">{said}{note}</div>'


def build(predictor: TabularPredictor) -> None:
    columns, fields = predictor.columns, {}
    with gr.Row():
        for number in columns.numbers:
            label = number.name.replace("_", " ")
            fields[number.name] = gr.Textbox(
                label=label, placeholder=f"about {number.mean:.4g}", min_width=150, max_length=MOST_CHARACTERS
            )
        for category in columns.categories:
            known = [value for value in category.values if value]
            fields[category.name] = gr.Dropdown(
                known, value=None, label=category.name, allow_custom_value=True, min_width=150
            )
    gr.HTML('<div class="hint">What is not known stays empty.</div>')
    shown = gr.HTML(render=False)
    handler = page.guard(lambda *cells: answer(predictor, *cells))
    asked = [fields[name] for name in columns.names]
    page.sample_buttons(read_samples(columns.names), asked, handler, shown)
    gr.Button("Predict", variant="primary").click(handler, asked, shown)
    shown.render()


def read_samples(names: list[str]) -> dict[str, list[Any]]:
    """Cells of the columns for each row of the sample, by what tells the rows apart; none if it is of another table."""
    frame = read_frame(SAMPLES / "birds.csv")
    if set(names) - set(frame):
        return {}
    missing = frame.isin(["", "NA"])
    labels = [
        f"{number}: {row.iloc[0]}" + (f", {missing.loc[index].sum()} missing" if missing.loc[index].any() else "")
        for number, (index, row) in enumerate(frame.iterrows(), start=1)
    ]
    cells = frame.mask(missing, "")[names]
    return dict(zip(labels, cells.to_numpy().tolist(), strict=True))


def load(folder: Path | None) -> TabularPredictor:
    predictor = TabularPredictor.load(folder, runtime="auto")
    answer(predictor, *("" for _ in predictor.columns.names))
    return predictor


TAB = page.Tab(
    name="Tabular",
    about="One row of a table goes in, one class or one number comes out: the plain feed-forward network.",
    build=build,
    load=load,
    form=FORM,
    model=MODEL,
    remedy="python -m apps.tabular.train --data sample:penguins --target species --out saved_models/tabular",
)
