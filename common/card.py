"""The model card: a README.md that says what a model is for, what it was made of, and how good it is."""

from collections.abc import Mapping, Sequence
from typing import Any

_FIGURES = (
    *("true", "bleu1", "bleu2", "bleu3", "bleu4", "cider", "rouge_l", "distinct"),
    *("accuracy", "macro_f1", "auc", "ece", "r2", "mae", "rmse", "bleu", "chrf", "exact_match", "perplexity"),
    *("mse", "smape", "mase", "pinball", "coverage_80"),
)


def build_card(
    title: str,
    purpose: str,
    data: Sequence[str],
    settings: Mapping[str, Any],
    entries: Sequence[Mapping[str, Any]],
    limits: Sequence[str],
) -> str:
    """A model card as Markdown (Mitchell et al., 2019).

    Args:
        title: name of the model.
        purpose: a paragraph.
        data: a line for each thing it learnt from.
        settings: those the model was trained with.
        entries: figures as in `metrics.json`, in the order to show.
        limits: a line for each thing it should not be trusted with.
    """
    parts = [
        f"# {title}",
        purpose,
        "## Data",
        _bullets(data),
        "## Figures",
        _figures(entries),
        "## Limits",
        _bullets(limits),
        "## Settings",
        "```\n" + "\n".join(f"{name} = {value}" for name, value in settings.items()) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def with_figures(card: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """The card with these figures in place of its own; as it is, if it has no such part."""
    head, mark, rest = card.partition("\n## Figures\n")
    if not mark:
        return card
    _, next_mark, tail = rest.partition("\n## ")
    return f"{head}{mark}\n{_figures(entries)}\n{next_mark}{tail}"


def section(card: str, title: str) -> str:
    """What stands in a card under `## title`; "" if it has no such part."""
    _, _, rest = card.partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0].strip()


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _figures(entries: Sequence[Mapping[str, Any]]) -> str:
    names = [name for name in _FIGURES if any(entry.get(name) is not None for entry in entries)]
    rows = ["| data | split | examples | " + " | ".join(names) + " |", "|---" * (3 + len(names)) + "|"]
    for entry in entries:
        values = [f"{entry[name]:.4f}" if entry.get(name) is not None else "" for name in names]
        rows.append("| " + " | ".join([entry["data"], entry["split"], f"{entry['examples']:,}", *values]) + " |")
    commands = dict.fromkeys(entry["command"] for entry in entries)
    return "\n".join(rows) + "\n\nMeasured with:\n\n```\n" + "\n".join(commands) + "\n```"
