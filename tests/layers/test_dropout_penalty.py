import keras
import numpy as np
import pytest
from keras import ops

import keras_dlnotes as kd
from keras_dlnotes.numerics import penalties
from tests.references import penalties as reference

BACKEND = keras.backend.backend()
JIT = BACKEND == "jax"
COMPILED = {"eager": {"run_eagerly": True}}
if BACKEND != "torch":
    COMPILED |= {"jit": {"jit_compile": True}}
if BACKEND == "tensorflow":
    COMPILED |= {"graph": {"jit_compile": False}}


def columns_of(layer):
    """The weights into each unit, by looking at one unit after the other."""
    kernel = getattr(layer, "pointwise_kernel", None)
    kernel = ops.convert_to_numpy(layer.kernel if kernel is None else kernel).astype("float64")
    if "Depthwise" in type(layer).__name__:
        inputs, multiplier = kernel.shape[-2:]
        return [kernel[..., i, j] for i in range(inputs) for j in range(multiplier)]
    if "Transpose" in type(layer).__name__:
        return [kernel[..., i, :] for i in range(kernel.shape[-2])]
    return [kernel[..., i] for i in range(kernel.shape[-1])]


LAYERS = {
    "dense": (lambda: keras.layers.Dense(6), (8, 5)),
    "dense over time": (lambda: keras.layers.Dense(6), (8, 4, 5)),
    "convolution": (lambda: keras.layers.Conv2D(6, 3), (8, 5, 5, 3)),
    "one dimension": (lambda: keras.layers.Conv1D(6, 2), (8, 5, 3)),
    "transposed": (lambda: keras.layers.Conv2DTranspose(6, 2, strides=2), (8, 3, 3, 2)),
    "depthwise": (lambda: keras.layers.DepthwiseConv2D(2, depth_multiplier=2), (8, 4, 4, 3)),
    "separable": (lambda: keras.layers.SeparableConv2D(6, 2), (8, 4, 4, 3)),
    "block": (
        lambda: keras.Sequential(
            [keras.layers.Dense(6), keras.layers.BatchNormalization(), keras.layers.ReLU()]
        ),
        (8, 5),
    ),
}
if BACKEND != "tensorflow":  # whose kernels for CPUs know channels last only
    LAYERS["channels first"] = (
        lambda: keras.layers.Conv2D(6, 3, data_format="channels_first"),
        (8, 3, 5, 5),
    )


def unit_axis(name):
    return 1 if name == "channels first" else -1


