"""Every command that a README shows can be typed: its module is there, and its parser takes the flags."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from apps import APPS, LABS, find_module
from common.config import Settings, parse_settings
from common.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
READMES = ("README.md", *(f"apps/{app}/README.md" for app in APPS + LABS))

_FENCE = re.compile(r"^(```+|~~~+)[^\n]*\n(.*?)^\1\s*$", re.DOTALL | re.MULTILINE)
_OURS = re.compile(r"apps(\.\w+)*")


class Command(NamedTuple):
    """`python -m MODULE ARGUMENTS`, as a README shows it."""

    readme: str
    module: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.readme}: {self.module} {shlex.join(self.arguments)}"


def commands(readme: str, text: str) -> Iterator[Command]:
    """The commands of ours in the fenced blocks of a README; prompts, pipes, redirections and comments are cut off."""
    for block in _FENCE.finditer(text):
        for line in block[2].replace("\\\n", " ").splitlines():
            if re.search(r"python[\d.]* -m apps|rnn-apps", line):
                for words in simple_commands(line.removeprefix("$ ")):
                    yield from ours(readme, words)


def simple_commands(line: str) -> Iterator[list[str]]:
    """A shell line, word by word: `cat texts | rnn-apps list > file  # all` -> [cat texts], [rnn-apps list]."""
    lexer = shlex.shlex(re.sub(r"\s\d(?=[<>])", " ", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    redirected = False
    for word in lexer:
        if set(word) <= set("();|&"):
            yield words
            words = []
        elif set(word) <= set("<>&"):
            redirected = True
        elif redirected:
            redirected = False
        else:
            words.append(word)
    yield words


def ours(readme: str, words: list[str]) -> Iterator[Command]:
    """The command in `NAME=value python -m apps... ARGUMENTS` or `rnn-apps ARGUMENTS`, if it is one of these."""
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    program = Path(words[0]).name if words else ""
    if program == "rnn-apps":
        yield Command(readme, "apps", tuple(words[1:]))
    elif re.fullmatch(r"python[\d.]*", program) and words[1:2] == ["-m"] and _OURS.fullmatch("".join(words[2:3])):
        yield Command(readme, words[2], tuple(words[3:]))


def settings_classes(command: Command) -> tuple[list[type[Settings]], list[str]]:
    """The settings that a command may read, of which one must fit, and the arguments that are left for them."""
    if command.module != "apps":
        return [importlib.import_module(command.module).SETTINGS], list(command.arguments)
    verb, *rest = command.arguments
    known = importlib.import_module("apps.__main__").COMMANDS
    if verb in known:
        return [known[verb]], rest
    if rest and rest[0] in APPS:
        return [importlib.import_module(f"apps.{rest[0]}.{verb}").SETTINGS], rest[1:]
    # The app is known from the model alone, which a reader may have yet to train.
    return [module.SETTINGS for app in APPS if (module := find_module(app, verb))], rest


def parses(settings: type[Settings], arguments: list[str], module: str) -> bool:
    try:
        parse_settings(settings, arguments, module)
    except UserError:
        return False
    return True


def shown(readme: str) -> list[Command]:
    path = ROOT / readme
    return list(commands(readme, path.read_text(encoding="utf-8"))) if path.is_file() else []


@pytest.mark.parametrize("readme", READMES)
def test_every_readme_shows_a_command(readme):
    assert shown(readme)


@pytest.mark.parametrize("command", [command for readme in READMES for command in shown(readme)], ids=str)
def test_a_command_in_a_readme_parses(command, monkeypatch):
    # From here, recipes that are named are found, as they are for a reader.
    monkeypatch.chdir(ROOT)
    asks_for_help = {"-h", "--help"} & set(command.arguments)
    if asks_for_help and command.module == "apps":
        return
    candidates, arguments = settings_classes(command)
    assert asks_for_help or any(parses(settings, arguments, command.module) for settings in candidates)


def test_a_command_is_found_however_it_is_written():
    text = """
Outside of a block, python -m apps list is a mention.
```console
$ cat texts | python -m apps.one.infer --json 2> log  # all of them
KERAS_BACKEND=jax python3 -m apps.one.train --data "a b" \\
    --out runs/x && .venv/bin/rnn-apps list
rnn-apps: not a command
python -m http.server
```
"""
    assert list(commands("README.md", text)) == [
        ("README.md", "apps.one.infer", ("--json",)),
        ("README.md", "apps.one.train", ("--data", "a b", "--out", "runs/x")),
        ("README.md", "apps", ("list",)),
    ]
