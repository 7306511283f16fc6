"""The tasks of the gradient lab: their targets by a plain loop, and what guessing comes to."""

from collections import Counter

import numpy as np
import pytest

from apps.gradient_lab.tasks import ALPHABET, RECALLED, TASKS, WITHOUT_ORDER

ROWS, STEPS = 20, 13
MANY = 20_000

each_task = pytest.mark.parametrize("name", TASKS)


def draw(name: str, rows: int = ROWS, steps: int = STEPS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return TASKS[name].draw(rows, steps, np.random.default_rng(seed))


def symbols_of(row: np.ndarray) -> list[int]:
    """One-hot `(time, symbols)` -> the symbol of each step."""
    assert set(row.sum(axis=1)) == {1.0}
    return [int(step.argmax()) for step in row]


def test_the_answer_to_adding_is_the_sum_of_the_two_marked_numbers():
    inputs, sums = draw("adding")
    assert sums.shape == (ROWS, 1)
    for row, total in zip(inputs, sums, strict=True):
        marked = [step for step, (_, mark) in enumerate(row) if mark == 1]
        assert [step < STEPS // 2 for step in marked] == [True, False]
        assert set(row[:, 1]) == {0.0, 1.0}
        assert ((row[:, 0] >= 0) & (row[:, 0] <= 1)).all()
        assert total[0] == pytest.approx(row[marked[0], 0] + row[marked[1], 0])


def test_the_answer_to_copy_is_what_was_shown_first_and_nothing_shows_it_again():
    inputs, answers = draw("copy")
    blank, begin = ALPHABET, ALPHABET + 1
    for row, answer in zip(inputs, answers, strict=True):
        shown = symbols_of(row)
        assert shown[:RECALLED] == list(answer)
        assert shown[RECALLED:] == [blank] * (STEPS - 1) + [begin] + [blank] * RECALLED


def test_the_answer_to_order_is_which_signs_there_are_in_which_order():
    inputs, answers = draw("order")
    for row, answer in zip(inputs, answers, strict=True):
        signs = [symbol for symbol in symbols_of(row) if symbol >= 4]
        assert ["XX", "XY", "YX", "YY"][answer] == "".join("XY"[sign - 4] for sign in signs)


@each_task
def test_the_same_seed_draws_the_same_and_another_draws_another(name):
    for one, other in zip(draw(name), draw(name), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(draw(name)[0], draw(name, seed=1)[0])


@each_task
def test_the_shortest_sequences_can_be_drawn(name):
    inputs, answers = draw(name, steps=4)
    assert inputs.shape == (ROWS, 4 + 2 * RECALLED * (name == "copy"), TASKS[name].features)
    assert len(answers) == ROWS


def test_the_best_guess_at_a_sum_is_one():
    _, sums = draw("adding", MANY, 4)
    scores = {guess: TASKS["adding"].score(sums, np.full_like(sums, guess)) for guess in (0.9, 1.0, 1.1)}
    assert scores[1.0] == pytest.approx(TASKS["adding"].guess, rel=0.03)
    assert scores[1.0] == min(scores.values())


@pytest.mark.parametrize("name", ["copy", "order"])
def test_every_class_is_as_likely_as_the_others(name):
    _, answers = draw(name, MANY, 4)
    task = TASKS[name]
    for guess in np.eye(task.outputs):
        assert task.score(answers, np.broadcast_to(guess, (*answers.shape, task.outputs))) == pytest.approx(
            task.guess, rel=0.05
        )


def test_without_order_three_of_four_can_be_known():
    """The best answer to each unordered set of signs is its most frequent class."""
    inputs, answers = draw("order", MANY, 4)
    classes: dict[tuple[int, ...], Counter] = {}
    for row, answer in zip(inputs, answers, strict=True):
        seen = tuple(sorted(symbol for symbol in symbols_of(row) if symbol >= 4))
        classes.setdefault(seen, Counter())[int(answer)] += 1
    right = sum(max(counts.values()) for counts in classes.values())
    assert right / MANY == pytest.approx(WITHOUT_ORDER, rel=0.02)


@pytest.mark.parametrize(("name", "solved", "open_still"), [("adding", 0.009, 0.01), ("copy", 0.991, 0.99)])
def test_a_task_is_solved_beyond_its_bar(name, solved, open_still):
    assert TASKS[name].is_solved(solved)
    assert not TASKS[name].is_solved(open_still)
    assert not TASKS[name].is_solved(float("nan"))
