"""What `make demo` shows of this app."""

from pathlib import Path

from apps.translation.infer import as_line
from apps.translation.translator import Translator
from common.model_folder import read_config
from common.sources import read_lines

MODEL = Path("saved_models/translation")
SAMPLES = Path(__file__).parent / "samples"


def main() -> None:
    """Translates the sample sentences into every language the shipped model knows."""
    kind = read_config(MODEL)["settings"]["backbone"]
    print(f"translation, many to many: a sequence of words in, sequences in other languages out ({kind})")
    translator = Translator.load(MODEL)
    texts = list(read_lines(SAMPLES / "sentences.txt"))
    columns = [translator.predict(texts, language) for language in translator.languages]
    for text, *row in zip(texts, *columns, strict=True):
        print(text)
        for translation in row:
            print(f"  {as_line(translation)}")
