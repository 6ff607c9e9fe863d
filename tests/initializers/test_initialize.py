"""`initialize` finds every kernel, in whatever it is wrapped, and scales it by its own n_prev."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_dlnotes.initializers import He, SmallRandom, Xavier, initialize


@pytest.fixture(autouse=True)
def _cheap_start(monkeypatch):
    """JAX compiles a random draw anew for every shape; what the layers start from is no matter."""
    for cls in (keras.initializers.GlorotUniform, keras.initializers.Orthogonal):
        monkeypatch.setattr(cls, "__call__", lambda _, shape, dtype: ops.zeros(shape, dtype))


def every_kind_of_layer():
    image = keras.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, name="conv")(image)
    x = layers.Conv2D(8, 3, groups=2, name="grouped")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=3, name="depthwise", padding="same")(x)
    x = layers.SeparableConv2D(6, 3, depth_multiplier=2, name="separable", padding="same")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2DTranspose(5, 4, strides=2, name="transpose")(x)
    inner = keras.Sequential([keras.Input((10, 10, 5)), layers.Conv2D(3, 2, name="nested")])
    x = layers.Reshape((81, 3))(inner(x))
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = layers.TimeDistributed(layers.Dense(9, name="each"), name="distributed")(x)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True), name="both")(x)
    cells = layers.StackedRNNCells([layers.GRUCell(4), layers.SimpleRNNCell(3)])
    x = layers.RNN(cells, name="stacked")(x)
    x = layers.SpectralNormalization(layers.Dense(6, name="wrapped"), name="spectral")(x)
    outputs = layers.Dense(2, name="head")(x)
    return keras.Model(image, outputs)


EXPECTED = {
    "conv/kernel": 36,
    "grouped/kernel": 36,
    "depthwise/kernel": 9,
    "separable/depthwise_kernel": 9,
    "separable/pointwise_kernel": 48,
    "transpose/kernel": 24,
    "nested/kernel": 20,
    "attention/query/kernel": 3,
    "attention/key/kernel": 3,
    "attention/value/kernel": 3,
    "attention/attention_output/kernel": 8,
    "distributed/each/kernel": 3,
    "forward_lstm/lstm_cell/kernel": 9,
    "forward_lstm/lstm_cell/recurrent_kernel": 5,
    "backward_lstm/lstm_cell/kernel": 9,
    "backward_lstm/lstm_cell/recurrent_kernel": 5,
    "gru_cell/kernel": 10,
    "gru_cell/recurrent_kernel": 4,
    "simple_rnn_cell/kernel": 4,
    "simple_rnn_cell/recurrent_kernel": 3,
    "wrapped/kernel": 3,
    "head/kernel": 6,
}


def test_every_kernel_with_its_own_inputs():
    model = every_kind_of_layer()
    counts = initialize(model, Xavier(seed=0))
    assert len(counts) == len(EXPECTED)
    for ending, expected in EXPECTED.items():
        found = [count for path, count in counts.items() if path.endswith(ending)]
        assert found == [expected], ending


def test_the_weights_have_that_deviation_and_the_others_stay():
    model = every_kind_of_layer()
    before = {weight.path: ops.convert_to_numpy(weight) for weight in model.weights}
    counts = initialize(model, He(seed=0))
    standardised = []
    for weight in model.weights:
        values = ops.convert_to_numpy(weight)
        if weight.path in counts:
            standardised.append(values.ravel() * np.sqrt(counts[weight.path] / 2))
        else:
            np.testing.assert_array_equal(values, before[weight.path])
    standardised = np.concatenate(standardised)
    np.testing.assert_allclose(standardised.std(), 1, atol=4 / np.sqrt(2 * standardised.size))
    np.testing.assert_allclose(standardised.mean(), 0, atol=4 / np.sqrt(standardised.size))


def test_reproducible_and_different_in_layers_of_one_shape():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(6), layers.Dense(6)])
    initialize(model, Xavier(seed=5))
    first, second = (ops.convert_to_numpy(layer.kernel) for layer in model.layers)
    assert not np.array_equal(first, second)
    initialize(model, Xavier(seed=5))
    np.testing.assert_array_equal(ops.convert_to_numpy(model.layers[0].kernel), first)
    initialize(model, Xavier(seed=6))
    assert not np.array_equal(ops.convert_to_numpy(model.layers[0].kernel), first)
    stream = Xavier(seed=keras.random.SeedGenerator(5))
    initialize(model, stream)
    np.testing.assert_array_equal(ops.convert_to_numpy(model.layers[0].kernel), first)
    initialize(model, stream)
    assert not np.array_equal(ops.convert_to_numpy(model.layers[0].kernel), first)


@pytest.mark.parametrize("make", [SmallRandom, Xavier, He])
def test_without_a_seed_every_call_draws_anew(make):
    unseeded = make()
    models = [keras.Sequential([keras.Input((6,)), layers.Dense(6)]) for _ in range(2)]
    drawn = []
    for model in (*models, models[0]):
        initialize(model, unseeded)
        drawn.append(ops.convert_to_numpy(model.layers[0].kernel).tobytes())
    assert len(set(drawn)) == 3


@pytest.mark.filterwarnings("ignore:.*quantiz")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.layers[2].enable_lora(2), "`enable_lora`"),
        (lambda model: model.layers[3].query_dense.enable_lora(2), "`enable_lora`"),
        (lambda model: model.layers[1].enable_lora(2), "`enable_lora`"),
        (lambda model: model.quantize("int8"), "int8.*before quantizing"),
        (lambda model: model.quantize("float8"), "float8.*before quantizing"),
        (lambda model: model.layers[2].quantize("int4"), "int4.*before quantizing"),
    ],
    ids=["lora", "lora in attention", "lora embedding", "int8", "float8", "one layer int4"],
)
def test_lora_and_quantized_models_are_refused_untouched(change, message):
    tokens = keras.Input((4,), dtype="int32")
    x = layers.Dense(6)(layers.Embedding(5, 6)(tokens))
    x = layers.MultiHeadAttention(2, 3)(x, x)
    model = keras.Model(tokens, layers.Dense(2)(x))
    change(model)
    before = [ops.convert_to_numpy(weight) for weight in model.weights]
    with pytest.raises(ValueError, match=message):
        initialize(model, He())
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(weight))


def test_a_layer_used_twice_and_a_frozen_one():
    shared = layers.Dense(3, name="shared")
    frozen = layers.Dense(3, name="frozen", trainable=False)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, frozen(shared(shared(inputs))))
    before = ops.convert_to_numpy(frozen.kernel)
    assert list(initialize(model, SmallRandom(seed=0)).values()) == [3, 3]
    assert not np.array_equal(ops.convert_to_numpy(frozen.kernel), before)


def test_transposed_kernel_inside_a_wrapper():
    model = keras.Sequential(
        [
            keras.Input((3, 4, 4, 6)),
            layers.TimeDistributed(
                layers.SpectralNormalization(layers.Conv2DTranspose(2, 4, strides=2))
            ),
        ]
    )
    assert list(initialize(model, Xavier()).values()) == [24]


def test_einsum_that_sums_over_an_input_axis_without_weights():
    model = keras.Sequential([keras.Input((5, 8)), layers.EinsumDense("abc,cd->ad", 40)])
    assert list(initialize(model, Xavier(seed=0)).values()) == [40]
    inputs = np.random.default_rng(0).normal(size=(2000, 5, 8)).astype("float32")
    outputs = ops.convert_to_numpy(model(inputs))
    # 320 weights: the standard error of their deviation is 4 %.
    np.testing.assert_allclose(outputs.std(), 1, atol=0.12)
    unknown = keras.Sequential([keras.Input((None, 8)), layers.EinsumDense("abc,cd->ad", 4)])
    with pytest.raises(ValueError, match="unknown"):
        initialize(unknown, Xavier())
    elided = keras.Sequential(
        [keras.Input((7, 5, 8)), layers.EinsumDense("...bc,cd->...d", (7, 4))]
    )
    assert list(initialize(elided, Xavier()).values()) == [40]


def test_what_cannot_be_initialized_is_refused():
    with pytest.raises(ValueError, match="built model"):
        initialize(keras.Sequential([layers.Dense(2)]), Xavier())
    with pytest.raises(ValueError, match="at least one kernel"):
        initialize(keras.Sequential([keras.Input((2,)), layers.Embedding(3, 2)]), Xavier())
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    with pytest.raises(TypeError, match="SmallRandom, Xavier or He"):
        initialize(model, keras.initializers.HeNormal())
    with pytest.raises(TypeError, match="SmallRandom, Xavier or He"):
        initialize(model, Xavier)
