"""Network and baselines on scikit-learn's sets, averaged over seeds."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import Field

from apps.tabular.columns import fit_columns
from apps.tabular.config import TabularSettings
from apps.tabular.data import load_frames, split_frames
from apps.tabular.train import compare_with_baselines, train_network
from common import cli
from common.config import parse_settings
from common.sources import Source

PROG = "python -m apps.tabular.benchmark"


class BenchmarkSettings(TabularSettings):
    """Trains on sets by name with several seeds, each with a split of its own; takes every flag of train."""

    sets: tuple[str, ...] = Field(("breast_cancer", "diabetes"), description="sets by name; may be given several times")
    seeds: int = Field(5, gt=0, description="how many seeds, from 1 on")
    inner: bool = Field(False, description="measure on a fifth of train, to choose settings without a look at test")


SETTINGS = BenchmarkSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(BenchmarkSettings, arguments, PROG)
    for name in settings.sets:
        scores = [measure(settings, name, seed) for seed in range(1, settings.seeds + 1)]
        means = {model: np.mean([score[model] for score in scores]) for model in scores[0]}
        print(f"{name}: " + ", ".join(f"{model} {mean:.4f}" for model, mean in means.items()), flush=True)


def measure(settings: BenchmarkSettings, name: str, seed: int) -> dict[str, float]:
    """Accuracy or R2 of the network and of each baseline, on the part that the seed holds out."""
    settings = settings.model_copy(update={"data": f"sample:{name}", "seed": seed})
    frames = split_frames(load_frames(Source.parse(settings.data), settings), settings, name)
    if settings.inner:
        frames = split_frames({"train": frames["train"]}, settings, name)
    with TemporaryDirectory() as work:
        predictor, _, _ = train_network(settings, fit_columns(frames["train"], settings, name), frames, Path(work))
    found = compare_with_baselines(settings, predictor, frames)
    means = {baseline: next(iter(figures.values())) for baseline, figures in found.items()}
    first = next(iter(found.values()))
    return {"network": next(iter(first.values())) + first["skill"], **means}


if __name__ == "__main__":
    cli.run(main)
