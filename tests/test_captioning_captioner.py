"""The captioner over a network that is told what to write: words, special tokens, attention, bad input."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps.captioning.baselines import find_central, fit_baselines, summarise
from apps.captioning.captioner import ImageCaptioner, check_encoder
from apps.captioning.config import CaptioningSettings
from apps.captioning.data import CaptionedPictures
from apps.captioning.encoders import Pixels
from apps.captioning.examples import EpochBatches, Examples, as_text
from apps.captioning.metrics import CiderScorer
from apps.captioning.model import build_model
from apps.captioning.network import KerasNetwork
from apps.captioning.plots import plot_glances
from apps.captioning.rewards import RewardedBatches
from common.batching import pad
from common.errors import UserError
from common.model_folder import ModelFolder
from common.text import END, PADDING, START, fit_tokeniser

CAPTIONS = ["a brown dog runs on the grass", "two birds fly over a house", "a cat sleeps under the red tree"]
SIDE = 32


@pytest.fixture(scope="module")
def tokeniser():
    return fit_tokeniser(CAPTIONS, 60, fold_case=True)


@pytest.fixture(scope="module")
def captioner(tokeniser):
    """Untrained weights, far from zero: whatever the network would like to write, rules hold."""
    settings = CaptioningSettings(
        encoder="small", picture_size=SIDE, encoder_channels=8, units=16, embedding=8, attention="multiplicative"
    )
    model = build_model(settings, (SIDE, SIDE, 3), tokeniser.vocabulary_size)
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in model.get_weights()])
    return ImageCaptioner(KerasNetwork(model), Pixels(SIDE), tokeniser, most_pieces=12)


def make_pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)) for _ in range(count)]


def test_a_batch_is_captioned_as_each_picture_alone(captioner):
    pictures = make_pictures(35)
    together = captioner.predict(pictures, n_best=3)
    assert [answer.picture for answer in together] == [f"picture {number}" for number in range(1, 36)]
    for picture, answer in list(zip(pictures, together, strict=True))[::9]:
        [alone] = captioner.predict([picture], n_best=3)
        assert alone.text == answer.text
        # Of so wild a network two alternatives may be as good as each other.
        scores = [[found.score for found in one.alternatives] for one in (alone, answer)]
        np.testing.assert_allclose(*scores, rtol=1e-4)


def test_captions_never_hold_special_tokens_nor_a_sub_word_twice_in_a_row(captioner, tokeniser):
    encoded = np.stack([np.asarray(picture.resize((SIDE, SIDE))) for picture in make_pictures(20)])
    for beam in (1, 4):
        for sequences, _ in captioner.search(encoded, beam, 0.7, n_best=1):
            written = sequences[0][sequences[0] != PADDING]
            assert written[-1] == END and len(written) <= 12
            assert not set(written[:-1]) & {PADDING, 1, START, END}
            assert (written[1:] != written[:-1]).all()
            text = tokeniser.decode(written)
            assert "<" not in text and "⁇" not in text


def test_paths_bytes_and_pictures_are_the_same(captioner, tmp_path):
    [picture] = make_pictures(1)
    path = tmp_path / "one.png"
    picture.save(path)
    answers = captioner.predict([picture, path, str(path), path.read_bytes()])
    assert len({answer.text for answer in answers}) == 1
    assert [answer.picture for answer in answers] == ["picture 1", str(path), str(path), "picture 4"]


def test_where_it_looked_sums_to_one_for_each_word(captioner, tmp_path):
    [picture] = make_pictures(1)
    [answer] = captioner.predict([picture], with_attention=True)
    glances = answer.attention
    assert " ".join(glances.words) == answer.text
    assert glances.weights.shape == (len(glances.words), 2, 2)
    np.testing.assert_allclose(glances.weights.sum(axis=(1, 2)), 1, rtol=1e-5)
    plot_glances(picture, glances, tmp_path / "glances.png")
    assert Image.open(tmp_path / "glances.png").width > 200


def test_a_word_of_several_sub_words_has_the_mean_of_their_glances(captioner, tokeniser):
    [row] = tokeniser.encode(["a housedog"])
    picture = np.asarray(make_pictures(1)[0].resize((SIDE, SIDE)))
    glances = captioner.look(picture, np.r_[row[1:], PADDING])
    assert glances.words == ["a", "housedog"]
    each = captioner.network.attend(picture[None], row[None, :-1])[0].reshape(-1, 2, 2)
    names = tokeniser.names(row[1:-1])
    second = max(place for place, name in enumerate(names) if name.startswith("▁"))
    assert len(names) - second > 1
    np.testing.assert_allclose(glances.weights[1], each[second:-1].mean(axis=0), rtol=1e-5)


def test_what_cannot_be_done_is_said(captioner, tokeniser, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"bad\.jpg"):
        captioner.predict([*make_pictures(1), bad])
    with pytest.raises(UserError, match="at most as many as --beam 2"):
        captioner.predict(make_pictures(1), beam=2, n_best=3)
    settings = CaptioningSettings(encoder="small", decoder="plain", picture_size=SIDE, units=8, embedding=8)
    plain = KerasNetwork(build_model(settings, (SIDE, SIDE, 3), tokeniser.vocabulary_size))
    with pytest.raises(UserError, match="no attention"):
        ImageCaptioner(plain, Pixels(SIDE), tokeniser, 12).predict(make_pictures(1), with_attention=True)


def test_other_weights_of_the_encoder_are_refused_by_name_and_noted_if_downloaded(capsys):
    encoder = Pixels(SIDE)
    saved = ModelFolder("captioning", {}, {}, facts={"encoder_weights": "others"})
    with pytest.raises(UserError, match=r"--encoder-weights mine\.h5: not the weights"):
        check_encoder(encoder, saved, Path("mine.h5"))
    check_encoder(encoder, saved, None)
    assert "not the weights" in capsys.readouterr().err
    check_encoder(encoder, ModelFolder("captioning", {}, {}, facts={"encoder_weights": ""}), None)
    assert capsys.readouterr().err == ""


def corpus(captions, weight=1.0):
    names = [str(index) for index in range(len(captions))]
    return CaptionedPictures("some", "train", names, captions, lambda index: None, weight)


def test_batches_hold_every_caption_once_beside_its_picture(tokeniser):
    captions = [CAPTIONS[: 1 + index % 3] for index in range(10)]
    encoded = np.arange(10.0)[:, None, None] * np.ones((1, 2, 3))
    examples = Examples.encode(corpus(captions), [encoded], tokeniser, most_pieces=40)
    batches = EpochBatches([examples], 4, 0, seed=1, epoch=0)
    assert len(batches) == 3
    seen = {}
    for index in range(3):
        inputs, targets = batches[index]
        for picture, read, written in zip(inputs["pictures"], inputs["token_ids"], targets, strict=True):
            rows = [row[row != PADDING] for row in written if row.any()]
            # Behind END, which a shorter caption has before its padding, nothing is written.
            shown = [[i for i in row.tolist() if i not in (PADDING, END)] for row in read if row.any()]
            assert shown == [[START, *row[:-1].tolist()] for row in rows]
            seen[int(picture[0, 0])] = [tokeniser.decode(row) for row in rows]
    assert seen == dict(enumerate(captions))
    order = [int(picture[0, 0]) for index in range(3) for picture in batches[index][0]["pictures"]]
    other = EpochBatches([examples], 4, 0, seed=1, epoch=1)
    assert order != [int(picture[0, 0]) for index in range(3) for picture in other[index][0]["pictures"]]


def test_some_captions_of_each_picture_are_drawn_anew_for_each_epoch(tokeniser):
    encoded = np.arange(2.0)[:, None, None]
    examples = Examples.encode(corpus([CAPTIONS, CAPTIONS[:1]]), [encoded], tokeniser, most_pieces=40)
    seen = set()
    for epoch in range(8):
        batches = EpochBatches([examples], 2, 2, seed=1, epoch=epoch)
        inputs, written = batches[0]
        np.testing.assert_array_equal(written, batches[0][1])
        counts = written.any(axis=-1).sum(axis=-1)
        assert list(counts) == [1 if picture.item() else 2 for picture in inputs["pictures"]]
        seen.add(frozenset(tokeniser.decode(row) for row in written[counts.argmax()]))
    assert set.union(*map(set, seen)) == set(CAPTIONS) and len(seen) > 1


class Parrot:
    """A network that writes the same captions for every picture; its last hypothesis is none."""

    can_look = False

    def __init__(self, captions, tokeniser):
        self.rows = pad([row[1:] for row in tokeniser.encode(captions)])

    def search(self, pictures, limits, beam, length_penalty, n_best):
        rows = np.vstack([self.rows, np.zeros_like(self.rows[:1])])
        scores = np.r_[-np.arange(1.0, 1 + len(self.rows)), -1e9]
        return np.stack([rows] * len(pictures)), np.stack([scores] * len(pictures))


def test_own_captions_count_by_how_much_more_people_agree_with_them_than_with_the_others(tokeniser):
    own, encoded = ["a brown dog", "a brown dog runs on the grass", "a house"], np.arange(5.0)[:, None, None]
    pictures = corpus([["a brown dog runs on the grass", "a brown dog runs"], *[["a house in the snow"]] * 4])
    examples = Examples.encode(pictures, [encoded], tokeniser, most_pieces=40)
    captioner = ImageCaptioner(Parrot(own, tokeniser), Pixels(SIDE), tokeniser, 40)
    scorer = CiderScorer(pictures.captions, with_end=True)
    settings = CaptioningSettings(batch_pictures=5, own_captions=4)
    batches = RewardedBatches(captioner, [pictures], [examples], [scorer], settings, epoch=0)
    inputs, written, weights = batches[0]
    assert (inputs["token_ids"][..., 0] == START).all()
    np.testing.assert_array_equal(inputs["token_ids"][..., 1:], written[..., :-1])
    assert (weights[written == PADDING] == 0).all() and weights.dtype == np.float32
    shares = weights[..., 0]
    # The fourth hypothesis is no caption.
    assert (shares[:, 3] == 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 0, atol=1e-6)
    [dog] = np.flatnonzero(inputs["pictures"][:, 0, 0] == 0)
    assert list(shares[dog, :3].argsort()) == [2, 0, 1]
    assert all(row[:3].argmax() == 2 for index, row in enumerate(shares) if index != dog)


def test_each_view_of_a_picture_is_taken_about_as_often(tokeniser):
    encoded = np.zeros((600, 1, 1))
    examples = Examples.encode(corpus([CAPTIONS] * 600), [encoded, encoded + 1, encoded + 2], tokeniser, most_pieces=40)
    batches = EpochBatches([examples], 600, 0, seed=1, epoch=0)
    counts = np.bincount(batches[0][0]["pictures"].ravel().astype(int))
    assert len(counts) == 3 and counts.min() > 150


def test_captions_too_long_to_learn_from_are_left_out(tokeniser):
    encoded = np.zeros((2, 1, 1))
    captions = [["a dog", "a brown dog " * 20], ["the house " * 30]]
    examples = Examples.encode(corpus(captions), [encoded], tokeniser, most_pieces=20)
    assert list(examples.rows) == [0] and len(examples.token_ids[0]) == 1
    with pytest.raises(UserError, match="--most-pieces 4"):
        Examples.encode(corpus(captions[1:]), [encoded[1:]], tokeniser, most_pieces=4)


def test_captions_are_learnt_without_capitals_and_stops():
    assert as_text("A brown Dog , running .") == "a brown dog running"


def test_the_central_caption_is_the_one_most_like_the_others():
    captions = [
        ["a dog runs", "a dog runs fast", "the weather"],
        ["a dog runs here", "two parrots"],
        ["a dog runs", "some people", "some people sit", "some people sit there"],
    ]
    central = find_central(captions)
    assert central.of_all == "a dog runs"
    assert central.of_each[0].startswith("a dog runs") and central.of_each[2].startswith("some people sit")


def test_the_baselines_write_one_caption_for_all_or_that_of_the_nearest_picture():
    rng = np.random.default_rng(0)
    encoded = rng.normal(size=(5, 4, 8)).astype(np.float16)
    captions = [[f"picture number {index}", f"number {index}"] for index in range(5)]
    baselines = fit_baselines([corpus(captions[:3]), corpus(captions[3:])], [encoded[:3], encoded[3:]])
    looked_at = encoded[[4, 0, 2]] + rng.normal(scale=0.01, size=(3, 4, 8))
    assert len(set(baselines["one_caption"](looked_at))) == 1
    assert [text[-1] for text in baselines["nearest_picture"](looked_at)] == ["4", "0", "2"]


def test_pixels_are_summarised_as_a_small_picture():
    pixels = np.zeros((1, 32, 32, 3), np.uint8)
    pixels[0, :4, :4] = 255
    summary = summarise(pixels).reshape(8, 8, 3)
    assert (summary[0, 0] == 255).all() and summary.sum() == 3 * 255
