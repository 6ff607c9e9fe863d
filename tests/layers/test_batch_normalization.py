"""The layer in `fit`, in every layout, policy and mode, beside NumPy's and Keras's."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_dlnotes.callbacks import TrainingMonitor
from keras_dlnotes.layers import BatchNormalization
from keras_dlnotes.summaries import MemoryWriter
from tests.references import batch_normalization_reference as reference

BACKEND = keras.backend.backend()


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor).astype("float64")


def drawn(*shape, mean=3.0, deviation=2.0):
    return np.random.default_rng(0).normal(mean, deviation, shape).astype("float32")


def network(normalization):
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, use_bias=False),
            normalization,
            layers.Activation("relu"),
            layers.Dense(2),
        ]
    )


def test_first_step_evaluates_as_it_trains():
    inputs = drawn(16, 5)
    layer = BatchNormalization()
    trained = numpy_of(layer(inputs, training=True))
    np.testing.assert_allclose(trained, reference.normalized(inputs)[0], atol=1e-5)
    np.testing.assert_allclose(numpy_of(layer(inputs, training=False)), trained, atol=1e-5)
    assert float(layer.total_weight) == pytest.approx(0.16)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("momentum", [None, 0.9])
def test_running_statistics_over_ragged_batches(momentum, unbiased):
    layer = BatchNormalization(momentum=momentum, unbiased=unbiased)
    batches = np.split(drawn(30, 3), [10, 20, 29])  # the last is a single example
    for batch in batches:
        layer(batch, training=True)
    parts = [reference.normalized(batch, unbiased=unbiased) for batch in batches]
    weights = [part[3] for part in parts]
    for variable, place in ((layer.moving_mean, 1), (layer.moving_variance, 2)):
        expected = reference.weighted_average([part[place] for part in parts], weights, momentum)
        np.testing.assert_allclose(numpy_of(variable), expected, rtol=1e-4)


def test_axes_masks_and_ghost_batches():
    inputs = drawn(7, 5, 3)
    mask = np.arange(5) < np.array([5, 3, 1, 4, 2, 5, 1])[:, None]
    expected, mean, variance, _ = reference.normalized(inputs.astype("float64"), mask, 3)
    last, first = (BatchNormalization(axis=axis, ghost_batch_size=3) for axis in (-1, 1))
    outputs = last(inputs, training=True, mask=ops.convert_to_tensor(mask))
    np.testing.assert_allclose(numpy_of(outputs), expected, atol=1e-4)
    np.testing.assert_allclose(numpy_of(last.moving_mean), mean, rtol=1e-5)
    np.testing.assert_allclose(numpy_of(last.moving_variance), variance, rtol=1e-4)
    moved = first(inputs.transpose(0, 2, 1), training=True, mask=mask[:, None])
    np.testing.assert_allclose(numpy_of(moved).transpose(0, 2, 1), expected, atol=1e-4)
    # A mask of the examples alone, as it comes from before a TimeDistributed image.
    by_example = BatchNormalization()(inputs, training=True, mask=np.arange(7) < 4)
    picked = reference.normalized(inputs[:4].astype("float64"))[0]
    np.testing.assert_allclose(numpy_of(by_example)[:4], picked, atol=1e-4)


def test_learns_as_keras_layer_does_and_knows_better_at_inference():
    x, y = drawn(20, 4), drawn(20, 2, mean=0.0)
    models = [network(BatchNormalization()), network(layers.BatchNormalization())]
    for ours, theirs in zip(*(model.trainable_variables for model in models), strict=True):
        ours.assign(numpy_of(theirs))
    for model in models:
        model.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=BACKEND != "torch")
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
    for ours, theirs in zip(*(model.trainable_variables for model in models), strict=True):
        np.testing.assert_allclose(numpy_of(ours), numpy_of(theirs), atol=2e-5)
    trained = numpy_of(models[0](x, training=True))
    gaps = [np.abs(model.predict(x, verbose=0) - trained).mean() for model in models]
    assert gaps[0] < gaps[1] / 10


def test_saved_restored_and_frozen(tmp_path):
    x, y = drawn(16, 4), drawn(16, 2)
    model = network(
        BatchNormalization(
            momentum=None,
            ghost_batch_size=4,
            unbiased=True,
            gamma_regularizer=keras.regularizers.L2(0.1),
            beta_constraint="non_neg",
        )
    )
    model.compile("sgd", "mse")
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.layers[1].get_config() == model.layers[1].get_config()
    assert numpy_of(loaded.layers[1].total_weight) == 12  # 16 positions less one a ghost batch
    before = numpy_of(loaded.layers[1].moving_mean)
    loaded.layers[1].trainable = False
    loaded.compile("sgd", "mse")
    loaded.fit(x, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(numpy_of(loaded.layers[1].moving_mean), before)
    frozen = loaded.layers[1](x[:, :1] * np.ones((1, 6), "float32"), training=True)
    np.testing.assert_allclose(
        numpy_of(frozen),
        numpy_of(loaded.layers[1](x[:, :1] * np.ones((1, 6), "float32"), training=False)),
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_statistics_in_32_bits(policy):
    layer = BatchNormalization(dtype=policy)
    inputs = ops.cast(drawn(64, 3, mean=200.0, deviation=300.0), layer.compute_dtype)
    outputs = layer(inputs, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
    exact = numpy_of(ops.cast(inputs, "float32"))
    # Their squares are beyond float16's 65504.
    np.testing.assert_allclose(numpy_of(layer.moving_variance), exact.var(0), rtol=1e-4)
    np.testing.assert_allclose(numpy_of(layer.moving_mean), exact.mean(0), rtol=1e-4)


def test_whole_numbers_are_normalized_too():
    outputs = numpy_of(BatchNormalization()(np.arange(6).reshape(3, 2), training=True))
    np.testing.assert_allclose(outputs[:, 0], np.array([-2, 0, 2]) / np.sqrt(8 / 3 + 1e-3), 1e-5)


def test_no_positions_change_nothing():
    layer = BatchNormalization()
    inputs = drawn(4, 3)
    layer(inputs, training=True)
    before = [numpy_of(variable) for variable in layer.variables]
    outputs = layer(inputs, training=True, mask=np.zeros(4, bool))
    assert np.isfinite(numpy_of(outputs)).all()
    for variable, value in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(numpy_of(variable), value)


def test_bare_normalization_under_the_monitor():
    writer = MemoryWriter()
    layer = BatchNormalization(affine=False, name="normalized")
    model = network(layer)
    assert len(layer.trainable_variables) == 0
    model.compile("sgd", "mse")
    monitor = TrainingMonitor(writer=writer, every=1)
    model.fit(drawn(32, 4), drawn(32, 2), batch_size=16, verbose=0, callbacks=[monitor])
    values = writer.scalars["activations/normalized/standard_deviation"]
    np.testing.assert_allclose([value for _, value in values], 1, atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"axis": 0}, "`axis`"),
        ({"axis": [1]}, "`axis`"),
        ({"momentum": 1}, "`momentum`"),
        ({"epsilon": -1}, "`epsilon`"),
        ({"ghost_batch_size": 0}, "`ghost_batch_size`"),
        ({"ghost_batch_size": 4, "synchronized": True}, "either"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BatchNormalization(**arguments)


def test_inputs_and_masks_that_do_not_fit():
    with pytest.raises(ValueError, match="number of channels"):
        BatchNormalization()(keras.Input((3, None)))
    with pytest.raises(ValueError, match="number of channels"):
        BatchNormalization(axis=3)(drawn(4, 3))
    with pytest.raises(ValueError, match="a mask for the leading axes"):
        BatchNormalization()(drawn(4, 5, 3), training=True, mask=np.ones((4, 3), bool))


MIRRORED = """
import keras, numpy as np, tensorflow as tf
import keras_dlnotes as kd
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
x = rng.normal(3, 2, size=(13, 6, 4)).astype("float32")  # batches of 4 + 4 and 3 + 2 examples
x[rng.uniform(size=x.shape[:2]) < 0.4] = 0
y = rng.normal(size=(13, 6, 2)).astype("float32")
def train(strategy, start=None):
    with strategy.scope():
        model = keras.Sequential([
            keras.Input((6, 4)), keras.layers.Masking(),
            kd.layers.BatchNormalization(momentum=None, synchronized=True), keras.layers.Dense(2)])
        if start is not None:
            model.set_weights(start)
        start = model.get_weights()
        model.compile(keras.optimizers.SGD(0.01), keras.losses.MeanSquaredError("sum"))
    model.fit(x, y, epochs=1, batch_size=8, shuffle=False, verbose=0)
    return start, model.get_weights()
