import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

from keras_dlnotes.callbacks import TrainingMonitor
from keras_dlnotes.summaries import EventFileWriter, MemoryWriter
from tests.references.monitored_network import statistics, train_step
from tests.summaries.test_event_file_writer import read_back

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(96, 6)).astype("float32")
Y = RANDOM.normal(size=(96, 2)).astype("float32")

MODES = {
    "tensorflow": [
        {"jit_compile": False},
        {"jit_compile": True},
        {"run_eagerly": True},
        {"steps_per_execution": 4, "jit_compile": False},
        {"steps_per_execution": 4, "jit_compile": True},
    ],
    "jax": [{}, {"steps_per_execution": 3}, {"run_eagerly": True}],
    "torch": [{}],
}[BACKEND]


def network():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(8, activation="tanh", name="hidden", bias_initializer="normal")
    output = keras.layers.Dense(2, name="output", bias_initializer="normal")
    return keras.Model(inputs, output(hidden(inputs)), name="net")


def fit(model, *callbacks, x=X, y=Y, **options):
    options = {"batch_size": 12, "epochs": 2, "shuffle": False, "verbose": 0} | options
    return model.fit(x, y, callbacks=list(callbacks), **options)


def monitor(**options):
    return TrainingMonitor(writer=MemoryWriter(), **options)


def numbers_of(callback):
    return callback.writer.scalars


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_numbers_equal_a_plain_recomputation(mode):
    model = network()
    weights = model.get_weights()
    model.compile(keras.optimizers.SGD(0.1), "mse", **mode)
    watch = monitor(every=3, histograms_every=6)
    fit(model, watch)
    seen = numbers_of(watch)
    for step in range(16):
        batch = slice(12 * (step % 8), 12 * (step % 8) + 12)
        activations, gradients, after = train_step(X[batch], Y[batch], weights, 0.1)
        if step % 3 == 0:
            for name, value in zip(("hidden", "output"), activations, strict=True):
                expected = statistics(value) | {"saturated_fraction": (value**2 > 0.95).mean()}
                for statistic, number in expected.items():
                    tag = f"activations/{name}/{statistic}"
                    if tag in seen:
                        assert dict(seen[tag])[step] == pytest.approx(number, rel=1e-4, abs=1e-6)
            for variable, gradient, w, new in zip(
                model.variables, gradients, weights, after, strict=True
            ):
                path = variable.path
                for statistic, number in statistics(gradient).items():
                    tag = f"gradients/{path}/{statistic}"
                    if tag in seen:
                        assert dict(seen[tag])[step] == pytest.approx(number, rel=1e-4, abs=1e-6)
                norm = np.linalg.norm(w)
                ratio = np.linalg.norm(new - w) / norm
                assert dict(seen[f"weights/{path}/norm"])[step] == pytest.approx(norm, rel=1e-5)
                assert dict(seen[f"updates/{path}/ratio"])[step] == pytest.approx(ratio, rel=1e-3)
            if step % 6 == 0:
                recorded = {
                    s: c for s, _, _, c in watch.writer.histograms["activations/hidden/histogram"]
                }
                assert recorded[step].sum() == activations[0].size
        weights = after
    for section, count in [("activations", 6 + 6 + 1), ("gradients", 4 * 5), ("weights", 4)]:
        assert sum(tag.startswith(section + "/") for tag in seen) == count
    assert [step for step, _ in seen["activations/hidden/mean"]] == [0, 3, 6, 9, 12, 15]
    assert len(watch.writer.histograms) == 2 + 4


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_training_is_the_same_bit_for_bit(mode):
    def trained(*callbacks):
        model = network()
        model.compile("adam", "mse", metrics=["mae"], **mode)
        history = fit(model, *callbacks, validation_data=(X, Y)).history
        return model, history

    plain, plain_history = trained()
    watched, watched_history = trained(monitor(every=2))
    xla = BACKEND == "jax" or mode.get("jit_compile")
    for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
        if xla:  # XLA may fuse the recorded step otherwise
            np.testing.assert_allclose(a, b, atol=1e-6)
        else:
            np.testing.assert_array_equal(a, b)
    assert watched_history.keys() == plain_history.keys()
    np.testing.assert_allclose(watched_history["loss"], plain_history["loss"], rtol=1e-5)
    assert [v.path for v in watched.variables] == [v.path for v in plain.variables]
    assert len(watched.optimizer.variables) == len(plain.optimizer.variables)
    assert len(watched.metrics_variables) == len(plain.metrics_variables)
    assert not any(
        {"call", "train_step"} & set(vars(item))
        for item in [watched, *watched.layers, watched.optimizer]
    )


