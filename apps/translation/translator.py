"""The translator as others use it: sentences in, sentences of other languages out, whatever runs the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apps.translation.config import TranslationSettings
from apps.translation.data import check_sentence, encode_sources
from apps.translation.network import ExportedNetwork, KerasNetwork, Network
from common.batching import pad, token_batches
from common.config import Runtime
from common.errors import UserError
from common.litert import LITERT, load_exported
from common.model_folder import ModelFolder, load_model
from common.sequences import Alternative, Written, as_plain_row, check_n_best
from common.text import PADDING, START, Tokeniser

APP = "translation"
SOURCE_TOKENISER, TARGET_TOKENISER = "tokeniser.model", "target_tokeniser.model"
MOST_PIECES = 400
_BATCH_TOKENS = 1600


@dataclass(frozen=True)
class Alignment:
    """Where the network looked: weights `(target, source)`, a row a sub-word written, which sums to one."""

    source_pieces: list[str]
    target_pieces: list[str]
    weights: np.ndarray


@dataclass(frozen=True)
class Translation:
    """An answer for one sentence.

    Attributes:
        source: the sentence, as it was given.
        language: translated into.
        text: the best translation.
        score: of it, as in `Alternative`.
        alternatives: the n best, the first among them.
        alignment: where the network looked, if asked for.
    """

    source: str
    language: str
    text: str
    score: float
    alternatives: list[Alternative]
    alignment: Alignment | None = None

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON and CSV."""
        return as_plain_row(self, "alignment")


