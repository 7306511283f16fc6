"""The tab of this app on the demo page."""

from html import escape
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import numpy as np
from PIL import Image

from apps.captioning.captioner import BEAM, ImageCaptioner
from apps.captioning.config import CaptioningSettings
from apps.captioning.demo import FORM, MODEL
from apps.captioning.pictures import read_picture
from apps.captioning.plots import darken, shrink
from apps.captioning.sample import draw, sample_scenes
from common import page
from common.litert import LITERT
from common.model_folder import read_config

PHOTOS = Path("saved_models/captioning")
_SIDE = 384


class Captioners(NamedTuple):
    """Who answers: one that knows the drawn scenes, and one for what visitors bring; without it the first does both."""

    scenes: ImageCaptioner
    photos: ImageCaptioner | None = None


def answer(captioner: ImageCaptioner, picture: Image.Image) -> str:
    """The captions, best first, and the picture once for each word, bright where the network looked, as HTML."""
    looks = captioner.network.can_look
    [found] = captioner.predict([picture], n_best=BEAM, with_attention=looks, places=["the picture"])
    pixels = shrink(picture)
    panels = [("", pixels)]
    if looks:
        glances = zip(found.attention.words, found.attention.weights, strict=True)
        panels += [(word, darken(pixels, weights)) for word, weights in glances]
    figures = "".join(
        f"<figure>{_as_image(shown, word or 'the picture')}<figcaption>{escape(word)}</figcaption></figure>"
        for word, shown in panels
    )
    rows = [(f"{one.score:.3f}", one.text) for one in found.alternatives]
    return (
        f'<div class="answer"><h3>{escape(found.text)}</h3><div class="glances">{figures}</div>'
        f'<p class="note">Bright is where the network looked for each word.</p>'
        f"{page.table(('score', 'the best captions'), rows)}</div>"
    )


def read(path: str) -> Image.Image:
    """A picture that a visitor gave; its file is deleted."""
    with page.uploaded(path) as file:
        return read_picture(file)


def build(captioners: Captioners) -> None:
    scenes = [(draw(scene, _SIDE), name.replace("_", " ")) for name, scene in sample_scenes().items()]
    given = page.upload_field("A picture", file_types=["image"])
    gr.HTML('<div class="hint">Samples, one click each; drawn for this page and never trained on</div>')
    gallery = gr.Gallery(
        scenes, columns=6, height="auto", allow_preview=False, show_label=False, buttons=[], elem_classes="gallery"
    )
    shown = gr.HTML()

    def of_upload(path: str) -> tuple[None, str]:
        return None, answer(captioners.photos or captioners.scenes, read(path))

    def of_sample(event: gr.SelectData) -> str:
        return answer(captioners.scenes, scenes[event.index][0])

    given.upload(page.guard(of_upload, None), given, [given, shown])
    gallery.select(page.guard(of_sample), None, shown)
    if captioners.photos:
        page.show_card(PHOTOS, "Figures and limits of the model for photographs")


def load(folder: Path | None) -> Captioners:
    photos = ImageCaptioner.load(PHOTOS, runtime="auto") if _is_whole(PHOTOS) else None
    captioners = Captioners(ImageCaptioner.load(folder, runtime="auto"), photos)
    for captioner in filter(None, captioners):
        answer(captioner, Image.new("RGB", (_SIDE, _SIDE)))
    return captioners


def _is_whole(folder: Path) -> bool:
    """Whether there is a model that needs no weights of an encoder from elsewhere."""
    if not folder.is_dir():
        return False
    config = read_config(folder)
    settings = CaptioningSettings.from_values(config["settings"], f"{folder}/config.json")
    return LITERT in config["sha256"] or settings.sees_pixels


def _as_image(pixels: np.ndarray, text: str) -> str:
    """Pixels from 0 to 1 as a picture."""
    file = BytesIO()
    Image.fromarray((255 * pixels).round().clip(0, 255).astype(np.uint8)).save(file, "jpeg", quality=85)
    return page.picture(file.getvalue(), text, "jpeg")


TAB = page.Tab(
    name="Captioning",
    about="Looks at a picture and writes a sentence about it, word by word, each time looking at it anew.",
    build=build,
    load=load,
    form=FORM,
    model=MODEL,
    remedy="python -m apps.captioning.train --config apps/captioning/recipes/scenes.toml "
    "--out saved_models/captioning-scenes",
)
