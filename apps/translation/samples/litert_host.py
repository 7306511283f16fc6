"""Translates sentences by an exported translator, with ai-edge-litert, NumPy and SentencePiece alone; copy it freely.

    python -m apps export saved_models/translation --format litert --quantise int8 --out exported
    python litert_host.py exported de "A dog runs across the snow."

One call is the whole answer: encoder, attention and beam search are in the file. It remembers nothing from call to
call, so there is no state to reset: sentences may be asked in any order, alone or many at once.
"""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from sentencepiece import SentencePieceProcessor


def translate(folder: Path, language: str, texts: list[str]) -> list[dict]:
    """The best translation of each text, with its score: the mean log probability of a sub-word."""
    source = SentencePieceProcessor(model_file=str(folder / "tokeniser.model"))
    own = folder / "target_tokeniser.model"
    target = SentencePieceProcessor(model_file=str(own)) if own.exists() else source
    languages = json.loads((folder / "config.json").read_text(encoding="utf-8"))["facts"]["languages"]

    # The language to write stands first, then the sub-words, then END; shorter rows are padded with 0.
    first = source.vocab_size() + languages.index(language)
    rows = [[first, *row] for row in source.encode(texts, add_eos=True)]
    source_ids = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for place, row in enumerate(rows):
        source_ids[place, : len(row)] = row
    limits = np.array([2 * len(row) + 10 for row in rows], np.int32)

    interpreter = Interpreter(str(folder / "model.tflite"), num_threads=2)
    run = interpreter.get_signature_runner("serving_default")
    found = run(source_ids=source_ids, limits=limits, length_penalty=np.float32(1))
    # Of each row all hypotheses come back, the best first.
    return [
        {"text": target.decode([int(token_id) for token_id in ids[0] if token_id]), "score": float(scores[0])}
        for ids, scores in zip(found["token_ids"], found["scores"], strict=True)
    ]


if __name__ == "__main__":
    print(json.dumps(translate(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]), ensure_ascii=False))
