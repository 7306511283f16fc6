"""Trains a translator: data, tokenisers, network, training, figures, baselines, model folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apps.translation.baselines import fit_baselines
from apps.translation.config import TranslationSettings
from apps.translation.data import Corpus, EpochBatches, Examples, TrainingData
from apps.translation.evaluate import NAMES, measure
from apps.translation.network import KerasNetwork
from apps.translation.translator import APP, SOURCE_TOKENISER, TARGET_TOKENISER, Translator, read_tokenisers
from common import cli
from common.card import build_card
from common.config import parse_settings
from common.figures import Row
from common.model_folder import ModelFolder, check_out, load_model
from common.text import Tokeniser, fit_tokeniser
from common.text_metrics import corpus_bleu
from common.verbs import finish_training

PROG = "python -m apps.translation.train"
SETTINGS = TranslationSettings

PURPOSE = "Translates a sentence; what it was trained on says which kind of sentence it knows."
LIMITS = (
    "Sentences like those it learnt from; of anything else it may write a fluent sentence that means something else.",
    "One sentence at a time: it knows nothing of the one before.",
    "Not made for texts on which something depends.",
)


def main(arguments: list[str]) -> None:
    settings = parse_settings(TranslationSettings, arguments, PROG)
    work = check_out(settings.out, settings.overwrite, settings.resume)
    data = TrainingData.load(settings)
    for corpus in (*data.train, *data.held_out):
        cli.say(corpus.summary())
    tokenisers, weights = start_from(settings, data)
    translator, weights, log = train_network(settings, data, tokenisers, weights, work)
    command = cli.as_command(PROG, arguments)
    baselines = {
        language: fit_baselines([corpus for corpus in data.train if corpus.target == language])
        for language in data.languages
    }
    entries = [measure(translator, corpus, command, baselines=baselines[corpus.target]) for corpus in data.held_out]
    plain, facts = settings.model_dump(mode="json"), {"languages": data.languages, "log": log}
    files = {SOURCE_TOKENISER: tokenisers[0].model}
    if not settings.joint:
        files[TARGET_TOKENISER] = tokenisers[1].model
    model = ModelFolder(APP, plain, weights, files, facts, entries)
    title = f"A translator from {settings.source} into {', '.join(data.languages)}"
    card = build_card(title, PURPOSE, settings.data, plain, entries, LIMITS)
    finish_training(settings, work, model, card, NAMES)


def start_from(
    settings: TranslationSettings, data: TrainingData
) -> tuple[tuple[Tokeniser, Tokeniser], dict[str, np.ndarray]]:
    """Tokenisers of both sides, and the weights to begin from: fitted on the train part, or those of `--pretrain`."""
    if settings.pretrain:
        saved = load_model(settings.pretrain, APP)
        return read_tokenisers(saved), dict(saved.weights)
    sources = [text for corpus in data.train for text in corpus.sources]
    references = [text for corpus in data.train for text in corpus.references]
    if settings.joint:
        tokeniser = fit_tokeniser([*sources, *references], settings.vocabulary, fold_case=False)
        return (tokeniser, tokeniser), {}
    fitted = (fit_tokeniser(texts, settings.vocabulary, fold_case=False) for texts in (sources, references))
    return tuple(fitted), {}


def train_network(
    settings: TranslationSettings,
    data: TrainingData,
    tokenisers: tuple[Tokeniser, Tokeniser],
    begin: dict[str, np.ndarray],
    work: Path,
) -> tuple[Translator, dict[str, np.ndarray], list[Row]]:
    """Builds the network, begins from the weights it is given, trains it: the translator, its weights, the log."""
    from apps.translation.model import build_model
    from common.backend import keras, use_precision
    from common.checkpoint import assign_by_path, weights_by_path
    from common.losses import SmoothedCrossentropy
    from common.training import Task, train

    use_precision(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings, *(tokeniser.vocabulary_size for tokeniser in tokenisers), len(data.languages))
    assign_by_path(model, begin)
    translator = Translator(KerasNetwork(model), *tokenisers, data.languages)
    examples = [Examples.encode(corpus, *tokenisers, data.languages, settings.most_pieces) for corpus in data.train]
    held_out = [(corpus, translator.encode(corpus.sources, corpus.target)) for corpus in data.held_out]

    def evaluate(model: keras.Model) -> dict[str, float]:
        scores = {f"bleu_{corpus.name}": greedy_bleu(translator, corpus, rows) for corpus, rows in held_out}
        return {"bleu": float(np.mean(list(scores.values()))), **(scores if len(scores) > 1 else {})}

    def batches(epoch: int) -> EpochBatches:
        return EpochBatches(examples, settings.batch_tokens, settings.seed, epoch)

    log = train(Task(model, SmoothedCrossentropy(settings.label_smoothing), batches, evaluate, "bleu"), settings, work)
    return translator, weights_by_path(model), log


def greedy_bleu(translator: Translator, corpus: Corpus, rows: Sequence[np.ndarray]) -> float:
    """BLEU of greedy search, which costs a fifth of a beam, over the encoded sources of a corpus."""
    found = translator.search_rows(rows, beam=1, length_penalty=1.0, n_best=1)
    return corpus_bleu([translator.target.decode(token_ids[0]) for token_ids, _ in found], corpus.references)


if __name__ == "__main__":
    cli.run(main)
