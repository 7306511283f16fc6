"""Colour on a terminal, and none where the output is not one; and libraries kept from writing there."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

_RESET = "\x1b[0m"
# Backgrounds of the 256-colour palette, from faint to strong.
_FOR = (22, 28, 34)
_AGAINST = (52, 88, 124)


def has_colour() -> bool:
    """Whether standard output is coloured; NO_COLOR and FORCE_COLOR (https://no-color.org) come first."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


def shade(words: Sequence[str], shares: Sequence[float]) -> str:
    """Words on a green ground where their share is positive and on a red one where it is negative.

    The strength is relative to the largest share; below a tenth of it a word stays plain. Without colour, words that
    would be coloured stand as `+word+` or `-word-`.
    """
    largest = max((abs(share) for share in shares), default=0.0)
    return " ".join(
        _shade(word, share / largest if largest else 0.0) for word, share in zip(words, shares, strict=True)
    )


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Within it nothing reaches standard error, from native code neither: libraries greet there as they start."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _shade(word: str, strength: float) -> str:
    if abs(strength) < 0.1:
        return word
    if not has_colour():
        return f"+{word}+" if strength > 0 else f"-{word}-"
    palette = _FOR if strength > 0 else _AGAINST
    ground = palette[min(int(abs(strength) * len(palette)), len(palette) - 1)]
    return f"\x1b[1;97;48;5;{ground}m{word}{_RESET}"
