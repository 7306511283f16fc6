"""What answers a user quickly imports nothing that starts slowly; each import is tried in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SLOW = {"tensorflow", "keras", "sklearn", "tensorflow_datasets", "scipy", "matplotlib", "pandas", "jax", "torch"}
ROOMS = (
    "apps.sentiment",
    "apps.__main__",
    "apps.sentiment.config, apps.sentiment.data, apps.sentiment.explain, apps.sentiment.infer, apps.sentiment.demo",
    "common.batching, common.card, common.cli, common.config, common.errors, common.figures, common.files, "
    "common.forms, common.metrics, common.model_folder, common.overview, common.sources, common.tables, "
    "common.terminal, common.text",
)


def imported_by(code: str) -> set[str]:
    """The top names of all modules that a fresh process holds after running `code`."""
    show = "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code + show], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("modules", ROOMS)
def test_a_room_imports_nothing_slow(modules):
    assert imported_by(f"import {modules}") & SLOW == set()


def test_reading_text_and_a_model_folder_imports_nothing_slow(tmp_path):
    code = f"""
from pathlib import Path
from apps.sentiment.config import DataSettings
from apps.sentiment.data import load_corpus
from common.model_folder import ModelFolder, load_model, save_model
from common.sources import Source
from common.text import fit_tokeniser
corpus = load_corpus(Source.parse("sample"), "validation", DataSettings())
files = {{"tokeniser.model": fit_tokeniser(corpus.texts, 300, True).model}}
save_model(Path({str(tmp_path)!r}) / "model", ModelFolder("sentiment", {{}}, {{}}, files), "")
load_model(Path({str(tmp_path)!r}) / "model", "sentiment")"""
    assert imported_by(code) & SLOW == set()


def test_the_check_sees_what_is_imported():
    assert {"json", "wave"} <= imported_by("import json, wave")