def test_event_file_holds_everything(tmp_path):
    model = network()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 8, 0.5)
    model.compile(keras.optimizers.SGD(schedule), "mse", metrics=["mae"])
    fit(model, TrainingMonitor(tmp_path, every=2, histograms_every=4), validation_data=(X, Y))
    fit(model, TrainingMonitor(tmp_path, every=2))
    events = read_back(tmp_path)
    tags = events.Tags()
    steps = [e.step for e in events.Scalars("activations/hidden/mean")]
    assert steps == list(range(0, 32, 2))
    assert "gradients/hidden/kernel/histogram" in str(tags["tensors"]) or any(
        "kernel/histogram" in tag for tag in tags["tensors"]
    )
    for tag in ["epoch_loss", "epoch_mae", "epoch_val_loss", "batch_loss", "learning_rate"]:
        assert f"metrics/{tag}" in tags["scalars"]
    rates = [e.value for e in events.Scalars("metrics/learning_rate")]
    np.testing.assert_allclose(rates[:2], [0.05, 0.025], rtol=1e-5)
    assert "custom_scalars__config__" in tags["tensors"]
    assert 0 <= events.Scalars("monitor/host_share")[-1].value < 1


def test_second_fit_goes_on_counting_and_compiles_nothing_new():
    model = network()
    model.compile("sgd", "mse")
    watch = monitor(every=4)
    traces = []
    call = model.layers[1].call

    def traced(*args, **kwargs):
        traces.append(1)
        return call(*args, **kwargs)

    model.layers[1].call = traced
    fit(model, watch, epochs=1)
    after_first = len(traces)
    fit(model, watch, epochs=1)
    assert [s for s, _ in numbers_of(watch)["activations/hidden/mean"]] == [0, 4, 8, 12]
    if BACKEND != "torch":
        assert len(traces) == after_first
    assert model.layers[1].call is traced


def test_two_monitors_at_once():
    model = network()
    model.compile("sgd", "mse")
    often, seldom = monitor(every=2, layers=["hidden"]), monitor(every=5, histograms_every=5)
    fit(model, often, seldom)
    assert [s for s, _ in numbers_of(often)["activations/hidden/mean"]] == [
        0,
        2,
        4,
        6,
        8,
        10,
        12,
        14,
    ]
    assert [s for s, _ in numbers_of(seldom)["activations/output/mean"]] == [0, 5, 10, 15]
    assert "activations/output/mean" not in numbers_of(often)
    assert not often.writer.histograms
    assert seldom.writer.histograms


def test_shared_nested_and_several_outputs():
    shared = keras.layers.Dense(6, activation="relu", name="shared")
    inner_input = keras.Input((6,))
    inner = keras.Model(inner_input, keras.layers.Dense(6, name="dense")(inner_input), name="inner")

    class Fork(keras.layers.Layer):
        def call(self, x):
            return x, 2.0 * x

    inputs = keras.Input((6,))
    left, right = Fork(name="fork")(inner(shared(shared(inputs))))
    outputs = keras.layers.Dense(2, name="dense")(left + right)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    watch = monitor(every=1)
    fit(model, watch, epochs=1)
    names = {
        tag.split("/", 1)[1].rsplit("/", 1)[0]
        for tag in numbers_of(watch)
        if tag.startswith("activations/")
    }
    assert {"shared", "shared_call_2", "inner", "inner/dense", "fork", "fork_output_2"} <= names
    assert sum("dense" in name for name in names) == 2
    seen = numbers_of(watch)
    one = seen["activations/fork/standard_deviation"][0][1]
    assert seen["activations/fork_output_2/standard_deviation"][0][1] == pytest.approx(2 * one)


