"""What models there are: a row each, from their folders."""

from pathlib import Path
from typing import Any

from common.errors import UserError
from common.model_folder import read_config, read_metrics

_SHOWN = 2


def collect(folder: Path, apps: tuple[str, ...]) -> list[dict[str, Any]]:
    """The models in `folder` that belong to one of `apps`, sorted by app and name.

    Raises:
        UserError: there is no such folder, or a model in it is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    rows = []
    for path in sorted(path.parent for path in folder.glob("*/config.json")):
        config = read_config(path)
        if config["app"] in apps:
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            rows.append(
                {
                    "app": config["app"],
                    "model": str(path),
                    "backbone": config["settings"].get("backbone", ""),
                    "megabytes": round(size / 1e6, 1),
                    "figures": read_metrics(path),
                }
            )
    return sorted(rows, key=lambda row: (row["app"], row["model"]))


def as_table(models: list[dict[str, Any]], apps: tuple[str, ...], labs: tuple[str, ...] = ()) -> str:
    """A line an app and model, and a line for each of its figures; a line with its command for a lab."""
    lines = []
    for app in apps:
        lines.append(app)
        own = [model for model in models if model["app"] == app]
        if not own:
            lines.append(f"  no trained model; python -m apps.{app}.train makes one")
        for model in own:
            lines.append(f"  {model['model']}  {model['backbone']}  {model['megabytes']} MB")
            lines += [f"    {_figure(entry)}" for entry in model["figures"]]
    lines += [f"{lab}  python -m apps.{lab}.run writes a report; there is no model to train" for lab in labs]
    return "\n".join(lines)


def _figure(entry: dict[str, Any]) -> str:
    shown = [(name, value) for name, value in entry.items() if isinstance(value, float)][:_SHOWN]
    figures = ", ".join(f"{name} {value:.4f}" for name, value in shown)
    return f"{entry['data']} {entry['split']}: {figures}"
