"""Exports: how a model leaves for other programs, and the proof that what left answers as the model does.

An app names its function from arrays to arrays and its function from raw input to answers; both are traced, written,
run again on samples and compared with Keras. What differs is refused, what passes is measured into `metrics.json`.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from common import cli
from common.config import Settings
from common.errors import UserError, WorkFailed
from common.figures import Entry, as_entry, record
from common.files import make_folder, replace_folder
from common.litert import LITERT, Arrays, LiteRTNetwork
from common.model_folder import WEIGHTS, ModelFolder, add_files, read_config, read_metrics, write_metrics
from common.signature import Quantise, Signature

SAVED_MODEL = "saved_model"
_NAMES = {"litert": LITERT, "saved_model": SAVED_MODEL}
LEAST_SAMPLES = 100
_MOST_DIFFERENCE = 1e-4
_LEAST_EQUAL = {"none": 1.0, "float16": 0.99, "int8": 0.99}
# How much less likely what was written may be than what Keras wrote: the difference of scores, log probabilities
# divided by length.
_NEAR_TIE = {"none": _MOST_DIFFERENCE, "float16": 0.01, "int8": 0.1}
_MOST_ERROR = 0.05
_TIMES = 10

Format = Literal["litert", "saved_model"]


class ExportSettings(Settings):
    """Exports a trained model: to LiteRT, or to a SavedModel that takes raw input."""

    model: Path = Field(description="model folder", json_schema_extra={"positional": True})
    format: tuple[Format, ...] = Field(
        ("litert",), min_length=1, description="litert or saved_model; may be given several times"
    )
    quantise: Quantise = Field(
        "none", description="type of the weights of a LiteRT file; int8: products of matrices in whole numbers as well"
    )
    out: Path | None = Field(None, description="folder for the export; that of the model if not given")
    overwrite: bool = Field(False, description="replace an export that is there")


@dataclass(frozen=True)
class Samples:
    """What an export is tried on.

    Attributes:
        batches: inputs by name, of different sizes, `LEAST_SAMPLES` rows or more together.
        usual: a row of a usual size, whose latency is measured.
        answer: the output that holds the answer: numbers, with `has_labels` a score for each label, or with `written`
            the score of each sequence.
        has_labels: whether the largest score is what counts.
        unit: of numbers, such as the deviation of what is predicted; differences are counted in it.
        written: the output with sequences, token ids `(batch, beam, time)` or the best as texts `(batch,)`.
        rescore: inputs and outputs -> the scores that Keras itself gives to the best sequences, `(batch,)`; None where
            any other sequence than that of Keras is wrong.
    """

    batches: Sequence[Arrays]
    usual: Arrays
    answer: str
    has_labels: bool = False
    unit: float = 1.0
    written: str = ""
    rescore: Callable[[Arrays, Arrays], np.ndarray] | None = None


@dataclass(frozen=True)
class Plan:
    """What an app exports.

    Attributes:
        saved: the model folder, as it was read.
        arrays: the network, from arrays to arrays, for LiteRT.
        samples: of `arrays`.
        raw: from raw input to answers, for a SavedModel.
        reference: what the app itself answers to the inputs of `raw`, by way of its predictor.
        raw_samples: of `raw`.
        companions: files that a host of the LiteRT file needs beside it, such as the labels.
        further: other functions of the LiteRT file by their names, each with samples of numbers.
    """

    saved: ModelFolder
    arrays: Signature
    samples: Samples
    raw: Signature
    reference: Callable[[Arrays], Arrays]
    raw_samples: Samples
    companions: Mapping[str, bytes] = field(default_factory=dict)
    further: Mapping[str, tuple[Signature, Samples]] = field(default_factory=dict)


def finish_export(settings: ExportSettings, plan: Plan, command: str) -> None:
    """Writes what is asked for, once it has been compared with Keras, and its figures.

    Raises:
        UserError: a file or folder is in the way, or the place cannot be written.
        WorkFailed: an export needs other than built-in ops, or differs from the model.
    """
    folder = prepare_folder(settings)
    exporters = {"litert": _export_litert, "saved_model": _export_saved_model}
    for name in dict.fromkeys(settings.format):
        found, files = exporters[name](settings, plan, folder)
        if folder != settings.model:
            _copy_model(settings.model, folder, plan.saved, _NAMES[name])
        add_files(folder, files)
        entry = as_entry(_NAMES[name], "export", found, command)
        record(folder, [entry])
        cli.say(as_line(folder, entry))


def prepare_folder(settings: ExportSettings) -> Path:
    """Where the export goes.

    Raises:
        UserError: something is in the way.
    """
    folder = settings.out or settings.model
    in_the_way = [folder / _NAMES[name] for name in settings.format if (folder / _NAMES[name]).exists()]
    if folder.is_dir() and folder != settings.model and any(folder.iterdir()):
        in_the_way = in_the_way or [folder]
    if in_the_way and not settings.overwrite:
        raise UserError(f"{in_the_way[0]}: already there; choose another --out, or replace it with --overwrite")
    return make_folder(folder)


def labels_file(labels: Sequence[str]) -> dict[str, bytes]:
    """The companion of an answer with labels: a label a line, in the order of their probabilities."""
    return {"labels.txt": "".join(f"{label}\n" for label in labels).encode()}


def as_line(folder: Path, entry: Entry) -> str:
    """`out/model.tflite: 29.8 MB, 1.3 times as fast as Keras, ...`, for people."""
    parts = [f"{entry['megabytes']:.1f} MB", f"{entry['speed_up']:.1f} times as fast as Keras"]
    parts += [f"{entry['equal']:.1%} of {entry['examples']:,} answers equal"] if "equal" in entry else []
    if entry.get("as_likely", 0) > entry.get("equal", 1):
        parts.append(f"{entry['as_likely']:.1%} equal or as likely")
    parts.append(f"numbers apart by {entry['largest_difference']:.1e} at most")
    return f"{folder / entry['data']}: {', '.join(parts)}"


def compare(expected: Sequence[np.ndarray], found: Sequence[np.ndarray], has_labels: bool) -> dict[str, Any]:
    """How much answers differ.

    Args:
        expected: those of Keras, a batch each, `(batch, ...)`.
        found: those of the export.
        has_labels: whether the largest number along the last axis is what counts.

    Returns:
        `examples`; `equal`, the share of equal labels, if there are labels; `largest_difference` of all numbers, and
        `relative_error`, the root of the mean squared difference over the deviation of what was expected.
    """
    pairs = [
        (np.asarray(one, np.float64), np.asarray(other, np.float64)) for one, other in zip(expected, found, strict=True)
    ]
    differences = np.concatenate([(one - other).ravel() for one, other in pairs])
    spread = float(np.concatenate([one.ravel() for one, _ in pairs]).std()) or 1.0
    figures: dict[str, Any] = {}
    if has_labels:
        figures["equal"] = float(np.mean(np.concatenate([one.argmax(-1) == other.argmax(-1) for one, other in pairs])))
    figures["largest_difference"] = float(np.abs(differences).max())
    figures["relative_error"] = float(np.sqrt(np.mean(differences**2))) / spread
    return figures | {"examples": sum(len(one) for one, _ in pairs)}


def compare_written(
    samples: Samples, expected: Sequence[Arrays], found: Sequence[Arrays], quantise: Quantise = "none"
) -> dict[str, Any]:
    """How much the best sequences differ, and their scores.

    Two sequences may be so nearly as likely that the last digit decides between them. So what was written is given to
    Keras as well: it counts as a near tie where Keras finds it about as likely as what it wrote itself.

    Args:
        samples: what the answers are to.
        expected: those of Keras, a batch each.
        found: those of the export.
        quantise: of the export, which says how near is near.

    Returns:
        As `compare`; `equal` is the share of rows with the same sequence, and with a `rescore` `as_likely` that of
        equal ones and near ties. Scores are held against those that Keras gives to the same sequence.
    """
    same, ours, judged, theirs = [], [], [], []
    for inputs, one, other in zip(samples.batches, expected, found, strict=True):
        pairs = zip(_best(one[samples.written]), _best(other[samples.written]), strict=True)
        is_same = np.array([np.array_equal(*pair) for pair in pairs])
        best = _best(one[samples.answer])
        rescored = best if samples.rescore is None or is_same.all() else samples.rescore(inputs, other)
        same.append(is_same)
        ours.append(_best(other[samples.answer]))
        judged.append(np.where(is_same, best, rescored))
        theirs.append(best)
    figures = compare(judged, ours, has_labels=False) | {"equal": float(np.mean(np.concatenate(same)))}
    if samples.rescore is not None:
        is_near = np.concatenate(judged) >= np.concatenate(theirs) - _NEAR_TIE[quantise]
        figures["as_likely"] = float(np.mean(np.concatenate(same) | is_near))
    return figures


def _best(array: np.ndarray) -> np.ndarray:
    """Of an array with an axis for the beam, `(batch, beam, ...)`, the first."""
    return array if array.ndim == 1 else array[:, 0]


def check_differences(figures: Mapping[str, Any], quantise: Quantise, what: str) -> None:
    """Refuses an export that does not answer as the model.

    Raises:
        WorkFailed: labels or sequences differ by more than near ties, in full precision one and else more than one in a
            hundred, or numbers do.
    """
    if figures["examples"] < LEAST_SAMPLES:
        raise WorkFailed(f"{what}: compared on {figures['examples']} samples; {LEAST_SAMPLES} are needed")
    equal = figures.get("as_likely", figures.get("equal", 1.0))
    if equal < _LEAST_EQUAL[quantise]:
        near = " or near ties" if "as_likely" in figures else ""
        raise WorkFailed(f"{what}: only {equal:.2%} of the answers are those of Keras{near}; it was not written")
    # NaN is refused as well.
    is_near = figures["largest_difference"] <= _MOST_DIFFERENCE
    if quantise != "none":
        is_near = figures["relative_error"] <= _MOST_ERROR
    if not is_near:
        raise WorkFailed(
            f"{what}: numbers differ from those of Keras by up to {figures['largest_difference']:.1e}, in the root "
            f"mean square by {figures['relative_error']:.1%} of their deviation; it was not written"
        )


def milliseconds(run: Callable[[], Any]) -> float:
    """Processor time of a call, the median of several after a first one."""
    run()
    seconds = []
    for _ in range(_TIMES):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return 1e3 * float(np.median(seconds))


def _export_litert(settings: ExportSettings, plan: Plan, folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    from common.conversion import as_function, to_litert
    from common.flatbuffer import count_ops, describe

    further = {name: signature for name, (signature, _) in plan.further.items()}
    content = to_litert(plan.arrays, settings.quantise, further)
    content = describe(content, _description(plan.saved.app, plan.arrays, further))
    network = LiteRTNetwork(content, threads=1)
    for name, (signature, samples) in plan.further.items():
        differences = _compare(samples, as_function(signature), network.function(name))
        check_differences(differences, settings.quantise, f"{folder / LITERT}, {name}")
    figures = _measure(plan.samples, as_function(plan.arrays), network, settings.quantise)
    check_differences(figures, settings.quantise, f"{folder / LITERT}")
    figures |= {"megabytes": len(content) / 1e6, "quantise": settings.quantise, "ops": count_ops(content)}
    return figures, {LITERT: content, **plan.companions}


def _export_saved_model(settings: ExportSettings, plan: Plan, folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    from common.saved_model import load_saved_model, write_card, write_saved_model

    temporary = folder / f"{SAVED_MODEL}.partial"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        write_saved_model(plan.raw, temporary)
        figures = _measure(plan.raw_samples, plan.reference, load_saved_model(temporary))
        check_differences(figures, "none", f"{folder / SAVED_MODEL}")
        write_card(plan.raw, plan.raw_samples.usual, temporary, _description(plan.saved.app, plan.raw))
        size = sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file())
        replace_folder(temporary, folder / SAVED_MODEL)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return figures | {"megabytes": size / 1e6}, {}


def _measure(
    samples: Samples,
    reference: Callable[[Arrays], Arrays],
    run: Callable[[Arrays], Arrays],
    quantise: Quantise = "none",
) -> dict[str, Any]:
    """The export beside Keras, in answers and in time."""
    differences = _compare(samples, reference, run, quantise)
    ours, theirs = milliseconds(lambda: run(samples.usual)), milliseconds(lambda: reference(samples.usual))
    return {"speed_up": theirs / ours, **differences, "milliseconds": ours, "keras_milliseconds": theirs}


def _compare(
    samples: Samples,
    reference: Callable[[Arrays], Arrays],
    run: Callable[[Arrays], Arrays],
    quantise: Quantise = "none",
) -> dict[str, Any]:
    expected, found = ([function(batch) for batch in samples.batches] for function in (reference, run))
    if samples.written:
        return compare_written(samples, expected, found, quantise)
    answers = ([one[samples.answer] / samples.unit for one in some] for some in (expected, found))
    return compare(*answers, samples.has_labels)


def _description(app: str, signature: Signature, further: Mapping[str, Signature] | None = None) -> str:
    lines = [f"{name}: {meaning}" for name, meaning in signature.meaning.items()]
    for other, one in (further or {}).items():
        lines += [f"Signature {other}:", *(f"{name}: {meaning}" for name, meaning in one.meaning.items())]
    return "\n".join([f"A model of the app {app}.", *lines])


def _copy_model(model: Path, folder: Path, saved: ModelFolder, written: str) -> None:
    """All of a model folder but its weights, which an export holds in a form of its own.

    Args:
        model: the folder.
        folder: of the export; what stands there of another model goes.
        saved: the model as it was read.
        written: name of the file or folder of the export that has just been written.
    """
    with contextlib.suppress(UserError):
        if read_config(folder)["sha256"][WEIGHTS] == read_config(model)["sha256"][WEIGHTS]:
            return
    if written == SAVED_MODEL:
        (folder / LITERT).unlink(missing_ok=True)
    else:
        shutil.rmtree(folder / SAVED_MODEL, ignore_errors=True)
    for name in ("config.json", "README.md"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(model / name, folder / name)
    write_metrics(folder, read_metrics(model))
    add_files(folder, saved.files)
