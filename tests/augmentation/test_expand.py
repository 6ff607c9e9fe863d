"""Expanded training sets: what is in them, in what order, and that `fit` takes them."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_dlnotes.augmentation import crop, expand, flip, opencv, rotate

BACKEND = keras.backend.backend()


def images(examples=11, dtype="uint8"):
    """Examples whose number can be read from their first pixel's colour wherever it moves."""
    x = np.zeros((examples, 8, 8, 3), dtype)
    x += np.arange(1, examples + 1, dtype=dtype)[:, None, None, None]
    x[:, :4, :4, 1] = 100  # a corner, so that a flip can be told
    return x, np.arange(examples), np.arange(examples) / 10


def batches(dataset):
    number = dataset.num_batches
    return [dataset[index] for index in range(number)]


def joined(found):
    return [
        np.concatenate([np.asarray(part) for part in parts]) for parts in zip(*found, strict=True)
    ]


class Source(keras.utils.PyDataset):
    epochs = 0
    num_batches = 3

    def __getitem__(self, index):
        x, y, w = images()
        part = slice(4 * index, 4 * index + 4)
        return x[part], {"label": y[part]}, w[part]

    def on_epoch_end(self):
        self.epochs += 1


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("keep_original", [False, True])
def test_every_example_and_its_copies_once_with_label_and_weight(keep_original, shuffle):
    x, y, w = images()
    transforms = [flip(), rotate(0.05), crop(6, 6)]
    data = expand((x, y, w), transforms, 2, keep_original, 0, batch_size=4, shuffle=shuffle)
    assert len(data) == -(-11 * (2 + keep_original) // 4)
    new, labels, weights = joined(batches(data))
    assert new.shape == (11 * (2 + keep_original), 6, 6, 3)
    assert new.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(labels), 2 + keep_original)
    np.testing.assert_array_equal(new[:, 0, 0, 0], labels + 1)
    np.testing.assert_allclose(weights, labels / 10)
    cut = x[:, 1:7, 1:7]
    untouched = sum(np.array_equal(one, cut[label]) for one, label in zip(new, labels, strict=True))
    assert untouched >= 11 if keep_original else untouched < 11
    assert np.array_equal(labels, np.sort(labels)) != shuffle
    if shuffle:  # originals and copies of all examples in one order
        assert len({tuple(np.sort(batch[1])) for batch in batches(data)}) == len(data)
        assert np.abs(labels[:11].mean() - 5) < 2.5


def test_new_draws_every_epoch_and_the_same_in_every_run():
    def run(seed=7):
        data = expand(images()[:2], [rotate(0.5)], copies=2, seed=seed, batch_size=8)
        epochs = []
        for _ in range(2):
            epochs.append(joined(batches(data)))
            assert all(
                np.array_equal(*pair)
                for pair in zip(joined(batches(data)), epochs[-1], strict=True)
            )
            data.on_epoch_end()
        return epochs

    first, again = run(), run()
    for epoch, repeated in zip(first, again, strict=True):
        np.testing.assert_array_equal(epoch[0], repeated[0])
    assert not np.array_equal(first[0][0], first[1][0])
    assert not np.array_equal(first[0][1], first[1][1])
    assert not np.array_equal(first[0][0], run(seed=8)[0][0])
    assert not np.array_equal(run(seed=None)[0][0], run(seed=None)[0][0])


def test_another_datasets_batches():
    source = Source()
    data = expand(source, [flip("vertical")], copies=2, seed=0)
    found = [(x, y["label"], w) for x, y, w in batches(data)]
    assert len(found) == data.num_batches == 9
    x, labels, weights = joined(found)
    np.testing.assert_array_equal(np.bincount(labels), 3)
    np.testing.assert_array_equal(x[:, 0, 0, 0], labels + 1)
    np.testing.assert_allclose(weights, labels / 10)
    # Originals are spread over the three times a batch comes back, one each.
    assert not np.array_equal(labels, np.sort(labels))
    marked = expand(source, [_AddWhileTraining()], copies=2, seed=0)
    x, labels, _ = joined([(x, y["label"], w) for x, y, w in batches(marked)])
    original = x[:, 0, 0, 0] == labels + 1
    np.testing.assert_array_equal(np.bincount(labels[original]), 1)
    mixed = [len(set(batch[0][:, 0, 0, 0] > 50)) == 2 for batch in batches(marked)]
    assert sum(mixed) >= 3
    data.on_epoch_end()
    assert source.epochs == 1
    with pytest.raises(IndexError, match="from 0 to 8"):
        data[9]


class _AddWhileTraining(layers.Layer):
    def call(self, inputs, training=None):
        return inputs + 100.0 if training else inputs


