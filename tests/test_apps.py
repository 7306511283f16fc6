"""Every app makes the same journey as its users do: train, infer, evaluate, list; and what goes wrong is one line."""

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

from apps import APPS
from tests.kit import ROOT, Outcome, run_app

DRAWINGS = ROOT / "apps" / "captioning" / "samples"


@dataclass(frozen=True)
class Journey:
    """What an app needs to be trained in seconds and to be asked something.

    Attributes:
        train: flags of a tiny training on the sample.
        spoil: flags that keep it from learning anything.
        questions: two inputs, each an argument or a line.
        figure: one that `train` and `evaluate` measure on the same part of the sample.
        data: a sample that is read in seconds.
    """

    train: tuple[str, ...]
    spoil: tuple[str, ...]
    questions: tuple[str, str]
    figure: str
    data: str = "sample"


def row_of_the_sample(index: int) -> str:
    """A row of scikit-learn's breast cancer set, as COLUMN=VALUE,COLUMN=VALUE..."""
    found = load_breast_cancer()
    return ",".join(f"{name}={value}" for name, value in zip(found.feature_names, found.data[index], strict=True))


def numbers_of_a_sine(period: int) -> str:
    return " ".join(f"{math.sin(2 * math.pi * step / period):.3f}" for step in range(60))


JOURNEYS = {
    "sentiment": Journey(
        train=("--units=8", "--embedding=16", "--hidden=8", "--vocabulary=400", "--epochs=1", "--learning-rate=0.01"),
        spoil=("--backbone=dense", "--learning-rate=1e-9"),
        questions=("The soup was not bad at all.", "The ending is dull, and I would not pay for it again."),
        figure="accuracy",
    ),
    "tabular": Journey(
        train=("--units=8", "--epochs=5", "--learning-rate=0.01"),
        spoil=("--learning-rate=1e-9",),
        questions=(row_of_the_sample(0), row_of_the_sample(20)),
        figure="accuracy",
    ),
    "translation": Journey(
        train=("--units=8", "--layers=1", "--decoder-units=8", "--embedding=8", "--vocabulary=300", "--epochs=1"),
        spoil=("--learning-rate=1e-9",),
        questions=("The dog sees the house.", "Today a small cat must draw the red ball."),
        figure="chrf",
    ),
    "forecasting": Journey(
        train=("--units=8", "--look-back=48", "--epochs=1", "--epoch-windows=512", "--no-identity"),
        spoil=("--learning-rate=1e-9", "--no-blend"),
        questions=(numbers_of_a_sine(24), numbers_of_a_sine(12)),
        figure="mase",
    ),
    "captioning": Journey(
        train=(
            *("--encoder=small", "--picture-size=32", "--encoder-channels=8", "--units=8", "--embedding=8"),
            *("--batch-pictures=64", "--epochs=1"),
        ),
        spoil=("--learning-rate=1e-9",),
        questions=tuple(str(DRAWINGS / f"{name}.png") for name in ("dog_catches_ball", "cat_under_tree")),
        figure="cider",
        data="sample:alone",
    ),
}


