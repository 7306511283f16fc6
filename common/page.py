"""The demo page: what its tabs have in common, and the server that shows them. Needs Gradio, the extra `page`.

Answers are HTML of our own, with pictures inside: nothing is written to a disk for them.
"""

import base64
import contextlib
import functools
import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from common import card, cli
from common.errors import UserError, WorkFailed
from common.forms import Form

TITLE = "Recurrent networks, applied"
MOST_UPLOADED = 10 * 2**20
_WAITING, _SESSIONS, _SECONDS = 64, 200, 600
_STYLE = Path(__file__).with_suffix(".css")
# Gradio's own pages name a font or a script elsewhere here and there; a browser that is told so fetches none.
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; frame-ancestors 'self'"
)
# Predictors and Matplotlib are not made for several threads, and two cores gain nothing by them.
_one_at_a_time = threading.Lock()

Component = gr.components.Component


@dataclass(frozen=True)
class Tab:
    """What an app shows on the page.

    Attributes:
        name: on its tab.
        about: a sentence on what it does.
        build: builds its elements; called with what `load` gave.
        load: reads what answers, from the folder `model`.
        form: how sequences go in and out.
        model: folder of the model, None for a lab.
        remedy: the command that makes one where it is missing.
    """

    name: str
    about: str
    build: Callable[[Any], None]
    load: Callable[[Path | None], Any]
    form: Form | None = None
    model: Path | None = None
    remedy: str = ""


def upload_field(label: str, **options: Any) -> gr.File:
    """Where a visitor drops a file; its path is handed on, where Gradio would leave an empty file beside it."""
    field = gr.File(label=label, height=140, **options)
    field.preprocess = lambda payload: None if payload is None else payload.path
    return field


def build_page(tabs: Sequence[Tab]) -> gr.Blocks:
    """The page; what it answers with is loaded here, once for all visitors."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, 60)) as page:
        gr.HTML(f"<h1>{TITLE}</h1>")
        with gr.Tabs():
            for tab in tabs:
                with gr.Tab(tab.name, id=tab.name):
                    _build_tab(tab)
    return page.queue(max_size=_WAITING)


def serve(tabs: Sequence[Tab], host: str, port: int) -> None:
    """Shows the page until it is stopped.

    Raises:
        UserError: there is no such address, or something else listens there.
    """
    with started(tabs, host, port) as address:
        cli.say(f"the page is at {address}; Ctrl-C stops it")
        # A server is stopped by this signal as a terminal stops it by Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


@contextlib.contextmanager
def started(tabs: Sequence[Tab], host: str, port: int) -> Iterator[str]:
    """Within it the page is shown, at the address given; whatever it wrote is gone afterwards. Errors as in `serve`."""
    # Hints for those who write networks.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    _check_free(host, port)
    kept = os.environ.get("GRADIO_TEMP_DIR")
    with tempfile.TemporaryDirectory(prefix="rnn-apps-page-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        page = build_page(tabs)
        try:
            _, address, _ = page.launch(
                server_name=host,
                server_port=port,
                share=False,
                quiet=True,
                prevent_thread_lock=True,
                ssr_mode=False,
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                max_file_size=MOST_UPLOADED,
                state_session_capacity=_SESSIONS,
                theme=_theme(),
                css_paths=_STYLE,
                app_kwargs={"middleware": [Middleware(_WithPolicy)], "docs_url": None, "redoc_url": None},
            )
            yield address
        finally:
            page.close(verbose=False)
            del os.environ["GRADIO_TEMP_DIR"]
            if kept is not None:
                os.environ["GRADIO_TEMP_DIR"] = kept


def guard(handler: Callable[..., Any], *others: Any) -> Callable[..., Any]:
    """A handler whose errors are shown where its answer would stand.

    Args:
        handler: its last output, or its only one, is the answer as HTML.
        others: what its other outputs become when there is an error.
    """

    @functools.wraps(handler)
    def guarded(*arguments: Any) -> Any:
        try:
            with _one_at_a_time:
                return handler(*arguments)
        except (UserError, WorkFailed) as error:
            message = f'<div class="wrong" role="alert">{escape(" ".join(str(error).split()))}</div>'
            return (*others, message) if others else message

    return guarded


def sample_buttons(
    samples: Mapping[str, Sequence[Any]], inputs: Sequence[Component], handler: Callable[..., str], answer: Component
) -> None:
    """A button a sample, which fills in the inputs and asks.

    Args:
        samples: values of the inputs by what is written on the button.
        inputs: those of `handler`.
        handler: inputs -> the answer.
        answer: where it goes.
    """
    gr.HTML('<div class="hint">Samples, one click each</div>')
    with gr.Row(elem_classes="samples"):
        for label, values in samples.items():
            button = gr.Button(label, size="sm", min_width=90)
            fill = functools.partial(_fill, list(values))
            button.click(fill, None, list(inputs), show_progress="hidden").then(handler, list(inputs), answer)


@contextlib.contextmanager
def uploaded(path: str) -> Iterator[Path]:
    """A visitor's file while it is read: then it is deleted, and errors name it as the visitor does."""
    file = Path(path)
    try:
        yield file
    except UserError as error:
        raise UserError(str(error).replace(str(file), file.name)) from error
    finally:
        file.unlink(missing_ok=True)


