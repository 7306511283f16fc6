"""The training loop, on lines and half-planes: it learns, keeps the best, survives explosions, kills and full disks."""

import csv
import errno
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from common.backend import use_precision
from common.checkpoint import load_checkpoint
from common.config import TrainingSettings
from common.errors import UserError, WorkFailed
from common.training import Task, train
from tests.kit import ROOT, environment

STEPS, ROWS = 3, 8
SLOPES = np.array([[2.0], [-1.0], [0.5]], "float32")
HELD_OUT = np.random.default_rng(9).normal(size=(50, 3)).astype("float32")
OF_THE_CLOCK = ("seconds", "positions_per_second")


def lines(epoch: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The batches of a regression: features `(rows, 3)` and targets `(rows, 1)`."""
    features = np.random.default_rng(epoch).normal(size=(STEPS, ROWS, 3)).astype("float32")
    return [(rows, rows @ SLOPES) for rows in features]


def half_planes(epoch: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The batches of a classification: which side of a plane features are on."""
    return [(rows, (targets[:, 0] > 0).astype("int32")) for rows, targets in lines(epoch)]


def error(model: keras.Model) -> dict[str, float]:
    return {"error": float(np.mean((model.predict_on_batch(HELD_OUT) - HELD_OUT @ SLOPES) ** 2))}


def build_task(batches=lines, evaluate=error, dropout: float = 0.0, outputs: int = 1, **changes) -> Task:
    keras.utils.set_random_seed(0)
    features = keras.Input((3,))
    kept = keras.layers.Dropout(dropout)(features)
    model = keras.Model(features, keras.layers.Dense(outputs, name="answer")(kept))
    task = {"loss": keras.losses.MeanSquaredError(), "metric": "error", "higher_is_better": False, **changes}
    return Task(model, batches=batches, evaluate=evaluate, **task)


def build_settings(**changes) -> TrainingSettings:
    quick = {"epochs": 3, "learning_rate": 0.1, "warmup": 0.0, "weight_decay": 0.0, "checkpoint_seconds": 1000.0}
    return TrainingSettings(**{**quick, **changes})


def weights_of(model: keras.Model) -> np.ndarray:
    return np.concatenate([np.ravel(value) for value in model.get_weights()])


def figures(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """A log without what the clock says."""
    return [{name: value for name, value in row.items() if name not in OF_THE_CLOCK} for row in rows]


class Script:
    """An `evaluate` that gives set scores, and notes the weights it is shown."""

    def __init__(self, *scores: float, then: Callable[[keras.Model], None] = lambda model: None):
        self.seen: list[np.ndarray] = []
        self._scores, self._then = scores, then

    def __call__(self, model: keras.Model) -> dict[str, float]:
        self.seen.append(weights_of(model))
        self._then(model)
        return {"score": self._scores[(len(self.seen) - 1) % len(self._scores)]}


class Bursts:
    """The lines, but in the first passes over the second epoch its batch number `step` is multiplied by `factor`."""

    def __init__(self, factor: float, passes: int = 10**6, step: int = 1):
        self._factor, self._passes_left, self._step = factor, passes, step

    def __call__(self, epoch: int) -> list[tuple[np.ndarray, np.ndarray]]:
        batches = lines(epoch)
        if epoch == 1 and self._passes_left:
            self._passes_left -= 1
            features, targets = batches[self._step]
            batches[self._step] = (features, targets * np.float32(self._factor))
        return batches


def test_a_regression_finds_the_slopes(tmp_path):
    task = build_task()
    rows = train(task, build_settings(epochs=15, learning_rate=0.3, patience=15), tmp_path)
    kernel, bias = task.model.get_weights()
    np.testing.assert_allclose(kernel, SLOPES, atol=0.05)
    np.testing.assert_allclose(bias, 0, atol=0.05)
    assert rows[-1]["error"] < rows[0]["error"] / 100
    assert rows[-1]["loss"] < rows[0]["loss"] / 100


def test_a_classification_is_learnt(tmp_path):
    sides = HELD_OUT @ SLOPES[:, 0] > 0
    task = build_task(
        half_planes,
        lambda model: {"accuracy": float(np.mean(model.predict_on_batch(HELD_OUT).argmax(axis=1) == sides))},
        outputs=2,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metric="accuracy",
        higher_is_better=True,
    )
    before = task.evaluate(task.model)["accuracy"]
    train(task, build_settings(epochs=6, learning_rate=0.3), tmp_path)
    assert task.evaluate(task.model)["accuracy"] > max(0.9, before)


@pytest.mark.parametrize(
    ("scores", "higher_is_better", "best"),
    [((0.1, 0.9, 0.3), True, 1), ((0.1, 0.9, 0.3), False, 0), ((0.5, 0.5, 0.5), True, 0), ((3.0, 2.0, 1.0), False, 2)],
)
def test_the_weights_of_the_best_epoch_are_kept_the_first_of_equals(tmp_path, scores, higher_is_better, best):
    script = Script(*scores)
    task = build_task(evaluate=script, metric="score", higher_is_better=higher_is_better)
    train(task, build_settings(), tmp_path)
    assert len({weights.tobytes() for weights in script.seen}) == 3
    np.testing.assert_array_equal(weights_of(task.model), script.seen[best])


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2), (2, 5)])
def test_training_stops_when_patience_is_at_an_end(tmp_path, patience, epochs):
    """The scores are best after the first epoch, then after the third, of six."""
    task = build_task(evaluate=Script(0.4, 0.2, 0.5, 0.3, 0.4, 0.6), metric="score", higher_is_better=True)
    assert len(train(task, build_settings(epochs=6, patience=patience), tmp_path)) == epochs


