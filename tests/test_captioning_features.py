"""The cache of features: it notices what changed, computes only that, and never lies about what it holds."""

import json

import numpy as np
import pytest
from PIL import Image

from apps.captioning.config import CaptioningSettings
from apps.captioning.data import CaptionedPictures
from apps.captioning.encoders import Frozen, Pixels, load_pretrained
from apps.captioning.features import View, cache_folder, load_features
from common.errors import UserError
from tests.kit import run_app

SIDE, COUNT = 32, 70


class Means:
    """An encoder of which one can see what it was asked: the mean colour of each quarter of a picture, and a key."""

    name, size, grid, shape, dtype = "means", SIDE, (2, 2), (4, 3), "float16"

    def __init__(self, weights="a"):
        self.weights, self.seen = weights, 0

    def __call__(self, pixels):
        self.seen += len(pixels)
        quarters = pixels.reshape(len(pixels), 2, SIDE // 2, 2, SIDE // 2, 3).mean(axis=(2, 4))
        return (quarters.reshape(len(pixels), 4, 3) + (self.weights == "b")).astype(np.float16)


def make_pictures(seed=0, count=COUNT):
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8) for _ in range(count)]
    names = [f"{index}.png" for index in range(count)]

    def read(index):
        return Image.fromarray(arrays[index])

    return arrays, CaptionedPictures("pictures", "train", names, [["a dog"]] * count, read)


def expected(arrays, weights="a"):
    return Means(weights)(np.stack(arrays))


def test_features_are_computed_once(tmp_path):
    arrays, pictures = make_pictures()
    encoder = Means()
    first = load_features(pictures, encoder, tmp_path)
    again = load_features(pictures, encoder, tmp_path)
    assert encoder.seen == COUNT
    assert first.dtype == np.float16
    np.testing.assert_array_equal(first, expected(arrays))
    np.testing.assert_array_equal(again, first)
    assert isinstance(again, np.memmap)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npy"]


def test_a_changed_picture_is_noticed_and_only_it_is_computed(tmp_path):
    arrays, pictures = make_pictures()
    load_features(pictures, Means(), tmp_path)
    arrays[41][0, 0] ^= 1
    encoder = Means()
    np.testing.assert_array_equal(load_features(pictures, encoder, tmp_path), expected(arrays))
    assert encoder.seen == 1


def test_pictures_that_came_went_or_moved_are_noticed(tmp_path):
    arrays, pictures = make_pictures()
    load_features(pictures, Means(), tmp_path)
    more, others = make_pictures(seed=1, count=1)
    arrays[:] = [arrays[5], *more, *arrays[10:]]
    fewer = CaptionedPictures("pictures", "train", pictures.names[:62], pictures.captions[:62], pictures.read)
    encoder = Means()
    np.testing.assert_array_equal(load_features(fewer, encoder, tmp_path), expected(arrays))
    assert encoder.seen == len(others)


@pytest.mark.parametrize("change", [{"weights": "b"}, {"name": "other"}])
def test_another_encoder_is_noticed(tmp_path, change):
    arrays, pictures = make_pictures()
    load_features(pictures, Means(), tmp_path)
    encoder = Means()
    vars(encoder).update(change)
    np.testing.assert_array_equal(load_features(pictures, encoder, tmp_path), expected(arrays, encoder.weights))
    assert encoder.seen == COUNT


@pytest.mark.parametrize(
    "damage",
    [
        lambda array, record: array.write_bytes(array.read_bytes()[:-10]),
        lambda array, record: array.write_bytes(b"nothing"),
        lambda array, record: array.unlink(),
        lambda array, record: record.unlink(),
        lambda array, record: record.write_text("{"),
        lambda array, record: record.write_text("[]"),
        lambda array, record: record.write_text(json.dumps({**json.loads(record.read_text()), "schema": 0})),
    ],
)
def test_a_damaged_cache_is_computed_anew(tmp_path, damage):
    arrays, pictures = make_pictures(count=5)
    load_features(pictures, Means(), tmp_path)
    record, array = sorted(tmp_path.iterdir())
    damage(array, record)
    np.testing.assert_array_equal(load_features(pictures, Means(), tmp_path), expected(arrays))


def test_a_stop_in_the_middle_leaves_no_features_behind_a_record_of_others(tmp_path):
    """Killed between the two files, or amid the pictures: the next run sees what the pictures are now."""
    arrays, pictures = make_pictures()
    load_features(pictures, Means(), tmp_path)
    changed = [array ^ 255 for array in arrays]

    class Stopping(Means):
        def __call__(self, pixels):
            if self.seen:
                raise KeyboardInterrupt
            return super().__call__(pixels)

    arrays[:] = changed
    with pytest.raises(KeyboardInterrupt):
        load_features(pictures, Stopping(), tmp_path)
    np.testing.assert_array_equal(load_features(pictures, Means(), tmp_path), expected(arrays))


