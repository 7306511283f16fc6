"""The short trainings of the gradient lab: reproducible, stopped in time, and measured."""

from dataclasses import replace

import pytest

from apps.gradient_lab.trials import Trial, measure_trial, run_trial

SHORT = Trial("adding", "lstm", steps=4, seed=1, units=6, batch=16, updates=60, with_flow=True)
EXPLODING = Trial("copy", "simple_rnn", 4, 1, units=6, batch=8, updates=60, optimizer="sgd", rate=1e3, clip="none")


@pytest.fixture(scope="module")
def short():
    return run_trial(SHORT)


def test_a_trial_trains_and_says_what_came_of_it(short):
    assert (short["task"], short["network"], short["taken"]) == ("adding", "lstm", 60)
    assert len(short["losses"]) == 60
    assert [update for update, _ in short["scores"]] == [0, 50, 60]
    first, *_, last = [score for _, score in short["scores"]]
    assert last < first
    assert short["best"] == min(score for _, score in short["scores"])
    assert not short["diverged"]
    assert 0 < short["clipped"] <= 1
    assert short["gradient_norm"] > 0


def test_a_trial_follows_the_gradient_at_each_evaluation(short):
    assert [flow["update"] for flow in short["flows"]] == [0, 50, 60]
    for flow in short["flows"]:
        assert len(flow["norms"]) == 4
        assert flow["radius"] > 0
        assert flow["verdict"] in ("vanishes", "explodes", "lasts")


def test_the_same_trial_comes_to_the_same_and_another_seed_to_another(short):
    """Not to the last bit, which threads may change."""
    [same] = measure_trial(replace(SHORT, with_flow=False))
    [other] = measure_trial(replace(SHORT, seed=2, with_flow=False))
    assert same["losses"] == pytest.approx(short["losses"], rel=1e-3)
    assert same["flows"] == []
    assert other["losses"] != pytest.approx(short["losses"], rel=1e-3)


def test_a_trial_ends_when_its_task_is_solved():
    row = run_trial(Trial("order", "simple_rnn", steps=4, seed=1, units=16, batch=64, updates=1000, rate=1e-2))
    assert row["solved"]
    assert row["taken"] < 1000
    assert row["best"] == row["scores"][-1][1] > 0.99


def test_a_diverging_trial_is_told_and_clipping_keeps_it():
    [without] = measure_trial(EXPLODING)
    [clipped] = measure_trial(replace(EXPLODING, clip="global_norm", clip_at=1e-4))
    assert (without["diverged"], without["solved"], without["clipped"]) == (True, False, 0)
    assert (clipped["diverged"], clipped["clipped"]) == (False, 1)
    assert max(clipped["losses"]) < 10 * clipped["losses"][0]


def test_a_loss_that_is_no_number_ends_a_trial():
    row = run_trial(replace(EXPLODING, rate=1e38))
    assert (row["diverged"], row["solved"]) == (True, False)
    assert row["taken"] < 60


@pytest.mark.parametrize(
    ("kind", "forget_bias", "name"),
    [("simple_rnn", 3.0, "simple_rnn"), ("lstm", 1.0, "lstm"), ("lstm", 3.0, "lstm, forget bias 3")],
)
def test_a_network_has_the_name_that_sets_it_apart(kind, forget_bias, name):
    assert replace(SHORT, kind=kind, forget_bias=forget_bias).network == name