def check_length(text: str | None, most: int) -> str:
    """The text of a field; one that was never touched holds None.

    Raises:
        UserError: it is longer than this page reads.
    """
    text = text or ""
    if len(text) > most:
        raise UserError(f"{len(text):,} characters; this page reads at most {most:,}, the command line reads more")
    return text


def words(parts: Sequence[str], strengths: Sequence[float]) -> str:
    """Words on a blue ground where they speak for something and an orange one where they speak against it.

    Args:
        parts: the words.
        strengths: of each; colours are relative to the largest.
    """
    largest = max(map(abs, strengths), default=0.0) or 1.0
    marked = (
        f'<span style="background: rgba({"0, 114, 178" if value > 0 else "213, 94, 0"}, '
        f'{0.6 * abs(value) / largest:.2f})" title="{value:+.1%}">{escape(part)}</span>'
        for part, value in zip(parts, strengths, strict=True)
    )
    return f'<p class="words">{" ".join(marked)}</p>'


def bars(shares: Mapping[str, float]) -> str:
    """A bar a name, as long as its share."""
    rows = (
        f'<span>{escape(name)}</span><span class="bar"><i style="width: {share:.1%}"></i></span><b>{share:.1%}</b>'
        for name, share in shares.items()
    )
    return f'<div class="bars">{"".join(rows)}</div>'


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls by itself where the screen is narrow."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def picture(content: bytes, text: str, kind: str = "png") -> str:
    """A picture, and what it shows for those who do not see it."""
    return f'<img alt="{escape(text)}" src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'


def drawing(draw: Callable[..., None], *arguments: Any, text: str) -> str:
    """What `draw(*arguments, file)` draws as a PNG, as a picture."""
    file = BytesIO()
    draw(*arguments, file)
    return picture(file.getvalue(), text)


def _check_free(host: str, port: int) -> None:
    """Before models are loaded, rather than after."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"--host {host} --port {port}: {reason}; choose another with --port") from error


def _fill(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _build_tab(tab: Tab) -> None:
    diagram = f"<figure>{tab.form.as_svg()}<figcaption>{tab.form.name}</figcaption></figure>" if tab.form else ""
    gr.HTML(f'<div class="about"><p>{escape(tab.about)}</p>{diagram}</div>')
    if tab.model is not None and not tab.model.is_dir():
        missing = f"No trained model in {tab.model}. This makes one:<br><code>{tab.remedy}</code>"
        gr.HTML(f'<div class="wrong">{missing}</div>')
        return
    cli.say(f"loading {tab.name.lower()}")
    tab.build(tab.load(tab.model))
    if tab.model is not None:
        show_card(tab.model)


def show_card(model: Path, title: str = "The model's figures and limits") -> None:
    """Figures and limits, as the card of the model has them."""
    path = model / "README.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    lines = [line for line in card.section(text, "Figures").splitlines() if line.startswith("|")]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines or ("", ""))
    limits = "".join(f"<li>{escape(line[2:])}</li>" for line in card.section(text, "Limits").splitlines())
    with gr.Accordion(title):
        gr.HTML(f"<ul>{limits}</ul>{table(header, rows)}<p class='note'>All of its card: {escape(str(path))}</p>")


def _theme() -> gr.themes.Base:
    """Fonts of the visitor's own system: others would have to be fetched."""
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


class _WithPolicy:
    """Has browsers fetch from this server alone."""

    def __init__(self, app: Callable[..., Any]):
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"content-security-policy", _POLICY.encode())]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_policy)