def test_mirror_images_have_a_cache_of_their_own(tmp_path):
    arrays, pictures = make_pictures(count=3)
    plain = load_features(pictures, Means(), tmp_path)
    mirrored = load_features(pictures, Means(), tmp_path, View(mirrored=True))
    np.testing.assert_array_equal(mirrored, expected([array[:, ::-1] for array in arrays]))
    assert not np.array_equal(plain, mirrored)
    np.testing.assert_array_equal(load_features(pictures, Means(), tmp_path), plain)


def test_a_view_shows_a_part_half_of_them_mirrored_and_the_same_part_each_time():
    ramp = np.broadcast_to(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], (100, 200, 3))
    picture = Image.fromarray(np.ascontiguousarray(ramp))
    shown = [View(mirrored=True, number=1, cut=0.3).pixels(picture, index, SIDE) for index in range(60)]
    ranges = np.array([np.ptp(part[0, :, 0].astype(int)) for part in shown])
    assert 0.65 * 255 < ranges.min() < 0.8 * 255 and ranges.max() <= 255
    turned = np.mean([part[0, 0, 0] > part[0, -1, 0] for part in shown])
    assert 0.25 < turned < 0.75
    np.testing.assert_array_equal(View(True, 1, 0.3).pixels(picture, 5, SIDE), shown[5])
    assert not np.array_equal(View(True, 2, 0.3).pixels(picture, 5, SIDE), shown[5])
    unturned = [View(number=1, cut=0.3).pixels(picture, index, SIDE)[0] for index in range(10)]
    assert all(row[0, 0] < row[-1, 0] for row in unturned)


def test_each_view_has_a_cache_of_its_own(tmp_path):
    _, pictures = make_pictures(count=3)
    encoder = Means()
    views = [View(number=number, cut=cut) for number in (1, 2) for cut in (0.2, 0.3)]
    first = [np.array(load_features(pictures, encoder, tmp_path, view)) for view in views]
    assert len({array.tobytes() for array in first}) == 4
    again = [load_features(pictures, encoder, tmp_path, view) for view in views]
    assert encoder.seen == 12
    np.testing.assert_array_equal(again, first)


def test_the_small_encoder_is_given_pixels_and_leaves_nothing_on_the_disk(tmp_path):
    arrays, pictures = make_pictures(count=3)
    pixels = load_features(pictures, Pixels(SIDE), tmp_path)
    np.testing.assert_array_equal(pixels, np.stack(arrays))
    assert pixels.dtype == np.uint8 and list(tmp_path.iterdir()) == []


def test_the_cache_stands_in_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder(None) == tmp_path / "rnn-apps" / "captioning"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder(None) == tmp_path / ".cache" / "rnn-apps" / "captioning"
    assert cache_folder(tmp_path / "mine") == tmp_path / "mine"


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    """MobileNetV2 with random weights in a file."""
    from common.backend import keras

    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    model = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(224, 224, 3))
    model.save_weights(path)
    return path, model


def test_a_pretrained_encoder_gives_the_grid_of_keras_own_network(mobilenet):
    from common.backend import keras

    path, model = mobilenet
    encoder = load_pretrained("mobilenet_v2", path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)
    prepared = keras.applications.mobilenet_v2.preprocess_input(pixels.astype(np.float32))
    found = encoder(pixels)
    assert (encoder.grid, found.shape, found.dtype) == ((7, 7), (2, 49, 1280), np.float16)
    np.testing.assert_allclose(found.reshape(2, 7, 7, 1280), model.predict_on_batch(prepared), rtol=2e-3, atol=1e-4)
    assert encoder.weights == Frozen("mobilenet_v2", model).weights
    model.layers[1].set_weights([weight + 1e-3 for weight in model.layers[1].get_weights()])
    assert encoder.weights != Frozen("mobilenet_v2", model).weights


def test_weights_that_do_not_fit_are_one_line(tmp_path, mobilenet):
    text = tmp_path / "weights.h5"
    text.write_text("no weights")
    for name, path in (("mobilenet_v2", text), ("mobilenet_v2", tmp_path / "none.h5"), ("resnet50", mobilenet[0])):
        with pytest.raises(UserError, match="--encoder-weights") as caught:
            load_pretrained(name, path)
        assert "\n" not in str(caught.value)


def test_every_encoder_of_the_settings_is_known():
    from apps.captioning.encoders import PRETRAINED
    from common.backend import keras

    names = CaptioningSettings.model_json_schema()["properties"]["encoder"]["enum"]
    assert set(names) == {*PRETRAINED, "small"}
    for architecture in PRETRAINED.values():
        assert hasattr(keras.applications, architecture.constructor)
        assert hasattr(getattr(keras.applications, architecture.module), "preprocess_input")


def test_offline_and_without_weights_is_one_line_that_names_the_flag(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    # Read first, so that the pictures are there.
    outcome = run_app("apps.captioning.train", "--data=sample", "--out", tmp_path / "model")
    assert (outcome.status, outcome.stdout) == (2, "")
    [line] = [line for line in outcome.stderr.splitlines() if line.startswith("error: ")]
    assert "mobilenet_v2 cannot be downloaded" in line and "--encoder-weights PATH" in line
    assert "Traceback" not in outcome.stderr
