"""The report: one HTML page that needs nothing else, the same as JSON, and the pictures by themselves."""

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from apps.gradient_lab import findings, plots
from apps.gradient_lab.config import LabSettings
from apps.gradient_lab.plots import Curve, picture
from apps.gradient_lab.tasks import Row
from apps.gradient_lab.texts import SOURCES, STYLE, TEXTS
from common.files import write_atomically
from common.plots import COLOURS

TITLE = "The vanishing and the exploding gradient"
MOST_UPDATES = 5


@dataclass
class Section:
    """One part of the page: what is known, what was measured, and what comes of it.

    Attributes:
        key: of its text in `TEXTS`.
        said: sentences made from the numbers.
        pictures: PNG by name.
        table: rows of cells, the first of them the head.
        bars: what was asked for, and whether it was met.
    """

    key: str
    said: list[str]
    pictures: dict[str, bytes]
    table: findings.Table = field(default_factory=list)
    bars: list[Row] = field(default_factory=list)


@dataclass
class Report:
    """All that was found; `facts` say when, how and with what."""

    facts: dict[str, Any]
    sections: list[Section]
    rows: Mapping[str, Sequence[Row]]

    @classmethod
    def build(cls, rows: Mapping[str, Sequence[Row]], command: str, seconds: float, settings: LabSettings) -> "Report":
        """Draws and words what was measured.

        Args:
            rows: by section; those of `training` are taken from `adding`.
            command: that measured it.
            seconds: that it took.
            settings: of the run; after a quick one no bar is judged.
        """
        facts = {
            "command": command,
            "date": date.today().isoformat(),
            "seconds": round(seconds),
            "versions": {package: version(package) for package in ("keras", "tensorflow", "numpy")},
            "settings": settings.model_dump(mode="json", by_alias=True),
        }
        # The flows of the longest adding trials make a section of their own.
        some = {"start": rows.get("start"), "training": [row for row in rows.get("adding", []) if row["flows"]], **rows}
        sections = [build(some[key]) for key, build in _SECTIONS.items() if some.get(key)]
        if settings.quick:
            for section in sections:
                section.bars = []
        return cls(facts, sections, rows)

    @property
    def bars(self) -> list[Row]:
        return [bar for section in self.sections for bar in section.bars]

    def as_text(self) -> str:
        """What was found, for a terminal."""
        lines = []
        for section in self.sections:
            lines += [TEXTS[section.key][0], *(f"  {line}" for line in section.said)]
        return "\n".join([*lines, *(f"{_met(bar)}: {bar['bar']}. {bar['measured']}" for bar in self.bars)])

    def as_json(self) -> str:
        said = {section.key: section.said for section in self.sections}
        report = {**self.facts, "bars": self.bars, "findings": said, "rows": self.rows}
        return json.dumps(_plain(report), ensure_ascii=False, allow_nan=False)

    def write(self, folder: Path) -> None:
        """Writes report.html, report.json and the pictures into `folder`."""
        contents = {"report.html": self.as_html().encode(), "report.json": self.as_json().encode() + b"\n"}
        for section in self.sections:
            contents |= {f"pictures/{name}.png": png for name, png in section.pictures.items()}
        for name, content in contents.items():
            write_atomically(folder / name, lambda file, content=content: file.write(content))

    def as_html(self) -> str:
        """The page; pictures stand in it as data, and nothing is fetched."""
        versions = ", ".join(f"{name} {number}" for name, number in self.facts["versions"].items())
        parts = [
            f"<h1>{TITLE}</h1>",
            f"<p>Measured on {self.facts['date']} in {self.facts['seconds']:,} seconds by "
            f"<code>{html.escape(self.facts['command'])}</code>, {versions}.</p>",
            "<ul class=bars>" + "".join(map(_bar_as_html, self.bars)) + "</ul>" if self.bars else "",
            *map(_section_as_html, self.sections),
            "<h2>Sources</h2><ul>" + "".join(f"<li>{source}</li>" for source in SOURCES) + "</ul>",
        ]
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{TITLE}</title>'
        style = f"<style>{STYLE}</style>"
        return f"<!doctype html><html lang=en><head>{head}{style}</head><body>{''.join(parts)}</body></html>\n"


