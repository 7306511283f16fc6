"""How fast a gradient decays on its way back through time, and how fast it should."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apps import APPS, find_module
from apps.gradient_lab.network import build_loss, build_network, recurrent_layer, set_start
from apps.gradient_lab.tasks import HELD_OUT_SEED, TASKS, Row
from common.backend import computing_in, keras, ops
from common.errors import UserError
from common.gradients import Flow, FlowMeter
from common.layers import LSTM
from common.model_folder import read_config

_ROWS = 8


class StartMeter:
    """Gradient flow before any training; in float64, which reaches 1e-300.

    At rest (inputs and so states of zero) tanh passes what it is given, and the layer is linear: the decay must follow
    the spectral radius. With the inputs of the adding problem it is not, and the decay is what it is.

    Args:
        kind: `simple_rnn` or `lstm`.
        units: size of the layer.
    """

    def __init__(self, kind: str, units: int):
        self.kind, self._task = kind, TASKS["adding"]
        with computing_in("float64"):
            network = build_network(self._task, kind, units)
            self._layer = recurrent_layer(network)
            self._meter = FlowMeter(network, build_loss(self._task))

    def measure(self, starts: Sequence[tuple[str, float, float]], steps: int) -> list[Row]:
        """A row for each start and input; each length costs something when it is first asked for.

        Args:
            starts: initialiser, gain and forget bias, as in `set_start`.
            steps: how far to follow.
        """
        rows = []
        driven, targets = self._task.draw(_ROWS, steps, np.random.default_rng(HELD_OUT_SEED))
        with computing_in("float64"):
            for initialiser, gain, forget_bias in starts:
                set_start(self._layer, initialiser, gain, forget_bias)
                radius = spectral_radius(jacobian_at_rest(self._layer))
                for given, inputs in (("none", np.zeros_like(driven)), ("adding", driven)):
                    [flow] = self._meter.measure([(inputs, targets)])
                    row = {"kind": self.kind, "initialiser": initialiser, "gain": gain, "forget_bias": forget_bias}
                    rows.append({**row, "inputs": given, "radius": radius, **as_row(flow)})
        return rows


def measure_start(kind: str, starts: Sequence[tuple[str, float, float]], steps: int, units: int) -> list[Row]:
    """What a new `StartMeter` measures, from the same draws whenever it is called."""
    keras.utils.set_random_seed(1)
    return StartMeter(kind, units).measure(starts, steps)


def measure_model(folder: Path, data: str | None, split: str) -> list[Row]:
    """Gradient flow through each recurrent layer of a trained model, on its own kind of data.

    Args:
        folder: of the model.
        data: sample, tfds:NAME or a path; None for the model's own.
        split: which part of it.

    Returns:
        A row for each layer: the typical flow through the recurrence alone, as shares of where it entered, and as
        `totals` that over all paths; `rows` says how many examples reach so far back.

    Raises:
        UserError: it is no model of the suite, or has no recurrent layer, or the data cannot be read.
    """
    app = read_config(folder)["app"]
    probe = find_module(app, "probe")
    if probe is None:
        able = ", ".join(name for name in APPS if find_module(name, "probe"))
        raise UserError(
            f"--model {folder}: a model of {app}; gradients through time can be followed in those of {able}"
        )
    network, loss, examples = probe.load_probe(folder, data, split)
    try:
        meters = [FlowMeter(network, loss, from_last) for from_last in (True, False)]
    except ValueError as error:
        raise UserError(f"--model {folder}: it has no recurrent layer, so no gradient flows through time") from error
    # By layer, the flows of all examples.
    alone, together = (zip(*(meter.measure([example]) for example in examples), strict=True) for meter in meters)
    rows = []
    for flows, totals in zip(alone, together, strict=True):
        flow, total = typical_flow(flows), typical_flow(totals)
        rows.append({"layer": flow.layer, **as_row(flow), "totals": total.norms.tolist(), "rows": flow.rows.tolist()})
    return rows


def typical_flow(flows: Sequence[Flow]) -> Flow:
    """One flow for those of several examples through the same layer.

    The median of their shares at each step, over the examples that are so long, as far back as a quarter of them
    reaches: of norms the few examples that the model gets wrong would be nearly all, up to where these end.
    """
    steps = sorted((len(flow.norms) for flow in flows), reverse=True)[len(flows) // 4]
    shares = np.full((len(flows), steps), np.nan)
    for row, flow in zip(shares, flows, strict=True):
        row[: len(flow.norms)] = flow.survives[:steps]
    return Flow(flows[0].layer, np.nanmedian(shares, axis=0), (~np.isnan(shares)).sum(axis=0))


def as_row(flow: Flow) -> Row:
    """Plain values: the norms, the rate fitted to them, and the verdict."""
    verdict, steps = flow.verdict()
    return {"norms": flow.norms.tolist(), "rate": fit_rate(flow.norms), "verdict": verdict, "verdict_steps": steps}


def fit_rate(norms: np.ndarray) -> float:
    """The factor by which a gradient changes with each step back: a line through the logarithms of the latter half.

    The former half is left out, where directions that die away sooner still take part. NaN for fewer than four norms
    that are numbers above zero.

    Args:
        norms: `(steps,)`, the last step first; what comes after the first that is zero or infinite is left out.
    """
    usable = np.isfinite(norms) & (norms > 0)
    count = len(norms) if usable.all() else int(np.argmin(usable))
    if count < 4:
        return float("nan")
    back = np.arange(count // 2, count)
    return float(np.exp(np.polyfit(back, np.log(norms[back]), 1)[0]))


def jacobian_at_rest(layer: keras.layers.Layer) -> np.ndarray:
    """How a small state is passed on by one step of a layer at rest, `(units, units)`, rows first.

    For a simple_rnn that is U. In an LSTM all first-order change goes through the cell: c_t = f c_{t-1} + i g_t, where
    g_t = h_{t-1} U_g and h_{t-1} = o c_{t-1} to the first order, hence diag(f) + diag(o) U_g diag(i). That takes a
    bias of zero at the candidate, as at the start; what training adds there is left out.
    """
    kernel = ops.convert_to_numpy(layer.recurrent_kernel)
    if not isinstance(layer, LSTM):
        return kernel
    input_gate, forget_gate, _, output_gate = np.split(1 / (1 + np.exp(-ops.convert_to_numpy(layer.bias))), 4)
    candidate_kernel = np.split(kernel, 4, axis=1)[2]
    return np.diag(forget_gate) + output_gate[:, None] * candidate_kernel * input_gate


def spectral_radius(matrix: np.ndarray) -> float:
    """The largest size of an eigenvalue: what long products of the matrix grow or shrink by, in each factor."""
    return float(np.abs(np.linalg.eigvals(matrix)).max())
