"""Short trainings on the tasks of the lab, each of which becomes a row: what it came to, and how its gradients went."""

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from apps.gradient_lab.flow import as_row, jacobian_at_rest, spectral_radius
from apps.gradient_lab.network import build_loss, build_network, recurrent_layer, set_start
from apps.gradient_lab.tasks import HELD_OUT_SEED, TASKS, Row, SequenceTask
from common.backend import keras
from common.gradients import FlowMeter
from common.optimizer import Clipped, ClippedAdamW

HELD_OUT = 512
EVALUATE_EVERY = 50
# As in the training loop of the suite, where a loss so many times the first sends a run back.
EXPLODED = 10.0


class ClippedSGD(Clipped, keras.optimizers.SGD):
    """Plain gradient descent, which takes a gradient as large as it comes, where Adam divides it by its own size."""


OPTIMIZERS = {"adam": partial(ClippedAdamW, beta_2=0.99, weight_decay=0.0), "sgd": ClippedSGD}


@dataclass(frozen=True)
class Trial:
    """One training to be measured.

    Attributes:
        task: a name of `TASKS`.
        kind: a name of `layers.BACKBONES`.
        steps: length of its sequences.
        seed: of the weights and of the examples.
        units: size of the layer.
        batch: sequences in a batch.
        updates: updates at most.
        optimizer: a name of `OPTIMIZERS`.
        rate: learning rate.
        clip: a name of `gradients.CLIPPING`.
        clip_at: where clipping begins.
        gain: factor on the recurrent kernel, orthogonal at the start: for a simple_rnn the spectral radius.
        forget_bias: of an lstm at the start.
        with_flow: follow the gradient at each evaluation.
    """

    task: str
    kind: str
    steps: int
    seed: int
    units: int
    batch: int
    updates: int
    optimizer: str = "adam"
    rate: float = 1e-2
    clip: str = "global_norm"
    clip_at: float = 1.0
    gain: float = 1.0
    forget_bias: float = 1.0
    with_flow: bool = False

    @property
    def network(self) -> str:
        """`simple_rnn`, `lstm`, or `lstm, forget bias 3` where that is not the 1 of the suite."""
        usual = self.kind != "lstm" or self.forget_bias == 1
        return self.kind if usual else f"{self.kind}, forget bias {self.forget_bias:g}"


def measure_trial(trial: Trial) -> list[Row]:
    """The one row of a trial, as `run_trial` gives it."""
    return [run_trial(trial)]


def run_trial(trial: Trial) -> Row:
    """Trains until the task is solved, the loss is no longer a number, or the updates are used up.

    A loop of its own, since the suite's undoes a divergence, which is a result here, and keeps checkpoints, for which
    these trainings are too short.

    Returns:
        The trial, the name of its `network`, and what came of it: the `best` score, whether `solved` in the end and
        `diverged` on the way, the updates `taken`, the mean `gradient_norm` before clipping, the share of updates
        `clipped`, the `losses` by update, the `scores` and the `flows` by evaluation.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(trial.seed)
    task, rng = TASKS[trial.task], np.random.default_rng(trial.seed)
    network, optimizer = _compile(trial, task)
    meter = FlowMeter(network, build_loss(task)) if trial.with_flow else None
    inputs, targets = task.draw(HELD_OUT, trial.steps, np.random.default_rng(HELD_OUT_SEED))
    losses: list[float] = []
    scores: list[tuple[int, float]] = []
    flows: list[Row] = []
    while True:
        lost = bool(losses) and not np.isfinite(losses[-1])
        if lost or len(losses) % EVALUATE_EVERY == 0 or len(losses) == trial.updates:
            scores.append((len(losses), task.score(targets, network.predict_on_batch(inputs))))
            if meter is not None:
                [flow] = meter.measure([(inputs[: trial.batch], targets[: trial.batch])])
                radius = spectral_radius(jacobian_at_rest(recurrent_layer(network)))
                flows.append({"update": len(losses), "radius": radius, **as_row(flow)})
        if lost or len(losses) == trial.updates or task.is_solved(scores[-1][1]):
            break
        network.reset_metrics()
        losses.append(float(network.train_on_batch(*task.draw(trial.batch, trial.steps, rng))))
    report = optimizer.take_report()
    values = [score for _, score in scores]
    return {
        **asdict(trial),
        "network": trial.network,
        "best": min(values) if task.loss == "mse" else max(values),
        "solved": not lost and task.is_solved(values[-1]),
        "diverged": any(not loss < EXPLODED * losses[0] for loss in losses),
        "taken": len(losses),
        "gradient_norm": report.global_norm,
        "clipped": report.clipped,
        "losses": losses,
        "scores": scores,
        "flows": flows,
    }


def _compile(trial: Trial, task: SequenceTask) -> tuple[keras.Model, Clipped]:
    network = build_network(task, trial.kind, trial.units)
    if layer := recurrent_layer(network):
        set_start(layer, "orthogonal", trial.gain, trial.forget_bias)
    optimizer = OPTIMIZERS[trial.optimizer](trial.clip, trial.clip_at, learning_rate=trial.rate)
    network.compile(optimizer, build_loss(task), jit_compile=False)
    optimizer.build(network.trainable_variables)
    return network, optimizer
