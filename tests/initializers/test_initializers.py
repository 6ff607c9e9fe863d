"""SmallRandom, Xavier and He: the distribution, the seeds, and unit variance in every layer."""

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
    stream = make(seed=keras.random.SeedGenerator(3))
    assert not np.array_equal(draw(stream), draw(stream))
    again = make.from_config(make(seed=keras.random.SeedGenerator(3)).get_config())
    fresh = make(seed=keras.random.SeedGenerator(3))
    np.testing.assert_array_equal(draw(again), draw(fresh))
    assert make().get_config()["seed"] is None
    with pytest.raises(ValueError, match="seed"):
        make(seed="three")


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