def test_subclassed_model_that_builds_itself_in_fit():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = keras.layers.Dense(5, activation="sigmoid", name="first")
            self.second = keras.layers.Dense(2, name="second")

        def call(self, x):
            return self.second(self.first(x))

    model = Subclassed()
    model.compile("sgd", "mse")
    watch = monitor(every=2)
    fit(model, watch)
    seen = numbers_of(watch)
    assert len(seen["activations/first/saturated_fraction"]) == 8
    assert sum(tag.startswith("gradients/") and tag.endswith("/norm") for tag in seen) == 4


def test_frozen_layer_is_watched_and_has_no_gradient():
    model = network()
    model.get_layer("hidden").trainable = False
    model.compile("sgd", "mse")
    watch = monitor(every=2)
    fit(model, watch)
    seen = numbers_of(watch)
    assert "activations/hidden/mean" in seen
    assert not any(tag.startswith("gradients/") and "hidden" in tag for tag in seen)
    assert any(tag.startswith("gradients/") and "output" in tag for tag in seen)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_recurrent_attention_embedding_and_batch_normalization():
    tokens = keras.Input((7,), dtype="int32")
    x = keras.layers.Embedding(11, 8, name="embedding")(tokens)
    x = keras.layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True), name="gru")(x)
    x = keras.layers.TimeDistributed(keras.layers.Dense(3), name="each")(x)
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Flatten()(x))
    x = keras.layers.Dropout(0.5)(x)
    model = keras.Model(tokens, keras.layers.Dense(2)(x))
    model.compile("rmsprop", "mse", jit_compile=BACKEND == "jax")
    watch = monitor(every=2)
    fit(model, watch, x=RANDOM.integers(0, 11, size=(96, 7)), epochs=1)
    seen = numbers_of(watch)
    for name in ("embedding", "attention", "gru", "each", "norm"):
        assert any(tag.startswith("activations/") and name in tag for tag in seen), name
    # They have neither weights nor an activation.
    assert not any(name in tag for name in ("dropout", "flatten") for tag in seen)
    gradients = [t for t in seen if t.startswith("gradients/") and t.endswith("/norm")]
    assert len(gradients) == len(model.trainable_variables)
    # A key's bias shifts all scores of a query alike, so its gradient is 0 but for rounding.
    assert all(np.isfinite(value) for tag in gradients for _, value in seen[tag])


def test_a_loss_scale_is_divided_out():
    def first_norm(optimizer):
        model = network()
        model.compile(optimizer, "mse")
        watch = monitor(every=1)
        fit(model, watch, epochs=1)
        (tag,) = [t for t in numbers_of(watch) if "output/kernel/norm" in t and "gradients" in t]
        return numbers_of(watch)[tag][0][1]

    plain = first_norm(keras.optimizers.SGD(0.01))
    inner = keras.optimizers.SGD(0.01)
    assert first_norm(keras.optimizers.LossScaleOptimizer(inner)) == pytest.approx(plain, rel=1e-5)
    scaled = keras.optimizers.SGD(0.01, loss_scale_factor=128.0)
    assert first_norm(scaled) == pytest.approx(plain, rel=1e-5)


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = network()
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile("sgd", "mse")
    watch = monitor(every=2)
    fit(model, watch)
    assert np.isfinite([v for _, v in numbers_of(watch)["activations/hidden/mean"]]).all()


