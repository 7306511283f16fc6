"""The promise of `--resume`: a training killed in mid-epoch ends, bit for bit, as one left alone."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.sentiment.sample import generate_sample
from tests.kit import ROOT, environment, place

TEXTS, EPOCHS, KILLED_IN = 300, 3, 2
MOST_SECONDS = 1800
# All that is drawn anew at every step, and all that is carried from step to step, is on.
FLAGS = {
    "units": 4,
    "embedding": 4,
    "hidden": 4,
    "layers": 2,
    "vocabulary": 300,
    "pooling": "attention",
    "batch-rows": 8,
    "epochs": EPOCHS,
    "patience": EPOCHS,
    "learning-rate": 0.01,
    "average": 0.9,
    "dropout": 0.3,
    "word-dropout": 0.2,
    "weight-drop": 0.2,
    "precision": "float32",
    "checkpoint-seconds": 0,
}
OF_THE_CLOCK = ("seconds", "positions_per_second")


def command(data: Path, out: Path, *more: str) -> list[str]:
    flags = [word for name, value in FLAGS.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "apps.sentiment.train", "--data", str(data), "--out", str(out), *flags, *more]


def train(data: Path, out: Path, *more: str) -> None:
    done = subprocess.run(
        command(data, out, *more), cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True, timeout=MOST_SECONDS
    )
    assert done.returncode == 0, done.stderr


def train_and_kill(data: Path, out: Path, checkpoint: Path) -> tuple[int, int]:
    """Kills a training some steps into an epoch, and says where it stood."""
    # Its standard error goes nowhere: a pipe that nobody reads would stop it when full.
    run = subprocess.Popen(command(data, out), cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL)
    try:
        while place(checkpoint) < (KILLED_IN - 1, 5):
            assert run.poll() is None, "the training ended before it could be killed"
            time.sleep(0.01)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    return place(checkpoint)


def config(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())


def log(folder: Path) -> list[dict[str, float]]:
    rows = config(folder)["facts"]["log"]
    return [{name: value for name, value in row.items() if name not in OF_THE_CLOCK} for row in rows]


def figures(folder: Path) -> list[dict]:
    """The entries of metrics.json without what tells of the run rather than of the model."""
    entries = json.loads((folder / "metrics.json").read_text())
    return [{name: value for name, value in entry.items() if name not in ("command", "date")} for entry in entries]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    """The model folders of a training left alone, and of one killed and resumed."""
    folder = tmp_path_factory.mktemp("resume")
    data, alone, killed = folder / "data.tsv", folder / "alone", folder / "killed"
    rows = [f"{text}\t{label}\n" for text, label in generate_sample(TEXTS, seed=11)]
    data.write_text("text\tlabel\n" + "".join(rows), encoding="utf-8")
    train(data, alone)
    epoch, step = train_and_kill(data, killed, folder / "killed.training" / "checkpoint.npz")
    assert epoch == KILLED_IN - 1
    assert 0 < step < TEXTS * 0.9 // FLAGS["batch-rows"] - 1
    assert not killed.exists()
    train(data, killed, "--resume")
    return alone, killed


def test_the_weights_are_bit_equal(runs):
    alone, killed = runs
    assert (killed / "weights.npz").read_bytes() == (alone / "weights.npz").read_bytes()


def test_the_log_is_the_same_but_for_the_time_taken(runs):
    alone, killed = runs
    assert [row["epoch"] for row in log(alone)] == [1, 2, 3]
    assert log(killed) == log(alone)


def test_tokeniser_temperature_and_figures_are_the_same(runs):
    alone, killed = runs
    assert (killed / "tokeniser.model").read_bytes() == (alone / "tokeniser.model").read_bytes()
    assert config(killed)["facts"]["temperature"] == config(alone)["facts"]["temperature"]
    assert figures(killed) == figures(alone)


def test_nothing_of_the_run_is_left_beside_the_model(runs):
    alone, _ = runs
    assert sorted(path.name for path in alone.parent.iterdir()) == ["alone", "data.tsv", "killed"]
