"""Trains a language model on texts without labels, for the classifier to begin from."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from apps.sentiment.classifier import APP, TOKENISER
from apps.sentiment.config import NetworkSettings, SentimentSettings
from apps.sentiment.data import ENDINGS, check_text
from common import cli
from common.config import TrainingSettings, parse_settings
from common.errors import UserError
from common.figures import Row
from common.files import make_folder
from common.model_folder import ModelFolder, check_out, load_model, read_config, save_model
from common.sources import is_held_out, read_lines
from common.tables import read_table
from common.text import Tokeniser, fit_tokeniser

PROG = "python -m apps.sentiment.pretrain"
OUTPUT = "logits/"
LANGUAGE_MODEL = "sentiment.language_model"
_HELD_OUT_BATCHES, _HELD_OUT_STEPS = 50, 10


class PretrainSettings(TrainingSettings):
    """Trains a language model on texts without labels; `train --pretrain FOLDER` begins from it."""

    passes: float = Field(1.5, gt=0, description="how often the texts are read, in all epochs together")
    epochs: int = Field(2, gt=0, description="parts of the training, each followed by figures")
    warmup: float = Field(0.04, ge=0, lt=1, description="share of all steps in which the rate rises from zero")
    learning_rate: float = Field(2.5e-3, gt=0, description="rate at the end of the warm-up, from where it decays")
    texts: tuple[str, ...] = Field(
        min_length=1, description="a table with a text column, or a file of lines; may be given several times"
    )
    text_column: str = Field("text", description="column, key or feature that holds the text")
    held_out: float = Field(0.1, gt=0, lt=1, description="share of the texts left out, as `train` leaves it out")
    vocabulary: int = Field(16_000, ge=300, description="sub-words, at most")
    fold_case: bool = Field(True, description="read capital letters as small ones")
    backbone: Literal["lstm", "simple_rnn"] = Field("lstm", description="layer that reads the texts")
    units: int = Field(512, gt=0, description="size of the layer, and of each direction")
    embedding: int = Field(256, gt=0, description="size of the vector of a sub-word")
    bidirectional: bool = Field(True, description="a second layer reads from the end to the start")
    streams: int = Field(128, gt=0, description="texts read side by side")
    steps: int = Field(100, gt=0, description="steps that gradients run through")
    head: int = Field(512, gt=0, description="most frequent sub-words, always in the softmax")
    sampled: int = Field(512, ge=0, description="sub-words drawn from the rest for the softmax")


SETTINGS = PretrainSettings


def main(arguments: list[str]) -> None:
    settings = parse_settings(PretrainSettings, arguments, PROG)
    pretrain(settings, check_out(settings.out, settings.overwrite, settings.resume))


def pretrain(settings: PretrainSettings, work: Path) -> None:
    """Trains the language model and writes its folder to `settings.out`."""
    texts, held_out_texts = read_texts(settings)
    cli.say(f"{len(texts):,} texts to learn from, {len(held_out_texts):,} held out")
    tokeniser = fit_tokeniser(texts, settings.vocabulary, settings.fold_case)
    token_ids, held_out_ids = (_join(tokeniser, part, settings.seed) for part in (texts, held_out_texts))
    cli.say(f"{len(token_ids):,} sub-words to learn from")

    from apps.sentiment.language_model import LanguageModel, SampledSoftmax, StreamBatches
    from common.backend import keras, use_precision
    from common.training import Task, train

    use_precision(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    softmax = SampledSoftmax(_log_frequencies(token_ids, tokeniser.vocabulary_size), settings.head, settings.sampled)
    directions = 2 if settings.bidirectional else 1
    model = LanguageModel(settings.backbone, settings.units, settings.embedding, directions, settings.streams, softmax)
    batches = StreamBatches(token_ids, settings.streams, settings.steps, directions)
    epoch_size = max(round(settings.passes * len(batches) / settings.epochs), 1)
    # Evaluated over the whole vocabulary, a batch needs far more memory a step than in training.
    held_out = StreamBatches(held_out_ids, settings.streams, _HELD_OUT_STEPS, directions)
    model(batches[0][0])

    def evaluate(model: keras.Model) -> dict[str, float]:
        model.forget()
        count = min(len(held_out), _HELD_OUT_BATCHES)
        losses = [float(model.predict_on_batch(held_out[index][0])) for index in range(count)]
        model.forget()
        return {"held_out_loss": float(np.mean(losses))}

    task = Task(
        model,
        None,
        lambda epoch: batches.part(epoch * epoch_size, epoch_size),
        evaluate,
        "held_out_loss",
        higher_is_better=False,
    )
    rows = train(task, settings, work)
    _save(settings, model.transferable(), tokeniser, rows)
    shutil.rmtree(work)


def start_from(settings: SentimentSettings, labels: list[str], work: Path) -> tuple[Tokeniser, dict[str, np.ndarray]]:
    """The tokeniser and the weights that `--pretrain` gives a classifier.

    They come from a language model, or from another classifier, whose last layer is left behind if it has other
    labels, or are the mean of several classifiers' (Wortsman et al., 2022), which must have been trained from one
    another. If `--pretrain` names texts, a language model of the classifier's size is trained on them first, in `work`.

    Raises:
        UserError: what is begun from does not fit the network asked for.
    """
    folders = list(settings.pretrain)
    if not folders[0].is_dir():
        folders = [_pretrain_for(settings, work / "language_model")]
    models = [_load_fitting(folder, settings) for folder in folders]
    tokenisers = {model.files[TOKENISER] for model in models}
    if len(tokenisers) > 1 or len({frozenset(model.weights) for model in models}) > 1:
        raise UserError("--pretrain: the mean of several models needs one network and one tokeniser in all of them")
    keeps_classes = all(model.facts.get("labels") == labels for model in models)
    paths = [path for path in models[0].weights if keeps_classes or not path.startswith(OUTPUT)]
    return Tokeniser(tokenisers.pop()), {path: np.mean([model.weights[path] for model in models], 0) for path in paths}


def _load_fitting(folder: Path, settings: SentimentSettings) -> ModelFolder:
    """A language model or a classifier whose layers are those of `settings`."""
    app = read_config(folder)["app"]
    model = load_model(folder, app if app in (LANGUAGE_MODEL, APP) else LANGUAGE_MODEL)
    for name in ("backbone", "units", "embedding", "bidirectional"):
        if getattr(settings, name) != model.settings[name]:
            raise UserError(f"--pretrain {folder}: made for --{name} {model.settings[name]}; ask for the same")
    return model


def _pretrain_for(settings: SentimentSettings, folder: Path) -> Path:
    """Trains a language model for the network of `settings` in `folder`, unless a run before has finished it."""
    if folder.exists():
        return folder
    work = folder.with_name("language_model.training")
    names = set(PretrainSettings.model_fields) & set(NetworkSettings.model_fields) | {"seed", "precision"}
    values = {name: getattr(settings, name) for name in names}
    values |= {"texts": tuple(map(str, settings.pretrain)), "out": folder, "resume": work.exists()}
    pretrain(PretrainSettings.from_values(values, "--pretrain"), make_folder(work))
    return folder


def read_texts(settings: PretrainSettings) -> tuple[list[str], list[str]]:
    """The normalised texts to learn from, and those held out."""
    parts: tuple[list[str], list[str]] = ([], [])
    for name in settings.texts:
        for where, text in _read_file(Path(name), settings.text_column):
            text = check_text(text, where)
            parts[is_held_out(text, settings.held_out)].append(text)
    return parts


def _read_file(path: Path, column: str) -> Iterator[tuple[str, str]]:
    if set(path.suffixes) & set(ENDINGS):
        yield from ((where, row[column]) for where, row in read_table(path, (column,)))
    else:
        yield from ((f"{path}, line {number}", line) for number, line in enumerate(read_lines(path), start=1))


def _join(tokeniser: Tokeniser, texts: Sequence[str], seed: int) -> np.ndarray:
    """All texts, shuffled, as one row of token ids `(time,)`."""
    order = np.random.default_rng(seed).permutation(len(texts))
    return np.concatenate(tokeniser.encode([texts[index] for index in order]))


def _log_frequencies(token_ids: np.ndarray, vocabulary_size: int) -> np.ndarray:
    counts = np.bincount(token_ids, minlength=vocabulary_size) + 0.5
    return np.log(counts / counts.sum()).astype(np.float32)


def _save(settings: PretrainSettings, weights: dict[str, np.ndarray], tokeniser: Tokeniser, rows: list[Row]) -> None:
    best = min(rows, key=lambda row: row["held_out_loss"])
    plain = settings.model_dump(mode="json")
    files = {TOKENISER: tokeniser.model}
    facts = {"texts": list(settings.texts), "log": rows}
    card = (
        "# A language model for `python -m apps.sentiment.train --pretrain`\n\n"
        f"Its loss on texts held out: {best['held_out_loss']:.3f} nats a sub-word.\n"
    )
    save_model(settings.out, ModelFolder(LANGUAGE_MODEL, plain, weights, files, facts), card, "float16")
    cli.say(f"language model written to {settings.out}")


if __name__ == "__main__":
    cli.run(main)
