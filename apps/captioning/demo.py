"""What `make demo` shows of this app."""

from pathlib import Path

from apps.captioning.captioner import ImageCaptioner
from apps.captioning.infer import draw_captions
from apps.captioning.sample import draw, sample_scenes
from common.files import make_folder
from common.forms import ONE_TO_MANY

FORM = ONE_TO_MANY
MODEL = Path("saved_models/captioning-scenes")
DRAWINGS = Path("demo/captioning")
_SIDE = 384


def main() -> None:
    """Captions drawn scenes that it never saw, and draws where the network looked at each word."""
    print(f"captioning, {FORM.name}: a picture in, a sentence about it out (lstm)\n{FORM.as_text()}")
    captioner = ImageCaptioner.load(MODEL, runtime="auto")
    folder = make_folder(DRAWINGS)
    pictures = [draw(scene, _SIDE) for scene in sample_scenes().values()]
    answers = captioner.predict(pictures, with_attention=True, places=list(sample_scenes()))
    draw_captions(folder, pictures, answers)
    for answer in answers:
        print(f"  {answer.picture:<28} {answer.text}")
    print(f"  the scenes, and where the network looked at each word: {folder}")
