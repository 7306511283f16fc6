"""The tab of the lab on the demo page."""

from pathlib import Path

import gradio as gr

from apps.gradient_lab.findings import verdict
from apps.gradient_lab.flow import StartMeter
from apps.gradient_lab.plots import NETWORKS, Curve, draw_flows, picture
from common import page
from common.backend import keras
from common.plots import COLOURS

UNITS = 32
LENGTHS = (50, 100, 150, 200)
_FED = {"nothing: at rest, where the layers are linear": "none", "numbers: the adding problem": "adding"}
_SAMPLES = {"vanishing": (100, 0.8), "lasting": (200, 1.0), "exploding": (100, 1.2), "starting at zero": (50, 0.05)}

Meters = dict[str, StartMeter]


def answer(meters: Meters, steps: int, scale: float, fed: str) -> str:
    """What is left of the last step's gradient on its way back, as HTML."""
    # The same scale gives the same picture.
    keras.utils.set_random_seed(1)
    rows = [
        *meters["simple_rnn"].measure([("orthogonal", scale, 0.0)], int(steps)),
        *meters["lstm"].measure([("orthogonal", scale, 0.0), ("orthogonal", scale, 1.0)], int(steps)),
    ]
    curves, lines = [], []
    for row in (row for row in rows if row["inputs"] == _FED[fed]):
        is_lstm = row["kind"] == "lstm"
        label = f"lstm, forget bias {row['forget_bias']:g}" if is_lstm else "simple_rnn"
        colour = COLOURS[2] if is_lstm and row["forget_bias"] else NETWORKS[row["kind"]]
        at_rest = row["inputs"] == "none"
        curves.append(Curve(label, row["norms"], colour, radius=row["radius"] if at_rest else None))
        lines.append(f"<li>{label}, spectral radius {row['radius']:.2f}: the gradient {verdict(row)}.</li>")
    title = f"The gradient on its way back, recurrent matrix x {scale:g}"
    drawn = page.picture(picture(title, draw_flows, curves), title)
    return f'<div class="answer">{drawn}<ul>{"".join(lines)}</ul></div>'


def build(meters: Meters) -> None:
    with gr.Row():
        steps = gr.Slider(LENGTHS[0], LENGTHS[-1], value=100, step=LENGTHS[1] - LENGTHS[0], label="Steps back")
        scale = gr.Slider(0.05, 2, value=0.9, step=0.05, label="Scale of the recurrent matrix")
    fed = gr.Radio(list(_FED), value=next(iter(_FED)), label="Fed with")
    shown = gr.HTML(render=False)
    handler = page.guard(lambda *given: answer(meters, *given))
    asked = [steps, scale, fed]
    for control in (steps, scale):
        control.release(handler, asked, shown)
    fed.input(handler, asked, shown)
    samples = {label: [*values, next(iter(_FED))] for label, values in _SAMPLES.items()}
    page.sample_buttons(samples, asked, handler, shown)
    shown.render()


def load(folder: Path | None) -> Meters:
    meters = {kind: StartMeter(kind, UNITS) for kind in NETWORKS}
    # Each length is traced when it is first measured.
    for steps in LENGTHS:
        answer(meters, steps, 1.0, next(iter(_FED)))
    return meters


TAB = page.Tab(
    name="Gradient lab",
    about="Follows a gradient back through time in networks as they start out: through a plain recurrent layer it "
    "vanishes or explodes by the size of the recurrent matrix, through an LSTM by its forget gate. These are "
    f"layers of {UNITS} units before any training, measured as you ask; there is no model and no card.",
    build=build,
    load=load,
)
