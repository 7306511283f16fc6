"""The one training loop of the suite: `fit` with clipped gradients, figures after each epoch, exact resumption.

A run keeps its state in a work folder: `checkpoint.npz`, the best weights, the log as CSV and as a picture. A run
killed at any moment and resumed ends with the weights of one left alone.
"""

import csv
import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from common import plots
from common.backend import keras
from common.checkpoint import State, assign, load_checkpoint, load_weights, save_checkpoint, save_weights
from common.config import TrainingSettings
from common.errors import UserError, WorkFailed
from common.figures import Row
from common.files import write_atomically
from common.optimizer import ClippedAdamW

Batch = tuple[Any, ...]

_MOST_ROLLBACKS = 3
_EXPLODED = 10.0
# What may differ between a run and its resumption without changing the result.
_FREE_ON_RESUMPTION = {"out", "config", "overwrite", "resume", "checkpoint_seconds", "tensorboard"}
_SECONDS_BETWEEN_PICTURES = 10.0


class Batches(Protocol):
    """The batches of one epoch, made when asked for: `(inputs, targets)` or `(inputs, targets, weights)`."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Batch: ...


@dataclass(frozen=True)
class Task:
    """What an app hands to the loop.

    Attributes:
        model: built, not compiled; the training starts from its weights.
        loss: a Keras loss, or None for a model that adds its own.
        batches: the batches of an epoch, by its number; the same number always gives the same batches.
        evaluate: figures on the part held out.
        metric: which of these figures chooses the best epoch.
        higher_is_better: which way it is better.
        from_weights: whether batches depend on the weights at the start of their epoch; a run then resumes from there.
    """

    model: keras.Model
    loss: keras.losses.Loss | None
    batches: Callable[[int], Batches]
    evaluate: Callable[[keras.Model], dict[str, float]]
    metric: str
    higher_is_better: bool = True
    from_weights: bool = False


def train(task: Task, settings: TrainingSettings, work: Path) -> list[Row]:
    """Trains `task.model` and leaves the best epoch's weights in it.

    Args:
        task: model, data and figures.
        settings: rate, clipping, epochs, patience and the like.
        work: folder of the run's state; with `settings.resume` the run that stands there goes on.

    Returns:
        The log, a row an epoch.

    Raises:
        UserError: there is nothing to resume, or the disk is full; the last checkpoint survives.
        WorkFailed: the loss exploded again after each of three returns to the last checkpoint.
    """
    return _Run(task, settings, work).run()


class _Run:
    """A training under way: the task, the settings, and where it stands."""

    def __init__(self, task: Task, settings: TrainingSettings, work: Path):
        self.task, self.settings, self.work = task, settings, work
        self.model, self.state = task.model, State()
        self._drawn = time.perf_counter()
        self.optimizer = _build_optimizer(settings, steps=settings.epochs * len(task.batches(0)))
        # XLA was measured slower for recurrent layers on a CPU, and compiles anew for each length.
        self.model.compile(self.optimizer, task.loss, jit_compile=False)
        self.optimizer.build(self.model.trainable_variables)

    @property
    def checkpoint(self) -> Path:
        return self.work / "checkpoint.npz"

    def run(self) -> list[Row]:
        plain = self.settings.model_dump(mode="json", exclude=_FREE_ON_RESUMPTION)
        if self.settings.resume:
            self.state = load_checkpoint(self.checkpoint, self.model)
            _check_unchanged(self.state.settings, plain)
        else:
            self.state.settings = plain
            self.save()
        while self.state.epoch < self.settings.epochs and self._epochs_since_best() < self.settings.patience:
            watch = self._fit_epoch()
            if watch.exploded:
                self._roll_back()
            else:
                self._finish_epoch(watch)
        load_weights(self.work / "best.npz", self.model)
        self._draw()
        return self.state.rows

    def save(self) -> None:
        save_checkpoint(self.checkpoint, self.model, self.state)

    def _fit_epoch(self) -> "_Watch":
        """Trains from the current step to the end of the epoch, or to an explosion."""
        batches = self.task.batches(self.state.epoch)
        watch = _Watch(self, len(batches))
        epoch = self.state.epoch
        dataset = _dataset(batches, self.state.step, watch.count)
        self.model.fit(dataset, initial_epoch=epoch, epochs=epoch + 1, callbacks=[watch], shuffle=False, verbose=0)
        return watch

    def _finish_epoch(self, watch: "_Watch") -> None:
        report = self.optimizer.take_report()
        row = {"epoch": self.state.epoch + 1, **watch.figures()}
        with self._averaged_weights():
            row |= self.task.evaluate(self.model)
            self.state.rows.append(row)
            if self._epochs_since_best() == 0:
                save_weights(self.work / "best.npz", self.model)
        row |= {"gradient_norm": report.global_norm, "clipped": report.clipped, "skipped": report.skipped}
        if warning := report.warning():
            _say(f"warning: {warning}")
        self._log(row)
        self.state.epoch, self.state.step = self.state.epoch + 1, 0
        self.save()

    def _epochs_since_best(self) -> int:
        sign = 1 if self.task.higher_is_better else -1
        scores = [sign * row[self.task.metric] for row in self.state.rows]
        return len(scores) - 1 - scores.index(max(scores)) if scores else 0

    def _roll_back(self) -> None:
        """Returns to the last checkpoint and goes on at half the rate."""
        rollbacks = self.state.rollbacks + 1
        if rollbacks > _MOST_ROLLBACKS:
            raise WorkFailed(
                f"the loss exploded {rollbacks} times, though the rate was halved each time; "
                "lower --learning-rate or clip at a smaller norm (--clip-at)"
            )
        self.state = load_checkpoint(self.checkpoint, self.model)
        self.state.rollbacks = rollbacks
        self.optimizer.rate_scale.assign(0.5**rollbacks)
        self.save()
        _say(
            f"warning: the loss exploded; back to step {self.state.step} of epoch {self.state.epoch + 1}, half the rate"
        )

    @contextmanager
    def _averaged_weights(self) -> Iterator[None]:
        """Has the moving average of the weights in the model, if there is one."""
        if not self.optimizer.use_ema:
            yield
            return
        variables = self.model.trainable_variables
        current = [keras.ops.convert_to_numpy(variable) for variable in variables]
        self.optimizer.assign_averages()
        try:
            yield
        finally:
            assign(variables, current)

    def _log(self, row: Row) -> None:
        _say("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
        write_atomically(self.work / "log.csv", lambda file: file.write(_as_csv(self.state.rows).encode()))
        # A picture takes longer than an epoch of a small table.
        if time.perf_counter() - self._drawn > _SECONDS_BETWEEN_PICTURES:
            self._draw()
        if self.settings.tensorboard:
            _log_to_tensorboard(row, self.work / "tensorboard")

    def _draw(self) -> None:
        plots.plot_curves(self.state.rows, self.work / "curves.png")
        self._drawn = time.perf_counter()


class _Watch(keras.callbacks.Callback):
    """What happens after each step: progress shown, explosions caught, checkpoints written."""

    def __init__(self, run: _Run, steps: int):
        super().__init__()
        self._run, self._steps = run, steps
        self._positions, self._started = 0, time.perf_counter()
        self._last_save = self._started
        self._loss = float("nan")
        self.exploded = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        # `fit` has just reset the metrics; after a resumption in mid-epoch they go on from the checkpoint.
        if self._run.state.step:
            load_checkpoint(self._run.checkpoint, self.model)
        title = f"epoch {epoch + 1}/{self._run.settings.epochs}"
        self._bar = tqdm(total=self._steps, initial=self._run.state.step, desc=title, unit="step", leave=False)

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        state, self._loss = self._run.state, float(logs["loss"])
        if state.first_loss is None:
            state.first_loss = self._loss
        if not self._loss < _EXPLODED * max(state.first_loss, 1.0):
            self.exploded = self.model.stop_training = True
            return
        state.step += 1
        self._bar.set_postfix(loss=f"{self._loss:.4f}", refresh=False)
        self._bar.update()
        # After the last step the epoch's figures come first; its checkpoint follows them.
        due = time.perf_counter() - self._last_save >= self._run.settings.checkpoint_seconds
        if due and state.step < self._steps and not self._run.task.from_weights:
            self._run.save()
            self._last_save = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._bar.close()

    def count(self, batch: Batch) -> None:
        """Counts the positions of a batch: rows times steps, of each text where a row has several, padding included."""
        first = batch[0]
        array = first if isinstance(first, np.ndarray) else next(iter(first.values()))
        self._positions += int(np.prod(array.shape if array.dtype.kind == "i" else array.shape[:2]))

    def figures(self) -> Row:
        """The loss of the epoch, and what this process did of it in which time."""
        seconds = time.perf_counter() - self._started
        return {"loss": self._loss, "seconds": seconds, "positions_per_second": self._positions / seconds}


def _check_unchanged(begun_with: dict[str, Any], settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        if begun_with.get(name) != value:
            flag = "--" + name.replace("_", "-")
            raise UserError(f"--resume: the run was begun with {flag} {begun_with.get(name)}. Received: {value}")


def _build_optimizer(settings: TrainingSettings, steps: int) -> ClippedAdamW:
    """AdamW with linear warm-up, then cosine decay to nothing."""
    warmup = int(settings.warmup * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else settings.learning_rate,
        decay_steps=max(steps - warmup, 1),
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
        alpha=0.01,
    )
    return ClippedAdamW(
        settings.clip,
        settings.clip_at,
        learning_rate=schedule,
        beta_2=0.99,
        weight_decay=settings.weight_decay,
        use_ema=settings.average > 0,
        ema_momentum=settings.average or 0.99,
    )


def _dataset(batches: Batches, first: int, count: Callable[[Batch], None]) -> Any:
    """The batches from `first` on, each counted, as a `tf.data.Dataset`, which Keras feeds to every backend."""
    import tensorflow as tf

    def generate() -> Iterator[Batch]:
        for index in range(first, len(batches)):
            batch = batches[index]
            count(batch)
            yield batch

    signature = tf.nest.map_structure(
        lambda array: tf.TensorSpec([None] * np.ndim(array), np.asarray(array).dtype), batches[first]
    )
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(2)
    options = tf.data.Options()
    # Nothing here is to be tuned, and with a single thread the end of an epoch waits for the tuner, up to a minute.
    options.autotune.enabled = False
    dataset = dataset.with_options(options)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches) - first))


def _as_csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[-1]), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _log_to_tensorboard(row: Row, folder: Path) -> None:
    import tensorflow as tf

    with tf.summary.create_file_writer(str(folder)).as_default(step=int(row["epoch"])):
        for name, value in row.items():
            tf.summary.scalar(name, value)


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
