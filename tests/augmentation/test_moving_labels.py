"""Labels and weights that lie over their images move along with them, or are refused."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_dlnotes.augmentation import crop, expand, flip, opencv, rotate
from keras_dlnotes.numerics import affine

KERAS_LAYERS = {
    "flip": lambda: layers.RandomFlip(),
    "rotation": lambda: layers.RandomRotation(0.3, interpolation="nearest"),
    "zoom": lambda: layers.RandomZoom(0.5, 0.5, interpolation="nearest"),
    "translation": lambda: layers.RandomTranslation(0.3, 0.3, interpolation="nearest"),
    "shear": lambda: layers.RandomShear(0.5, 0.5, interpolation="nearest"),
    "perspective": lambda: layers.RandomPerspective(1.0, interpolation="nearest"),
    "centre": lambda: layers.CenterCrop(9, 8),
    "size": lambda: layers.Resizing(20, 20, interpolation="nearest"),
    "sequential": lambda: keras.Sequential([layers.RandomFlip(), layers.Rescaling(1.0)]),
    "pipeline": lambda: layers.Pipeline([layers.RandomFlip("vertical"), layers.Rescaling(1.0)]),
}
OURS = {
    "flips": lambda: flip("horizontal_and_vertical"),
    "rotate": lambda: rotate(0.3, interpolation="nearest"),
    "rotate constant": lambda: rotate(0.3, "constant", "nearest"),
    "crop": lambda: crop(9, 8),
}


def classes(examples=5, height=17, width=16):
    """Images that show their own masks: each pixel's colour is its class."""
    return np.random.default_rng(0).integers(0, 5, (examples, height, width)).astype("int64")


def every(data):
    return [
        np.concatenate([np.asarray(part) for part in parts])
        for parts in zip(*(data[index] for index in range(data.num_batches)), strict=True)
    ]


@pytest.mark.parametrize("original", [True, False])
@pytest.mark.parametrize("name", [*OURS, *KERAS_LAYERS])
def test_masks_and_pixel_weights_stay_over_their_images(name, original):
    masks = classes()
    images = masks[..., None].astype("float32")
    transform = {**OURS, **KERAS_LAYERS}[name]()
    weights = masks.astype("float64") / 4
    data = expand(
        (images, {"mask": masks, "class": np.arange(5)}, weights), [transform], 2, original, 3
    )
    new, labels, weights = data[0]
    assert labels["mask"].dtype == np.int64
    assert len(new) == 5 * (2 + original)
    np.testing.assert_array_equal(labels["mask"], new[..., 0])
    np.testing.assert_array_equal(weights, new[..., 0] / 4)
    np.testing.assert_array_equal(np.bincount(labels["class"]), 2 + original)
    if new.shape[1:3] == (17, 16):
        moved = labels["mask"] != masks[labels["class"]]
        assert moved.any(axis=(1, 2)).sum() >= 3


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize("form", ["plain", "channel", "one-hot", "bool", "uint8", "two axes more"])
def test_masks_of_every_form(form, channels_first):
    masks = classes()
    images = masks[..., None].astype("float32")
    given = {
        "plain": masks,
        "channel": masks[..., None].astype("int32"),
        "one-hot": np.eye(5, dtype="float32")[masks],
        "bool": masks > 2,
        "uint8": masks.astype("uint8") + 250,
        "two axes more": np.eye(6)[masks].reshape(*masks.shape, 2, 3),
    }[form]
    if channels_first:
        images = np.moveaxis(images, 3, 1)
        if given.ndim > 3:
            given = np.moveaxis(given, (1, 2), (-2, -1))
    transforms = [rotate(0.2, interpolation="nearest"), flip(), crop(12, 11)]
    data_format = "channels_first" if channels_first else "channels_last"
    new, labels = expand((images, given), transforms, 3, seed=1, data_format=data_format)[0]
    assert labels.dtype == given.dtype
    shown = (new[:, 0] if channels_first else new[..., 0]).astype(int)
    if channels_first and given.ndim > 3:
        labels = np.moveaxis(labels, (-2, -1), (1, 2))
    expected = {
        "plain": shown,
        "channel": shown[..., None],
        "one-hot": np.eye(5)[shown],
        "bool": shown > 2,
        "uint8": (shown + 250) % 256,
        "two axes more": np.eye(6)[shown].reshape(*shown.shape, 2, 3),
    }[form]
    np.testing.assert_array_equal(labels, expected)


