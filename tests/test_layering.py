"""The directions of the imports and the rooms of every app, read from the source; nothing is run."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps import APPS, LABS

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    *("config.py", "data.py", "model.py", "train.py", "infer.py", "evaluate.py", "export.py"),
    *("demo.py", "page.py", "README.md", "samples", "recipes"),
)
LAB_ROOMS = ("config.py", "run.py", "report.py", "demo.py", "page.py", "README.md")
REGISTRY = {"APPS", "LABS", "find_module"}
MOST_LINES = 400

# The ground floor of `common`, and what of ours each of its rooms may import; `backend` is Keras itself.
GROUND_FLOOR = {
    "errors": set(),
    "config": {"errors"},
    "text": {"errors"},
    "metrics": {"errors"},
    "recurrence": {"errors", "backend"},
    "layers": {"errors", "backend", "recurrence"},
}


def sources(*folders: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).rglob("*.py"))


def parse(source: str) -> ast.Module:
    return ast.parse((ROOT / source).read_text(encoding="utf-8"), source)


def imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Full names of all that is imported, at the top or inside functions: `from common import text` -> `common.text`.

    Args:
        tree: a parsed file.
        package: the package the file is in, from where relative imports count.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def second_words(source: str, top: str) -> set[str]:
    """What a file imports of `top`, one level deep: {"text"} for `common.text.Tokeniser`, {""} for `common` alone."""
    package = ".".join(Path(source).parent.parts)
    words = (name.split(".") for name in imported(parse(source), package))
    return {word[1] if len(word) > 1 else "" for word in words if word[0] == top}


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("import apps.one.data as d", "apps.one.data"),
        ("def f():\n    from common import text", "common.text"),
        ("from . import data", "apps.two.data"),
        ("from ..one.data import load", "apps.one.data.load"),
    ],
)
def test_an_import_is_found_in_every_form(statement, name):
    assert list(imported(ast.parse(statement), "apps.two")) == [name]


@pytest.mark.parametrize("source", sources("common"))
def test_common_imports_no_app(source):
    assert second_words(source, "apps") == set()


@pytest.mark.parametrize("source", [source for source in sources("apps") if len(Path(source).parts) > 2])
def test_an_app_imports_no_other_app(source):
    own = Path(source).parts[1]
    assert second_words(source, "apps") <= {own} | REGISTRY


@pytest.mark.parametrize("room", GROUND_FLOOR)
def test_the_ground_floor_stands_on_nothing_above_it(room):
    assert second_words(f"common/{room}.py", "common") <= GROUND_FLOOR[room]


def test_the_registry_names_only_apps_that_are_there():
    assert [app for app in APPS + LABS if not (ROOT / "apps" / app / "__init__.py").is_file()] == []


@pytest.mark.parametrize("app", APPS)
def test_every_app_has_the_same_rooms(app):
    assert [room for room in ROOMS if not (ROOT / "apps" / app / room).exists()] == []


@pytest.mark.parametrize("lab", LABS)
def test_every_lab_has_the_same_rooms(lab):
    assert [room for room in LAB_ROOMS if not (ROOT / "apps" / lab / room).exists()] == []


@pytest.mark.parametrize("app", APPS)
def test_every_app_brings_a_sample_and_a_recipe(app):
    assert any((ROOT / "apps" / app / "samples").iterdir())
    assert any((ROOT / "apps" / app / "recipes").glob("*.toml"))


@pytest.mark.parametrize("source", sources("apps", "common", "tests"))
def test_a_file_can_be_read_in_one_sitting(source):
    assert len((ROOT / source).read_text(encoding="utf-8").splitlines()) < MOST_LINES


@pytest.mark.parametrize("source", sources("apps", "common"))
def test_a_check_cannot_be_switched_off_and_no_bug_is_caught_unseen(source):
    nodes = list(ast.walk(parse(source)))
    asserts = [node.lineno for node in nodes if isinstance(node, ast.Assert)]
    catch_alls = [node.lineno for node in nodes if isinstance(node, ast.ExceptHandler) and catches_all(node.type)]
    assert (asserts, catch_alls) == ([], [])


def catches_all(caught: ast.expr | None) -> bool:
    """Whether it is `except:`, or one of what is caught is `Exception` or `BaseException`."""
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(name, ast.Name) and name.id in ("Exception", "BaseException") for name in names)


@pytest.mark.parametrize(
    ("clause", "everything"),
    [("", True), ("Exception", True), ("(OSError, BaseException)", True), ("OSError", False)],
)
def test_a_catch_all_is_told_from_a_named_error(clause, everything):
    handler = ast.parse(f"try:\n    pass\nexcept {clause}:\n    pass").body[0].handlers[0]
    assert catches_all(handler.type) is everything
