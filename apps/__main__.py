"""`python -m apps VERB ...`, installed as `rnn-apps VERB ...`: what concerns all apps, or finds the app by itself."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from apps import APPS, LABS, find_module
from common import cli
from common.config import Settings, parse_settings
from common.errors import UserError
from common.model_folder import read_config
from common.overview import as_table, collect

PROG = "rnn-apps"
_OF_AN_APP = ("train", "infer")


class ListSettings(Settings):
    """Lists the apps, the models in a folder, and their figures."""

    models: Path = Field(Path("saved_models"), description="folder of model folders")
    as_json: bool = Field(False, alias="json", description="one JSON document on standard output")


class DemoSettings(Settings):
    """Has every app answer on its samples, from the shipped models."""


class PageSettings(Settings):
    """Shows every app on a web page of this machine; needs the extra `page`."""

    host: str = Field("127.0.0.1", description="address to listen at; 0.0.0.0 lets others of the network in")
    port: int = Field(7860, gt=0, lt=65536, description="port to listen at")


def list_models(arguments: list[str]) -> None:
    settings = parse_settings(ListSettings, arguments, f"{PROG} list")
    models = collect(settings.models, APPS)
    print(cli.format_rows(models, "json") if settings.as_json else as_table(models, APPS, LABS))


def evaluate(arguments: list[str]) -> None:
    """`evaluate MODEL ...`: the app that the model belongs to measures it."""
    _of_a_model("evaluate", arguments)


def export(arguments: list[str]) -> None:
    """`export MODEL ...`: the app that the model belongs to writes it in a form that others run."""
    _of_a_model("export", arguments)


def demo(arguments: list[str]) -> None:
    parse_settings(DemoSettings, arguments, f"{PROG} demo")
    for number, app in enumerate(APPS + LABS):
        if number:
            print()
        module = find_module(app, "demo")
        # A lab needs no model.
        if app in LABS or module.MODEL.is_dir():
            module.main()
        else:
            print(f"{app}: no trained model in {module.MODEL}; python -m apps.{app}.train makes one")


def page(arguments: list[str]) -> None:
    settings = parse_settings(PageSettings, arguments, f"{PROG} page")
    if importlib.util.find_spec("gradio") is None:
        raise UserError(f"{PROG} page: Gradio is not installed; make page, or python -m pip install -e '.[page]'")
    from common.page import serve

    serve([find_module(app, "page").TAB for app in APPS + LABS], settings.host, settings.port)


COMMANDS: dict[str, type[Settings]] = {"list": ListSettings, "demo": DemoSettings, "page": PageSettings}
VERBS: dict[str, Callable[[list[str]], None]] = {
    "list": list_models,
    "evaluate": evaluate,
    "demo": demo,
    "page": page,
    "export": export,
}


def run(arguments: list[str]) -> None:
    usage = f"use {PROG} {'|'.join(VERBS)} ... or {PROG} {'|'.join(_OF_AN_APP)} {'|'.join(APPS)} ...; each has --help"
    if not arguments:
        raise UserError(f"no verb given: {usage}")
    verb, *rest = arguments
    if verb in ("-h", "--help"):
        print(usage)
    elif verb in VERBS:
        VERBS[verb](rest)
    elif verb in _OF_AN_APP:
        find_module(_known_app(rest[0] if rest else ""), verb).main(rest[1:])
    else:
        raise UserError(f"unknown verb {verb!r}: {usage}")


def main() -> None:
    cli.run(run, sys.argv[1:])


def _of_a_model(verb: str, arguments: list[str]) -> None:
    """Hands a verb to the app of the model folder that stands first."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(f"use {PROG} {verb} MODEL ..., as in {PROG} {verb} saved_models/{APPS[0]} --help")
        return
    if not arguments or arguments[0].startswith("-"):
        raise UserError(f"{PROG} {verb}: a model folder is needed first, such as saved_models/{APPS[0]}")
    app = _known_app(read_config(Path(arguments[0]))["app"])
    find_module(app, verb).main(arguments)


def _known_app(name: str) -> str:
    if name not in APPS:
        raise UserError(f"unknown app {name!r}; the apps are {', '.join(APPS)}")
    return name


if __name__ == "__main__":
    main()
