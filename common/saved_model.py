"""SavedModels that take raw input: text is normalised and tokenised inside the graph, by the rules of `common.text`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.conversion import trace
from common.litert import SIGNATURE, Arrays
from common.signature import Signature
from common.text import END, PADDING, RULES

import tensorflow as tf  # isort: skip  # `common.backend` silences it first

Tensor = Any

# RE2 takes these for ASCII alone; Python means all of Unicode.
_WHITE_SPACE = r"[\s\x0b\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"
_NO_WORD = r"([^\pL\pN_]|$)"


def write_saved_model(signature: Signature, folder: Path) -> None:
    """Writes a function with its weights as constants; the tokenisers it keeps go with it."""
    module = tf.Module()
    module.kept = list(signature.keeps)
    module.serve = trace(signature)
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.serve}, options=options)


def load_saved_model(folder: Path) -> Callable[[Arrays], Arrays]:
    """A SavedModel as a function from arrays to arrays."""
    loaded = tf.saved_model.load(str(folder))
    serve = loaded.signatures[SIGNATURE]

    def run(arrays: Arrays, _loaded: Any = loaded) -> Arrays:
        found = serve(**{name: tf.constant(value) for name, value in arrays.items()})
        return {name: value.numpy() for name, value in found.items()}

    return run


def write_card(signature: Signature, example: Arrays, folder: Path, description: str) -> None:
    """A README.md that says how the SavedModel in `folder` is asked, from Python, a shell and over HTTP."""
    plain = {name: _plain(value) for name, value in example.items()}
    inputs = ", ".join(f"{name}=tf.constant({_in_python(value)})" for name, value in plain.items())
    imports = ["import tensorflow as tf"]
    imports += ["import tensorflow_text  # registers the ops of the tokeniser"] if signature.keeps else []
    (folder / "README.md").write_text(
        f"""# A SavedModel

{description}

Rows may be as many as you like, of any lengths. From Python:

```python
{chr(10).join(imports)}

model = tf.saved_model.load("saved_model")
model.signatures["{SIGNATURE}"]({inputs})
```

What it takes and gives:

```
saved_model_cli show --dir saved_model --tag_set serve --signature_def {SIGNATURE}
```

Under TensorFlow Serving, the body of a POST to `/v1/models/NAME:predict`:

