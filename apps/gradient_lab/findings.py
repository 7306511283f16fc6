"""What the rows say: every sentence and every verdict is made from the numbers that were measured."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import numpy as np

from apps.gradient_lab.measure import Row
from apps.gradient_lab.tasks import TASKS, WITHOUT_ORDER
from common.gradients import FACTOR

NEAR_THEORY, NEAR_GUESS = 0.05, 0.1


def bar(text: str, met: bool, measured: str) -> Row:
    return {"bar": text, "met": met, "measured": measured}


def describe(row: Row) -> str:
    """`vanishes: 1/100 is left after 43 steps`."""
    steps = f"{row['verdict_steps']} step{'s' if row['verdict_steps'] != 1 else ''}"
    if row["verdict"] == "lasts":
        return f"lasts: {row['norms'][-1] / row['norms'][0]:.2g} of it is left after {steps}"
    size = f"1/{FACTOR:g} is left" if row["verdict"] == "vanishes" else f"{FACTOR:g} times as large"
    return f"{row['verdict']}: {size} after {steps}"


def theory_bar(rows: Sequence[Row]) -> Row:
    differences = [abs(row["rate"] / row["radius"] - 1) for row in rows if row["inputs"] == "none"]
    worst = max(differences)
    return bar(
        "The fitted decay of the linear case agrees with the spectral radius within 5 %",
        worst <= NEAR_THEORY,
        f"{len(differences)} starts, at most {worst:.1%} apart",
    )


def adding_bar(rows: Sequence[Row]) -> Row:
    """At 100 steps, or at the longest there is."""
    steps = 100 if any(row["steps"] == 100 for row in rows) else max(row["steps"] for row in rows)
    of_kind = {kind: [row for row in rows if (row["kind"], row["steps"]) == (kind, steps)] for kind in _kinds(rows)}
    simple = [row["best"] for row in of_kind["simple_rnn"]]
    task = TASKS["adding"]
    near = all(score > task.guess * (1 - NEAR_GUESS) for score in simple)
    return bar(
        f"At {steps} steps lstm solves the adding problem (mean squared error below {task.solved:g}) in every seed, "
        f"and simple_rnn stays near the {task.guess:.3f} of guessing",
        all(row["solved"] for row in of_kind["lstm"]) and near,
        f"lstm {_span([row['best'] for row in of_kind['lstm']])}, simple_rnn {_span(simple)}",
    )


def clipping_bar(rows: Sequence[Row]) -> Row:
    without = [row for row in rows if row["clip"] == "none"]
    clipped = [row for row in rows if row["clip"] == "global_norm"]
    return bar(
        "Clipping by global norm turns a diverging run into a solved one in every seed",
        all(row["diverged"] and not row["solved"] for row in without) and all(row["solved"] for row in clipped),
        f"without: {_share(without, 'diverged')} diverged, {_share(without, 'solved')} solved; "
        f"with: {_share(clipped, 'diverged')} diverged, {_share(clipped, 'solved')} solved",
    )


def on_start(rows: Sequence[Row]) -> list[str]:
    lines = []
    for kind in _kinds(rows):
        driven = [row for row in rows if row["kind"] == kind and row["inputs"] == "adding"]
        counts = {word: sum(row["verdict"] == word for row in driven) for word in ("vanishes", "explodes", "lasts")}
        said = ", ".join(f"{word} in {count}" for word, count in counts.items() if count)
        lines.append(f"{kind}, fed with the adding problem: of {len(driven)} starts, the gradient {said}.")
    for bias in sorted({row["forget_bias"] for row in rows if row["kind"] == "lstm"}):
        row = next(row for row in rows if row["kind"] == "lstm" and row["forget_bias"] == bias)
        lines.append(f"lstm at rest, {row['initialiser']} start, forget bias {bias:g}: the gradient {describe(row)}.")
    return lines


def on_training(rows: Iterable[Row]) -> list[str]:
    lines = []
    for row in rows:
        first, last = row["flows"][0], row["flows"][-1]
        left = [flow["norms"][-1] / flow["norms"][0] for flow in (first, last)]
        lines.append(
            f"{row['kind']}, {row['steps']} steps: of the last step's gradient the first step gets {left[0]:.1e} "
            f"before training and {left[1]:.1e} after {row['taken']} updates, when the task is "
            f"{'solved' if row['solved'] else 'not solved'}."
        )
    return lines


def on_lengths(rows: Sequence[Row]) -> list[str]:
    lines = []
    for kind in _kinds(rows):
        own = [row for row in rows if row["kind"] == kind]
        lengths: dict[str, list[int]] = {"every": [], "some": [], "no": []}
        for count in _steps(own):
            solved = [row["solved"] for row in own if row["steps"] == count]
            lengths["every" if all(solved) else "some" if any(solved) else "no"].append(count)
        said = "; ".join(f"{_listed(counts)} steps in {word} seed" for word, counts in lengths.items() if counts)
        lines.append(f"{kind} solves {rows[0]['task']}, within {own[0]['updates']:,} updates: {said}.")
    return lines


def on_clipping(rows: Sequence[Row]) -> list[str]:
    lines = []
    for clip in dict.fromkeys(row["clip"] for row in rows):
        own = [row for row in rows if row["clip"] == clip]
        first, highest, last = (
            median(pick(row["losses"]) for row in own) for pick in (lambda x: x[0], max, lambda x: x[-1])
        )
        lines.append(
            f"{clip.replace('_', ' ')}: {_share(own, 'solved')} solved, {_share(own, 'diverged')} diverged; "
            f"the loss began at {first:.3g}, was at most {highest:.3g} and ended at {last:.3g}."
        )
    return lines


def on_order(rows: Sequence[Row]) -> list[str]:
    lines = []
    for kind in _kinds(rows):
        best = [row["best"] for row in rows if row["kind"] == kind]
        side = "beyond" if min(best) > WITHOUT_ORDER + 0.05 else "not clearly beyond"
        lines.append(f"{kind}: {_span(best)} right, {side} the {WITHOUT_ORDER:.0%} that can be known without order.")
    return lines


def on_model(rows: Sequence[Row]) -> list[str]:
    lines = []
    for row in rows:
        at = min(row["verdict_steps"], len(row["totals"]) - 1)
        share = row["totals"][at] / row["totals"][0] if row["totals"][0] else float("nan")
        lines.append(
            f"{row['layer']}: through the recurrence alone the gradient {describe(row)}, by a factor of "
            f"{row['rate']:.3g} a step further back. All paths together leave {share:.2g} of it there."
        )
    return lines


def start_table(rows: Sequence[Row]) -> list[list[Any]]:
    back = [count for count in (10, 50, 100, 200, 400) if count < len(rows[0]["norms"])]
    table = [["layer", "start", "inputs", "spectral radius", "fitted rate", *(f"left after {n}" for n in back)]]
    for row in rows:
        start = f"{row['initialiser']} x {row['gain']:g}"
        start += f", forget bias {row['forget_bias']:g}" if row["kind"] == "lstm" else ""
        left = [f"{row['norms'][count] / row['norms'][0]:.1e}" for count in back]
        table.append([row["kind"], start, row["inputs"], f"{row['radius']:.3f}", f"{row['rate']:.3f}", *left])
    return table


def trial_table(rows: Sequence[Row], *columns: str) -> list[list[Any]]:
    """A line for each group of rows alike in `columns`: how many are solved, their scores and updates."""
    is_error = TASKS[rows[0]["task"]].loss == "mse"
    table = [[*columns, "solved", "mean squared error" if is_error else "right", "updates", "gradient norm", "clipped"]]
    for values in dict.fromkeys(tuple(row[column] for column in columns) for row in rows):
        own = [row for row in rows if tuple(row[column] for column in columns) == values]
        table.append(
            [
                *values,
                _share(own, "solved"),
                _span([row["best"] for row in own]),
                f"{median(row['taken'] for row in own):,.0f}",
                f"{median(row['gradient_norm'] for row in own):.3g}",
                f"{np.mean([row['clipped'] for row in own]):.0%}",
            ]
        )
    return table


def _kinds(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["kind"] for row in rows))


def _steps(rows: Sequence[Row]) -> list[int]:
    return sorted({row["steps"] for row in rows})


def _share(rows: Sequence[Row], key: str) -> str:
    return f"{sum(row[key] for row in rows)} of {len(rows)}"


def _span(values: Sequence[float]) -> str:
    """`0.0061 to 0.0077`, or one number."""
    low, high = (f"{value:.3g}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _listed(values: Sequence[int]) -> str:
    return " and ".join(filter(None, [", ".join(map(str, values[:-1])), str(values[-1])]))