class Batches(keras.utils.PyDataset):
    num_batches = 1

    def __init__(self, parts):
        super().__init__()
        self.parts = parts

    def __getitem__(self, index):
        return keras.tree.map_structure(keras.ops.convert_to_tensor, self.parts)


@pytest.mark.parametrize("single", [False, True])
def test_every_kind_of_data_set_moves_them(single):
    tf = pytest.importorskip("tensorflow")
    masks = classes().astype("int32")
    parts = (
        masks[..., None].astype("float32"),
        {"mask": masks, "class": np.arange(5, dtype="int32")},
        {"mask": masks.astype("float32"), "class": np.ones(5, "float32")},
    )
    source = tf.data.Dataset.from_tensor_slices(parts)
    transforms = [flip("horizontal_and_vertical"), layers.RandomFlip(), crop(12, 11)]
    datasets = [expand(parts, transforms, 2, seed=1, batch_size=20)]
    if single:
        datasets = [expand(source, transforms, 2, seed=1).batch(20)]
    else:
        datasets.append(expand(Batches(parts), transforms, 2, seed=1))
        datasets.append(expand(source.batch(5), transforms, 2, seed=1))
    for data in datasets:
        batches = [data[i] for i in range(len(data))] if hasattr(data, "num_batches") else data
        count = 0
        for new, labels, weights in batches:
            new, mask, weight = (
                keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(np.asarray(each)))
                for each in (new, labels["mask"], weights["mask"])
            )
            count += len(new)
            assert new.shape[1:] == (12, 11, 1)
            np.testing.assert_array_equal(mask, new[..., 0])
            np.testing.assert_array_equal(weight, new[..., 0])
        assert count == 15


