"""The language of the drawn scenes: every sentence is true of its scene, and the picture shows what it says."""

import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from apps.captioning.metrics import tokenise
from apps.captioning.sample import (
    SPLITS,
    Scene,
    captions,
    draw,
    generate_scenes,
    is_true,
    sample_scenes,
    split_scenes,
)
from apps.captioning.scenes import ANIMALS, CAPTIONS, CLOTH_COLOURS, GROUNDS, SKIES, THINGS, Figure, contents
from common.errors import UserError
from tests.kit import ROOT

SCENES = generate_scenes(400, seed=3)
DOG = Figure("dog", "brown")
BALL = Figure("ball", "red")
CATCH = Scene(DOG, "catching", BALL, "grass", "sun")
PAIR = Scene(Figure("dog", "black", "sit"), "left of", Figure("girl", "red", "run"), "beach", "moon")


def test_scenes_are_all_different_and_the_same_for_the_same_seed():
    scenes = generate_scenes(3000, seed=1)
    assert len({replace(scene, seed=0) for scene in scenes}) == 3000
    assert generate_scenes(50, seed=1) == scenes[:50] != generate_scenes(50, seed=2)


def test_there_are_some_hundred_thousand_scenes_and_everything_is_found_among_few():
    assert sum(map(len, contents().values())) * len(GROUNDS) * len(SKIES) > 200_000
    kinds = Counter(figure.kind for scene in SCENES for figure in (scene.figure, scene.other) if figure)
    assert set(kinds) == {*ANIMALS, "man", "woman", "boy", "girl", *THINGS} and min(kinds.values()) >= 10
    assert {scene.ground for scene in SCENES} == set(GROUNDS) and {scene.sky for scene in SCENES} == set(SKIES)
    assert len({scene.relation for scene in SCENES}) == 10


@pytest.mark.parametrize(("name", "sizes"), [("sample", (12_000, 500, 500)), ("alone", (1200, 150, 150))])
def test_the_parts_of_a_sample_and_the_demo_share_no_scene(name, sizes):
    parts = {split: [replace(scene, seed=0) for scene in split_scenes(split, name)] for split in SPLITS}
    assert {split: len(part) for split, part in parts.items()} == dict(zip(parts, sizes, strict=True))
    everything = [scene for part in parts.values() for scene in part] + list(sample_scenes().values())
    assert len(set(everything)) == len(everything) == sum(sizes) + len(sample_scenes())
    assert all(scene.relation == "alone" for scene in split_scenes("train", "alone"))


def test_what_the_demo_shows_is_never_drawn():
    many = {replace(scene, seed=0) for scene in generate_scenes(30_000, seed=2)}
    assert not many & set(sample_scenes().values())
    with pytest.raises(UserError, match="--split dev: the sample has train, validation, test"):
        split_scenes("dev")


@pytest.mark.parametrize(
    "caption",
    [
        "A brown dog catches a red ball in mid air.",
        "a dog catching a ball in mid air",
        "On a sunny day, a brown dog is catching a ball in mid air.",
        "A dog jumps to catch a red ball on the grass in the sun .",
        "A brown dog is jumping.",
    ],
)
def test_the_classic_picture_has_its_sentences(caption):
    assert is_true(CATCH, caption)
    assert CATCH in sample_scenes().values()


@pytest.mark.parametrize(
    "caption",
    [
        "A black dog catches a red ball in mid air.",
        "A brown dog catches a blue ball in mid air.",
        "A brown cat catches a red ball in mid air.",
        "A brown dog catches a red ball in mid air at night.",
        "A dog jumps to catch a red ball in the snow.",
        "A brown dog sits.",
        "A brown dog kicks a red ball.",
        "A red ball catches a brown dog in mid air.",
        "A brown dog catches a red ball in mid",
        "A brown dog catches a red ball in mid air air.",
        "",
    ],
)
def test_what_is_not_so_is_not_true(caption):
    assert not is_true(CATCH, caption)


