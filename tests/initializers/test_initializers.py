"""SmallRandom, Xavier and He: the distribution, the seeds, and unit variance in every layer."""

import copy
import pickle

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_dlnotes.initializers import He, SmallRandom, Xavier


def deviation(outputs, border=0):
    outputs = ops.convert_to_numpy(outputs)
    if border:
        inside = (slice(None), *[slice(border, -border)] * (outputs.ndim - 2))
        outputs = outputs[inside]
    return float(np.sqrt(np.mean(np.square(outputs, dtype="float64"))))


@pytest.mark.parametrize(
    ("initializer", "expected"),
    [
        (SmallRandom(seed=1), 0.01),
        (SmallRandom(0.3, seed=1), 0.3),
        (Xavier(seed=1), np.sqrt(1 / 200)),
        (He(seed=1), np.sqrt(2 / 200)),
    ],
    ids=["small", "small 0.3", "xavier", "he"],
)
def test_an_untruncated_normal_of_the_right_deviation(initializer, expected):
    values = ops.convert_to_numpy(initializer((200, 500))) / expected
    np.testing.assert_allclose(values.std(), 1, rtol=0.01)
    np.testing.assert_allclose(values.mean(), 0, atol=0.01)
    # A truncated normal ends at 2; of 100,000 normal values about 270 lie beyond 3.
    assert 200 < np.sum(np.abs(values) > 3) < 350
    np.testing.assert_allclose(np.mean(values**4), 3, rtol=0.05)


@pytest.mark.parametrize("make", [SmallRandom, Xavier, He])
def test_seeds_behave_as_keras_ones(make):
    def draw(initializer):
        return ops.convert_to_numpy(initializer((4, 5)))

    np.testing.assert_array_equal(draw(make(seed=3)), draw(make(seed=3)))
    fixed = make(seed=3)
    np.testing.assert_array_equal(draw(fixed), draw(fixed))
    assert not np.array_equal(draw(make(seed=3)), draw(make(seed=4)))
    assert not np.array_equal(draw(make()), draw(make()))
    unseeded = make()
    assert not np.array_equal(draw(unseeded), draw(unseeded))
    stream = make(seed=keras.random.SeedGenerator(3))
    assert not np.array_equal(draw(stream), draw(stream))
    again = make.from_config(make(seed=keras.random.SeedGenerator(3)).get_config())
    fresh = make(seed=keras.random.SeedGenerator(3))
    np.testing.assert_array_equal(draw(again), draw(fresh))
    assert make().get_config()["seed"] is None
    with pytest.raises(ValueError, match="seed"):
        make(seed="three")


def branches(initializer):
    """Two branches whose layers share one initializer, and a block that is cloned from a layer."""
    inputs = keras.Input((6,))
    ends = [layers.Dense(6, kernel_initializer=initializer)(inputs) for _ in range(2)]
    sequence = layers.Reshape((1, 6))(inputs)
    ends.append(
        layers.Flatten()(
            layers.MultiHeadAttention(2, 3, kernel_initializer=initializer)(sequence, sequence)
        )
    )
    return keras.Model(inputs, layers.Concatenate()(ends))


def kernels_of(model):
    found = [weight for weight in model.weights if weight.path.endswith("kernel")]
    assert len(found) == 6
    return [ops.convert_to_numpy(weight).ravel() for weight in found]


def all_differ(kernels):
    return len({values.tobytes() for values in kernels}) == len(kernels)


@pytest.mark.parametrize("make", [SmallRandom, Xavier, He])
def test_an_unseeded_object_shared_by_layers_gives_each_its_own_kernel(make, tmp_path):
    """Before and after everything that copies it; Keras's own gives all the same."""
    keras.utils.set_random_seed(5)
    shared = make()
    model = branches(shared)
    assert all_differ(kernels_of(model))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for before, after in zip(kernels_of(model), kernels_of(loaded), strict=True):
        np.testing.assert_array_equal(before, after)
    cloned, copied = keras.models.clone_model(model), copy.deepcopy(shared)
    round_trip = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(shared))
    dense = next(layer for layer in loaded.layers if isinstance(layer, layers.Dense))
    of_layer = dense.kernel_initializer
    drawn = [branches(each) for each in (copied, round_trip, of_layer, pickle_of(shared), shared)]
    drawn = [kernel for each in (model, cloned, *drawn) for kernel in kernels_of(each)]
    assert all_differ(drawn)
    keras.utils.set_random_seed(5)
    for first, again in zip(kernels_of(model), kernels_of(branches(make())), strict=True):
        np.testing.assert_array_equal(first, again)


def pickle_of(initializer):
    return pickle.loads(pickle.dumps(initializer))


@pytest.mark.parametrize("make", [SmallRandom, Xavier, He])
def test_a_seeded_object_is_the_same_after_everything_that_copies_it(make):
    fixed = make(seed=3)
    expected = kernels_of(branches(fixed))
    np.testing.assert_array_equal(expected[0], expected[1])
    clone = keras.models.clone_model(branches(fixed))
    for found in (kernels_of(clone), kernels_of(branches(copy.deepcopy(fixed)))):
        for first, again in zip(expected, found, strict=True):
            np.testing.assert_array_equal(first, again)