```json
{json.dumps({"inputs": plain}, ensure_ascii=False)}
```
""",
        encoding="utf-8",
    )


def normalise(texts: Tensor) -> Tensor:
    """`common.text.normalise` in the graph: strings `(batch,)` -> strings `(batch,)`."""
    for pattern, replacement in RULES:
        rule = pattern.pattern.replace(r"\s", _WHITE_SPACE)
        # A class inside a class, as in `[\s,]`, is not among the rules.
        if rule.endswith(r"\b"):
            # RE2 cannot look ahead, so what follows is taken and given back; and since it may be the space before the
            # next match, the rule is applied twice.
            rule, replacement, times = rule.removesuffix(r"\b") + _NO_WORD, replacement + r"\2", 2
        else:
            times = 1
        for _ in range(times):
            texts = tf.strings.regex_replace(texts, "(?i)" + rule, replacement)
    return tf.strings.strip(texts)


def strip(texts: Tensor) -> Tensor:
    """Texts without white space around them, of which Python and Unicode know more than ASCII has."""
    return tf.strings.regex_replace(texts, f"^{_WHITE_SPACE}+|{_WHITE_SPACE}+$", "")


def single_spaces(texts: Tensor) -> Tensor:
    """Texts with one space where white space was, and none around them."""
    return tf.strings.strip(tf.strings.regex_replace(texts, f"{_WHITE_SPACE}+", " "))


def places_of(texts: Tensor, values: Sequence[str]) -> Tensor:
    """The place of each text among `values`, from 1 on, and 0 where it is none of them: int32 `(batch,)`."""
    is_value = tf.equal(tf.expand_dims(texts, 1), tf.constant([list(values)]))
    return tf.reduce_sum(tf.cast(is_value, tf.int32) * tf.range(1, len(values) + 1), axis=1)


def known_place(texts: Tensor, values: Sequence[str], name: str) -> Tensor:
    """The place of each text among `values`, from 0 on; any other text is an error that names what there is."""
    places = places_of(texts, values)
    known = tf.debugging.assert_greater(places, 0, f"`{name}` must be one of {', '.join(values)}")
    with tf.control_dependencies([known]):
        return places - 1


def name_labels(probabilities: Tensor, labels: Sequence[str]) -> dict[str, Tensor]:
    """Probabilities `(batch, classes)` as an answer: the most probable `label`, its `probability`, and all of them."""
    label = tf.gather(tf.constant(list(labels)), tf.argmax(probabilities, axis=-1))
    return {"label": label, "probability": tf.reduce_max(probabilities, axis=-1), "probabilities": probabilities}


def build_tokeniser(model: bytes) -> Any:
    """The SentencePiece model of a `common.text.Tokeniser`, as TensorFlow Text runs it; to be kept by the signature."""
    import tensorflow_text

    return tensorflow_text.SentencepieceTokenizer(model, out_type=tf.int32, add_bos=True, add_eos=True)


def lengths(rows: Any) -> Tensor:
    """Ids in each of ragged rows, int32 `(batch,)`."""
    return tf.cast(rows.row_lengths(), tf.int32)


def with_first(token_ids: Tensor, first: Tensor) -> Tensor:
    """Ids `(batch, time)` with those of `first` `(batch,)` in the place of START."""
    return tf.concat([tf.expand_dims(first, 1), token_ids[:, 1:]], axis=1)


def as_texts(token_ids: Tensor, scores: Tensor, tokeniser: Any, name: str = "text") -> dict[str, Tensor]:
    """Sequences `(batch, beam, time)`, best first, and scores `(batch, beam)` as an answer; see `texts_meaning`."""
    shape = tf.shape(token_ids)
    rows = tf.reshape(token_ids, [-1, shape[2]])
    is_word = tf.logical_and(tf.not_equal(rows, PADDING), tf.not_equal(rows, END))
    words = tf.RaggedTensor.from_tensor(rows, tf.reduce_sum(tf.cast(is_word, tf.int64), axis=1))
    alternatives = tf.reshape(tokeniser.detokenize(words), shape[:2])
    return {name: alternatives[:, 0], "score": scores[:, 0], "alternatives": alternatives, "scores": scores}


def texts_meaning(beam: int, length_penalty: float, name: str = "text") -> dict[str, str]:
    """What the answer of `as_texts` is, by its parts."""
    return {
        name: "string (batch,), the best one",
        "score": f"float32 (batch,), of it: its log probability over (its length in sub-words) ** {length_penalty:g}",
        "alternatives": f"string (batch, {beam}), best first",
        "scores": f"float32 (batch, {beam}), of these, -1e9 or less where there were fewer",
    }


def shorten(rows: Any, most: int, head: int) -> tuple[Tensor, Tensor]:
    """Keeps the first `head` ids of rows that are too long, and of the rest the last.

    Args:
        rows: ragged int32 `(batch, time)`.
        most: ids kept.
        head: of them, from the start.

    Returns:
        Ids int32 `(batch, time)`, padded on the right with zeros, and whether each row was too long, bool `(batch,)`.
    """
    dense = rows.to_tensor(0)
    places = tf.expand_dims(tf.range(tf.minimum(tf.shape(dense)[1], most)), 0)
    skipped = tf.maximum(tf.expand_dims(lengths(rows), 1) - most, 0)
    places = places + tf.where(places < head, 0, skipped)
    # Places behind the end of a short row are padding already.
    return tf.gather(dense, places, batch_dims=1), tf.squeeze(skipped > 0, 1)


def _plain(value: np.ndarray) -> Any:
    """An input as JSON of TensorFlow Serving has it; of bytes that are no text, what is to stand for them."""
    values = value.tolist()
    try:
        return [item.decode() if isinstance(item, bytes) else item for item in values]
    except UnicodeDecodeError:
        return [{"b64": "the file in base64"}]


def _in_python(plain: Any) -> str:
    is_file = isinstance(plain[0], dict)
    return '[open("FILE", "rb").read()]' if is_file else json.dumps(plain, ensure_ascii=False)