def test_the_log_is_returned_and_written_as_csv_and_picture(tmp_path, capsys):
    rows = train(build_task(), build_settings(epochs=2), tmp_path)
    assert [row["epoch"] for row in rows] == [1, 2]
    assert {"loss", "seconds", "error", "gradient_norm", "clipped", "skipped"} < set(rows[0])
    with (tmp_path / "log.csv").open(newline="") as file:
        written = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert written == rows
    assert image.imread(tmp_path / "curves.png")[..., :3].std() > 0.01
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 2" in err


def test_tensorboard_gets_every_figure_when_asked(tmp_path):
    from tensorflow.core.util import event_pb2
    from tensorflow.data import TFRecordDataset

    [row] = train(build_task(), build_settings(epochs=1, tensorboard=True), tmp_path)
    [path] = (tmp_path / "tensorboard").iterdir()
    events = [event_pb2.Event.FromString(record.numpy()) for record in TFRecordDataset(str(path))]
    assert {value.tag for event in events for value in event.summary.value} == set(row)


@pytest.mark.parametrize("factor", [1e6, np.nan])
def test_an_exploded_loss_is_rolled_back_and_goes_on_at_half_the_rate(tmp_path, capsys, factor):
    """It ends where a run ends that nothing befell, but whose rate was halved after the first epoch."""
    exploded = build_task(Bursts(factor, passes=1))
    rows = train(exploded, build_settings(), tmp_path / "exploded")
    assert "warning: the loss exploded; back to step 0 of epoch 2, half the rate" in capsys.readouterr().err

    def halve(model: keras.Model) -> dict[str, float]:
        model.optimizer.rate_scale.assign(0.5)
        return error(model)

    calm = build_task(evaluate=halve)
    assert figures(rows) == figures(train(calm, build_settings(), tmp_path / "calm"))
    np.testing.assert_array_equal(weights_of(exploded.model), weights_of(calm.model))


def test_an_explosion_goes_back_to_a_checkpoint_in_mid_epoch(tmp_path, capsys):
    rows = train(build_task(Bursts(1e6, passes=1, step=2)), build_settings(checkpoint_seconds=0), tmp_path)
    assert "back to step 2 of epoch 2" in capsys.readouterr().err
    assert len(rows) == 3
    assert all(np.isfinite(list(row.values())).all() for row in rows)


def test_a_loss_that_explodes_after_three_returns_ends_the_work_with_good_weights_on_disk(tmp_path, capsys):
    task = build_task(Bursts(1e6))
    with pytest.raises(WorkFailed, match="the loss exploded 4 times"):
        train(task, build_settings(), tmp_path)
    assert capsys.readouterr().err.count("half the rate") == 3
    # What a later --resume would find.
    state = load_checkpoint(tmp_path / "checkpoint.npz", task.model)
    assert (state.epoch, state.step, state.rollbacks) == (1, 0, 3)
    assert float(task.model.optimizer.rate_scale) == 0.5**3
    assert np.isfinite(weights_of(task.model)).all()