class Translator:
    """Translates sentences.

    Args:
        network: searches, and says where it looked.
        source: tokeniser of the language translated from.
        target: tokeniser of the languages translated into.
        languages: these, in order.
    """

    def __init__(self, network: Network, source: Tokeniser, target: Tokeniser, languages: Sequence[str]):
        self.network = network
        self.source, self.target = source, target
        self.languages = list(languages)

    @classmethod
    def load(
        cls, folder: str | Path, precision: str = "float32", runtime: Runtime = "keras", beam: int | None = None
    ) -> "Translator":
        """Reads a model folder; with `litert`, or `auto` where the model was exported, TensorFlow is not imported.

        Args:
            folder: of the model.
            precision: of the arithmetic of Keras.
            runtime: what runs the network.
            beam: hypotheses that will be kept, if it is known; with `auto`, Keras runs another than the exported one.

        Raises:
            UserError: the folder is missing, damaged, of another app, or not exported to what is to run it.
        """
        folder = Path(folder)
        if found := load_exported(folder, APP, runtime):
            saved, exported = found
            network = ExportedNetwork(exported, f"{folder}/{LITERT}")
            if network.is_wanted(runtime, beam):
                return cls(network, *read_tokenisers(saved), saved.facts["languages"])
        return cls.of(load_model(folder, APP), precision)

    @classmethod
    def of(cls, saved: ModelFolder, precision: str = "float32") -> "Translator":
        """Builds the translator from a model folder that has been read, over Keras."""
        from apps.translation.model import build_model
        from common.checkpoint import load_network

        settings = TranslationSettings.from_values(saved.settings, saved.where)
        source, target = read_tokenisers(saved)
        languages = saved.facts["languages"]
        sizes = source.vocabulary_size, target.vocabulary_size, len(languages)
        model = load_network(lambda: build_model(settings, *sizes), saved.weights, precision)
        return cls(KerasNetwork(model), source, target, languages)

    def predict(
        self,
        texts: Sequence[str],
        target: str | None = None,
        beam: int = 5,
        n_best: int = 1,
        length_penalty: float = 1.0,
        with_alignment: bool = False,
        places: Sequence[str] | None = None,
    ) -> list[Translation]:
        """Translates sentences.

        Args:
            texts: as people write them.
            target: language, by default the first the model knows.
            beam: hypotheses kept at each step; 1 is greedy search.
            n_best: how many translations to return, at most `beam`.
            length_penalty: 0 favours short translations; see `SearchOptions`.
            with_alignment: whether to say where the network looked.
            places: where each text stands, for error messages.

        Raises:
            UserError: a sentence is empty or too long, the language is not known, or `n_best` is above `beam`.
        """
        language = self.languages[0] if target is None else target
        if language not in self.languages:
            raise UserError(f"the model knows no {language!r}; it translates into {', '.join(self.languages)}")
        check_n_best(n_best, beam)
        rows = self.encode(texts, language, places)
        found = self.search_rows(rows, beam, length_penalty, n_best)
        answers = []
        for text, row, (sequences, scores) in zip(texts, rows, found, strict=True):
            written = Written.of(sequences, scores, self.target, n_best)
            alignment = self.align(row, written.token_ids) if with_alignment else None
            best = written.alternatives[0]
            answers.append(Translation(text, language, best.text, best.score, written.alternatives, alignment))
        return answers

    def encode(self, texts: Sequence[str], language: str, places: Sequence[str] | None = None) -> list[np.ndarray]:
        """Sentences as source ids `(time,)` that begin with the id of the target language.

        Raises:
            UserError: a sentence is empty or too long.
        """
        places = places or [f"sentence {number}" for number in range(1, len(texts) + 1)]
        checked = [check_sentence(text, place) for text, place in zip(texts, places, strict=True)]
        rows = encode_sources(checked, self.source, self.source.vocabulary_size + self.languages.index(language))
        for row, place in zip(rows, places, strict=True):
            if len(row) > MOST_PIECES:
                raise UserError(
                    f"{place}: {len(row):,} sub-words, at most {MOST_PIECES} are translated at once; split the sentence"
                )
        return rows

    def search_rows(
        self, rows: Sequence[np.ndarray], beam: int, length_penalty: float, n_best: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Token ids `(beam, time)` and scores `(beam,)` for each row of source ids, in batches of like length."""
        found: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0), np.empty(0))] * len(rows)
        tokens = max(_BATCH_TOKENS // beam, 1)
        for batch in token_batches([len(row) for row in rows], tokens, np.random.default_rng(0)):
            source_ids = pad([rows[index] for index in batch])
            limits = np.array([most_tokens(len(rows[index])) for index in batch], np.int32)
            answers = self.network.search(source_ids, limits, beam, length_penalty, n_best)
            for index, token_ids, scores in zip(batch, *answers, strict=True):
                found[index] = token_ids, scores
        return found

    def perplexity(self, texts: Sequence[str], references: Sequence[str], language: str) -> float:
        """How many sub-words the network hesitates between at each step of the references, in the geometric mean."""
        sources, targets = self.encode(texts, language), self.target.encode(references)
        lengths = [max(map(len, pair)) for pair in zip(sources, targets, strict=True)]
        total = 0.0
        for batch in token_batches(lengths, _BATCH_TOKENS, np.random.default_rng(0)):
            losses = self.network.losses(pad([sources[i] for i in batch]), pad([targets[i] for i in batch]))
            total += float(losses.sum(dtype=np.float64))
        return float(np.exp(total / sum(len(row) - 1 for row in targets)))

    def align(self, source_ids: np.ndarray, target_ids: np.ndarray) -> Alignment:
        """Where the network looked at each sub-word of a translation."""
        written = target_ids[target_ids != PADDING]
        weights = self.network.attend(source_ids[None], np.r_[START, written[:-1]][None].astype(np.int32))[0]
        source_pieces = self.source.names(source_ids[1:])
        # The language that stands first is no word.
        return Alignment(["→", *source_pieces], self.target.names(written), weights)


def read_tokenisers(saved: ModelFolder) -> tuple[Tokeniser, Tokeniser]:
    """Those of source and target of a model folder, the same one twice where the vocabulary is joint."""
    source = Tokeniser(saved.files[SOURCE_TOKENISER])
    return source, Tokeniser(saved.files[TARGET_TOKENISER]) if TARGET_TOKENISER in saved.files else source


def most_tokens(source_length: Any) -> Any:
    """How long a translation may become: no sentence of the training data is twice as long as its source and ten."""
    return 2 * source_length + 10
