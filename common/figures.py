"""Figures as `metrics.json` holds them: each with its data, split, command and date, and beside the baselines."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from common.card import with_figures
from common.files import write_atomically
from common.metrics import bootstrap_difference
from common.model_folder import read_metrics, write_metrics

Entry = dict[str, Any]
Row = dict[str, float]


def as_entry(data: str, split: str, found: Mapping[str, Any], command: str, seed: int | None = None) -> Entry:
    """Figures with what they were measured on, how and when."""
    origin = {"command": command, "date": date.today().isoformat()}
    if seed is not None:
        origin["seed"] = seed
    return {"data": data, "split": split, **found, **origin}


def compare(scores: np.ndarray, baselines: Mapping[str, np.ndarray], name: str) -> dict[str, dict[str, float]]:
    """The network beside the baselines: the mean score of each, and the network's lead with its 95 % interval.

    Args:
        scores: of the network, an example each, higher is better: `(examples,)`, such as whether it is right.
        baselines: the same for each baseline.
        name: of the mean of the scores, such as `accuracy`.
    """
    rows = {}
    for baseline, theirs in baselines.items():
        lead = bootstrap_difference(scores, theirs)
        rows[baseline] = {name: float(theirs.mean()), "skill": lead.difference, "low": lead.low, "high": lead.high}
    return rows


def beats_baselines(entries: Sequence[Entry]) -> bool:
    """Whether the network leads each baseline of each entry."""
    return all(found["skill"] > 0 for entry in entries for found in entry.get("baselines", {}).values())


def record(folder: Path, entries: Sequence[Entry]) -> None:
    """Puts entries among the figures of a model and into its card, in place of those on the same data and split."""
    measured = {(entry["data"], entry["split"]) for entry in entries}
    kept = [entry for entry in read_metrics(folder) if (entry["data"], entry["split"]) not in measured]
    figures = [*kept, *entries]
    write_metrics(folder, figures)
    path = folder / "README.md"
    if path.exists():
        card = with_figures(path.read_text(encoding="utf-8"), figures)
        write_atomically(path, lambda file: file.write(card.encode()))


def as_text(entries: Sequence[Entry], names: Sequence[str]) -> str:
    """The figures called `names`, for people: a line each, and a line for each baseline."""
    lines = []
    for entry in entries:
        lines.append(f"{entry['data']}, {entry['split']}: {entry['examples']:,} examples")
        lines += [f"  {name:<10} {entry[name]:.4f}" for name in names if entry.get(name) is not None]
        for baseline, found in entry.get("baselines", {}).items():
            score, value = next(iter(found.items()))
            lead = f"{found['skill']:+.4f} (95 %: {found['low']:+.4f} to {found['high']:+.4f})"
            lines.append(f"  beside {baseline}, {score} {value:.4f}: the network leads by {lead}")
    return "\n".join(lines)