start, alone = train(tf.distribute.get_strategy())
_, mirrored = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), start)
shown = x[np.any(x != 0, axis=-1)].astype("float64")
np.testing.assert_allclose(mirrored[2], shown.mean(0), rtol=1e-5)
assert mirrored[4] == len(shown)
for a, b in zip(alone, mirrored):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
print("two replicas agree")
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute")
def test_synchronized_with_a_mask_over_two_devices():
    result = subprocess.run([sys.executable, "-c", MIRRORED], capture_output=True, text=True)
    assert "two replicas agree" in result.stdout, result.stderr[-3000:]


@pytest.mark.parametrize("features", [5, 2])
def test_a_time_mask_where_the_steps_are_the_channels(features):
    """As Keras's: the mask is for batch and time, whether or not there are as many features."""
    inputs = drawn(6, 5, features)
    mask = np.arange(5) < np.array([5, 3, 1, 4, 2, 4])[:, None]
    mask[:, 4] = False  # a step that no example has
    layer = BatchNormalization(axis=1, momentum=0.5, epsilon=1e-6)
    outputs = ops.convert_to_numpy(layer(inputs, training=True, mask=ops.convert_to_tensor(mask)))
    for step in range(4):
        there = inputs[mask[:, step], step]
        np.testing.assert_allclose(
            numpy_of(layer.moving_mean)[step], there.mean(), rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(numpy_of(layer.moving_variance)[step], there.var(), rtol=1e-4)
        expected = (inputs[:, step] - there.mean()) / np.sqrt(there.var() + 1e-6)
        np.testing.assert_allclose(outputs[:, step], expected, rtol=1e-3, atol=1e-4)
    # Nothing is known of the last step, whose running statistics are what they were.
    assert numpy_of(layer.moving_mean)[4] == 0
    assert numpy_of(layer.moving_variance)[4] == 1
    twin = layers.BatchNormalization(axis=1, epsilon=1e-6)
    theirs = ops.convert_to_numpy(twin(inputs, training=True, mask=ops.convert_to_tensor(mask)))
    np.testing.assert_allclose(outputs[:, :4], theirs[:, :4], rtol=1e-3, atol=1e-3)


def test_a_masking_layer_before_channels_that_are_steps():
    inputs = drawn(6, 5, 5)
    inputs[:3, 3:] = 0
    start = keras.Input((5, 5))
    model = keras.Model(start, BatchNormalization(axis=1)(layers.Masking()(start)))
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(inputs, inputs, verbose=0).history["loss"][0])
    kept = ops.convert_to_numpy(model.layers[-1].moving_mean)
    np.testing.assert_allclose(kept[3], inputs[3:, 3].mean(), rtol=1e-4, atol=1e-5)


