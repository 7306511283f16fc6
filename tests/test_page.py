"""The demo page: what its handlers answer, and how it looks and acts in a real browser."""

import importlib
import mimetypes
import os
import re
import shlex
import socket
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the demo page needs the extra `page`")

from apps import APPS, LABS, find_module
from apps.__main__ import run
from apps.captioning import page as captioning
from apps.captioning.sample import is_true, sample_scenes
from apps.forecasting import page as forecasting
from apps.gradient_lab import page as gradient_lab
from apps.sentiment import page as sentiment
from apps.sentiment.classifier import Prediction
from apps.sentiment.explain import WordShare
from apps.tabular import page as tabular
from apps.translation import page as translation
from common import page
from common.config import parse_settings
from common.errors import UserError
from tests.browser import CHROMIUM, browser, click, free_port, open_tab, read, visit
from tests.kit import ROOT

TABS = [module.TAB for app in APPS + LABS if (module := find_module(app, "page"))]
MISSING = replace(sentiment.TAB, name="Nowhere", model=Path("saved_models/nowhere"))
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def loaded() -> dict[str, object]:
    """What each tab answers with, loaded once for all tests."""
    os.chdir(ROOT)
    return {tab.name: tab.load(tab.model) for tab in TABS}


def text_of(html: str) -> str:
    return re.sub(r"<[^>]*>", " ", html)


def test_every_app_and_lab_has_a_tab():
    assert [app for app in APPS + LABS if find_module(app, "page") is None] == []
    assert len({tab.name for tab in TABS}) == len(TABS)


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.name)
def test_the_command_that_makes_a_missing_model_can_be_typed(tab, monkeypatch):
    monkeypatch.chdir(ROOT)
    if tab.model is None:
        assert tab.remedy == ""
        return
    _, _, module, *flags = shlex.split(tab.remedy)
    settings = parse_settings(importlib.import_module(module).SETTINGS, flags, module)
    assert settings.out == tab.model


def test_an_error_stands_where_the_answer_would_and_runs_no_code_of_the_visitor():
    def handler(text: str) -> str:
        raise UserError(f"what is\n  {text}")

    shown = '<div class="wrong" role="alert">what is &lt;b&gt;</div>'
    assert page.guard(handler)("<b>") == shown
    assert page.guard(handler, None, False)("<b>") == (None, False, shown)
    for html in (page.words(["<b>"], [1.0]), page.bars({"<b>": 0.5}), page.table(["<b>"], [["<b>"]])):
        assert "<b>" not in html.replace("<b>50.0%</b>", "")


def test_a_bug_is_no_answer():
    with pytest.raises(ZeroDivisionError):
        page.guard(lambda: 1 / 0)()


def test_words_are_coloured_by_sign_and_strength():
    html = page.words(["good", "bad", "the"], [0.2, -0.1, 0.0])
    colours = re.findall(r"rgba\((\d+), \d+, \d+, ([\d.]+)\)", html)
    assert colours == [("0", "0.60"), ("213", "0.30"), ("213", "0.00")]


