"""Colour where there is a terminal, marks where there is none."""

import re
import sys

import pytest

from common.terminal import has_colour, shade

CODE = re.compile(r"\x1b\[([\d;]*)m")


@pytest.fixture
def environment(monkeypatch):
    """Standard output that is no terminal, and no word on colour from whoever runs the tests."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    return monkeypatch


def grounds(text: str) -> dict[str, str]:
    """The number of the ground that each coloured word stands on: `ESC[1;97;48;5;22mwarmESC[0m` -> {"warm": "22"}."""
    return {word: number for number, word in re.findall(r"\x1b\[1;97;48;5;(\d+)m(.*?)\x1b\[0m", text)}


@pytest.mark.parametrize(
    ("is_terminal", "variables", "expected"),
    [
        (False, {}, False),
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_for_terminals_unless_the_user_says_otherwise(environment, is_terminal, variables, expected):
    environment.setattr(sys.stdout, "isatty", lambda: is_terminal)
    for name, value in variables.items():
        environment.setenv(name, value)
    assert has_colour() == expected


def test_without_colour_words_that_did_something_are_marked(environment):
    words, shares = ["A", "warm", "but", "dull", "film"], [0.04, 0.5, -0.02, -0.3, 0.0]
    assert shade(words, shares) == "A +warm+ but -dull- film"


def test_in_colour_praise_is_green_blame_is_red_and_the_text_is_the_same(environment):
    environment.setenv("FORCE_COLOR", "1")
    words, shares = ["A", "warm", "but", "dull", "nice", "film"], [0.0, 0.9, 0.0, -0.9, 0.2, -0.05]
    text = shade(words, shares)
    assert CODE.sub("", text) == "A warm but dull nice film"
    assert set(grounds(text)) == {"warm", "dull", "nice"}
    # In the 256-colour palette 16 + 36 r + 6 g + b: green has no r, red no g, and the stronger has more of its own.
    cube = {word: divmod(int(number) - 16, 36) for word, number in grounds(text).items()}
    red, green = {w: c[0] for w, c in cube.items()}, {w: c[1] // 6 for w, c in cube.items()}
    assert (red["warm"], green["dull"]) == (0, 0)
    assert green["warm"] > green["nice"] > 0
    assert red["dull"] > 0


@pytest.mark.parametrize("shares", [[0.0, 0.0], [-0.0, 0.0]])
def test_words_that_did_nothing_stay_plain(environment, shares):
    environment.setenv("FORCE_COLOR", "1")
    assert shade(["so", "what"], shares) == "so what"


def test_strength_is_relative_to_the_largest_share(environment):
    assert shade(["so", "what"], [1e-9, 2e-9]) == "+so+ +what+"


def test_no_words_give_no_text(environment):
    assert shade([], []) == ""
