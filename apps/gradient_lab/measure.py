"""The measurements: how fast a gradient decays and how fast it should, and what a training comes to."""

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from apps import APPS
from apps.gradient_lab.tasks import RECALLED, TASKS, SequenceTask
from common.backend import keras, ops
from common.errors import UserError
from common.gradients import Flow, FlowMeter
from common.layers import LSTM, RECURRENT, Backbone
from common.model_folder import read_config
from common.optimizer import Clipped, ClippedAdamW

Row = dict[str, Any]

HELD_OUT, HELD_OUT_SEED = 512, 1_000_003
EVALUATE_EVERY = 50
# As in the training loop of the suite, where a loss so many times the first sends a run back.
EXPLODED = 10.0
FLOW_ROWS = 8


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
        gain: what the recurrent kernel, orthogonal at the start, is multiplied with: its spectral radius.
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
    with_flow: bool = False


def build_network(task: SequenceTask, kind: str, units: int) -> keras.Model:
    """One layer of `kind`, and a linear readout: `(batch, time, features)` -> the answers of the task."""
    inputs = keras.Input((None, task.features))
    states = Backbone(kind, units, name="backbone")(inputs)
    if task.reads == "last":
        states = states[:, -1]
    elif task.reads == "recalled":
        states = states[:, -RECALLED:]
    else:
        states = ops.concatenate([ops.mean(states, axis=1), states[:, -1]], axis=-1)
    return keras.Model(inputs, keras.layers.Dense(task.outputs, name="readout")(states), name=kind)