# Each case: a linear layer without bias, an input shape, and how many positions at the border,
# where padding or a transposed convolution lets fewer inputs arrive, to leave out.
CASES = {
    "Dense": (lambda: layers.Dense(60, kernel_initializer=Xavier(1)), (100,), 0),
    "Conv1D": (lambda: layers.Conv1D(40, 5, kernel_initializer=Xavier(1)), (30, 24), 0),
    "Conv2D": (lambda: layers.Conv2D(32, 3, kernel_initializer=Xavier(1)), (10, 10, 16), 0),
    "Conv2D strides": (
        lambda: layers.Conv2D(32, 3, strides=2, kernel_initializer=Xavier(1)),
        (12, 12, 16),
        0,
    ),
    "Conv2D groups": (
        lambda: layers.Conv2D(48, 3, groups=4, kernel_initializer=Xavier(1)),
        (10, 10, 16),
        0,
    ),
    "Conv3D": (lambda: layers.Conv3D(24, 3, kernel_initializer=Xavier(1)), (6, 6, 6, 8), 0),
    "DepthwiseConv1D": (
        lambda: layers.DepthwiseConv1D(5, depthwise_initializer=Xavier(1, layout="depthwise")),
        (20, 1200),
        0,
    ),
    "DepthwiseConv2D": (
        lambda: layers.DepthwiseConv2D(
            3, depth_multiplier=2, depthwise_initializer=Xavier(1, layout="depthwise")
        ),
        (8, 8, 256),
        0,
    ),
    "SeparableConv1D": (
        lambda: layers.SeparableConv1D(
            64,
            5,
            depthwise_initializer=Xavier(1, layout="depthwise"),
            pointwise_initializer=Xavier(2),
        ),
        (20, 600),
        0,
    ),
    "SeparableConv2D": (
        lambda: layers.SeparableConv2D(
            64,
            3,
            depthwise_initializer=Xavier(1, layout="depthwise"),
            pointwise_initializer=Xavier(2),
        ),
        (8, 8, 400),
        0,
    ),
    "Conv1DTranspose": (
        lambda: layers.Conv1DTranspose(
            30, 4, strides=2, kernel_initializer=Xavier(1, layout="transpose", strides=2)
        ),
        (24, 40),
        4,
    ),
    "Conv2DTranspose": (
        lambda: layers.Conv2DTranspose(
            8,
            3,
            strides=2,
            padding="same",
            kernel_initializer=Xavier(1, layout="transpose", strides=2),
        ),
        (12, 12, 64),
        4,
    ),
    "Conv2DTranspose strides (2, 1)": (
        lambda: layers.Conv2DTranspose(
            8, 4, strides=(2, 1), kernel_initializer=Xavier(1, layout="transpose", strides=(2, 1))
        ),
        (12, 16, 64),
        4,
    ),
    "Conv3DTranspose": (
        lambda: layers.Conv3DTranspose(
            4,
            2,
            strides=2,
            padding="same",
            kernel_initializer=Xavier(1, layout="transpose", strides=2),
        ),
        (6, 6, 6, 80),
        2,
    ),
    "EinsumDense": (
        lambda: layers.EinsumDense("abc,cde->abde", (None, 8, 10), kernel_initializer=Xavier(1)),
        (5, 60),
        0,
    ),
    "EinsumDense output projection": (
        lambda: layers.EinsumDense("abde,dec->abc", (None, 70), kernel_initializer=Xavier(1)),
        (5, 6, 10),
        0,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_xavier_keeps_unit_variance(case):
    make, shape, border = CASES[case]
    outputs = make()(np.random.default_rng(0).normal(size=(64, *shape)).astype("float32"))
    assert 0.95 < deviation(outputs, border) < 1.05


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.MultiHeadAttention(6, 20, kernel_initializer=Xavier()),
        lambda: layers.GroupQueryAttention(16, 8, 4, kernel_initializer=Xavier()),
    ],
    ids=["MultiHeadAttention", "GroupedQueryAttention"],
)
def test_xavier_keeps_unit_variance_in_attention(layer):
    layer = layer()
    normal = np.random.default_rng(0).normal
    # Over one key attention is the identity, and the layer is value and output projection in a row.
    single = normal(size=(512, 1, 96)).astype("float32")
    assert 0.95 < deviation(layer(single, single)) < 1.05
    for projection in (layer._query_dense, layer._key_dense, layer._value_dense):
        assert 0.95 < deviation(projection(single)) < 1.05
    heads = normal(size=(512, 1, *layer._output_dense.kernel.shape[:2])).astype("float32")
    assert 0.95 < deviation(layer._output_dense(heads)) < 1.05


def test_saved_inside_a_model(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            layers.Conv2D(4, 3, kernel_initializer=He(seed=1)),
            layers.Conv2DTranspose(
                2, 2, kernel_initializer=Xavier(layout="transpose", strides=(2, 2))
            ),
            layers.Flatten(),
            layers.Dense(2, kernel_initializer=SmallRandom(0.05)),
        ]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for old, new in zip(model.layers, loaded.layers, strict=True):
        if hasattr(old, "kernel_initializer"):
            assert type(new.kernel_initializer) is type(old.kernel_initializer)
            assert new.kernel_initializer.get_config() == old.kernel_initializer.get_config()


@pytest.mark.parametrize("scale", [-1, float("nan"), float("inf"), "0.1"])
def test_scale_is_checked(scale):
    with pytest.raises(ValueError, match="scale"):
        SmallRandom(scale)


@pytest.mark.parametrize("make", [Xavier, He])
def test_layout_is_checked(make):
    with pytest.raises(ValueError, match="layout"):
        make(layout="convolution")
    with pytest.raises(ValueError, match="strides"):
        make(strides=2)
    with pytest.raises(ValueError, match="input_axes"):
        make(layout="depthwise", input_axes=(0,))