def test_the_average_of_the_weights_is_evaluated_and_kept(tmp_path):
    """With one step an epoch, the epochs of a plain run show the weights after each step."""
    plain, averaged = Script(0.1, 0.2, 0.3, 0.4), Script(0.1, 0.2, 0.4, 0.3)
    one_step = build_settings(epochs=4)
    train(build_task(lambda epoch: lines(epoch)[:1], plain, metric="score"), one_step, tmp_path / "plain")
    task = build_task(lambda epoch: lines(epoch)[:1], averaged, metric="score", higher_is_better=True)
    train(task, one_step.model_copy(update={"average": 0.7}), tmp_path / "averaged")

    average, expected = plain.seen[0], []
    for weights in plain.seen:
        average = 0.7 * average + 0.3 * weights
        expected.append(average)
    np.testing.assert_allclose(averaged.seen, expected, rtol=1e-5)
    np.testing.assert_array_equal(weights_of(task.model), averaged.seen[2])


def test_training_goes_on_from_the_weights_and_not_from_their_average(tmp_path):
    """The losses of the training are those of a run without averaging."""
    plain = train(build_task(), build_settings(), tmp_path / "plain")
    averaged = train(build_task(), build_settings(average=0.9), tmp_path / "averaged")
    assert [row["loss"] for row in averaged] == [row["loss"] for row in plain]
    assert averaged[-1]["error"] != plain[-1]["error"]


def test_a_run_is_resumed_with_its_own_settings_only(tmp_path):
    settings = build_settings(epochs=1)
    train(build_task(), settings, tmp_path)
    for changes in ({"learning_rate": 0.2}, {"epochs": 2}, {"seed": 5}):
        [name] = changes
        with pytest.raises(UserError, match=f"the run was begun with --{name.replace('_', '-')} "):
            train(build_task(), settings.model_copy(update={"resume": True, **changes}), tmp_path)
    train(build_task(), settings.model_copy(update={"resume": True, "checkpoint_seconds": 7.0}), tmp_path)


def test_without_a_run_to_go_on_from_resume_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no checkpoint"):
        train(build_task(), build_settings(resume=True), tmp_path)


def test_a_finished_run_resumed_gives_its_weights_and_log_again(tmp_path):
    first, again = build_task(), build_task(batches=lambda epoch: lines(99))
    rows = train(first, build_settings(), tmp_path)
    assert train(again, build_settings(resume=True), tmp_path) == rows
    np.testing.assert_array_equal(weights_of(again.model), weights_of(first.model))


def fail_at(monkeypatch, call: int, problem: BaseException) -> None:
    """From the given call on, counted from 0, no file is brought to the disk."""
    calls, fsync = itertools.count(), os.fsync

    def failing(descriptor: int) -> None:
        if next(calls) >= call:
            raise problem
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)


THOROUGH = build_settings(epochs=2, checkpoint_seconds=0, average=0.9)


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory) -> tuple[list[dict[str, float]], np.ndarray]:
    """The figures and the weights of a run that nothing befell, with dropout and averaging."""
    task = build_task(dropout=0.5)
    rows = train(task, THOROUGH, tmp_path_factory.mktemp("alone"))
    return figures(rows), weights_of(task.model)


def check_resumed(work: Path, left_alone: tuple[list[dict[str, float]], np.ndarray]) -> None:
    task = build_task(dropout=0.5)
    rows = train(task, THOROUGH.model_copy(update={"resume": True}), work)
    assert figures(rows) == left_alone[0]
    np.testing.assert_array_equal(weights_of(task.model), left_alone[1])


