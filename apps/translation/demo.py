"""What `make demo` shows of this app."""

from pathlib import Path

from apps.translation.infer import as_line, draw
from apps.translation.translator import Translator
from common.forms import MANY_TO_MANY
from common.model_folder import read_config
from common.sources import read_lines

FORM = MANY_TO_MANY
MODEL = Path("saved_models/translation")
SAMPLES = Path(__file__).parent / "samples"
DRAWINGS = Path("demo/translation")


def main() -> None:
    """Translates the sample sentences into every language the shipped model knows, and draws where it looked."""
    kind = read_config(MODEL)["settings"]["backbone"]
    print(f"translation, {FORM.name}: words in, words of other languages out ({kind})\n{FORM.as_text()}")
    translator = Translator.load(MODEL, runtime="auto")
    texts = list(read_lines(SAMPLES / "sentences.txt"))
    columns = [translator.predict(texts, language, with_alignment=True) for language in translator.languages]
    for text, *row in zip(texts, *columns, strict=True):
        print(text)
        for translation in row:
            print(f"  {as_line(translation)}")
    draw(DRAWINGS, [column[0] for column in columns])