class Boom(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            raise KeyError("boom")


def untouched(model):
    items = [model, *model.layers, model.optimizer]
    return not any({"call", "train_step", "apply", "stateless_apply"} & set(vars(i)) for i in items)


def test_another_callback_raises():
    model = network()
    model.compile("sgd", "mse")
    watch = monitor(every=1)
    with pytest.raises(KeyError):
        fit(model, watch, Boom())
    assert untouched(model)
    weights = [v.path for v in model.variables]
    fit(model)  # without the monitor: records nothing, leaves nothing
    assert type(getattr(model.train_function, "__self__", None)).__name__ != "TrainStepObserver"
    fit(model, watch, epochs=1)
    steps = [step for step, _ in numbers_of(watch)["activations/hidden/mean"]]
    assert steps == [0, 1, 2, 3, *range(20, 28)]
    assert [v.path for v in model.variables] == weights


def test_the_step_itself_raises(tmp_path):
    model = network()
    model.compile("sgd", "mse")

    def batches():
        for _ in range(3):
            yield X[:12], Y[:12]
        raise RuntimeError("no more data")

    watch = TrainingMonitor(tmp_path, every=1)
    with pytest.raises(Exception, match="no more data"):
        model.fit(batches(), steps_per_epoch=6, verbose=0, shuffle=False, callbacks=[watch])
    assert untouched(model)
    # torch fetches batches outside of the step; what waits then is written by the next fit.
    fit(model, watch)
    steps = [e.step for e in read_back(tmp_path).Scalars("activations/hidden/mean")]
    assert steps[:3] == [0, 1, 2]
    assert len(steps) == 3 + 16


def test_saving_in_mid_fit_saves_the_plain_model(tmp_path):
    def saved(path, *callbacks):
        model = network()
        model.compile("adam", "mse")
        fit(model, *callbacks, keras.callbacks.ModelCheckpoint(path))
        return keras.saving.load_model(path)

    plain = saved(tmp_path / "plain.keras")
    watched = saved(tmp_path / "watched.keras", monitor(every=1))
    assert [v.path for v in plain.variables] == [v.path for v in watched.variables]
    assert len(plain.optimizer.variables) == len(watched.optimizer.variables)


def test_training_with_batches_of_two_sizes():
    model = network()
    model.compile("sgd", "mse")
    watch = monitor(every=1)
    fit(model, watch, x=X[:40], y=Y[:40], epochs=1)
    assert len(numbers_of(watch)["activations/hidden/mean"]) == 4


def test_batches_of_unknown_size_from_a_dataset_object():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            batch = slice(20 * index, 20 * index + 20)
            return X[batch], Y[batch]

    model = network()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    weights = model.get_weights()
    watch = monitor(every=1, histograms_every=2)
    model.fit(Batches(), verbose=0, shuffle=False, callbacks=[watch])
    for step in range(5):
        batch = slice(20 * step, 20 * step + 20)
        (hidden, _), _, weights = train_step(X[batch], Y[batch], weights, 0.1)
        seen = dict(numbers_of(watch)["activations/hidden/standard_deviation"])[step]
        assert seen == pytest.approx(hidden.std(), rel=1e-5)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="how TensorFlow's data ends")
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_data_of_unknown_length():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X[:60], Y[:60])).batch(20).filter(lambda *_: True)
    model = network()
    model.compile("sgd", "mse")
    watch = monitor(every=1)
    model.fit(data, epochs=3, shuffle=False, verbose=0, callbacks=[watch])
    steps = [step for step, _ in numbers_of(watch)["activations/hidden/mean"]]
    assert steps == list(range(9))


def test_non_finite_numbers_are_shown():
    model = network()
    model.compile("sgd", "mse")
    x = X.copy()
    x[0, 0] = np.nan
    watch = monitor(every=1)
    fit(model, watch, x=x, epochs=1)
    assert numbers_of(watch)["activations/hidden/non_finite_count"][0] == (0, 8.0)
    assert np.isnan(numbers_of(watch)["activations/hidden/mean"][0][1])