def _bar_as_html(bar: Row) -> str:
    text, measured = html.escape(bar["bar"]), html.escape(bar["measured"])
    return f"<li class={_met(bar).split()[0]}><b>{_met(bar)}</b>: {text}. <i>{measured}</i></li>"


def _section_as_html(section: Section) -> str:
    title, text = TEXTS[section.key]
    figures = "".join(
        f'<figure><img alt="{html.escape(name.replace("_", " "))}" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}"></figure>'
        for name, png in section.pictures.items()
    )
    said = "".join(f"<li>{html.escape(line)}</li>" for line in section.said)
    rows = [
        "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in row) + "</tr>"
        for tag, row in zip(["th", *["td"] * len(section.table)], section.table, strict=False)
    ]
    table = f"<div class=table><table>{''.join(rows)}</table></div>" if rows else ""
    return f"<h2>{title}</h2><p>{text}</p><ul>{said}</ul><div class=pictures>{figures}</div>{table}"


def _start(rows: Sequence[Row]) -> Section:
    drawn = {}
    for kind in ("simple_rnn", "lstm"):
        for inputs, title in (("none", "at rest"), ("adding", "fed with the adding problem")):
            own = [row for row in rows if (row["kind"], row["inputs"]) == (kind, inputs)]
            # A colour for each factor and bias, and dashes for the initialiser that is not orthogonal.
            looks = list(dict.fromkeys((row["gain"], row["forget_bias"]) for row in own))
            curves = [
                Curve(
                    findings.start_name(row),
                    row["norms"],
                    COLOURS[looks.index((row["gain"], row["forget_bias"]))],
                    "-" if row["initialiser"] == "orthogonal" else "--",
                    row["radius"] if inputs == "none" else None,
                )
                for row in own
            ]
            drawn[f"start_{kind}_{inputs}"] = picture(f"{kind} {title}", plots.draw_flows, curves)
    return Section("start", findings.on_start(rows), drawn, findings.start_table(rows), findings.theory_bars(rows))


def _training(rows: Sequence[Row]) -> Section:
    firsts = [row for row in rows if row["seed"] == rows[0]["seed"]]
    drawn = {}
    for row in firsts:
        chosen = [row["flows"][index] for index in findings.spread(len(row["flows"]), MOST_UPDATES)]
        curves = [Curve(f"update {flow['update']}", flow["norms"], COLOURS[n]) for n, flow in enumerate(chosen)]
        title = f"{row['kind']} in training, {row['steps']} steps"
        drawn[f"training_{row['kind']}"] = picture(title, plots.draw_flows, curves)
    return Section("training", findings.on_training(firsts), drawn, findings.training_table(firsts, MOST_UPDATES))


def _lengths(rows: Sequence[Row]) -> Section:
    task = rows[0]["task"]
    drawn = {f"{task}_lengths": picture(f"The {task} task", plots.draw_lengths, rows)}
    bars = findings.adding_bars(rows) if task == "adding" else []
    return Section(task, findings.on_lengths(rows), drawn, findings.trial_table(rows, "steps", "network"), bars)


def _exploding(rows: Sequence[Row]) -> Section:
    drawn = {"exploding": picture("The loss of each update", plots.draw_losses, rows)}
    table = findings.trial_table(rows, "clip", "clip_at")
    return Section("exploding", findings.on_clipping(rows), drawn, table, findings.clipping_bars(rows))


def _order(rows: Sequence[Row]) -> Section:
    drawn = {"order": picture("Right answers on the order task", plots.draw_kinds, rows)}
    return Section("order", findings.on_order(rows), drawn, findings.trial_table(rows, "kind", "steps"))


def _model(rows: Sequence[Row]) -> Section:
    drawn = {}
    for row in rows:
        curves = [
            Curve("through the recurrence", row["norms"], COLOURS[0]),
            Curve("all paths", row["totals"], COLOURS[1]),
        ]
        drawn[f"model_{row['layer'].replace('/', '_')}"] = picture(row["layer"], plots.draw_flows, curves)
    return Section("model", findings.on_model(rows), drawn)


_SECTIONS = {
    "start": _start,
    "training": _training,
    "adding": _lengths,
    "copy": _lengths,
    "exploding": _exploding,
    "order": _order,
    "model": _model,
}


def _met(bar: Row) -> str:
    return "met" if bar["met"] else "not met"


def _plain(value: Any) -> Any:
    """Numbers of six digits, and null for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