@pytest.mark.parametrize(
    ("caption", "so"),
    [
        ("A black dog sits to the left of a girl in a red dress on the beach.", True),
        ("A girl in a red dress is running to the right of a dog at night.", True),
        ("A girl runs and a black dog sits in the moonlight.", True),
        ("A dog is sitting next to a girl.", True),
        ("A girl in a red dress runs along the beach.", True),
        ("A black dog sits on the beach.", True),
        ("A black dog sits to the right of a girl in a red dress.", False),
        ("A girl in a red dress runs to the left of a black dog.", False),
        ("A girl in a black dress runs and a red dog sits.", False),
        ("A girl sits and a black dog runs.", False),
        ("A dog and a girl are sitting.", False),
        ("A black dog sits under a girl.", False),
        ("A woman in a red dress runs along the beach.", False),
    ],
)
def test_who_is_where_and_does_what_must_be_right(caption, so):
    assert is_true(PAIR, caption) is so


def test_both_do_the_same_at_once():
    scene = replace(PAIR, other=Figure("cat", "orange", "sit"))
    assert is_true(scene, "An orange cat and a black dog are sitting on the beach.")
    assert not is_true(scene, "An orange cat and a black dog are running on the beach.")


@pytest.mark.parametrize(
    ("scene", "caption"),
    [
        (Scene(Figure("cat", "white", "sit"), "alone", None, "snow", "clouds"), "A white cat sitting in the snow."),
        (
            Scene(Figure("boy", "blue"), "riding", Figure("horse", "grey", "run"), "beach", "sun"),
            "A boy in a blue shirt rides a grey horse along the beach.",
        ),
        (
            Scene(Figure("man", "green"), "riding", Figure("horse", "grey", "stand"), "beach", "sun"),
            "A man sits on a grey horse.",
        ),
        (Scene(Figure("girl", "green"), "kicking", BALL, "street", "sun"), "A girl kicks a red ball down the street."),
        (
            Scene(Figure("bird", "yellow", "fly"), "over", Figure("house", "white"), "grass", "sun"),
            "A yellow bird is flying above a white house.",
        ),
        (
            Scene(Figure("horse", "black", "stand"), "under", Figure("tree", "green"), "grass", "moon"),
            "A black horse is standing under a tree at night.",
        ),
        (
            Scene(Figure("cat", "black"), "on", Figure("bench", "red"), "snow", "sun"),
            "A black cat sits on a red bench.",
        ),
        (
            Scene(Figure("woman", "purple", "run"), "in front of", Figure("house", "red"), "street", "clouds"),
            "On a cloudy day, a woman in a purple dress runs in front of a red house.",
        ),
    ],
)
def test_every_relation_has_its_words(scene, caption):
    assert is_true(scene, caption)


@given(st.sampled_from(SCENES))
def test_captions_are_several_true_sentences(scene):
    found = captions(scene)
    assert len(found) == len(set(found)) == CAPTIONS and found == captions(scene)
    for caption in found:
        assert is_true(scene, caption) and caption[0].isupper() and caption.endswith(".") and "  " not in caption
        assert is_true(scene, " ".join(tokenise(caption)))
        # "an orange cat", "a yellow bird".
        words = tokenise(caption)
        for article, word in pairwise(words):
            assert article not in ("a", "an") or (article == "an") == (word[0] in "aeiou")


@given(st.sampled_from(SCENES))
def test_a_caption_with_another_colour_is_not_true(scene):
    """Where a sentence names a colour, one that the scene does not have is not true in its place."""
    for caption in captions(scene):
        named = [word for word in tokenise(caption) if word in CLOTH_COLOURS]
        for colour in set(CLOTH_COLOURS) - {figure.colour for figure in (scene.figure, scene.other) if figure}:
            for word in named:
                assert not is_true(scene, caption.replace(f" {word} ", f" {colour} "))


