"""Captions from the command line: files and folders in; lines, JSON, CSV and pictures out; and what goes wrong."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from apps.captioning.captioner import TOKENISER
from apps.captioning.config import CaptioningSettings
from apps.captioning.evaluate import true_share
from apps.captioning.model import build_model
from apps.captioning.sample import captions, draw, split_scenes
from common.checkpoint import weights_by_path
from common.model_folder import ModelFolder, save_model
from common.text import fit_tokeniser
from tests.kit import run_app

SETTINGS = CaptioningSettings(encoder="small", picture_size=32, encoder_channels=8, units=8, embedding=8, most_pieces=9)
CAPTIONS = ["a brown dog runs on the grass", "two birds fly over a house", "a cat sleeps under the red tree"]


def write_model(folder, settings=SETTINGS):
    """A model of random weights, as a training would leave it."""
    tokeniser = fit_tokeniser(CAPTIONS, 60, fold_case=True)
    model = build_model(settings, (32, 32, 3), tokeniser.vocabulary_size)
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in model.get_weights()])
    plain, files = settings.model_dump(mode="json"), {TOKENISER: tokeniser.model}
    save_model(folder, ModelFolder("captioning", plain, weights_by_path(model), files, {"encoder_weights": ""}), "")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("captioning") / "model")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of three pictures, and something else in it."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, scene in enumerate(split_scenes("test")[:3]):
        draw(scene, 64).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def with_bad(pictures, tmp_path_factory):
    """The same folder with a truncated JPEG and a text that calls itself a picture."""
    folder = tmp_path_factory.mktemp("bad")
    for path in pictures.glob("*.png"):
        (folder / path.name).write_bytes(path.read_bytes())
    whole = io.BytesIO()
    Image.open(pictures / "0.png").convert("RGB").save(whole, "JPEG")
    (folder / "00_cut.jpg").write_bytes(whole.getvalue()[:700])
    (folder / "text.gif").write_text("no picture")
    return folder


def infer(model, *arguments, **options):
    return run_app("apps.captioning.infer", "--model", model, *arguments, **options)


def test_a_folder_gets_a_line_a_picture_and_drawings_of_where_it_looked(model, pictures, tmp_path):
    outcome = infer(model, pictures, "--plot", tmp_path / "out")
    assert outcome.status == 0, outcome.stderr
    assert [line.split("  ")[0] for line in outcome.stdout.splitlines()] == [f"{pictures}/{n}.png" for n in range(3)]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["001_0.png", "002_1.png", "003_2.png"]


def test_json_csv_and_lines_of_standard_input_say_the_same(model, pictures):
    as_json = infer(model, pictures, "--json", "--n-best=2")
    rows = json.loads(as_json.stdout)
    assert [set(row) for row in rows] == [{"picture", "text", "score", "alternatives"}] * 3
    assert [len(row["alternatives"]) for row in rows] == [2] * 3
    paths = [row["picture"] for row in rows]
    as_csv = infer(model, "--csv", "--n-best=2", stdin="\n".join(paths) + "\n")
    found = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert [(row["picture"], row["text"]) for row in found] == [(row["picture"], row["text"]) for row in rows]


def test_good_pictures_are_captioned_beside_bad_ones_which_are_named(model, pictures, with_bad):
    outcome = infer(model, with_bad, "--json")
    assert outcome.status == 1
    rows, alone = json.loads(outcome.stdout), json.loads(infer(model, pictures, "--json").stdout)
    assert [row["text"] for row in rows] == [row["text"] for row in alone]
    cut, text, last = outcome.stderr.splitlines()
    assert "00_cut.jpg" in cut and "text.gif" in text
    assert last == "error: 2 of 5 pictures could not be read"


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (("{bad}/text.gif",), "", ("text.gif", "not a picture")),
        (("{bad}/text.gif", "{bad}/00_cut.jpg"), "", ("text.gif", "none of 2 pictures")),
        (("{bad}/nowhere.png",), "", ("nowhere.png",)),
        (("{pictures}/0.png", "--n-best=9"), "", ("--n-best 9", "--beam 3")),
        ((), "", ("no lines",)),
    ],
)
def test_what_cannot_be_captioned_is_one_line(model, pictures, with_bad, arguments, stdin, words):
    filled = [argument.format(bad=with_bad, pictures=pictures) for argument in arguments]
    outcome = infer(model, *filled, stdin=stdin)
    assert (outcome.status, outcome.stdout) == (2, "")
    [line] = outcome.stderr.splitlines()
    assert line.startswith("error: ") and not [word for word in words if word not in line]


def test_a_plain_decoder_has_nothing_to_draw_and_says_so(pictures, tmp_path):
    model = write_model(tmp_path / "plain", SETTINGS.model_copy(update={"decoder": "plain"}))
    assert infer(model, pictures).status == 0
    outcome = infer(model, pictures, "--plot", tmp_path / "out")
    assert (outcome.status, outcome.stdout) == (2, "")
    assert "no attention" in outcome.stderr


def test_what_the_grammar_says_of_a_scene_is_true_and_of_another_is_not():
    scenes = split_scenes("test")[:50]
    right = [captions(scene)[0] for scene in scenes]
    assert true_share(right, scenes) == {"true": 1.0}
    assert true_share(right[1:] + right[:1], scenes)["true"] < 0.1
    assert true_share(right, None) == {}


def test_evaluate_measures_the_sample_and_the_share_that_is_true(model, tmp_path):
    flags = ("--data=sample", "--split=test", "--beam=1", "--json", "--plot", tmp_path / "out")
    outcome = run_app("apps.captioning.evaluate", model, *flags)
    assert outcome.status == 0, outcome.stderr
    entry = json.loads(outcome.stdout)
    assert (entry["data"], entry["split"], entry["examples"], entry["beam"]) == ("sample", "test", 500, 1)
    assert entry["true"] == 0 and 0 <= entry["bleu4"] <= entry["bleu1"] <= 1 and entry["cider"] >= 0
    assert len(list((tmp_path / "out").iterdir())) == 12
