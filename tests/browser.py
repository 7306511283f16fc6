"""A real browser on the demo page, for its tests and for the picture in the README.

`python -m tests.browser` draws that picture anew.
"""

import contextlib
import shutil
import socket
from collections.abc import Iterator
from typing import Any

from tests.kit import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURE = ROOT / "apps" / "page.png"
_SECONDS = 120


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root may not have a sandbox, and the only page it sees is our own.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def visit(started: Any, address: str, width: int = 1280) -> Any:
    """The page in a window of its own, as another visitor sees it."""
    window = started.new_context(viewport={"width": width, "height": 900}).new_page()
    window.set_default_timeout(1000 * _SECONDS)
    window.goto(address)
    window.get_by_role("tab").first.wait_for()
    return window


def open_tab(window: Any, name: str) -> None:
    """Opens a tab, by the menu that holds those for which a narrow screen has no room if it stands there."""
    tab = window.get_by_role("tab", name=name, exact=True)
    if not tab.is_visible():
        window.locator(".overflow-menu > button").click()
        tab = window.locator(".overflow-dropdown button", has_text=name)
    tab.click()


def click(window: Any, button: str) -> None:
    window.get_by_role("button", name=button, exact=True).locator("visible=true").click()


def read(window: Any, kind: str = "answer") -> str:
    """The answer in the open tab, or with `wrong` the error, once it is there."""
    found = window.locator(f".{kind}:visible")
    found.wait_for()
    return found.inner_text()


def draw_picture(tab: str = "Translation", sample: str = "A dog runs across the snow.") -> None:
    """A tab as it answers a sample, as `PICTURE`."""
    from PIL import Image

    from apps import APPS, LABS, find_module
    from common.page import started

    tabs = [find_module(app, "page").TAB for app in APPS + LABS]
    with started(tabs, "127.0.0.1", free_port()) as address, browser() as chromium:
        window = visit(chromium, address, width=1040)
        open_tab(window, tab)
        click(window, sample)
        read(window)
        window.wait_for_function("[...document.images].every(image => image.complete)")
        # What is waited for is paler.
        window.wait_for_timeout(1000)
        window.screenshot(path=PICTURE, full_page=True)
    Image.open(PICTURE).convert("RGB").quantize(128).save(PICTURE, optimize=True)


if __name__ == "__main__":
    draw_picture()
