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

from apps.gradient_lab import findings, pictures
from apps.gradient_lab.config import LabSettings
from apps.gradient_lab.measure import Row
from apps.gradient_lab.texts import SOURCES, STYLE, TEXTS
from common.files import make_folder, write_atomically


@dataclass
class Section:
    """One part of the page: what is known, what was measured, and what comes of it.

    Attributes:
        key: of its text in `TEXTS`.
        said: sentences made from the numbers.
        pictures: SVG by name.
        table: rows of cells, the first of them the head.
        bars: what was asked for, and whether it was met.
    """

    key: str
    said: list[str]
    pictures: dict[str, str]
    table: list[list[Any]] = field(default_factory=list)
    bars: list[Row] = field(default_factory=list)


@dataclass
class Report:
    """All that was found; `facts` say when, how and with what."""

    facts: dict[str, Any]
    sections: list[Section]
    rows: Mapping[str, Sequence[Row]]

    @classmethod
    def build(cls, rows: Mapping[str, Sequence[Row]], command: str, seconds: float, settings: LabSettings) -> "Report":
        facts = {
            "command": command,
            "date": date.today().isoformat(),
            "seconds": round(seconds),
            "versions": {package: version(package) for package in ("keras", "tensorflow", "numpy")},
            "settings": settings.model_dump(mode="json", by_alias=True),
        }
        return cls(facts, [_SECTIONS[key](some) for key, some in _arranged(rows).items()], rows)

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
        contents = {"report.html": self.as_html(), "report.json": self.as_json() + "\n"}
        for section in self.sections:
            contents |= {f"pictures/{name}.svg": svg for name, svg in section.pictures.items()}
        make_folder(folder / "pictures")
        for name, content in contents.items():
            write_atomically(folder / name, lambda file, content=content: file.write(content.encode()))

    def as_html(self) -> str:
        """The page; pictures stand in it as data, and nothing is fetched."""
        title = "The vanishing and the exploding gradient"
        facts = (
            f"Measured on {self.facts['date']} in {self.facts['seconds']:,} seconds by "
            f"<code>{html.escape(self.facts['command'])}</code>, "
            f"{', '.join(f'{name} {value}' for name, value in self.facts['versions'].items())}."
        )
        bars = "".join(
            f"<li class={_met(bar).split()[0]}><b>{_met(bar)}</b>: {html.escape(bar['bar'])}. "
            f"<i>{html.escape(bar['measured'])}</i></li>"
            for bar in self.bars
        )
        parts = [f"<h1>{title}</h1>", f"<p>{facts}</p>", f"<ul class=bars>{bars}</ul>" if bars else ""]
        parts += [_section_as_html(section) for section in self.sections]
        parts.append("<h2>Sources</h2><ul>" + "".join(f"<li>{source}</li>" for source in SOURCES) + "</ul>")
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
        head += f"<style>{STYLE}</style>"
        return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>"


def _section_as_html(section: Section) -> str:
    title, text = TEXTS[section.key]
    figures = "".join(
        f'<figure><img alt="{html.escape(name.replace("_", " "))}" src="data:image/svg+xml;base64,'
        f'{base64.b64encode(svg.encode()).decode()}"></figure>'
        for name, svg in section.pictures.items()
    )
    said = "".join(f"<li>{html.escape(line)}</li>" for line in section.said)
    return f"<h2>{title}</h2><p>{text}</p><ul>{said}</ul><div class=pictures>{figures}</div>{_as_table(section.table)}"


def _as_table(table: Sequence[Sequence[Any]]) -> str:
    if not table:
        return ""
    rows = [
        "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in row) + "</tr>"
        for tag, row in zip(["th", *["td"] * len(table)], table, strict=False)
    ]
    return f"<div class=table><table>{''.join(rows)}</table></div>"


def _arranged(rows: Mapping[str, Sequence[Row]]) -> dict[str, Sequence[Row]]:
    """The rows by section; the flows of the longest adding trials make a section of their own."""
    flowing = [row for row in rows.get("adding", []) if row["flows"]]
    arranged = {"start": rows.get("start"), "training": flowing, **rows}
    return {key: some for key, some in arranged.items() if some}


def _start(rows: Sequence[Row]) -> Section:
    drawn = {}
    for kind in ("simple_rnn", "lstm"):
        for inputs, title in (("none", "at rest"), ("adding", "fed with the adding problem")):
            own = [row for row in rows if (row["kind"], row["inputs"]) == (kind, inputs)]
            curves = [(_start_name(row), row["norms"]) for row in own]
            radii = [row["radius"] for row in own] if inputs == "none" else []
            drawn[f"start_{kind}_{inputs}"] = pictures.picture(f"{kind} {title}", pictures.draw_flows, curves, radii)
    return Section("start", findings.on_start(rows), drawn, findings.start_table(rows), [findings.theory_bar(rows)])


def _start_name(row: Row) -> str:
    bias = f", forget bias {row['forget_bias']:g}" if row["kind"] == "lstm" else ""
    return f"{row['initialiser'].removesuffix('_uniform')} x {row['gain']:g}{bias}"


def _training(rows: Sequence[Row]) -> Section:
    firsts = [row for row in rows if row["seed"] == rows[0]["seed"]]
    drawn = {}
    for row in firsts:
        chosen = row["flows"][:: math.ceil(len(row["flows"]) / 5)] + row["flows"][-1:]
        curves = {f"update {flow['update']}": flow["norms"] for flow in chosen}
        title = f"{row['kind']} in training, {row['steps']} steps"
        drawn[f"training_{row['kind']}"] = pictures.picture(title, pictures.draw_flows, list(curves.items()))
    return Section("training", findings.on_training(firsts), drawn)


def _lengths(rows: Sequence[Row]) -> Section:
    task = rows[0]["task"]
    drawn = {f"{task}_lengths": pictures.picture(f"The {task} task", pictures.draw_lengths, rows)}
    bars = [findings.adding_bar(rows)] if task == "adding" else []
    return Section(task, findings.on_lengths(rows), drawn, findings.trial_table(rows, "steps", "kind"), bars)


def _exploding(rows: Sequence[Row]) -> Section:
    drawn = {"exploding": pictures.picture("The loss of each update", pictures.draw_losses, rows)}
    table = findings.trial_table(rows, "clip", "clip_at")
    return Section("exploding", findings.on_clipping(rows), drawn, table, [findings.clipping_bar(rows)])


def _order(rows: Sequence[Row]) -> Section:
    drawn = {"order": pictures.picture("Right answers on the order task", pictures.draw_kinds, rows)}
    return Section("order", findings.on_order(rows), drawn, findings.trial_table(rows, "kind", "steps"))


def _model(rows: Sequence[Row]) -> Section:
    drawn = {}
    for row in rows:
        curves = [("through the recurrence", row["norms"]), ("all paths", row["totals"])]
        name = row["layer"].replace("/", "_")
        drawn[f"model_{name}"] = pictures.picture(row["layer"], pictures.draw_flows, curves)
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
