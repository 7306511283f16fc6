"""What the rows say: every sentence, table and verdict is made from the numbers that were measured."""

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from apps.gradient_lab.tasks import TASKS, WITHOUT_ORDER, Row
from common.gradients import FACTOR

NEAR_THEORY, NEAR_GUESS = 0.05, 0.1
ADDING_STEPS = 100
Table = list[list[Any]]


def theory_bars(rows: Sequence[Row]) -> list[Row]:
    apart = [abs(row["rate"] / row["radius"] - 1) for row in rows if row["inputs"] == "none"]
    met = all(gap <= NEAR_THEORY for gap in apart)
    measured = f"{len(apart)} starts, at most {max(apart):.1%} apart"
    return [_bar("The fitted decay of the linear case agrees with the spectral radius within 5 %", met, measured)]


def adding_bars(rows: Sequence[Row]) -> list[Row]:
    task = TASKS["adding"]
    simple, lstm = (_chosen(rows, kind=kind, steps=ADDING_STEPS) for kind in ("simple_rnn", "lstm"))
    if not simple or not lstm:
        return []
    text = (
        f"At {ADDING_STEPS} steps lstm solves the adding problem (mean squared error below {task.solved:g}) in every "
        f"seed, and simple_rnn stays near the {task.guess:.3f} of guessing"
    )
    near = all(row["best"] > task.guess * (1 - NEAR_GUESS) for row in simple)
    return [_bar(text, near and all(row["solved"] for row in lstm), f"lstm {_best(lstm)}, simple_rnn {_best(simple)}")]


def clipping_bars(rows: Sequence[Row]) -> list[Row]:
    without, clipped = (_chosen(rows, clip=clip) for clip in ("none", "global_norm"))
    met = all(row["diverged"] and not row["solved"] for row in without) and all(row["solved"] for row in clipped)
    measured = (
        f"without: {_share(without, 'diverged')} diverged, {_share(without, 'solved')} solved; "
        f"with: {_share(clipped, 'diverged')} diverged, {_share(clipped, 'solved')} solved"
    )
    return [_bar("Clipping by global norm turns a diverging run into a solved one in every seed", met, measured)]


def on_start(rows: Sequence[Row]) -> list[str]:
    lines = []
    for kind in _values(rows, "kind"):
        driven = _chosen(rows, kind=kind, inputs="adding")
        counts = {word: len(_chosen(driven, verdict=word)) for word in ("vanishes", "explodes", "lasts")}
        said = ", ".join(f"{word} in {count}" for word, count in counts.items() if count)
        lines.append(f"{kind}, fed with the adding problem: of {len(driven)} starts, the gradient {said}.")
    for bias in _values(_chosen(rows, kind="lstm"), "forget_bias"):
        row = _chosen(rows, kind="lstm", forget_bias=bias)[0]
        lines.append(f"lstm at rest, {row['initialiser']} start, forget bias {bias:g}: the gradient {verdict(row)}.")
    return lines


def on_training(rows: Sequence[Row]) -> list[str]:
    lines = []
    for row in rows:
        before, after = (_left(row["flows"][place]["norms"]) for place in (0, -1))
        lines.append(
            f"{row['kind']}, {row['steps']} steps: of the last step's gradient the first step gets {before:.1e} before "
            f"training and {after:.1e} after {row['taken']:,} updates, when the task is "
            f"{'solved' if row['solved'] else 'not solved'}."
        )
    return lines


def on_lengths(rows: Sequence[Row]) -> list[str]:
    lines = []
    for network in _values(rows, "network"):
        lengths: dict[str, list[str]] = {"every": [], "some": [], "no": []}
        for steps in _values(rows, "steps"):
            solved = [row["solved"] for row in _chosen(rows, network=network, steps=steps)]
            lengths["every" if all(solved) else "some" if any(solved) else "no"].append(str(steps))
        said = "; ".join(f"{_listed(counts)} steps in {word} seed" for word, counts in lengths.items() if counts)
        lines.append(f"{network} solves {rows[0]['task']} within {rows[0]['updates']:,} updates: {said}.")
    return lines


def on_clipping(rows: Sequence[Row]) -> list[str]:
    lines = []
    for clip in _values(rows, "clip"):
        own = _chosen(rows, clip=clip)
        losses = [(row["losses"][0], max(row["losses"]), row["losses"][-1]) for row in own]
        first, highest, last = map(median, zip(*losses, strict=True))
        lines.append(
            f"{clip.replace('_', ' ')}: {_share(own, 'solved')} solved, {_share(own, 'diverged')} diverged; "
            f"the loss began at {first:.3g}, was at most {highest:.3g} and ended at {last:.3g}."
        )
    return lines


