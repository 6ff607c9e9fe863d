"""Which scalars of the layers stand beside their tensors, and which layers are left out."""

import keras
import numpy as np
import pytest
from tensorboard.plugins.custom_scalar import layout_pb2

from keras_dlnotes.callbacks import Diagnosis, TrainingMonitor, layer_scalars
from keras_dlnotes.instrumentation import TrainStepObserver
from keras_dlnotes.instrumentation.step_tape import Column, MeasuredTensor
from keras_dlnotes.summaries import EventFileWriter, MemoryWriter
from keras_dlnotes_layers.event_files import read_run
from tests.summaries.test_event_file_writer import read_back

X = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")


def deep(depth, activation="tanh"):
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(4, activation, name=f"hidden_{i}") for i in range(depth - 1)]
    model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(1, name="output")])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def fit(model, *callbacks, **options):
    options = {"batch_size": 8, "verbose": 0, "shuffle": False} | options
    model.fit(X, X[:, :1], callbacks=list(callbacks), **options)


def curves(tags):
    return {tag for tag in tags if not tag.startswith(("metrics/", "monitor/"))}


def charts(layout):
    layout = layout_pb2.Layout.FromString(layout.tensor.string_val[0])
    return [chart.title for category in layout.category for chart in category.chart]


def test_all_curves_up_to_32_layers():
    def written(layers, into_event_file=True):
        names = [f"dense_{i}" for i in range(layers)]
        columns = [
            Column("activations", name, "mean", layer=name, origin=MeasuredTensor(name, "Dense"))
            for name in names
        ]
        chosen = list(zip(columns, range(layers), strict=True))
        return type(layer_scalars.layer_scalars("auto", chosen, into_event_file)).__name__

    assert (written(32), written(33)) == ("AllScalars", "WorstScalars")
    assert written(33, into_event_file=False) == "AllScalars"


def test_a_small_network_has_all_curves_and_a_large_one_the_worst(tmp_path, monkeypatch):
    monkeypatch.setattr(layer_scalars, "MOST_LAYERS", 3)
    fit(deep(3), TrainingMonitor(tmp_path / "small", every=1))
    small = read_back(tmp_path / "small").Tags()["scalars"]
    assert "activations/hidden_1/mean" in small
    assert not any("/largest/" in tag for tag in small)
    fit(deep(4), TrainingMonitor(tmp_path / "large", every=1))
    events = read_back(tmp_path / "large")
    large = curves(events.Tags()["scalars"])
    assert {tag.split("/")[1] for tag in large} == {"largest", "median", "smallest"}
    history, _ = read_run(tmp_path / "large")
    rows, numbers = history.parts["activations/standard_deviation"]
    assert len(rows) == 4
    kernels = [row["variable"] == "kernel" for row in history.parts["updates/ratio"][0]]
    for tag, expected in (
        ("activations/largest/standard_deviation", numbers.max(axis=1)),
        ("activations/median/standard_deviation", np.median(numbers, axis=1)),
        ("activations/smallest/standard_deviation", numbers.min(axis=1)),
        ("updates/largest/ratio", history.parts["updates/ratio"][1][:, kernels].max(axis=1)),
    ):
        found = events.Scalars(tag)
        assert [event.step for event in found] == [0, 1, 2]
        np.testing.assert_allclose([event.value for event in found], expected, rtol=1e-6)


@pytest.mark.parametrize("choice", ["all", "worst", "none"])
def test_the_choice_is_the_users(choice, tmp_path):
    watch = TrainingMonitor(tmp_path, every=1, scalars=choice)
    fit(deep(3), watch)
    tags = read_back(tmp_path).Tags()["scalars"]
    assert ("activations/output/mean" in tags) == (choice == "all")
    assert ("activations/largest/standard_deviation" in tags) == (choice == "worst")
    assert "metrics/epoch_loss" in tags
    history, _ = read_run(tmp_path)
    assert len(history.parts) == 14
    if choice == "none":
        assert not curves(tags)
    with pytest.raises(ValueError, match=r"`scalars` must be one of.*Received: scalars='some'"):
        TrainingMonitor(scalars="some")


def test_a_memory_writer_gets_every_scalar(tmp_path, monkeypatch):
    monkeypatch.setattr(layer_scalars, "MOST_LAYERS", 3)
    memory = MemoryWriter()
    fit(deep(4), TrainingMonitor(every=1, writer=memory))
    assert len(curves(memory.scalars)) == 4 * 6 + 3 + 8 * 5 + 2 * 8
    with_file = EventFileWriter(tmp_path)
    fit(deep(4), TrainingMonitor(every=1, writer=with_file))
    with_file.close()
    assert "activations/hidden_0/mean" not in read_back(tmp_path).Tags()["scalars"]


