"""Figures for text, against sacreBLEU's own command and by hand."""

import subprocess
import sys

import numpy as np
import pytest

from common.text_metrics import TRANSLATION, sentence_chrf, translation_report

REFERENCES = ["The dog runs across the snow.", "A man reads.", "Two girls play in the park near the river."]
WRITTEN = ["The dog runs over the snow.", "a man reads.", "Two girls play in a park near the river."]


def by_the_command(tmp_path, *flags: str) -> float:
    references, written = tmp_path / "references", tmp_path / "written"
    references.write_text("\n".join(REFERENCES) + "\n")
    written.write_text("\n".join(WRITTEN) + "\n")
    command = [sys.executable, "-m", "sacrebleu", str(references), "-i", str(written), "-b", "-w", "4", *flags]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def test_bleu_and_chrf_are_those_of_sacrebleu(tmp_path):
    report = translation_report(WRITTEN, REFERENCES)
    assert report["bleu"] == pytest.approx(by_the_command(tmp_path, "-m", "bleu"), abs=1e-4)
    assert report["bleu_lc"] == pytest.approx(by_the_command(tmp_path, "-m", "bleu", "-lc"), abs=1e-4)
    assert report["chrf"] == pytest.approx(by_the_command(tmp_path, "-m", "chrf"), abs=1e-4)
    assert "case:mixed" in report["bleu_signature"] and report["examples"] == 3


def test_the_reference_itself_is_perfect():
    report = translation_report(REFERENCES, REFERENCES)
    assert [report[name] for name in TRANSLATION] == pytest.approx([100, 100, 100, 1])


def test_an_exact_match_is_to_the_letter():
    assert translation_report(WRITTEN, [WRITTEN[0], *REFERENCES[1:]])["exact_match"] == pytest.approx(1 / 3)


def test_every_sentence_has_a_score_of_its_own():
    scores = sentence_chrf([REFERENCES[0], "x", WRITTEN[2]], REFERENCES)
    assert scores[0] == 100 and scores[1] < 5 < scores[2] < 100
    assert scores.shape == (3,) and scores.dtype == np.float64