def test_captions_tell_scenes_apart():
    """Nearly all captions of one scene are false of any other drawn at random."""
    wrong = [is_true(other, captions(scene)[0]) for scene, other in pairwise(SCENES)]
    assert sum(wrong) < 0.02 * len(wrong)


def test_a_picture_is_the_same_each_time_and_of_any_size():
    picture = draw(PAIR)
    assert picture.mode == "RGB" and picture.size == (128, 128)
    np.testing.assert_array_equal(picture, draw(PAIR))
    assert draw(PAIR, 96).size == (96, 96)


def test_a_seed_moves_what_no_sentence_mentions():
    assert not np.array_equal(draw(PAIR), draw(replace(PAIR, seed=1)))
    assert captions(PAIR)[0] and is_true(replace(PAIR, seed=1), captions(PAIR)[0])


def count_pixels(scene: Scene, colour: tuple[int, int, int], half: str = "") -> int:
    pixels = np.asarray(draw(scene)).astype(int)
    columns = {"left": slice(0, 64), "right": slice(64, 128), "": slice(0, 128)}[half]
    return int((np.abs(pixels[:, columns] - colour).max(axis=-1) < 12).sum())


@pytest.mark.parametrize("seed", range(5))
def test_left_is_left_and_the_colours_are_those_named(seed):
    red, purple = (214, 48, 49), (142, 68, 180)
    figures = Figure("woman", "red", "stand"), Figure("man", "purple", "stand")
    scene = Scene(figures[0], "left of", figures[1], "grass", "sun", seed)
    assert count_pixels(scene, red, "left") > 100 < count_pixels(scene, purple, "right")
    assert count_pixels(scene, red, "right") == 0 == count_pixels(scene, purple, "left")
    ball = replace(scene, figure=Figure("man", "purple", "sit"), relation="right of", other=BALL)
    assert count_pixels(ball, red, "left") > 40 and count_pixels(ball, red, "right") == 0


@pytest.mark.parametrize("seed", range(5))
def test_whoever_jumps_is_in_the_air_and_a_ball_in_mid_air_is_above(seed):
    def lowest(scene: Scene, colour: tuple[int, int, int]) -> int:
        pixels = np.asarray(draw(scene)).astype(int)
        return int(np.flatnonzero((np.abs(pixels - colour).max(axis=-1) < 12).any(axis=1)).max())

    brown, red = (133, 82, 44), (214, 48, 49)
    standing, jumping = (
        Scene(Figure("dog", "brown", action), "alone", None, "snow", "sun", seed) for action in ("stand", "jump")
    )
    catching = Scene(DOG, "catching", BALL, "snow", "sun", seed)
    assert lowest(jumping, brown) < lowest(standing, brown) - 8
    assert lowest(catching, red) < 64 < lowest(Scene(standing.figure, "left of", BALL, "snow", "sun", seed), red)


def test_all_that_can_be_is_drawn():
    """Every figure in every relation, once; no two of them alike to the pixel."""
    shown = {}
    for members in contents().values():
        for figure, relation, other in members[:: max(len(members) // 60, 1)]:
            scene = Scene(figure, relation, other, "grass", "sun", seed=5)
            shown.setdefault(draw(scene, 48).tobytes(), []).append(scene)
    assert len(shown) > 400 and max(map(len, shown.values())) == 1


def test_drawing_is_quick():
    draw(SCENES[0])
    start = time.process_time()
    for scene in SCENES[:100]:
        draw(scene)
    assert (time.process_time() - start) / 100 < 0.02


def test_the_sample_pictures_are_those_of_the_demo():
    """Drawn by this code, at 256 pixels a side."""
    folder = ROOT / "apps" / "captioning" / "samples"
    assert {path.stem for path in folder.iterdir()} == set(sample_scenes())
    for name, scene in sample_scenes().items():
        with Image.open(folder / f"{name}.png") as picture:
            np.testing.assert_allclose(np.asarray(picture), np.asarray(draw(scene, 256)), atol=3)