def build_loss(task: SequenceTask) -> keras.losses.Loss:
    if task.loss == "mse":
        return keras.losses.MeanSquaredError()
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def run_trial(trial: Trial) -> Row:
    """Trains until the task is solved, the loss is no longer a number, or the updates are used up.

    A loop of its own, since the suite's undoes a divergence, which is a result here, and keeps checkpoints, for which
    these trainings are too short.

    Returns:
        The trial with what came of it: `score` and `best`, whether `solved` and `diverged`, the updates `taken`, the
        mean `gradient_norm` before clipping, the share of updates `clipped`, the `losses` and the `scores` by update.
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
                flows.append({"update": len(losses), "norms": flow.norms.tolist()})
        if lost or len(losses) == trial.updates or task.is_solved(scores[-1][1]):
            break
        network.reset_metrics()
        losses.append(float(network.train_on_batch(*task.draw(trial.batch, trial.steps, rng))))
    report = optimizer.take_report()
    values = [score for _, score in scores]
    return {
        **asdict(trial),
        "score": values[-1],
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
    for layer in recurrent_layers(network):
        layer.recurrent_kernel.assign(layer.recurrent_kernel * trial.gain)
    optimizer = OPTIMIZERS[trial.optimizer](trial.clip, trial.clip_at, learning_rate=trial.rate)
    network.compile(optimizer, build_loss(task), jit_compile=False)
    optimizer.build(network.trainable_variables)
    return network, optimizer


def recurrent_layers(network: keras.Model) -> list[keras.layers.Layer]:
    layers = [layer for level in network.get_layer("backbone").stack for layer in level]
    return [layer for layer in layers if isinstance(layer, tuple(RECURRENT.values()))]


def measure_start(kind: str, starts: Sequence[tuple[str, float, float]], steps: int, units: int) -> list[Row]:
    """Gradient flow before any training, for several starts of the recurrent kernel; in float64, which reaches 1e-300.

    At rest (inputs and so states of zero) tanh passes what it is given, and the layer is linear: the decay must follow
    the spectral radius. With the inputs of the adding problem it is not, and the decay is what it is.

    Args:
        kind: `simple_rnn` or `lstm`.
        starts: initialiser, factor on its matrix, and forget bias, which a simple_rnn has not.
        steps: how far to follow.
        units: size of the layer.

    Returns:
        A row for each start and input.
    """
    rows = []
    task = TASKS["adding"]
    with _float64():
        keras.utils.set_random_seed(1)
        network = build_network(task, kind, units)
        [layer] = recurrent_layers(network)
        meter = FlowMeter(network, build_loss(task))
        driven, targets = task.draw(FLOW_ROWS, steps, np.random.default_rng(HELD_OUT_SEED))
        for initialiser, gain, forget_bias in starts:
            _start(layer, initialiser, gain, forget_bias)
            radius = spectral_radius(jacobian_at_rest(layer))
            for given, inputs in (("none", np.zeros_like(driven)), ("adding", driven)):
                [flow] = meter.measure([(inputs, targets)])
                row = {"kind": kind, "initialiser": initialiser, "gain": gain, "forget_bias": forget_bias}
                row |= {"inputs": given, "radius": radius, "rate": fit_rate(flow.norms)}
                rows.append({**row, "norms": flow.norms.tolist(), **_verdict(flow)})
    return rows


def _start(layer: keras.layers.Layer, initialiser: str, gain: float, forget_bias: float) -> None:
    kernel = keras.initializers.get(initialiser)(layer.recurrent_kernel.shape)
    layer.recurrent_kernel.assign(gain * ops.convert_to_numpy(kernel))
    if isinstance(layer, LSTM):
        bias = np.zeros(4 * layer.units)
        bias[layer.units : 2 * layer.units] = forget_bias
        layer.bias.assign(bias)


def jacobian_at_rest(layer: keras.layers.Layer) -> np.ndarray:
    """How a small state is passed on by one step of a layer at rest, `(units, units)`, rows first.

    For a simple_rnn that is U. In an LSTM all first-order change goes through the cell: c_t = f c_{t-1} + i g_t, where
    g_t = h_{t-1} U_g and h_{t-1} = o c_{t-1} to the first order, hence diag(f) + diag(o) U_g diag(i).
    """
    kernel = ops.convert_to_numpy(layer.recurrent_kernel)
    if not isinstance(layer, LSTM):
        return kernel
    sigmoid = 1 / (1 + np.exp(-ops.convert_to_numpy(layer.bias)))
    input_gate, forget_gate, _, output_gate = np.split(sigmoid, 4)
    candidate_kernel = np.split(kernel, 4, axis=1)[2]
    return np.diag(forget_gate) + output_gate[:, None] * candidate_kernel * input_gate


def spectral_radius(matrix: np.ndarray) -> float:
    """The largest size of an eigenvalue: what long products of the matrix grow or shrink by, in each factor."""
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def fit_rate(norms: np.ndarray) -> float:
    """The factor by which a gradient changes with each step back: a line through the logarithms of the latter half.

    The former half is left out, where directions that die away sooner still take part. NaN for fewer than four norms
    that are numbers above zero.
    """
    norms = np.asarray(norms)
    usable = np.isfinite(norms) & (norms > 0)
    count = len(norms) if usable.all() else int(np.argmin(usable))
    if count < 4:
        return float("nan")
    back = np.arange(count // 2, count)
    return float(np.exp(np.polyfit(back, np.log(norms[back]), 1)[0]))


def measure_model(folder: Path, data: str | None, split: str) -> list[Row]:
    """Gradient flow through each recurrent layer of a trained model, on its own kind of data.

    Raises:
        UserError: it is no model of the suite, or has no recurrent layer, or the data cannot be read.
    """
    app = read_config(folder)["app"]
    if app not in APPS or importlib.util.find_spec(f"apps.{app}.probe") is None:
        raise UserError(f"--model {folder}: a model of {app!r}, an app whose gradients cannot be followed")
    network, loss, batches = importlib.import_module(f"apps.{app}.probe").load_probe(folder, data, split)
    try:
        meters = [FlowMeter(network, loss, from_last) for from_last in (True, False)]
    except ValueError as error:
        raise UserError(f"--model {folder}: it has no recurrent layer, so no gradient flows through time") from error
    flows, totals = (meter.measure(batches) for meter in meters)
    return [
        {
            "layer": flow.layer,
            "rate": fit_rate(flow.norms),
            "norms": flow.norms.tolist(),
            "totals": total.norms.tolist(),
            "rows": flow.rows.tolist(),
            **_verdict(flow),
        }
        for flow, total in zip(flows, totals, strict=True)
    ]


def _verdict(flow: Flow) -> Row:
    verdict, steps = flow.verdict()
    return {"verdict": verdict, "verdict_steps": steps}


@contextmanager
def _float64() -> Iterator[None]:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