def test_opencv_and_numpy_move_masks_alike(monkeypatch):
    masks = classes()
    images = np.repeat(masks[..., None] * 40, 3, axis=-1).astype("uint8")
    found = []
    for installed in (opencv.cv2, None):
        monkeypatch.setattr(opencv, "cv2", installed)
        found.append(expand((images, masks), [rotate(0.2), flip()], 3, seed=1)[0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_allclose(found[0][0].astype(int), found[1][0].astype(int), atol=1)
    assert set(np.unique(found[0][1])) <= set(range(5))


def test_what_is_outside_the_image():
    """A mask's is class 0 or what is said, whatever the images' is; a weight's is 0."""
    images = np.ones((4, 9, 9, 1), "float32")
    masks = np.ones((4, 9, 9), int)
    given = (images, masks, masks.astype("float32"))
    for outside in (0, 7):
        transform = rotate((0.1, 0.15), "constant", "nearest", 0.5, mask_fill_value=outside)
        new, labels, _ = expand(given, [transform], keep_original=False, seed=0)[0]
        np.testing.assert_array_equal(labels, np.where(new[..., 0] == 1, 1, outside))
    layer = layers.RandomRotation((0.1, 0.15), "constant", "nearest", fill_value=9.0)
    new, labels, weights = expand(given, [layer], keep_original=False, seed=0)[0]
    np.testing.assert_array_equal(labels, np.where(new[..., 0] == 1, 1, 0))
    np.testing.assert_array_equal(weights, labels)
    assert (layer.fill_value, layer.interpolation) == (9.0, "nearest")


@pytest.mark.parametrize(
    "transform",
    [lambda: rotate(0.1), lambda: layers.RandomRotation(0.1), lambda: layers.Resizing(12, 12)],
    ids=["rotate", "keras", "size"],
)
def test_an_autoencoders_targets_are_its_images(transform):
    x = np.random.default_rng(0).uniform(size=(4, 16, 16, 3)).astype("float32")
    for data in (
        expand((x, x), [transform()], 2, seed=0),
        expand((x, x.copy()), [transform()], 2, seed=0, labels="image"),
        expand((x, {"a": x.copy()}), [transform()], 2, seed=0, labels={"a": "image"}),
    ):
        new, target = data[0]
        np.testing.assert_array_equal(new, target["a"] if isinstance(target, dict) else target)
    noisy, clean = expand((x, x), [transform(), layers.RandomBrightness(0.5)], 2, seed=0)[0]
    assert np.abs(noisy - clean).max() > 0.05
    assert clean.max() <= x.max()


def test_targets_of_another_size():
    """For super-resolution: every second pixel of the target's is between the image's."""
    large = np.random.default_rng(0).uniform(size=(6, 24, 20, 1))
    small = large.reshape(6, 12, 2, 10, 2, 1).mean((2, 4))
    transforms = [flip("horizontal_and_vertical"), crop(8, 7)]
    new, target = expand((small, large), transforms, 2, seed=0, labels="image")[0]
    assert target.shape == (18, 16, 14, 1)
    np.testing.assert_allclose(target.reshape(18, 8, 2, 7, 2, 1).mean((2, 4)), new, rtol=1e-12)
    turned = rotate((0.25, 0.25))
    square = large[:, :20]
    new, target = expand(
        (square[:, ::2, ::2], square), [turned], keep_original=False, labels="image", seed=0
    )[0]
    assert {each.tobytes() for each in target.round(9)} == {
        np.rot90(each).round(9).tobytes() for each in square
    }
    with pytest.raises(ValueError, match="whole pixels of the labels"):
        expand((large, small), [crop(7, 7)], seed=0, labels="image")[0]
    with pytest.raises(ValueError, match="move labels of any size"):
        expand((small, large), [layers.RandomFlip()], labels="image")[0]


def test_scaled_maps_take_pixels_to_the_same_place():
    maps = affine.rotation(np.array([0.3]), (8, 6))
    large = affine.scaled(maps, (2, 3))
    place = np.array([1.25, 4.5, 1])

    def enlarged(p):
        return np.append((p[:2] + 0.5) * (2, 3) - 0.5, 1)

    np.testing.assert_allclose(large[0] @ enlarged(place), enlarged(maps[0] @ place))


def test_labels_that_stay():
    masks = classes()
    images = masks[..., None].astype("float32")
    _, labels = expand((images, masks), [flip()], 1, seed=0, shuffle=False, labels="fixed")[0]
    np.testing.assert_array_equal(labels, np.repeat(masks, 2, axis=0))
    brighter = [layers.RandomBrightness(0.1), layers.Rescaling(2.0)]
    points = {"keypoints": np.zeros((5, 3, 2))}
    _, labels, weights = expand((images, masks, masks), brighter, 1, shuffle=False)[0]
    np.testing.assert_array_equal(labels, np.repeat(masks, 2, axis=0))
    np.testing.assert_array_equal(weights, labels)
    assert expand((images, points), brighter)[0][1]["keypoints"].shape == (10, 3, 2)
    # Weights without labels are weights, and not taken for labels.
    _, none, weights = expand((images, None, np.arange(5)), [flip()], 1, shuffle=False)[0]
    assert none is None
    np.testing.assert_array_equal(weights, np.repeat(np.arange(5), 2))


class _Swirl(layers.Layer):
    def call(self, inputs):
        return keras.ops.flip(inputs, axis=1)


class _Brighter(layers.Identity):
    def call(self, inputs):
        return inputs + 1


def test_a_layer_of_ones_own():
    masks = classes()
    images = masks[..., None].astype("float32")
    with pytest.raises(ValueError, match=r"swirl.*derive a layer that moves no pixel"):
        expand((images, masks), [_Swirl()])
    with pytest.raises(ValueError, match="RandAugment"):
        expand((images, np.zeros(5), masks), [layers.RandAugment()])
    with pytest.raises(ValueError, match="swirl"):
        expand(Batches((images, masks)), [_Swirl()])[0]
    assert expand((images, np.arange(5)), [_Swirl()])[0][0].shape == (10, 17, 16, 1)
    new, labels = expand((images, masks), [flip(), _Brighter()], seed=0)[0]
    assert set(np.unique(new[..., 0] - labels)) == {1.0}


@pytest.mark.parametrize(
    ("labels", "said", "message"),
    [
        (np.zeros((5, 3, 2)), "auto", r"label of shape \(5, 3, 2\).*fixed"),
        (np.zeros((5, 8, 8)), "auto", "height and width"),
        (np.zeros((5, 34, 32, 1)), "auto", "height and width"),
        (np.zeros((5, 17 * 16)), "auto", "height and width"),
        ({"boxes": np.zeros((5, 4))}, "auto", "label 'boxes'.*by its name.*`bounding_boxes`"),
        ({"objects": {"Keypoints": np.zeros((5, 4))}}, "auto", "by its name"),
        ({"bbox": np.zeros((5, 3, 4)), "mask": classes()}, {"mask": "mask"}, "bbox"),
        (np.zeros(5), "mask", "height and width of an image"),
        (np.zeros((5, 2)), "image", "height and width of an image"),
        (classes(), "nearest", "`labels`"),
        (classes(), None, "`labels`"),
        (classes(), {"mask": "mask"}, "`labels`.*one label"),
        ({"a": classes()}, {"b": "mask"}, r"`labels`.*\['a'\]"),
        ([classes(), classes()], ["mask"], "`labels`.*2 labels"),
        (None, "mask", "`labels`.*no labels"),
    ],
)
def test_what_is_refused(labels, said, message):
    images = np.zeros((5, 17, 16, 3), "float32")
    with pytest.raises(ValueError, match=message):
        expand((images, labels), [flip()], labels=said)
    if labels is not None:
        with pytest.raises(ValueError, match=message):
            expand(Batches((images, labels)), [flip()], labels=said)[0]


def test_what_is_refused_of_tf_data():
    tf = pytest.importorskip("tensorflow")
    images = tf.data.Dataset.from_tensor_slices(np.zeros((5, 9, 8, 3), "float32"))
    boxes = tf.data.Dataset.from_tensor_slices(tf.ragged.constant([[1], [], [2, 3], [], [4]]))
    unknown = images.map(lambda x: tf.numpy_function(lambda a: a, (x,), x.dtype))
    for labels, message in ((unknown, "known shape"), (images.batch(2), "height and width")):
        both = tf.data.Dataset.zip((images, labels))
        with pytest.raises(ValueError, match=message):
            expand(both, [flip()])
        assert expand(both, [flip()], labels="fixed") is not None
    assert expand(tf.data.Dataset.zip((images.batch(5), boxes.batch(5))), [flip()]) is not None


def test_masks_that_a_layers_dtype_does_not_hold():
    masks = np.full((2, 8, 8), 301)
    data = expand((np.zeros((2, 8, 8, 1)), masks), [layers.RandomFlip(dtype="bfloat16")])
    with pytest.raises(ValueError, match="dtype='float32'"):
        data[0]
    large = np.full((2, 8, 8), 2**60 + 1)
    np.testing.assert_array_equal(
        expand((np.zeros((2, 8, 8)), large), [rotate(0.1)])[0][1], np.full((4, 8, 8), 2**60 + 1)
    )


def test_crops_that_stretch_or_leave_originals():
    images, masks = np.zeros((2, 8, 8, 1)), np.zeros((2, 8, 8), int)
    with pytest.raises(ValueError, match="Resizing"):
        expand((images, masks), [layers.CenterCrop(9, 9)])[0]
    with pytest.raises(ValueError, match=r"kd\.augmentation\.crop"):
        expand((images, masks), [layers.RandomCrop(5, 5)], seed=0)[0]
    new, labels = expand((images, masks), [layers.RandomCrop(5, 5)], keep_original=False)[0]
    assert new.shape[1:3] == labels.shape[1:3] == (5, 5)


def test_fit_learns_from_them():
    """A network of one pixel's view, whose masks would be unlearnable if they stayed behind."""
    images = np.zeros((16, 12, 12, 1), "float32")
    images[:, 2:6, 1:5] = 1
    data = expand((images, images.astype(int)), [flip(), rotate(0.25)], 2, seed=0)
    model = keras.Sequential([layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    model.build((None, 12, 12, 1))
    model.set_weights([np.array([[20.0]]), np.array([-10.0])])
    assert model.evaluate(data, verbose=0)[1] > 0.98
    assert np.isfinite(model.fit(data, epochs=1, verbose=0).history["loss"][0])