@pytest.mark.parametrize("batched", [True, False])
def test_tf_data_on_every_backend(batched):
    tf = pytest.importorskip("tensorflow")
    source = tf.data.Dataset.from_tensor_slices(images())
    source = source.batch(4) if batched else source
    runs = []
    for _ in range(2):
        data = expand(source, [flip(), crop(6, 6), _AddWhileTraining()], copies=2, seed=3)
        data = data if batched else data.batch(5)
        assert len(data) == (9 if batched else 7)
        for _epoch in range(2):
            runs.append(joined(list(data.as_numpy_iterator())))
    x, labels, weights = runs[0]
    np.testing.assert_array_equal(np.bincount(labels), 3)
    np.testing.assert_array_equal(x[:, 0, 0, 0] % 100, labels + 1)
    np.testing.assert_array_equal(np.bincount(labels[x[:, 0, 0, 0] < 50]), 1)
    np.testing.assert_allclose(weights, labels / 10)
    for part in (0, 1):
        np.testing.assert_array_equal(runs[0][part], runs[2][part])
        np.testing.assert_array_equal(runs[1][part], runs[3][part])
        assert not np.array_equal(runs[0][part], runs[1][part])
    # A source whose length nobody knows, and one that never ends.
    unknown = expand(source.filter(lambda *_: True), [flip()], copies=1, seed=0)
    assert len(list(unknown)) == 2 * len(source)
    assert len(list(expand(source.repeat(), [flip()], copies=1, seed=0).take(30))) == 30
    with pytest.raises(ValueError, match="of known size"):
        expand(tf.data.Dataset.from_tensor_slices({"x": np.zeros(3)}), [flip()])


@pytest.mark.parametrize("workers", [1, 2])
def test_fit_takes_it(workers):
    x, y, _ = images()
    transforms = [flip(), layers.RandomBrightness(0.5, seed=0), layers.Rescaling(1 / 255)]
    losses = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([layers.Flatten(), layers.Dense(11)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        data = expand((x, y), transforms, copies=2, seed=0, workers=workers)
        losses.append(model.fit(data, epochs=2, verbose=0, shuffle=False).history["loss"])
    assert np.isfinite(losses).all()
    # Two workers may be asked for a layer's draws in either order, and still draw the same.
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_layouts_give_the_same_images(monkeypatch):
    x = np.random.default_rng(0).uniform(size=(6, 9, 8, 3)).astype("float32")
    transforms = [flip("horizontal_and_vertical"), rotate((0.1, 0.3), "constant"), crop(7, 6)]

    def once(images, **arguments):
        return expand(images, transforms, copies=1, seed=0, shuffle=False, **arguments)[0][0]

    last = once(x)
    first = once(x.transpose(0, 3, 1, 2), data_format="channels_first")
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)
    np.testing.assert_array_equal(once(x[..., 1]), last[..., 1])
    assert once(x.astype("float64")).dtype == np.float64
    monkeypatch.setattr(opencv, "cv2", None)
    np.testing.assert_allclose(once(x), last, atol=1e-4)


def test_rotations_of_two_kinds_are_done_one_after_the_other():
    x = np.random.default_rng(0).uniform(size=(2, 9, 9, 1)).astype("float64")
    both = [rotate((0.25, 0.25)), rotate((0.25, 0.25), interpolation="nearest"), flip("vertical")]
    new = expand(x, both, keep_original=False, seed=0)[0][0]
    for image in new:
        turned = [np.rot90(one, 2) for one in x]
        candidates = [*turned, *(one[::-1] for one in turned)]
        assert min(np.abs(image - one).max() for one in candidates) < 1e-9


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "`copies`", lambda x: expand(x, [flip()], copies=0, keep_original=False)),
        (ValueError, "`batch_size`", lambda x: expand(x, [flip()], batch_size=0)),
        (ValueError, "`seed`", lambda x: expand(x, [flip()], seed=0.5)),
        (ValueError, "as many labels", lambda x: expand((x, np.zeros(3)), [flip()])),
        (ValueError, "Expected images of shape", lambda x: expand(x[0, 0], [flip()])),
        (ValueError, "at least 9 x 9", lambda x: expand(x, [crop(9, 9)])[0]),
        (ValueError, "`height`", lambda x: crop(0, 3)),
        (ValueError, "`mode`", lambda x: flip("sideways")),
        (ValueError, "`factor`", lambda x: rotate(10)),
        (ValueError, "`factor`", lambda x: rotate("0.1")),
        (ValueError, "`factor`", lambda x: rotate((0.1,))),
        (TypeError, "of lists with `numpy.array`", lambda x: expand((x, [0] * len(x)), [flip()])),
        (ValueError, "`fill_mode`", lambda x: rotate(0.1, "mirror")),
        (ValueError, "`data_format`", lambda x: expand(x, [flip()], data_format="NHWC")),
        (ValueError, "no further arguments", lambda x: expand(Source(), [flip()], workers=2)),
        (TypeError, "flip, rotate and crop", lambda x: expand(x, [np.fliplr])),
        (TypeError, "Expected arrays", lambda x: expand({"image": x}, [flip()])),
        (TypeError, "Expected arrays", lambda x: expand((x, x, x, x), [flip()])),
    ],
)
def test_what_is_refused(error, message, call):
    with pytest.raises(error, match=message):
        call(images()[0])


@pytest.mark.skipif(not hasattr(layers, "MixUp"), reason="of newer Keras")
def test_layers_that_blend_labels_are_refused():
    with pytest.raises(ValueError, match="blends labels"):
        expand(images()[:2], [layers.MixUp()])
