"""The registry: the names of the apps, and of the lab that looks into networks; their modules are found by name."""

import importlib
import importlib.util
from types import ModuleType

APPS = ("sentiment", "tabular", "translation", "forecasting", "captioning")
LABS = ("gradient_lab",)


def find_module(app: str, room: str) -> ModuleType | None:
    """The module `apps.APP.ROOM`; None if there is no such app, or it has no such room."""
    if app not in APPS + LABS or importlib.util.find_spec(f"apps.{app}.{room}") is None:
        return None
    return importlib.import_module(f"apps.{app}.{room}")