@pytest.fixture(scope="module", params=APPS)
def app(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def journey(app) -> Journey:
    return JOURNEYS[app]


@pytest.fixture(scope="module")
def training(app, journey, tmp_path_factory) -> tuple[Path, Outcome]:
    """A model folder, alone in its folder, and how its training ended."""
    model = tmp_path_factory.mktemp(app) / "model"
    flags = (f"--data={journey.data}", "--precision=float32", *journey.train)
    return model, run_app(f"apps.{app}.train", "--out", model, *flags)


@pytest.fixture(scope="module")
def model(training) -> Path:
    return training[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_refused(outcome: Outcome, *words: str) -> None:
    """The command ended with status 2, without an answer, and with one line on what is wrong."""
    assert (outcome.status, outcome.stdout) == (2, "")
    [line] = outcome.stderr.splitlines()
    assert line.startswith("error: ")
    assert [word for word in words if word not in line] == []


def test_train_leaves_a_model_folder_and_nothing_beside_it(app, training):
    model, outcome = training
    assert (outcome.status, outcome.stdout) == (0, ""), outcome.stderr
    assert f"model written to {model}" in outcome.stderr
    assert [path.name for path in model.parent.iterdir()] == ["model"]
    assert {"config.json", "weights.npz", "metrics.json", "README.md", "curves.png"} <= {*contents(model)}
    assert json.loads((model / "config.json").read_text())["app"] == app


def test_train_sets_its_figures_beside_baselines(training):
    model, outcome = training
    entries = json.loads((model / "metrics.json").read_text())
    baselines = [name for entry in entries for name in entry["baselines"]]
    assert baselines
    assert [name for name in baselines if name not in outcome.stderr] == []


def test_infer_answers_arguments_with_a_line_each(app, model, journey):
    outcome = run_app(f"apps.{app}.infer", "--model", model, *journey.questions)
    assert outcome.status == 0, outcome.stderr
    assert len(outcome.stdout.splitlines()) == 2


def test_infer_answers_lines_of_standard_input_as_it_does_arguments(app, model, journey):
    arguments = run_app("apps", "infer", app, "--model", model, "--json", *journey.questions)
    lines = run_app(f"apps.{app}.infer", "--model", model, "--json", stdin="\n".join(journey.questions) + "\n")
    assert (arguments.status, lines.status) == (0, 0), lines.stderr
    assert len(json.loads(lines.stdout)) == 2
    assert json.loads(lines.stdout) == json.loads(arguments.stdout)


def test_evaluate_measures_what_the_training_measured(model, journey):
    """The model read from its folder has on the held-out part of the sample the figures it was stored with."""
    [stored] = json.loads((model / "metrics.json").read_text())
    flags = ("--data", journey.data, "--split", stored["split"], "--precision=float32", "--json")
    outcome = run_app("apps", "evaluate", model, *flags)
    assert outcome.status == 0, outcome.stderr
    measured = json.loads(outcome.stdout)
    assert measured["examples"] == stored["examples"]
    assert measured[journey.figure] == pytest.approx(stored[journey.figure], abs=1e-6)


@pytest.mark.slow
def test_an_exported_model_is_measured_as_keras_measures_it(model, journey, tmp_path):
    [stored] = json.loads((model / "metrics.json").read_text())
    exported = tmp_path / "exported"
    outcome = run_app("apps", "export", model, "--format", "litert", "--out", exported)
    assert outcome.status == 0, outcome.stderr
    flags = ("--data", journey.data, "--split", stored["split"], "--runtime", "litert", "--json")
    outcome = run_app("apps", "evaluate", exported, *flags)
    assert outcome.status == 0, outcome.stderr
    measured = json.loads(outcome.stdout)
    assert measured["data"] == f"{stored['data']}, model.tflite"
    assert measured[journey.figure] == pytest.approx(stored[journey.figure], rel=0.02)


def test_list_shows_the_model_with_its_app_and_figures(app, model):
    outcome = run_app("apps", "list", "--models", model.parent, "--json")
    assert outcome.status == 0, outcome.stderr
    [row] = json.loads(outcome.stdout)
    assert (row["app"], row["model"]) == (app, str(model))
    assert row["figures"] == json.loads((model / "metrics.json").read_text())


def test_a_network_below_its_baseline_fails_if_asked_to(app, journey, tmp_path):
    flags = ("--data", journey.data, *journey.train, *journey.spoil, "--fail-below-baseline")
    outcome = run_app(f"apps.{app}.train", "--out", tmp_path / "model", *flags)
    assert outcome.status == 1
    assert outcome.stderr.splitlines()[-1].startswith("error: a baseline is at least as good as the network")
    # It is there to be looked at.
    assert "weights.npz" in contents(tmp_path / "model")


def test_train_does_not_overwrite_a_model_unasked(app, model):
    before = contents(model.parent)
    check_refused(run_app(f"apps.{app}.train", "--data=sample", "--out", model), str(model), "--overwrite")
    assert contents(model.parent) == before


def test_train_says_at_once_where_it_cannot_write(app, tmp_path):
    (tmp_path / "file").write_text("in the way")
    outcome = run_app(f"apps.{app}.train", "--data=sample", "--out", tmp_path / "file" / "model")
    check_refused(outcome, str(tmp_path / "file" / "model"), "cannot be written")
    assert contents(tmp_path) == {"file": b"in the way"}


def test_train_names_data_that_is_not_there_and_leaves_no_trace_of_a_run(app, tmp_path):
    missing = tmp_path / "missing.tsv"
    flags = ("--data", missing, "--out", tmp_path / "model")
    check_refused(run_app(f"apps.{app}.train", *flags), str(missing))
    assert contents(tmp_path) == {}
    # Nor is the next try told of a run that was stopped.
    check_refused(run_app(f"apps.{app}.train", *flags), str(missing))


@pytest.mark.parametrize("command", ["infer", "evaluate"])
def test_a_model_folder_that_is_not_there_is_named(app, journey, tmp_path, command):
    folder = tmp_path / "nowhere"
    arguments = {
        "infer": (f"apps.{app}.infer", "--model", folder, journey.questions[0]),
        "evaluate": ("apps", "evaluate", folder, "--data=sample"),
    }
    check_refused(run_app(*arguments[command]), str(folder), "no such model folder")


def test_the_model_of_another_app_is_refused(app, model, journey, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(model, other)
    config = json.loads((model / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "app": "juggling"}))
    outcome = run_app(f"apps.{app}.infer", "--model", other, journey.questions[0])
    check_refused(outcome, str(other), "juggling", app)
    check_refused(run_app("apps", "evaluate", other, "--data=sample"), "juggling", app)


def test_a_model_folder_with_altered_weights_is_refused(app, model, journey, tmp_path):
    altered = tmp_path / "altered"
    shutil.copytree(model, altered)
    weights = bytearray((altered / "weights.npz").read_bytes())
    weights[len(weights) // 2] ^= 1
    (altered / "weights.npz").write_bytes(weights)
    outcome = run_app(f"apps.{app}.infer", "--model", altered, journey.questions[0])
    check_refused(outcome, str(altered / "weights.npz"), "SHA-256")


@pytest.mark.parametrize("verb", ["train", "infer", "evaluate"])
def test_an_unknown_flag_is_named(app, verb, tmp_path):
    outcome = run_app(f"apps.{app}.{verb}", "--frobnicate=3")
    check_refused(outcome, "--frobnicate=3", "--help")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("no verb",)),
        (("juggle",), ("juggle", "train", "evaluate")),
        (("train", "juggling"), ("juggling", *APPS)),
        (("evaluate",), ("model folder",)),
        (("list", "--frobnicate"), ("--frobnicate",)),
    ],
)
def test_what_the_common_command_does_not_know_it_names(arguments, words):
    check_refused(run_app("apps", *arguments), *words)