def test_a_file_that_a_visitor_gave_is_gone_once_it_is_read(tmp_path):
    path = tmp_path / "secret.csv"
    path.write_text("time,value\nnonsense\n")
    with pytest.raises(UserError, match=r"^secret\.csv, row 1: 1 fields"):
        forecasting.read(str(path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n" + b"1,2\n" * 10, None),
        (b"a,b\n" + b"1,2\n" * (forecasting.MOST_BYTES // 4), "more than 2 MB"),
        (b"a,b\n" + b"1,\n" * (forecasting.MOST_CELLS // 2 + 1), "200,002 cells"),
        (b"\xff\xfe\n", "not UTF-8"),
        (b"", "is empty"),
    ],
)
def test_a_table_is_read_within_limits(tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    if message is None:
        assert forecasting.read(str(path)).frame.shape == (10, 2)
        return
    with pytest.raises(UserError, match=message):
        forecasting.read(str(path))


def test_a_text_is_labelled_and_its_words_coloured(loaded):
    html = sentiment.answer(loaded["Sentiment"], "A wonderful film.")
    assert "<h3>positive</h3>" in html
    assert re.search(r"rgba\(0, 114, 178, 0\.60\)[^>]*>wonderful<", html)
    # A field that was never touched holds None.
    for text in ("  ", None):
        with pytest.raises(UserError, match="the text is empty"):
            sentiment.answer(loaded["Sentiment"], text)
    with pytest.raises(UserError, match=r"5,001 characters; this page reads at most 5,000"):
        sentiment.answer(loaded["Sentiment"], "a" * 5001)


@pytest.mark.parametrize(("probability", "said"), [(0.59, "undecided, leaning to negative"), (0.61, "negative")])
def test_a_classifier_that_does_not_know_says_so(probability, said):
    class Undecided:
        def predict(self, texts, **options):
            shares = {"neg": probability, "pos": 1 - probability}
            return [Prediction(texts[0], "neg", probability, shares, False, [WordShare("stars", 0.1)])]

    html = sentiment.answer(Undecided(), "stars")
    assert f"<h3>{said}</h3>" in html
    # What speaks for `neg` speaks ill.
    assert "rgba(213, 94, 0, 0.60)" in html


def test_a_sentence_is_translated_into_what_was_asked_for(loaded):
    html = translation.answer(loaded["Translation"], "A dog runs across the snow.", ["de", "cs"], 2)
    headings = re.findall(r"<h3>(.*?)</h3>", html)
    assert [heading[:2] for heading in headings] == ["de", "cs"]
    assert "Hund" in headings[0] and html.count("<img ") == 2 and html.count("<td>") == 8
    with pytest.raises(UserError, match="choose one or more"):
        translation.answer(loaded["Translation"], "A dog.", [], 1)


def test_a_table_is_forecast_with_intervals_beside_the_naive_forecast(loaded):
    table = forecasting.Table("p.csv", forecasting.read_path(str(forecasting.SAMPLES / "prices.csv")))
    html = forecasting.answer(loaded["Forecasting"], table, 21, 0.8, True, None, "", "none")
    cells = re.findall(r"<td>(.*?)</td>", html)
    assert cells[0] == "anvil" and len(cells) == 3 * 6
    last, naive = (table.frame["anvil"].iloc[-1 - back] for back in (0, 21))
    assert (float(cells[4]), float(cells[5])) == (float(naive), float(last))
    low, high = map(float, cells[3].split(" to "))
    assert low < float(cells[2]) < high
    with pytest.raises(UserError, match="no table yet"):
        forecasting.answer(loaded["Forecasting"], None, 21, 0.8, True, "", "", "none")
    with pytest.raises(UserError, match=r"p\.csv: no column 'firm'"):
        forecasting.answer(loaded["Forecasting"], table, 21, 0.8, True, "firm", "", "none")


def test_a_row_is_classified_with_what_is_known_of_it(loaded):
    predictor = loaded["Tabular"]
    samples = tabular.read_samples(predictor.columns.names)
    html = [tabular.answer(predictor, *cells) for cells in samples.values()]
    assert "<h3>Adelie</h3>" in html[0] and "<h3>Gentoo</h3>" in html[2]
    assert "Cormorant&#x27; was not known" in html[4]
    with pytest.raises(UserError, match=r"the form, row 1, column 'bill_length_mm': 'long' is no number"):
        tabular.answer(predictor, "long", *[""] * (len(predictor.columns.names) - 1))


def test_a_gradient_goes_as_its_scale_says(loaded):
    at_rest = next(iter(gradient_lab._FED))
    texts = [text_of(gradient_lab.answer(loaded["Gradient lab"], 50, scale, at_rest)) for scale in (0.8, 1.25)]
    assert "radius 0.80: the gradient vanishes" in texts[0]
    assert "radius 1.25: the gradient explodes" in texts[1]


def test_a_picture_is_captioned_with_a_panel_a_word(loaded):
    with Image.open(ROOT / "apps" / "captioning" / "samples" / "dog_catches_ball.png") as picture:
        html = captioning.answer(loaded["Captioning"].scenes, picture)
    [caption] = re.findall(r"<h3>(.*?)</h3>", html)
    assert is_true(sample_scenes()["dog_catches_ball"], caption)
    assert re.findall(r"<figcaption>(.*?)</figcaption>", html) == ["", *caption.split()]


@pytest.mark.parametrize(("host", "mend"), [("127.0.0.1", "address already in use"), ("no.such.host", "not known")])
def test_an_address_that_cannot_be_had_is_named_before_anything_is_loaded(host, mend):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UserError, match=f"--host {host} --port {port}: .*{mend}"):
            run(["page", "--host", host, "--port", str(port)])


@pytest.fixture(scope="module")
def address(loaded):
    """A page with all tabs, one of a model that is not there among them."""
    tabs = [replace(tab, load=lambda folder, name=tab.name: loaded[name]) for tab in TABS]
    with page.started([*tabs, MISSING], "127.0.0.1", free_port()) as found:
        yield found


@pytest.fixture(scope="module")
def chromium(address):
    with browser() as started:
        yield started


@pytest.fixture
def window(chromium, address):
    opened = visit(chromium, address)
    yield opened
    opened.context.close()


SAMPLES = {
    "Sentiment": ("praise", "positive"),
    "Captioning": ("the first picture", "a brown dog is jumping to catch a ball on the grass"),
    "Translation": ("A dog runs across the snow.", "de: Ein Hund"),
    "Forecasting": ("prices of stocks, a month ahead", "anvil"),
    "Tabular": ("3: Biscoe, 1 missing", "Gentoo"),
    "Gradient lab": ("exploding", "the gradient explodes: 100 times as large after"),
}


@in_a_browser
@pytest.mark.parametrize("width", [1280, 400])
def test_every_tab_answers_a_sample_and_fits_its_screen(chromium, address, width):
    window = visit(chromium, address, width)
    asked, complaints = [], []
    window.on("request", lambda request: asked.append(request.url))
    window.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    window.reload()
    window.get_by_role("tab").first.wait_for()
    for tab in TABS:
        open_tab(window, tab.name)
        sample, expected = SAMPLES[tab.name]
        if tab.name == "Captioning":
            window.locator(".grid-container button:visible").first.click()
        else:
            click(window, sample)
        assert expected in read(window)
        if tab.model is not None:
            assert window.get_by_text("The model's figures and limits").locator("visible=true").count() == 1
            assert window.locator(f'svg[aria-label="{tab.form.name}"]:visible').count() == 1
        assert window.evaluate("document.documentElement.scrollWidth") <= width
    open_tab(window, MISSING.name)
    assert MISSING.remedy in read(window, "wrong")
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert complaints == []
    window.context.close()


def give(window, name, content):
    """Uploads a file in the open tab."""
    file = {"name": name, "mimeType": mimetypes.guess_type(name)[0], "buffer": content}
    window.locator("[role=tabpanel]:visible input[type=file]").set_input_files(file)


def files_on_disk():
    """All that the page has written; the samples among its pictures are there from the start."""
    return {path for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*") if path.is_file()}


@in_a_browser
def test_a_broken_picture_and_a_broken_table_are_told_and_sound_ones_answered(window, tmp_path):
    Image.new("RGB", (80, 60), "green").save(tmp_path / "a.png")
    drawn, before = (tmp_path / "a.png").read_bytes(), files_on_disk()
    open_tab(window, "Captioning")
    give(window, "secret.png", drawn[:60])
    assert "secret.png" in read(window, "wrong") and "damaged" in read(window, "wrong")
    give(window, "secret.png", drawn)
    assert len(read(window)) > 10
    open_tab(window, "Forecasting")
    give(window, "secret.csv", b"time,sales\n2024-01-01,1\n2024-01-02\n")
    assert read(window, "wrong") == "secret.csv, row 2: 1 fields where the header has 2"
    rows = "".join(f"{day},{day * 7 % 5}\n" for day in range(60))
    give(window, "secret.csv", f"day number,sales\n{rows}".encode())
    assert "sales" in read(window)
    assert files_on_disk() == before


@in_a_browser
def test_two_visitors_at_once_get_each_their_own_answer(chromium, address):
    windows = [visit(chromium, address) for _ in range(2)]
    for window, text in zip(windows, ("A wonderful film.", "A dreadful, boring film."), strict=True):
        window.get_by_label("A text in English").fill(text)
    for window in windows:
        click(window, "Label it")
    assert [read(window).split()[0] for window in windows] == ["positive", "negative"]
    for window in windows:
        window.context.close()


def test_an_upload_beyond_the_limit_is_refused_by_the_server(address):
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="secret.bin"\r\n\r\n'
    body += bytes(page.MOST_UPLOADED + 1) + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    before = files_on_disk()
    request = urllib.request.Request(f"{address}gradio_api/upload", body, headers)
    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(request)
    assert files_on_disk() == before
