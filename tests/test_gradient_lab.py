"""The gradient lab as it is used: the whole of it once, short; on trained models; and called wrongly."""

import json
import os
from functools import partial

import pytest

from apps.gradient_lab import run
from apps.gradient_lab.config import LabSettings
from apps.gradient_lab.run import Job, in_order, plan
from common.errors import UserError, WorkFailed
from tests.kit import run_app
from tests.test_apps import check_refused
from tests.test_lazy_imports import SLOW, imported_by

LAB = "apps.gradient_lab.run"
SECTIONS = ["start", "adding", "copy", "exploding", "order"]
TINY = ("--units=8", "--embedding=8", "--hidden=8", "--vocabulary=300", "--epochs=1", "--precision=float32")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    return folder, run_app(LAB, "--quick", "--steps=5", "--updates=2", "--json", "--out", folder)


@pytest.fixture(scope="module", params=["lstm", "dense"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / request.param
    outcome = run_app("apps.sentiment.train", "--data=sample", "--backbone", request.param, "--out", folder, *TINY)
    assert outcome.status == 0, outcome.stderr
    return folder


def test_the_whole_lab_runs_and_writes_its_report(whole):
    folder, outcome = whole
    assert outcome.status == 0, outcome.stderr
    report = json.loads(outcome.stdout)
    assert report == json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert list(report["rows"]) == SECTIONS
    assert {row["network"] for row in report["rows"]["copy"]} == {"simple_rnn", "lstm", "lstm, forget bias 3"}
    assert [row["steps"] for row in report["rows"]["adding"]] == [5, 5]
    assert f"report written to {folder / 'report.html'}" in outcome.stderr
    assert "100%" in outcome.stderr
    assert (folder / "report.html").read_text(encoding="utf-8").count("<img") == 10
    assert len(list((folder / "pictures").glob("*.png"))) == 10


def test_a_model_is_measured_layer_by_layer_or_has_no_layer_to_measure(model, tmp_path):
    outcome = run_app(LAB, "--model", model, "--data=sample", "--split=validation", "--out", tmp_path)
    if model.name == "dense":
        check_refused(outcome, str(model), "no recurrent layer")
        return
    assert outcome.status == 0, outcome.stderr
    rows = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["rows"]["model"]
    assert [row["layer"] for row in rows] == ["backbone/forward_0", "backbone/backward_0"]
    title, *lines = outcome.stdout.splitlines()
    assert title == "A trained model"
    for row, line in zip(rows, lines, strict=True):
        assert row["verdict"] in ("vanishes", "explodes", "lasts")
        assert line.startswith(f"  {row['layer']}: through the recurrence alone the gradient {row['verdict']}: ")
        assert len(row["norms"]) == len(row["totals"]) == len(row["rows"])
        assert row["rows"][0] == 16


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--steps=0",), ("steps", "greater than or equal to 4", "'0'")),
        (("--steps=10", "--steps=ten"), ("steps", "'ten'")),
        (("--seeds=0",), ("seeds", "'0'")),
        (("--data=sample",), ("--data", "--model")),
        (("--split=test",), ("--split", "--model")),
        (("--frobnicate",), ("--frobnicate", "--help")),
        (("--model=saved_models/tabular",), ("saved_models/tabular", "a model of tabular", "sentiment")),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_is_wrong_is_said_in_one_line(arguments, words, tmp_path):
    check_refused(run_app(LAB, "--out", tmp_path / "out", *arguments), *words)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=nowhere"], "nowhere: there is no such model folder"),
        (["--model=saved_models/sentiment", "--data=nowhere.tsv"], "nowhere.tsv"),
        (["--model=saved_models/sentiment", "--data=sample", "--split=nowhere"], "nowhere"),
    ],
)
def test_a_model_or_data_that_is_not_there_is_named(arguments, message, tmp_path):
    with pytest.raises(UserError, match=message):
        run.main([*arguments, f"--out={tmp_path}"])


def test_where_nothing_can_be_written_is_said_before_anything_is_measured(tmp_path):
    (tmp_path / "file").write_text("in the way")
    check_refused(run_app(LAB, "--out", tmp_path / "file" / "out"), str(tmp_path / "file"), "cannot be written")


def test_the_plan_repeats_each_training_with_each_seed():
    jobs = plan(LabSettings(steps=(20, 10, 20), seeds=2))
    assert list(dict.fromkeys(job.section for job in jobs)) == SECTIONS
    adding = [job.label for job in jobs if job.section == "adding"]
    assert adding == [
        f"adding: {kind}, {steps} steps, seed {seed}"
        for steps in (10, 20)
        for kind in ("simple_rnn", "lstm")
        for seed in (1, 2)
    ]


def test_results_come_in_the_order_of_the_jobs():
    jobs = [Job("section", "label", partial(sorted, [2, number])) for number in (3, 1)]
    for workers in (1, 2):
        with in_order(jobs, workers) as results:
            assert list(results) == [[2, 3], [1, 2]]


def test_a_process_that_is_killed_fails_the_lab_and_does_not_hang_it():
    jobs = [Job("section", "label", partial(os._exit, 9))] * 2
    with pytest.raises(WorkFailed, match="--workers 1"), in_order(jobs, 2) as results:
        list(results)


def test_help_and_refusals_wait_for_nothing_slow():
    assert imported_by("import apps.gradient_lab.config, apps.gradient_lab.run") & SLOW == set()