def test_update_ratio_of_a_zero_weight_is_left_out():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, name="only")])
    model.compile("sgd", "mse")
    watch = monitor(every=1)
    fit(model, watch, epochs=1)
    (tag,) = [t for t in numbers_of(watch) if t.startswith("updates/") and "bias" in t]
    assert [step for step, _ in numbers_of(watch)[tag]] == [1, 2, 3, 4, 5, 6, 7]


def test_unwritable_folder_is_an_error_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("in the way")
    model = network()
    model.compile("sgd", "mse")
    with pytest.raises(OSError, match="`log_dir` must be a folder"):
        fit(model, TrainingMonitor(tmp_path / "file"))
    assert int(model.optimizer.iterations) == 0
    assert untouched(model)


@pytest.mark.parametrize("arguments", [{"every": 0}, {"every": 2.5}, {"histograms_every": -1}])
def test_bad_periods(arguments):
    with pytest.raises(ValueError, match="to be a whole number of steps, 1 or more"):
        TrainingMonitor(**arguments)


def test_unknown_layer_is_named():
    model = network()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"'hiden'.*does not have.*hidden, output"):
        fit(model, monitor(layers=["hiden"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(model)


def test_a_model_with_state_of_its_own_and_a_metric_of_several_numbers():
    class Counting(keras.Model):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(shape=(6,), initializer="ones", trainable=False)
            self.dense = keras.layers.Dense(2, name="dense", activation="softmax")

        def call(self, x):
            return self.dense(x * self.scale)

    model = Counting()
    model.compile("sgd", "mse", metrics=[keras.metrics.F1Score()])
    watch = monitor(every=2)
    fit(model, watch, y=np.eye(2, dtype="float32")[(X[:, 0] > 0).astype(int)])
    seen = numbers_of(watch)
    assert len(seen["activations/dense/mean"]) == 8
    assert "metrics/epoch_loss" in seen
    assert "metrics/epoch_f1_score" not in seen
    assert len(model.non_trainable_variables) == 1


def test_no_layers_means_gradients_only():
    model = network()
    model.compile("sgd", "mse")
    watch, other = monitor(every=4, layers=[]), monitor(every=4, histograms_every=8)
    fit(model, watch, other)
    assert not any(tag.startswith("activations/") for tag in numbers_of(watch))
    assert any(tag.startswith("gradients/") for tag in numbers_of(watch))
    assert "activations/hidden/mean" in numbers_of(other)


def test_a_writer_that_was_given_stays_open(tmp_path):
    writer = EventFileWriter(tmp_path)
    model = network()
    model.compile("sgd", "mse")
    for _ in range(2):
        fit(model, TrainingMonitor(writer=writer, every=4), epochs=1)
    writer.close()
    assert [e.step for e in read_back(tmp_path).Scalars("activations/hidden/mean")] == [0, 4, 8, 12]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute")
def test_two_replicas():
    code = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import contextlib, warnings, keras, numpy as np
from keras_dlnotes.callbacks import TrainingMonitor
from keras_dlnotes.summaries import MemoryWriter
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x = np.random.default_rng(0).normal(size=(96, 6)).astype("float32")
for steps_per_execution in (1, 3):
    with strategy.scope():
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, name="only")])
        model.compile("sgd", "mse", steps_per_execution=steps_per_execution)
    writer = MemoryWriter()
    # Keras itself fails in the second case (Keras 3.15, TensorFlow 2.21), after our warning.
    expected = contextlib.suppress(*[] if steps_per_execution == 1 else [tf.errors.OpError])
    with warnings.catch_warnings(record=True) as caught, expected:
        warnings.simplefilter("always")
        watch = TrainingMonitor(writer=writer, every=2)
        model.fit(x, x[:, :2], batch_size=16, verbose=0, callbacks=[watch])
    if steps_per_execution == 1:
        assert [s for s, _ in writer.scalars["activations/only/mean"]] == [0, 2, 4]
        assert any("gradients/" in tag for tag in writer.scalars)
    else:
        assert sum("No steps are recorded" in str(w.message) for w in caught) == 1
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
