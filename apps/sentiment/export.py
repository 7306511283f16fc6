"""Exports a classifier: token ids to probabilities for LiteRT, text to a label for a SavedModel."""

from pathlib import Path

import numpy as np

from apps.sentiment.classifier import APP, TOKENISER, SentimentClassifier, build_network
from apps.sentiment.data import encode, shorten
from apps.sentiment.sample import generate_sample
from common import cli
from common.backend import keras, ops
from common.batching import pad
from common.config import parse_settings
from common.export import ExportSettings, Plan, Samples, finish_export, labels_file
from common.litert import Arrays
from common.model_folder import ModelFolder, load_model
from common.signature import Signature
from common.sources import read_lines
from common.text import Tokeniser, normalise

PROG = "python -m apps export"
SETTINGS = ExportSettings

_REVIEWS = Path(__file__).parent / "samples" / "reviews.txt"
_SAMPLES = 160
_USUAL_PIECES = 200
_ODD_TEXTS = (
    "Naïve café — 映画は素晴らしい 🎬🎬 !",
    "It 's not bad , do n't miss it .<br />-LRB- Really -RRB-",
    # Wide letters between rare kinds of space.
    "\u2003\uff27\uff2f\uff2f\uff24\u00a0 film\u3000",
    "dull",
)


def main(arguments: list[str]) -> None:
    settings = parse_settings(ExportSettings, arguments, PROG)
    finish_export(settings, plan_export(load_model(settings.model, APP)), cli.as_command(PROG, arguments))


def plan_export(saved: ModelFolder) -> Plan:
    """The functions of a classifier, and texts to try them on."""
    network, tokeniser = build_network(saved), Tokeniser(saved.files[TOKENISER])
    classifier = SentimentClassifier.over(saved, network.predict_on_batch)
    labels, most_pieces = saved.facts["labels"], saved.settings["most_pieces"]
    texts = sample_texts()
    arrays = [{"token_ids": pad(encode(tokeniser, [normalise(text) for text in some], most_pieces))} for some in texts]
    # A quarter of the longest text's pieces are its start, so a row of this size has both ends.
    usual = {"token_ids": shorten(np.resize(arrays[0]["token_ids"][0], most_pieces), _USUAL_PIECES)[None]}
    raw = [{"text": np.array([text.encode() for text in some])} for some in texts]

    def reference(arrays: Arrays) -> Arrays:
        found = classifier.predict([text.decode() for text in arrays["text"]])
        return {"probabilities": np.array([list(one.probabilities.values()) for one in found])}

    return Plan(
        saved,
        arrays_signature(saved, network),
        Samples(arrays, usual, "probabilities", has_labels=True),
        text_signature(saved, network),
        reference,
        Samples(raw, {"text": raw[0]["text"][:1]}, "probabilities", has_labels=True),
        labels_file(labels),
    )


def arrays_signature(saved: ModelFolder, network: keras.Model) -> Signature:
    """Token ids `(batch, time)` -> logits and probabilities `(batch, classes)`."""
    labels, temperature = saved.facts["labels"], saved.facts["temperature"]

    def classify(token_ids):
        logits = network(token_ids, training=False)
        return {"logits": logits, "probabilities": ops.softmax(logits / temperature, axis=-1)}

    meaning = {
        "token_ids": f"int32 (batch, time), of {TOKENISER} with its START and END, padded with 0 on the right",
        "logits": "float32 (batch, classes)",
        "probabilities": f"float32 (batch, classes), calibrated, of {', '.join(labels)}",
    }
    return Signature(classify, {"token_ids": keras.KerasTensor((None, None), "int32")}, meaning)


def text_signature(saved: ModelFolder, network: keras.Model) -> Signature:
    """Texts `(batch,)` -> label, probability and probabilities; normalised, tokenised and shortened in the graph."""
    from common import saved_model

    tokeniser = saved_model.build_tokeniser(saved.files[TOKENISER])
    classify, labels = arrays_signature(saved, network).function, saved.facts["labels"]
    most = saved.settings["most_pieces"]

    def answer(text):
        rows = tokeniser.tokenize(saved_model.normalise(text))
        token_ids, truncated = saved_model.shorten(rows, most, most // 4)
        return saved_model.name_labels(classify(token_ids)["probabilities"], labels) | {"truncated": truncated}

    meaning = {
        "text": "string (batch,), UTF-8",
        "label": "string (batch,), the most probable one",
        "probability": "float32 (batch,), of that label, calibrated",
        "probabilities": f"float32 (batch, classes), of {', '.join(labels)}",
        "truncated": f"bool (batch,), whether a text had more than {most} sub-words, whose middle is not read",
    }
    return Signature(answer, {"text": keras.KerasTensor((None,), "string")}, meaning, keeps=(tokeniser,))


def sample_texts() -> list[list[str]]:
    """Texts of many lengths, in batches of 1 and of 16; the first is long."""
    reviews = list(read_lines(_REVIEWS))
    texts = [" ".join(reviews), *reviews, *_ODD_TEXTS, *(text for text, _ in generate_sample(_SAMPLES, seed=2))]
    return [texts[:1], texts[1:2], *(texts[start : start + 16] for start in range(2, len(texts), 16))]


if __name__ == "__main__":
    cli.run(main)