def test_a_nan_in_one_layer_is_seen_among_the_worst():
    memory = MemoryWriter()
    model = deep(3)
    fit(model, TrainingMonitor(every=1, writer=memory, scalars="worst"))
    assert np.isfinite(memory.scalars["updates/largest/ratio"][0][1])
    model.get_layer("output").bias.assign([np.nan])
    fit(model, TrainingMonitor(every=1, writer=memory, scalars="worst"))
    assert np.isnan(memory.scalars["activations/largest/standard_deviation"][3][1])
    assert memory.scalars["activations/largest/non_finite_count"][3][1] == 8


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("choice", ["all", "worst", "none"])
def test_no_chart_is_empty(activation, choice):
    memory = MemoryWriter()
    fit(deep(3, activation), TrainingMonitor(every=1, writer=memory, scalars=choice))
    titles = charts(memory.custom_scalars)
    layers = choice != "none"
    assert ("Standard deviation of activations" in titles) == layers
    assert ("Saturated fraction" in titles) == (layers and activation == "tanh")
    assert ("Gradient norm of biases" in titles) == (choice == "all")
    assert titles[-1] == "Loss"


class Swish(keras.layers.Layer):
    """Of the user's own, without weights: it may be an activation."""

    def call(self, x):
        return x * keras.ops.sigmoid(x)


class OwnAdd(keras.layers.Add):
    pass


def with_plain_layers():
    inputs = keras.Input((4,))
    scaled = keras.layers.Rescaling(2.0, name="rescaling")(inputs)
    shape = keras.layers.Reshape((2, 2), name="reshape")(scaled)
    pooled = keras.layers.GlobalAveragePooling1D(name="pooling")(shape)
    inner = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Flatten()], name="inner")
    dense = keras.layers.Dense(2, name="dense")(inner(pooled))
    own = OwnAdd(name="own_add")([dense, Swish(name="swish")(dense)])
    act = keras.layers.Activation("relu", name="act")(own)
    added = keras.layers.Add(name="add")([act, own])
    each = keras.layers.TimeDistributed(keras.layers.Flatten(), name="each")
    added = keras.layers.Flatten()(each(keras.layers.RepeatVector(1, name="repeat")(added)))
    model = keras.Model(inputs, keras.layers.Dense(1, name="output")(added))
    model.compile("sgd", "mse")
    return model


def watched(memory):
    return {tag.split("/")[1] for tag in memory.scalars if tag.startswith("activations/")}


def test_layers_without_weights_or_activation_are_left_out_unless_named():
    memory, named = MemoryWriter(), MemoryWriter()
    fit(
        with_plain_layers(),
        TrainingMonitor(every=1, writer=memory),
        TrainingMonitor(every=1, writer=named, layers=["add", "dense", "inner"]),
    )
    assert watched(memory) == {"dense", "own_add", "swish", "act", "output"}
    assert watched(named) == {"add", "dense", "inner"}


def test_layers_that_a_model_makes_when_it_is_built_are_watched():
    class Late(keras.layers.Layer):
        def build(self, shape):
            self.dense = keras.layers.Dense(2, name="late_dense")
            self.flatten = keras.layers.Flatten(name="late_flatten")
            self.dense.build(shape)

        def call(self, x):
            return self.flatten(self.dense(x))

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = Late(name="late"), keras.layers.Dense(1, name="last")

        def call(self, x):
            return self.last(self.first(x))

    model, memory = Model(), MemoryWriter()
    model.compile("sgd", "mse")
    fit(model, TrainingMonitor(every=1, writer=memory), epochs=2)
    assert {"late", "last"} <= {tag.split("/")[1] for tag in memory.scalars}
    assert any("late_dense" in tag for tag in memory.scalars)
    assert not any("late_flatten" in tag for tag in memory.scalars)


def test_a_diagnosis_beside_it_still_sees_every_layer():
    memory = MemoryWriter()
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            observer = TrainStepObserver.on(self.model)
            for observed in observer._variants.values():
                seen.extend(w.name for w in observed.watched)

    fit(
        with_plain_layers(),
        TrainingMonitor(every=1, writer=memory),
        Diagnosis(verbose=False),
        Look(),
    )
    assert {"add", "reshape", "inner"} <= set(seen)
    assert watched(memory) == {"dense", "own_add", "swish", "act", "output"}


def test_biases_within_a_composite_layer_are_left_out_of_the_worst():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 6))
    outputs = keras.layers.MultiHeadAttention(2, 3, name="attention")(inputs, inputs)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(8, 4, 6)).astype("float32")
    both = MemoryWriter()
    model.fit(x, x, verbose=0, callbacks=[TrainingMonitor(every=1, writer=both, scalars="worst")])
    rows, recorded = both.layers["updates/ratio"]
    kernels = [not row["variable"].endswith("bias") for row in rows]
    assert 0 < sum(kernels) < len(rows)
    ((_, largest),) = both.scalars["updates/largest/ratio"]
    assert largest == pytest.approx(recorded[0][1][kernels].max())