@pytest.mark.parametrize("name", LAYERS)
def test_weights_into_units_of_every_kind_of_layer(name):
    """The term of a step in which the masks are those of Keras's dropout with the same seed."""
    make, shape = LAYERS[name]
    layer = kd.layers.DropoutPenalty(make(), rate=0.5, strength=0.3, seed=3)
    model = keras.Sequential([keras.Input(shape[1:]), layer])
    model.compile(keras.optimizers.SGD(0.0), lambda y, p: 0.0 * ops.mean(p), run_eagerly=not JIT)
    weighted = layer.layer.layers[0] if name == "block" else layer.layer
    columns = columns_of(weighted)
    outputs = layer.compute_output_shape(shape)
    units = outputs[unit_axis(name)]
    assert len(columns) == units
    places = list(outputs)
    if "Conv" in type(weighted).__name__:  # all places of a channel are dropped together
        places = [1] * len(outputs)
        places[0], places[unit_axis(name)] = outputs[0], units
    kept = keras.layers.Dropout(0.5, seed=3)(np.ones(places, "float32"), training=True)
    masks = np.moveaxis(ops.convert_to_numpy(kept), unit_axis(name), -1).reshape(-1, units) > 0
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    term = model.train_on_batch(x, np.zeros(outputs, "float32"))
    assert np.isclose(term, reference.dropout(0.3, columns, masks), rtol=1e-5)
    everything = sum(np.sum(np.square(column)) for column in columns)
    assert np.isclose(layer.expected_penalty(), 0.3 * 0.5 * everything, rtol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_whole_units_are_dropped_and_the_rest_scaled(name):
    make, shape = LAYERS[name]
    layer = kd.layers.DropoutPenalty(make(), rate=0.25, seed=1)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    layer.build(shape)
    if name == "block":
        return  # batch statistics differ between training and inference
    plain = ops.convert_to_numpy(layer(x))
    dropped = ops.convert_to_numpy(layer(x, training=True))
    is_zero = dropped == 0
    assert 0 < is_zero.mean() < 0.6
    assert np.allclose(dropped[~is_zero], plain[~is_zero] / 0.75, rtol=1e-5)
    if "Conv" in type(layer.layer).__name__:
        places = tuple(a for a in range(1, len(shape)) if a != unit_axis(name) % len(shape))
        share = is_zero.mean(axis=places)
        assert np.all((share == 0) | (share == 1))  # a channel of an example, whole or not at all


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_without_strength_it_is_keras_dropout(rate):
    x = np.random.default_rng(0).normal(size=(200, 5)).astype("float32")
    dense = keras.layers.Dense(50)
    keras_dropout = keras.layers.Dropout(rate, seed=7)
    layer = kd.layers.DropoutPenalty(dense, rate=rate, seed=7)
    for _ in range(2):
        ours = ops.convert_to_numpy(layer(x, training=True))
        theirs = ops.convert_to_numpy(keras_dropout(dense(x), training=True))
        assert np.allclose(ours, theirs, rtol=1e-6)
        share = (ours == 0).mean()
        assert abs(share - rate) <= 4 * np.sqrt(rate * (1 - rate) / ours.size)
    assert layer.losses == []
    assert np.array_equal(*(ops.convert_to_numpy(f(x)) for f in (layer, dense)))


@pytest.mark.parametrize("compiled", COMPILED)
def test_term_is_in_the_training_loss_alone(compiled, tmp_path):
    """Without a learning rate the mean of many steps' terms nears its expectation."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(512, 5)).astype("float32")
    inputs = keras.Input((5,))
    hidden = kd.layers.DropoutPenalty(keras.layers.Dense(6, "relu"), 0.5, strength=2.0, seed=1)
    outputs = keras.layers.Dense(1, kernel_initializer="zeros")(hidden(inputs))
    model = keras.Model(inputs, outputs)  # 0 whatever is dropped
    model.compile(keras.optimizers.SGD(0.0), "mse", **COMPILED[compiled])
    y = np.zeros((512, 1), "float32")
    fit = {"epochs": 2, "batch_size": 128, "verbose": 0, "validation_data": (x, y)}
    history = model.fit(x, y, callbacks=[kd.callbacks.RegularizationLog()], **fit).history
    expected = hidden.expected_penalty()
    assert np.allclose(history["loss"], expected, rtol=0.1)
    assert history["loss"][0] != history["loss"][1]
    assert np.allclose(history["penalty"], expected)
    assert history["val_loss"] == [0.0] * 2
    assert model.evaluate(x, y, verbose=0) == 0.0
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    again = next(layer for layer in loaded.layers if isinstance(layer, kd.layers.DropoutPenalty))
    assert np.isclose(again.expected_penalty(), expected)
    assert loaded.evaluate(x, y, verbose=0) == 0.0
    assert np.isclose(loaded.train_on_batch(x, y), expected, rtol=0.1)


def with_dropout(seed=None):
    model = keras.Sequential(
        [
            keras.Input((5,)),
            kd.layers.DropoutPenalty(keras.layers.Dense(8, "relu"), 0.5, 0.01, seed=seed),
            keras.Sequential([kd.layers.DropoutPenalty(keras.layers.Dense(8), 0.3, seed=seed)]),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


class StopAfter(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_training_resumed_continues_the_sequence_of_masks(tmp_path):
    """By `BackupAndRestore` in a new model, bit for bit; without the sequence it would not."""
    x = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
    y = x[:, :1] * 2
    fit = {"epochs": 4, "batch_size": 16, "verbose": 0, "shuffle": False}
    keras.utils.set_random_seed(1)
    start = with_dropout(seed=4)
    start.save_weights(tmp_path / "start.weights.h5")
    start.fit(x, y, **fit)

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    stopped = with_dropout(seed=4)
    stopped.load_weights(tmp_path / "start.weights.h5")
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(x, y, callbacks=[backup(), StopAfter()], **fit)
    keras.utils.set_random_seed(2)
    resumed = with_dropout()  # another seed: where the sequence stands is in the file
    resumed.fit(x, y, callbacks=[backup()], **fit)
    for one, other in zip(start.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("form", ["model.keras", "model.weights.h5", "model.weights.json"])
def test_files_hold_where_the_sequence_stands(form, tmp_path):
    x = np.ones((6, 5), "float32")
    model = with_dropout()
    for _ in range(3):
        model(x, training=True)
    sharded = {"max_shard_size": 1} if form.endswith("json") else {}
    save = model.save if form == "model.keras" else model.save_weights
    save(tmp_path / form, **sharded)
    expected = [ops.convert_to_numpy(model(x, training=True)) for _ in range(2)]
    loaded = [with_dropout() for _ in range(2)]
    if form == "model.keras":
        loaded = [keras.models.load_model(tmp_path / form) for _ in range(2)]
    else:
        for each in loaded:
            each.load_weights(tmp_path / form)
    for each in loaded:
        for outputs in expected:
            np.testing.assert_array_equal(ops.convert_to_numpy(each(x, training=True)), outputs)


def test_files_without_the_sequence_still_load(tmp_path, monkeypatch):
    """Those of earlier versions, with the weights alone."""
    model = with_dropout()
    with monkeypatch.context() as context:
        context.delattr(kd.layers.DropoutPenalty, "save_own_variables")
        model.save(tmp_path / "model.keras")
        model.save_weights(tmp_path / "model.weights.h5")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = with_dropout()
    again.load_weights(tmp_path / "model.weights.h5")
    for each in (loaded, again):
        for one, other in zip(model.get_weights(), each.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_gradient_is_the_terms():
    """A step takes learning rate · 2 λ · share · w away from each weight."""
    rate, strength = 1.0, 0.1  # all units dropped, so that nothing is random
    keras.utils.set_random_seed(0)
    layer = kd.layers.DropoutPenalty(keras.layers.Dense(6), rate, strength)
    model = keras.Sequential([keras.Input((5,)), layer])
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=JIT)
    before = layer.layer.get_weights()[0]
    x = np.ones((4, 5), "float32")
    loss = model.train_on_batch(x, np.zeros((4, 6), "float32"))
    assert np.isclose(loss, strength * np.sum(before**2), rtol=1e-5)
    assert np.allclose(layer.layer.get_weights()[0], before * (1 - 2 * strength), rtol=1e-5)


def test_infinite_weights_into_kept_units_do_not_count():
    kernel = ops.convert_to_tensor([[np.inf, 1.0], [2.0, 3.0]])
    got = penalties.squares_into_dropped_units(kernel, ops.convert_to_tensor([0.0, 0.5]))
    assert float(got) == 5.0
    got = penalties.squares_into_dropped_units(kernel, ops.convert_to_tensor([0.5, 0.5]))
    assert float(got) == np.inf


def test_mixed_precision_and_masks_pass_through():
    layer = kd.layers.DropoutPenalty(
        keras.layers.Dense(6, dtype="mixed_bfloat16"), 0.5, 0.1, dtype="mixed_bfloat16"
    )
    model = keras.Sequential([keras.layers.Embedding(4, 3, mask_zero=True), layer])
    x = np.array([[1, 2, 0], [3, 0, 0]])
    outputs = model(x, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    assert ops.convert_to_numpy(keras.src.backend.get_keras_mask(outputs)).sum() == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 1.5}, "Expected `rate`"),
        ({"rate": None}, "Expected `rate`"),
        ({"strength": -1}, "Expected `strength`"),
        ({"layer": keras.layers.ReLU()}, "Expected `layer` to be, or to hold"),
        (
            {
                "layer": keras.Sequential(
                    [keras.layers.Conv1D(2, 2), keras.layers.Flatten(), keras.layers.ReLU()]
                )
            },
            "Expected the output of .* to be the 2 units",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    arguments = {"layer": keras.layers.Dense(3), **arguments}
    with pytest.raises(ValueError, match=message):
        kd.layers.DropoutPenalty(**arguments).build((None, 4, 3))
