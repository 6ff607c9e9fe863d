"""Nothing that the logs of `fit` hold ends a training or hides what else is in them."""

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.instrumentation import log_numbers
from keras_dlnotes.summaries import MemoryWriter

BACKEND = keras.backend.backend()
X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
JUNK = {
    "text": "3.5",
    "bytes": b"3.5",
    "nothing": None,
    "list": [1, 2],
    "empty": [],
    "vector": np.ones(3),
    "object": object(),
    "date": np.datetime64("2020-01-01"),
    "complex": 1j,
    "words": np.array(["a"]),
}


class Documented(keras.Model):
    """The custom `train_step` and `test_step` of Keras's guide, whose logs hold a dict."""

    def __init__(self, change):
        super().__init__()
        self.hidden = keras.layers.Dense(4, "relu", name="hidden")
        self.out = keras.layers.Dense(1, name="out")
        self.change = change

    def call(self, x):
        return self.out(self.hidden(x))

    if BACKEND == "jax":

        def train_step(self, state, data):
            logs, state = super().train_step(state, data)
            return self.change(logs), state

        def test_step(self, state, data):
            logs, state = super().test_step(state, data)
            return self.change(logs), state
    else:

        def train_step(self, data):
            return self.change(super().train_step(data))

        def test_step(self, data):
            return self.change(super().test_step(data))


class PutIn(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs.update(JUNK, deep={"a": {"deeper": 2.0}})
        logs[7] = 1.0


def nested(logs):
    return {"loss": logs["loss"], "compile_metrics": {"mae": logs["mae"]}}


def with_junk(logs):
    # TensorFlow itself takes no object of the user's own from a step.
    junk = {"nothing": None, "text": "3.5"} if BACKEND == "tensorflow" else JUNK
    return {**logs, **junk, "deep": {"a": {"b": logs["loss"]}}}


@pytest.mark.parametrize(
    "options",
    [{}, {"run_eagerly": True}, *([{"steps_per_execution": 3}] if BACKEND != "torch" else [])],
    ids=str,
)
@pytest.mark.parametrize("change", [nested, with_junk])
def test_nothing_in_the_logs_ends_a_training(change, options):
    if change is with_junk and BACKEND != "torch" and "run_eagerly" not in options:
        return  # a compiled step can return nothing but tensors
    model, writer = Documented(change), MemoryWriter()
    model.compile("sgd", "mse", metrics=["mae"], **options)
    model(X[:1])
    monitor = kd.callbacks.TrainingMonitor(every=1, writer=writer)
    checks = kd.callbacks.EarlyStopping(
        "val_mae", mode="min", patience=9, every=4, validation_data=(X, X[:, :1]), writer=writer
    )
    diagnosis = kd.callbacks.Diagnosis(verbose=False)
    callbacks = [PutIn(), monitor, checks, diagnosis, kd.callbacks.RegularizationLog()]
    fit = {"epochs": 2, "batch_size": 4, "verbose": 0, "callbacks": callbacks}
    model.fit(X, X[:, :1], validation_data=(X, X[:, :1]), **fit)
    steps = [step for step, _ in writer.scalars["activations/hidden/mean"]]
    assert steps == list(range(16))
    for tag in ("epoch_mae", "epoch_deeper", "epoch_7"):
        assert len(writer.scalars[f"metrics/{tag}"]) == 2
    if options.get("steps_per_execution", 1) == 1 or BACKEND == "jax":
        assert len(writer.scalars["metrics/batch_mae"]) == 16
    kinds = ("metrics/epoch_", "metrics/batch_")
    assert not {kind + name for kind in kinds for name in JUNK} & set(writer.scalars)
    assert len(writer.scalars["early_stopping/val_mae/best"]) >= 2
    assert diagnosis.evidence[0].steps == 16


def test_numbers_are_taken_out_of_any_logs():
    logs = {**JUNK, "a": 1, "b": {"a": np.float32(2), "c": {"d": keras.ops.ones(())}}, 3: [4.0]}
    assert log_numbers(logs) == {"a": 2.0, "d": 1.0, "3": 4.0}
    assert log_numbers(None) == {}
    assert log_numbers({"h": keras.ops.ones((), "bfloat16")}) == {"h": 1.0}
