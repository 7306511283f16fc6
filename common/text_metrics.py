"""Figures for text that a network wrote, beside what people wrote; by sacreBLEU (Post, 2018)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sacrebleu

Texts = Sequence[str]


def corpus_bleu(written: Texts, references: Texts) -> float:
    """BLEU (Papineni et al., 2002) of detokenised text, in per cent, capital letters told from small ones."""
    return sacrebleu.BLEU().corpus_score(list(written), [list(references)]).score


def corpus_bleu_lc(written: Texts, references: Texts) -> float:
    """BLEU of lower-cased text, in per cent."""
    return sacrebleu.BLEU(lowercase=True).corpus_score(list(written), [list(references)]).score


def corpus_chrf(written: Texts, references: Texts) -> float:
    """chrF2 (Popović, 2015), in per cent."""
    return sacrebleu.CHRF().corpus_score(list(written), [list(references)]).score


def exact_match(written: Texts, references: Texts) -> float:
    """The share of texts that are the reference to the letter."""
    return float(np.mean([text == reference for text, reference in zip(written, references, strict=True)]))


TRANSLATION: dict[str, Callable[[Texts, Texts], float]] = {
    "bleu": corpus_bleu,
    "bleu_lc": corpus_bleu_lc,
    "chrf": corpus_chrf,
    "exact_match": exact_match,
}


def translation_report(written: Texts, references: Texts) -> dict[str, Any]:
    """All of `TRANSLATION`, with the signatures that say how they were computed."""
    signatures = {}
    for name, metric in (("bleu", sacrebleu.BLEU()), ("chrf", sacrebleu.CHRF())):
        metric.corpus_score(list(written), [list(references)])
        signatures[f"{name}_signature"] = str(metric.get_signature())
    figures = {name: function(written, references) for name, function in TRANSLATION.items()}
    return {"examples": len(references), **figures, **signatures}


def sentence_chrf(written: Texts, references: Texts) -> np.ndarray:
    """chrF2 of each text, in per cent `(texts,)`: a score an example, to compare two systems by."""
    metric = sacrebleu.CHRF()
    pairs = zip(written, references, strict=True)
    return np.array([metric.sentence_score(text, [reference]).score for text, reference in pairs])
