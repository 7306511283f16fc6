"""Labels texts by an exported classifier, with ai-edge-litert, NumPy and SentencePiece alone; copy it where you like.

    python -m apps export saved_models/sentiment --format litert --quantise int8 --out exported
    python litert_host.py exported "A wonderful film." "I want my money back."

The kernels of recurrent layers keep their state from call to call. The file itself brings it to zero before each row,
so a host resets nothing: texts may be asked in any order, alone or many at once, with the same answers.
"""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from sentencepiece import SentencePieceProcessor


def classify(folder: Path, texts: list[str]) -> list[dict]:
    """The label of each text, and the probability of each label."""
    tokeniser = SentencePieceProcessor(model_file=str(folder / "tokeniser.model"))
    labels = (folder / "labels.txt").read_text(encoding="utf-8").split("\n")[:-1]
    most = json.loads((folder / "config.json").read_text(encoding="utf-8"))["settings"]["most_pieces"]

    rows = tokeniser.encode(texts, add_bos=True, add_eos=True)
    # Of a long text its start and its end are read, as in training.
    rows = [row if len(row) <= most else row[: most // 4] + row[most // 4 - most :] for row in rows]
    token_ids = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for place, row in enumerate(rows):
        token_ids[place, : len(row)] = row

    interpreter = Interpreter(str(folder / "model.tflite"), num_threads=2)
    found = interpreter.get_signature_runner("serving_default")(token_ids=token_ids)["probabilities"]
    return [
        {"label": labels[row.argmax()], "probabilities": dict(zip(labels, row.tolist(), strict=True))} for row in found
    ]


if __name__ == "__main__":
    print(json.dumps(classify(Path(sys.argv[1]), sys.argv[2:])))
