"""What exports of networks that write sequences share: the whole beam search as one function for LiteRT."""

from typing import Any

from common.backend import keras
from common.decoding import SearchOptions, search
from common.export import Signature

MEANING = {
    "limits": "int32 (batch,), the most ids to write for each row, END (3) among them",
    "length_penalty": "float32 (), scores are log probabilities over length ** length_penalty",
    "scores": "float32 (batch, beam), -1e9 or less where fewer sequences than beams were found",
}


def search_signature(
    network: Any, inputs: keras.KerasTensor, meaning: dict[str, str], beam: int, repeats: bool = True
) -> Signature:
    """The search as a function of what the network takes, the limits and the length penalty.

    Args:
        network: has `begin(inputs, beam)`, as `common.decoding.search` asks for.
        inputs: what it takes, by the name that it is to have.
        meaning: of the inputs, and of `token_ids`.
        beam: hypotheses kept at each step.
        repeats: whether the same token may stand twice in a row.
    """

    def answer(limits: Any, length_penalty: Any, **given: Any) -> dict[str, Any]:
        options = SearchOptions(beam, length_penalty, best=beam, repeats=repeats)
        token_ids, scores = search(network, given[inputs.name], limits, options)
        return {"token_ids": token_ids, "scores": scores}

    specs = {
        inputs.name: inputs,
        "limits": keras.KerasTensor((None,), "int32"),
        "length_penalty": keras.KerasTensor((), "float32"),
    }
    first = {inputs.name: meaning[inputs.name]}
    return Signature(answer, specs, first | {"limits": MEANING["limits"]} | MEANING | meaning)