def test_arguments_of_keras_layer():
    inputs = drawn(8, 3)
    for arguments in ({"center": False}, {"scale": False}, {"center": False, "scale": False}):
        mine, theirs = BatchNormalization(**arguments), layers.BatchNormalization(**arguments)
        expected, outputs = (ops.convert_to_numpy(f(inputs, training=True)) for f in (theirs, mine))
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
        assert [w.name for w in mine.trainable_weights] == [
            w.name for w in theirs.trainable_weights
        ]
    layer = BatchNormalization(
        axis=np.int64(1),
        momentum=np.float32(0.5),
        epsilon=np.float32(1e-6),
        moving_mean_initializer=keras.initializers.Constant(2.0),
        moving_variance_initializer=keras.initializers.Constant(4.0),
        renorm=False,
    )
    json.dumps(layer.get_config())
    layer = BatchNormalization.from_config(layer.get_config())
    outputs = ops.convert_to_numpy(layer(inputs, training=False))
    np.testing.assert_allclose(outputs, (inputs - 2) / 2, rtol=1e-4, atol=1e-5)
    layer(inputs, training=True)
    np.testing.assert_allclose(numpy_of(layer.moving_mean), inputs.mean(0), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"renorm=True. Use keras.layers.BatchNormalization"):
        BatchNormalization(renorm=True)