def on_order(rows: Sequence[Row]) -> list[str]:
    lines = []
    for kind in _values(rows, "kind"):
        own = _chosen(rows, kind=kind)
        side = "beyond" if min(row["best"] for row in own) > WITHOUT_ORDER + 0.05 else "not beyond"
        lines.append(f"{kind}: {_best(own)} right, {side} the {WITHOUT_ORDER:.0%} that can be known without order.")
    return lines


def on_model(rows: Sequence[Row]) -> list[str]:
    lines = []
    for row in rows:
        if not row["norms"][0]:
            lines.append(f"{row['layer']}: no gradient reaches it.")
            continue
        lines.append(
            f"{row['layer']}: through the recurrence alone the gradient {verdict(row)}. {len(row['norms']) - 1} steps "
            f"back {_left(row['norms']):.2g} of it is left, and {_left(row['totals']):.2g} over all paths together."
        )
    return lines


def start_table(rows: Sequence[Row]) -> Table:
    back = [count for count in (10, 100, 400) if count < len(rows[0]["norms"])]
    table = [["layer", "start", "fed with", "spectral radius", "fitted rate", *(f"left after {n}" for n in back)]]
    for row in rows:
        left = [f"{_left(row['norms'], count):.1e}" for count in back]
        fed = {"none": "nothing"}.get(row["inputs"], row["inputs"])
        table.append([row["kind"], start_name(row), fed, f"{row['radius']:.3f}", f"{row['rate']:.3f}", *left])
    return table


def start_name(row: Row) -> str:
    """`orthogonal x 0.5`, and for an lstm `, forget bias 1`."""
    bias = f", forget bias {row['forget_bias']:g}" if row["kind"] == "lstm" else ""
    return f"{row['initialiser'].removesuffix('_uniform')} x {row['gain']:g}{bias}"


def training_table(rows: Sequence[Row], most: int) -> Table:
    """At most so many lines for each training."""
    table = [["layer", "update", "spectral radius at rest", "fitted rate", "left at the first step", "score"]]
    for row in rows:
        for index in spread(len(row["flows"]), most):
            flow, (_, score) = row["flows"][index], row["scores"][index]
            figures = [f"{flow['radius']:.3f}", f"{flow['rate']:.3f}", f"{_left(flow['norms']):.1e}", f"{score:.3g}"]
            table.append([row["kind"], flow["update"], *figures])
    return table


def trial_table(rows: Sequence[Row], *columns: str) -> Table:
    """A line for each group of rows alike in `columns`: how many are solved, their scores and updates."""
    score = "mean squared error" if TASKS[rows[0]["task"]].loss == "mse" else "right"
    table = [[*columns, "solved", score, "updates", "gradient norm", "clipped"]]
    for values in dict.fromkeys(tuple(row[column] for column in columns) for row in rows):
        own = _chosen(rows, **dict(zip(columns, values, strict=True)))
        taken, norm = (median(row[key] for row in own) for key in ("taken", "gradient_norm"))
        clipped = np.mean([row["clipped"] for row in own])
        table.append([*values, _share(own, "solved"), _best(own), f"{taken:,.0f}", f"{norm:.3g}", f"{clipped:.0%}"])
    return table


def spread(count: int, most: int) -> np.ndarray:
    """Indices of at most `most` of `count` points, the first and the last among them, `(most,)` or fewer."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def _bar(text: str, met: bool, measured: str) -> Row:
    return {"bar": text, "met": met, "measured": measured}


def verdict(row: Row) -> str:
    """`vanishes: 1/100 is left after 43 steps`."""
    steps = f"{row['verdict_steps']} step{'s' if row['verdict_steps'] != 1 else ''}"
    if row["verdict"] == "lasts":
        return f"lasts: {_left(row['norms']):.2g} of it is left after {steps}"
    size = f"1/{FACTOR:g} is left" if row["verdict"] == "vanishes" else f"{FACTOR:g} times as large"
    return f"{row['verdict']}: {size} after {steps}"


def _left(norms: Sequence[float], steps: int = -1) -> float:
    """The share of the last step's gradient that is left so many steps before it, or at the first."""
    return norms[steps] / norms[0] if norms[0] else float("nan")


def _chosen(rows: Sequence[Row], **values: Any) -> list[Row]:
    return [row for row in rows if all(row[key] == value for key, value in values.items())]


def _values(rows: Sequence[Row], key: str) -> list[Any]:
    """The different values of `key`, in the order in which they come."""
    return list(dict.fromkeys(row[key] for row in rows))


def _share(rows: Sequence[Row], key: str) -> str:
    return f"{sum(row[key] for row in rows)} of {len(rows)}"


def _best(rows: Sequence[Row]) -> str:
    """The best scores from the lowest to the highest: `0.0061 to 0.0077`, or one number."""
    scores = [row["best"] for row in rows]
    low, high = f"{min(scores):.3g}", f"{max(scores):.3g}"
    return low if low == high else f"{low} to {high}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
