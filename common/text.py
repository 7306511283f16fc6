"""Text to token ids and back: one SentencePiece model for training, Keras, SavedModel and LiteRT."""

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import sentencepiece

from common.errors import UserError

PADDING, UNKNOWN, START, END = 0, 1, 2, 3

# Patterns are plain enough for RE2 as well, so that an exported graph can apply the same rules.
RULES = [
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"<br\s*/?>", " "),
        # Tokenised corpora such as SST-2 write `it 's`, `do n't`, `-lrb-`; people do not.
        (r"-lrb-", "("),
        (r"-rrb-", ")"),
        (r"``|''", '"'),
        (r"\s+(n't|'(?:s|re|ve|ll|d|m))\b", r"\1"),
        (r"\s+([.,!?;:%)\]])", r"\1"),
        (r"([(\[])\s+", r"\1"),
        (r"\s+", " "),
    )
]


def normalise(text: str) -> str:
    """Undoes what corpora do to text: line-break tags, Penn Treebank spacing and brackets, runs of white space."""
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text.strip()


def check_characters(text: str, where: str) -> None:
    """Refuses what is no text: bytes of the command line that are not UTF-8, or half a character in JSON.

    Raises:
        UserError: there is such a thing in it.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: not UTF-8 ({error.reason} at character {error.start + 1})") from error


@dataclass(frozen=True)
class Piece:
    """A sub-word with its place in the text it came from: `text[start:end]`."""

    token_id: int
    start: int
    end: int


class Tokeniser:
    """A SentencePiece model (Kudo & Richardson, 2018), held as the bytes that the model folder stores."""

    def __init__(self, model: bytes):
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    @property
    def vocabulary_size(self) -> int:
        return self._processor.vocab_size()

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Each text as int32 token ids `(time,)`, between START and END."""
        rows = self._processor.encode(list(texts), add_bos=True, add_eos=True)
        return [np.asarray(row, np.int32) for row in rows]

    def decode(self, token_ids: Iterable[int]) -> str:
        """Ordinary text; special tokens leave no trace."""
        return self._processor.decode([int(token_id) for token_id in token_ids])

    def names(self, token_ids: Iterable[int]) -> list[str]:
        """How each sub-word is written, for people to look at; `▁` stands for the space before a word."""
        return [self._processor.id_to_piece(int(token_id)) for token_id in token_ids]

    def pieces(self, text: str) -> list[Piece]:
        """The sub-words of `encode`, without START and END, each with its place in `text`."""
        found = self._processor.encode(text, return_type="proto").pieces
        # SentencePiece counts bytes; a byte that continues a character (0b10xxxxxx) begins none.
        begins = (np.frombuffer(text.encode(), np.uint8) & 0xC0) != 0x80
        characters = np.concatenate([[0], np.cumsum(begins)])
        return [Piece(piece.id, int(characters[piece.begin]), int(characters[piece.end])) for piece in found]


def fit_tokeniser(texts: Iterable[str], vocabulary_size: int, fold_case: bool, whole_words: bool = False) -> Tokeniser:
    """Trains a unigram model (Kudo, 2018) on texts of the train split, or counts their words.

    Args:
        texts: normalised texts.
        vocabulary_size: at most so many pieces; a small corpus gets fewer.
        fold_case: whether capital letters are the same as small ones.
        whole_words: pieces are what stands between spaces, the commonest of them, and all else is UNKNOWN.

    Raises:
        UserError: there is no text to learn from, or it has more characters than `vocabulary_size`.
    """
    model = io.BytesIO()
    rows = (text for text in texts if text)
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=rows,
            model_writer=model,
            model_type="word" if whole_words else "unigram",
            vocab_size=vocabulary_size,
            hard_vocab_limit=False,
            normalization_rule_name="nmt_nfkc_cf" if fold_case else "nmt_nfkc",
            pad_id=PADDING,
            unk_id=UNKNOWN,
            bos_id=START,
            eos_id=END,
            max_sentence_length=1_000_000,
            num_threads=2,
            minloglevel=2,
        )
    except RuntimeError as error:
        # ... CONDITION] What is wrong. -> What is wrong.
        reason = str(error).rpartition("] ")[2] or "there is no text"
        raise UserError(f"no tokeniser of {vocabulary_size} sub-words can be learnt: {reason}") from error
    return Tokeniser(model.getvalue())
