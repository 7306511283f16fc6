"""Runs the lab: measurements and trainings, several at a time, then the report; or the gradients of one model."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any, NamedTuple

from tqdm import tqdm

from apps.gradient_lab.config import LabSettings
from apps.gradient_lab.tasks import Row
from common import cli
from common.config import parse_settings
from common.errors import UserError, WorkFailed
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
COPY_BIASES = (1.0, 3.0)
# So that each way of clipping leaves a gradient that is about 0.1 long.
EXPLODING = {"none": 1.0, "global_norm": 0.1, "norm": 0.05, "value": 0.0014, "adaptive": 0.007}
EXPLODING_RATE, EXPLODING_RADIUS, EXPLODING_STEPS, EXPLODING_UPDATES = 3.0, 1.5, 10, 400
ORDER_STEPS = 20


class Job(NamedTuple):
    """One piece of the work: rows for a section of the report."""

    section: str
    label: str
    measure: Callable[[], list[Row]]


def main(arguments: list[str]) -> None:
    settings = parse_settings(LabSettings, arguments, PROG).shortened()
    if settings.model is None and {"data", "split"} & settings.model_fields_set:
        raise UserError("--data and --split: go with --model; the tasks of the lab make their own data")
    make_folder(settings.out / "pictures")
    started = time.perf_counter()
    jobs = plan(settings)
    found: dict[str, list[Row]] = {}
    bar = tqdm(total=len(jobs), unit="part", disable=len(jobs) == 1)
    with bar, in_order(jobs, settings.workers) as results:
        for job, rows in zip(jobs, results, strict=True):
            found.setdefault(job.section, []).extend(rows)
            bar.set_postfix_str(job.label, refresh=False)
            bar.update()
    from apps.gradient_lab.report import Report

    command = cli.as_command(PROG, arguments)
    report = Report.build(found, command, time.perf_counter() - started, settings)
    report.write(settings.out)
    print(report.as_json() if settings.as_json else report.as_text())
    cli.say(f"report written to {settings.out / 'report.html'}")


def plan(settings: LabSettings) -> list[Job]:
    """All that is to be measured, in the order of the report."""
    from apps.gradient_lab.flow import measure_model, measure_start
    from apps.gradient_lab.trials import Trial, measure_trial

    if settings.model:
        return [Job("model", "gradient flow", partial(measure_model, settings.model, settings.data, settings.split))]
    jobs = [
        Job("start", f"start: {kind}", partial(measure_start, kind, starts, settings.flow_steps, settings.units))
        for kind, starts in STARTS.items()
    ]

    def add(section: str, task: str, kind: str, steps: int, **others: Any) -> None:
        for seed in range(1, settings.seeds + 1):
            values = {"units": settings.units, "batch": settings.batch, "updates": settings.updates}
            trial = Trial(task, kind, steps, seed, **{**values, "rate": RATES[kind], **others})
            label = f"{section}: {trial.network}, {steps} steps, seed {seed}"
            jobs.append(Job(section, label, partial(measure_trial, trial)))

    lengths = sorted(set(settings.steps))
    for steps in lengths:
        for kind in ("simple_rnn", "lstm"):
            add("adding", "adding", kind, steps, with_flow=steps == lengths[-1])
    for steps in lengths:
        add("copy", "copy", "simple_rnn", steps)
        for bias in COPY_BIASES:
            add("copy", "copy", "lstm", steps, forget_bias=bias)
    for clip, at in EXPLODING.items():
        sgd = {"optimizer": "sgd", "rate": EXPLODING_RATE, "gain": EXPLODING_RADIUS, "clip": clip, "clip_at": at}
        updates = min(settings.updates, EXPLODING_UPDATES)
        add("exploding", "copy", "simple_rnn", EXPLODING_STEPS, updates=updates, **sgd)
    for kind in ("dense", "simple_rnn", "lstm"):
        add("order", "order", kind, ORDER_STEPS)
    return jobs


@contextmanager
def in_order(jobs: Sequence[Job], workers: int) -> Iterator[Iterator[list[Row]]]:
    """The rows of each job, of which `workers` are at work at a time, each in a process and on a thread of its own."""
    workers = min(workers, len(jobs))
    if workers == 1:
        _prepare()
        yield map(_measure, jobs)
        return
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    try:
        with ProcessPoolExecutor(workers, get_context("spawn"), _prepare_worker) as pool:
            yield pool.map(_measure, jobs)
    except BrokenProcessPool as error:
        raise WorkFailed("a process was ended from outside, as for lack of memory; --workers 1 needs least") from error


def _measure(job: Job) -> list[Row]:
    return job.measure()


def _prepare() -> None:
    # TensorFlow warns of networks compiled one after the other, which is what is done here.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _prepare_worker() -> None:
    # Ctrl-C reaches all processes of a terminal, and the first has enough to say about it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _prepare()


if __name__ == "__main__":
    cli.run(main)
