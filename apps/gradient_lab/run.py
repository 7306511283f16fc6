"""Runs the lab: trainings and measurements one after the other, then the report; or the gradients of one model."""

import logging
import shlex
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tqdm import tqdm

from apps.gradient_lab.config import LabSettings
from common import cli
from common.config import parse_settings
from common.errors import UserError
from common.files import make_folder

PROG = "python -m apps.gradient_lab.run"
SETTINGS = LabSettings

# Initialiser of the recurrent kernel, factor on it, forget bias.
STARTS = {
    "simple_rnn": [("orthogonal", gain, 0.0) for gain in (0.5, 0.9, 1.0, 1.1, 2.0)]
    + [("glorot_uniform", gain, 0.0) for gain in (0.5, 1.0, 2.0)],
    "lstm": [(initialiser, 1.0, bias) for initialiser in ("orthogonal", "glorot_uniform") for bias in (0.0, 1.0)]
    + [("orthogonal", gain, 1.0) for gain in (0.5, 2.0)],
}
# Each kind at the rate that served it best on the adding problem, of 1e-3, 3e-3 and 1e-2.
RATES = {"simple_rnn": 3e-3, "lstm": 1e-2, "dense": 1e-2}
# So that each way of clipping makes steps of about the same length.
EXPLODING = {"none": 1.0, "global_norm": 0.1, "norm": 0.1, "value": 0.0017, "adaptive": 0.007}
EXPLODING_RATE, EXPLODING_RADIUS, EXPLODING_STEPS, EXPLODING_UPDATES = 3.0, 1.5, 10, 400
ORDER_STEPS = 20


class Job(NamedTuple):
    """One piece of the work: rows for a section of the report."""

    section: str
    label: str
    rows: Callable[[], list[dict]]


def main(arguments: list[str]) -> None:
    settings = parse_settings(LabSettings, arguments, PROG).shortened()
    if settings.data and not settings.model:
        raise UserError("--data: goes with --model; the tasks of the lab make their own")
    make_folder(settings.out)
    # TensorFlow warns of networks compiled one after the other, which is what is done here.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from apps.gradient_lab.report import Report

    started = time.perf_counter()
    found: dict[str, list[dict]] = {}
    jobs = plan(settings)
    with tqdm(jobs, unit="part", disable=len(jobs) == 1) as bar:
        for job in bar:
            bar.set_postfix_str(job.label)
            found.setdefault(job.section, []).extend(job.rows())
    command = shlex.join(["python", "-m", "apps.gradient_lab.run", *arguments])
    report = Report.build(found, command, time.perf_counter() - started, settings)
    report.write(settings.out)
    print(report.as_json() if settings.as_json else report.as_text())
    cli.say(f"report written to {settings.out / 'report.html'}")


def plan(settings: LabSettings) -> list[Job]:
    """All that is to be measured, in the order of the report."""
    from apps.gradient_lab.measure import Trial, measure_model, measure_start, run_trial

    if settings.model:
        return [Job("model", "gradient flow", partial(measure_model, settings.model, settings.data, settings.split))]
    jobs = [
        Job(
            "start", f"gradient flow, {kind}", partial(measure_start, kind, starts, settings.flow_steps, settings.units)
        )
        for kind, starts in STARTS.items()
    ]

    def add(section: str, task: str, kind: str, steps: int, **others) -> None:
        for seed in range(1, settings.seeds + 1):
            values = {"units": settings.units, "batch": settings.batch, "updates": settings.updates}
            values |= {"rate": RATES[kind], **others}
            trial = Trial(task, kind, steps, seed, **values)
            label = f"{task}, {steps} steps, {kind}, seed {seed}"
            jobs.append(Job(section, label, lambda trial=trial: [run_trial(trial)]))

    for task in ("adding", "copy"):
        for steps in sorted(set(settings.steps)):
            for kind in ("simple_rnn", "lstm"):
                add(task, task, kind, steps, with_flow=task == "adding" and steps == max(settings.steps))
    for clip, at in EXPLODING.items():
        sgd = {"optimizer": "sgd", "rate": EXPLODING_RATE, "gain": EXPLODING_RADIUS, "clip": clip, "clip_at": at}
        sgd["updates"] = min(settings.updates, EXPLODING_UPDATES)
        add("exploding", "copy", "simple_rnn", EXPLODING_STEPS, **sgd)
    for kind in ("dense", "simple_rnn", "lstm"):
        add("order", "order", kind, ORDER_STEPS)
    return jobs


if __name__ == "__main__":
    cli.run(main)
