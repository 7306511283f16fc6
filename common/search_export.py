"""What exports of networks that write sequences share: the whole beam search as one function for LiteRT."""

from typing import Any

from common.backend import keras
from common.decoding import SearchOptions, search
from common.signature import Signature

_MEANING = {
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
        meaning: of the inputs, of `limits` and of `token_ids`.
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
    known = _MEANING | meaning
    return Signature(answer, specs, {name: known[name] for name in (*specs, "token_ids", "scores")})
