"""`python -m apps VERB ...`: what concerns all apps, and what it says when it is called wrongly."""

import json

import pytest

from apps import APPS
from apps.__main__ import run
from common.errors import UserError
from common.model_folder import ModelFolder, save_model


@pytest.fixture
def models(tmp_path):
    for name, app in (("mine", "sentiment"), ("other", "tea_leaves")):
        save_model(tmp_path / name, ModelFolder(app, {"backbone": "lstm"}, {}), "")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"no verb given: use rnn-apps list\|evaluate\|demo"),
        (["dance"], "unknown verb 'dance': use rnn-apps list"),
        (["train"], f"unknown app ''; the apps are {', '.join(APPS)}"),
        (["infer", "tea_leaves"], f"unknown app 'tea_leaves'; the apps are {', '.join(APPS)}"),
        (["evaluate"], "a model folder is needed first"),
        (["evaluate", "--split", "test"], "a model folder is needed first"),
        (["evaluate", "nowhere"], "nowhere: there is no such model folder"),
        (["list", "--models", "nowhere"], "nowhere: there is no such folder"),
        (["list", "nowhere"], "rnn-apps list: .*nowhere; see rnn-apps list --help"),
    ],
)
def test_a_wrong_call_says_what_would_be_right(arguments, message):
    with pytest.raises(UserError, match=message):
        run(arguments)


def test_a_model_of_an_app_that_is_not_here_is_refused(models):
    with pytest.raises(UserError, match="unknown app 'tea_leaves'"):
        run(["evaluate", str(models / "other")])


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["evaluate", "--help"]])
def test_help_is_an_answer_and_no_error(capsys, arguments):
    run(arguments)
    assert capsys.readouterr().out.startswith("use rnn-apps ")


def test_models_are_listed_for_people_and_for_programs(capsys, models):
    run(["list", "--models", str(models)])
    assert f"  {models}/mine  lstm  0.0 MB" in capsys.readouterr().out.splitlines()
    run(["list", "--models", str(models), "--json"])
    assert [row["model"] for row in json.loads(capsys.readouterr().out)] == [f"{models}/mine"]
