"""What the gradient lab makes of its rows: verdicts on what was asked for, sentences, tables, pictures, one page."""

import json
from html.parser import HTMLParser

import pytest

from apps.gradient_lab import findings
from apps.gradient_lab.config import LabSettings
from apps.gradient_lab.report import Report

PNG = b"\x89PNG\r\n\x1a\n"


def flow(*norms: float, verdict: str = "vanishes", steps: int = 2) -> dict:
    return {"norms": list(norms), "rate": 0.5, "radius": 0.51, "verdict": verdict, "verdict_steps": steps}


def start(kind: str = "simple_rnn", inputs: str = "none", **changes: object) -> dict:
    row = {"kind": kind, "initialiser": "glorot_uniform", "gain": 0.5, "forget_bias": 1.0, "inputs": inputs}
    return {**row, **flow(8.0, 4.0, 0.02), **changes}


def trial(task: str = "adding", kind: str = "lstm", **changes: object) -> dict:
    row = {"task": task, "kind": kind, "network": kind, "steps": 100, "seed": 1, "updates": 1000, "clip": "global_norm"}
    row |= {"clip_at": 1.0, "best": 0.005, "solved": True, "diverged": False, "taken": 50, "clipped": 0.25}
    row |= {"gradient_norm": 0.5, "losses": [0.4, 0.5, 0.1], "scores": [(0, 0.2), (50, 0.005)], "flows": []}
    return {**row, **changes}


ROWS = {
    "start": [start(kind, inputs) for kind in ("simple_rnn", "lstm") for inputs in ("none", "adding")],
    "adding": [
        trial(flows=[{"update": 0, **flow(1.0, 0.1, 1e-4)}, {"update": 50, **flow(1.0, 0.8, 0.5)}]),
        trial(kind="simple_rnn", best=0.17, solved=False),
    ],
    "copy": [trial("copy", best=0.5, solved=False, steps=steps) for steps in (10, 20)],
    "exploding": [
        trial("copy", "simple_rnn", clip=clip, solved=clip != "none", diverged=clip == "none")
        for clip in ("none", "global_norm")
    ],
    "order": [trial("order", kind, best=best) for kind, best in (("dense", 0.75), ("lstm", 1.0))],
    "model": [
        {"layer": "backbone/<a>", **flow(2.0, 0.5, 0.01), "totals": [2.0, 1.0, 1.0], "rows": [3, 3, 1]},
        {"layer": "backbone/silent", **flow(0.0, 0.0, 0.0, steps=0), "totals": [0.0] * 3, "rows": [3, 3, 1]},
    ],
}


@pytest.fixture(scope="module")
def report():
    return Report.build(ROWS, "python -m apps.gradient_lab.run", 61.4, LabSettings())


class Page(HTMLParser):
    """Gathers what a browser would fetch, and the names of the tags left open."""

    def __init__(self, text: str):
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_has_a_picture_for_each_and_fetches_nothing(report):
    text = report.as_html()
    page = Page(text)
    pictures = [png for section in report.sections for png in section.pictures.values()]
    assert len(page.fetched) == len(pictures) == 11
    assert all(source.startswith("data:image/png;base64,") for source in page.fetched)
    assert "http" not in text
    assert "url(" not in text
    assert page.open == []
    assert "backbone/&lt;a&gt;" in text


