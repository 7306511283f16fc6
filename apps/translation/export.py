"""Exports a translator: source ids to the ids of the whole beam for LiteRT, text to translations for a SavedModel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apps.translation.model import EncoderDecoder
from apps.translation.sample import generate_sample
from apps.translation.translator import APP, SOURCE_TOKENISER, TARGET_TOKENISER, Translator, most_tokens
from common import cli
from common.backend import keras
from common.batching import pad
from common.config import parse_settings
from common.decoding import SearchOptions, search
from common.export import ExportSettings, Plan, Samples, finish_export
from common.litert import Arrays
from common.losses import token_losses
from common.model_folder import ModelFolder, load_model
from common.search_export import search_signature
from common.sequences import READ, score_by
from common.signature import Signature
from common.sources import read_lines

PROG = "python -m apps export"
SETTINGS = ExportSettings

_BEAM, _LENGTH_PENALTY = 5, 1.0
_FOLDER = Path(__file__).parent / "samples"
_SAMPLES = 52
_ODD_TEXTS = ("Naïve\u2003 café — 映画は\u00a0素晴らしい 🎬 !", "\u3000\uff21 \uff24\uff2f\uff27 runs .", "dog", "?!")
_ROWS = 16


def main(arguments: list[str]) -> None:
    settings = parse_settings(ExportSettings, arguments, PROG)
    finish_export(settings, plan_export(load_model(settings.model, APP)), cli.as_command(PROG, arguments))


def plan_export(saved: ModelFolder) -> Plan:
    """The functions of a translator, and sentences to try them on."""
    translator = Translator.of(saved)
    model = translator.network.model
    raw = sample_batches(translator.languages)
    arrays = [search_arrays(translator, batch) for batch in raw]
    read = [read_arrays(translator, batch) for batch in raw]

    def rescore(given: Arrays, found: Arrays) -> np.ndarray:
        return score_by(translator.network.losses, given["source_ids"], found["token_ids"][:, 0], _LENGTH_PENALTY)

    def reference(given: Arrays) -> Arrays:
        found = [translator.predict([text], language)[0] for text, language in _decoded(given)]
        return {
            "text": np.array([one.text.encode() for one in found], object),
            "score": np.array([one.score for one in found], np.float32),
        }

    return Plan(
        saved,
        arrays_signature(translator, model),
        Samples(arrays, arrays[0], "scores", written="token_ids", rescore=rescore),
        text_signature(saved, translator, model),
        reference,
        Samples(raw, raw[0], "score", written="text"),
        further={READ: (read_signature(model), Samples(read, read[0], "attention"))},
    )


def arrays_signature(translator: Translator, model: EncoderDecoder) -> Signature:
    """Source ids `(batch, time)` -> ids of all hypotheses `(batch, beam, time)` and their scores."""
    size = translator.source.vocabulary_size
    first = ", ".join(f"{size + place} {language}" for place, language in enumerate(translator.languages))
    both = SOURCE_TOKENISER if translator.target is translator.source else TARGET_TOKENISER
    meaning = {
        "source_ids": f"int32 (batch, time), a target language ({first}), then the sub-words of {SOURCE_TOKENISER} and "
        "END (3), padded with 0 on the right",
        "limits": f"int32 (batch,), the most ids to write for each row, such as {most_tokens(0)} and twice the source",
        "token_ids": f"int32 (batch, {_BEAM}, time), of {both}, best first, up to END, padded with 0",
    }
    source = keras.KerasTensor((None, None), "int32", name="source_ids")
    return search_signature(model, source, meaning, _BEAM)


def read_signature(model: EncoderDecoder) -> Signature:
    """Sources and translations -> where the network looks, and how it would have gone on."""

    def read(source_ids: Any, target_ids: Any) -> dict[str, Any]:
        logits, weights = model.read(source_ids, target_ids)
        return {"attention": weights, "losses": token_losses(target_ids[:, 1:], logits[:, :-1])}

    meaning = {
        "source_ids": "as above",
        "target_ids": "int32 (batch, target), START (2) and what was written, padded with 0 on the right",
        "attention": "float32 (batch, target, source), where the network looked for what follows each id; sums to one",
        "losses": "float32 (batch, target - 1), cross-entropy of each id after START, 0 at padding",
    }
    ids = {name: keras.KerasTensor((None, None), "int32", name=name) for name in ("source_ids", "target_ids")}
    return Signature(read, ids, meaning)


def text_signature(saved: ModelFolder, translator: Translator, model: EncoderDecoder) -> Signature:
    """Texts and languages `(batch,)` -> translations with scores, and the other hypotheses; tokenised in the graph."""
    from common import saved_model

    source = saved_model.build_tokeniser(saved.files[SOURCE_TOKENISER])
    target = saved_model.build_tokeniser(translator.target.model)
    size, languages = translator.source.vocabulary_size, translator.languages
    options = SearchOptions(_BEAM, _LENGTH_PENALTY, best=_BEAM)

    def answer(text: Any, language: Any) -> dict[str, Any]:
        rows = source.tokenize(saved_model.single_spaces(text))
        first = saved_model.known_place(language, languages, "language") + size
        source_ids = saved_model.with_first(rows.to_tensor(0), first)
        token_ids, scores = search(model, source_ids, most_tokens(saved_model.lengths(rows)), options)
        return saved_model.as_texts(token_ids, scores, target)

    meaning = {
        "text": "string (batch,), UTF-8, a sentence each",
        "language": f"string (batch,), to translate into: {', '.join(languages)}",
        **saved_model.texts_meaning(_BEAM, _LENGTH_PENALTY),
    }
    strings = {name: keras.KerasTensor((None,), "string", name=name) for name in ("text", "language")}
    return Signature(answer, strings, meaning, keeps=(source, target))


def sample_batches(languages: Sequence[str]) -> list[Arrays]:
    """Sentences of many lengths into all languages by turns, in batches of 1 and of 16; the second is usual."""
    texts = [line for name in ("sentences.txt", "captions.txt") for line in read_lines(_FOLDER / name)]
    texts += [*_ODD_TEXTS, *(sentence["en"] for sentence in generate_sample(_SAMPLES, seed=2))]
    rows = [(text.encode(), languages[place % len(languages)].encode()) for place, text in enumerate(texts, start=1)]
    parts = [rows[1:2], rows[:1], *(rows[start : start + _ROWS] for start in range(2, len(rows), _ROWS))]
    return [
        {
            name: np.array(values, object)
            for name, values in zip(("text", "language"), zip(*part, strict=True), strict=True)
        }
        for part in parts
    ]


def search_arrays(translator: Translator, batch: Arrays) -> Arrays:
    """What `arrays_signature` takes of sentences."""
    rows = [translator.encode([text], language)[0] for text, language in _decoded(batch)]
    limits = np.array([most_tokens(len(row)) for row in rows], np.int32)
    return {"source_ids": pad(rows), "limits": limits, "length_penalty": np.float32(_LENGTH_PENALTY)}


def read_arrays(translator: Translator, batch: Arrays) -> Arrays:
    """What `read_signature` takes of sentences; they stand for their translations."""
    targets = translator.target.encode([text for text, _ in _decoded(batch)])
    return {"source_ids": search_arrays(translator, batch)["source_ids"], "target_ids": pad(targets)}


def _decoded(batch: Arrays) -> list[tuple[str, str]]:
    return [(text.decode(), language.decode()) for text, language in zip(batch["text"], batch["language"], strict=True)]


if __name__ == "__main__":
    cli.run(main)