# An epoch writes its checkpoint after each step but the last, the best weights, the log, the checkpoint at its end.
@pytest.mark.parametrize("write", [1, 2, 3, 4, 5, 6, 7])
def test_a_run_stopped_at_any_write_and_resumed_ends_as_one_left_alone(tmp_path, monkeypatch, left_alone, write):
    with monkeypatch.context() as patch:
        fail_at(patch, write, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(build_task(dropout=0.5), THOROUGH, tmp_path)
    check_resumed(tmp_path, left_alone)


def test_a_run_stopped_in_its_evaluation_and_resumed_ends_as_one_left_alone(tmp_path, left_alone):
    def stop(model: keras.Model) -> dict[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(build_task(dropout=0.5, evaluate=stop), THOROUGH, tmp_path)
    check_resumed(tmp_path, left_alone)


class Own:
    """Batches whose targets depend on the weights at the time when the first of them is asked for."""

    def __init__(self, model: keras.Model, epoch: int):
        self.model, self.rows, self.batches = model, lines(epoch), []

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not self.batches:
            slopes = SLOPES + 0.1 * self.model.get_weights()[0]
            self.batches = [(features, features @ slopes) for features, _ in self.rows]
        return self.batches[index]


def build_own_task() -> Task:
    task = build_task(dropout=0.5, from_weights=True)
    return replace(task, batches=lambda epoch: Own(task.model, epoch))


# Without checkpoints in mid-epoch, what is written is: the start, the best weights, the log, the epoch's end, ...
@pytest.mark.parametrize("write", [2, 3, 5])
def test_a_run_whose_batches_depend_on_the_weights_is_resumed_at_the_start_of_an_epoch(tmp_path, monkeypatch, write):
    alone, stopped, again = (build_own_task() for _ in range(3))
    rows = train(alone, THOROUGH, tmp_path / "alone")
    with monkeypatch.context() as patch:
        fail_at(patch, write, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            train(stopped, THOROUGH, tmp_path / "stopped")
    assert load_checkpoint(tmp_path / "stopped" / "checkpoint.npz", stopped.model).step == 0
    resumed = train(again, THOROUGH.model_copy(update={"resume": True}), tmp_path / "stopped")
    assert figures(resumed) == figures(rows)
    np.testing.assert_array_equal(weights_of(again.model), weights_of(alone.model))


@pytest.mark.parametrize(("write", "step"), [(2, 1), (3, 2), (4, 2), (5, 2)])
def test_a_full_disk_is_told_and_leaves_the_last_checkpoint(tmp_path, monkeypatch, left_alone, write, step):
    stopped = build_task(dropout=0.5)
    with monkeypatch.context() as patch:
        fail_at(patch, write, OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(UserError, match="the disk is full; free some space"):
            train(stopped, THOROUGH, tmp_path)
    assert list(tmp_path.glob("*.partial")) == []
    state = load_checkpoint(tmp_path / "checkpoint.npz", stopped.model)
    assert (state.epoch, state.step) == (0, step)
    check_resumed(tmp_path, left_alone)


def test_a_disk_that_is_full_when_the_curves_are_drawn_is_told(tmp_path, monkeypatch, left_alone):
    def draw(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", draw)
        with pytest.raises(UserError, match=r"curves\.png: the disk is full"):
            train(build_task(dropout=0.5), THOROUGH, tmp_path)
    check_resumed(tmp_path, left_alone)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_precision_asked_for_is_set(precision):
    try:
        use_precision(precision)
        assert keras.config.dtype_policy().name == precision
    finally:
        keras.config.set_dtype_policy("float32")


ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
SLOW_BATCHES = """
import os, sys, time
from pathlib import Path

os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
from common.training import train
from tests.test_training import build_settings, build_task, lines

class Slow(list):
    def __getitem__(self, index):
        time.sleep(0.1)
        return super().__getitem__(index)

task = build_task(batches=lambda epoch: Slow(lines(epoch) * 10))
print(train(task, build_settings(epochs=2), Path(sys.argv[1]))[-1]["seconds"])
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot be kept to one processor here")
def test_an_epoch_ends_with_its_last_batch_even_on_a_single_processor(tmp_path):
    """`tf.data` had it wait for its tuner, which wakes at 2.5, 5, 10, 20, 41, 82 seconds and each minute after."""
    command = [sys.executable, "-c", SLOW_BATCHES, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment(**ONE_THREAD), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 3.0 < float(done.stdout) < 4.6