def test_a_report_is_written_as_a_page_as_json_and_as_pictures(report, tmp_path):
    report.write(tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report.as_html()
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert document["rows"]["start"][0]["norms"] == [8.0, 4.0, 0.02]
    assert document["seconds"] == 61
    assert [bar["met"] for bar in document["bars"]] == [True, True, True]
    pictures = list((tmp_path / "pictures").iterdir())
    assert len(pictures) == 11
    assert all(path.read_bytes().startswith(PNG) for path in pictures)


def test_numbers_that_json_has_not_become_null():
    rows = {
        "start": [
            start(kind, inputs, rate=float("nan")) for kind in ("simple_rnn", "lstm") for inputs in ("none", "adding")
        ]
    }
    document = json.loads(Report.build(rows, "", 1.0, LabSettings()).as_json())
    assert document["rows"]["start"][0]["rate"] is None
    assert document["bars"][0]["met"] is False


def test_a_quick_run_is_not_judged():
    assert Report.build(ROWS, "", 1.0, LabSettings(quick=True)).bars == []


def test_the_text_says_what_was_found_and_what_was_met(report):
    lines = report.as_text().splitlines()
    assert "  simple_rnn, fed with the adding problem: of 1 starts, the gradient vanishes in 1." in lines
    assert (
        "  lstm, 100 steps: of the last step's gradient the first step gets 1.0e-04 before training and 5.0e-01 after "
        "50 updates, when the task is solved." in lines
    )
    assert "  lstm solves copy within 1,000 updates: 10 and 20 steps in no seed." in lines
    assert "  dense: 0.75 right, not beyond the 75% that can be known without order." in lines
    assert "  lstm: 1 right, beyond the 75% that can be known without order." in lines
    assert [line.partition(":")[0] for line in lines[-3:]] == ["met"] * 3


def test_a_model_is_told_layer_by_layer():
    assert findings.on_model(ROWS["model"]) == [
        "backbone/<a>: through the recurrence alone the gradient vanishes: 1/100 is left after 2 steps. 2 steps back "
        "0.005 of it is left, and 0.5 over all paths together.",
        "backbone/silent: no gradient reaches it.",
    ]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (flow(1.0, 200.0, verdict="explodes", steps=1), "explodes: 100 times as large after 1 step."),
        (flow(2.0, 1.0, verdict="lasts", steps=1), "lasts: 0.5 of it is left after 1 step."),
    ],
)
def test_the_three_verdicts_have_their_words(verdict, words):
    [line] = findings.on_model([{"layer": "a", **verdict, "totals": [1.0, 1.0]}])
    assert words in line


def test_the_linear_case_must_be_within_5_percent_in_every_start():
    near, far = start(rate=0.96, radius=1.0), start(rate=0.94, radius=1.0)
    unfit = start(rate=float("nan"), radius=1.0)
    driven = start(inputs="adding", rate=0.1, radius=1.0)
    assert [bar["met"] for bar in findings.theory_bars([near, driven])] == [True]
    for wrong in (far, unfit):
        assert [bar["met"] for bar in findings.theory_bars([near, wrong, driven])] == [False]


@pytest.mark.parametrize(
    ("lstm", "simple", "met"),
    [(True, 0.169, True), (True, 0.151, True), (True, 0.149, False), (False, 0.169, False)],
)
def test_the_adding_bar_asks_for_lstm_solved_and_simple_rnn_near_guessing(lstm, simple, met):
    rows = [trial(), trial(solved=lstm), trial(kind="simple_rnn", best=simple), trial(steps=50, solved=False)]
    assert [bar["met"] for bar in findings.adding_bars(rows)] == [met]


def test_the_adding_bar_is_not_judged_at_other_lengths():
    assert findings.adding_bars([trial(steps=50), trial(kind="simple_rnn", steps=50)]) == []


@pytest.mark.parametrize(
    ("diverged", "solved", "met"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_the_clipping_bar_asks_for_every_seed(diverged, solved, met):
    rows = [trial(clip="none", diverged=True, solved=False), trial(clip="none", diverged=diverged, solved=False)]
    rows += [trial(), trial(solved=solved)]
    assert [bar["met"] for bar in findings.clipping_bars(rows)] == [met]


def test_lengths_are_told_by_how_many_seeds_solve_them():
    rows = [trial(steps=steps, solved=solved) for steps, solved in ((10, True), (10, True), (20, True), (20, False))]
    rows.append(trial(steps=40, solved=False))
    assert findings.on_lengths(rows) == [
        "lstm solves adding within 1,000 updates: 10 steps in every seed; 20 steps in some seed; 40 steps in no seed."
    ]


def test_a_table_has_a_line_for_each_group():
    rows = [trial(), trial(best=0.007, taken=70, clipped=0.75), trial(kind="simple_rnn", solved=False)]
    assert findings.trial_table(rows, "kind") == [
        ["kind", "solved", "mean squared error", "updates", "gradient norm", "clipped"],
        ["lstm", "2 of 2", "0.005 to 0.007", "60", "0.5", "50%"],
        ["simple_rnn", "0 of 1", "0.005", "50", "0.5", "25%"],
    ]
