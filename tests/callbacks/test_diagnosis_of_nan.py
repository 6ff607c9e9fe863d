"""A NaN that is not in the data is traced to the operation that made it, on every backend."""

import json
import re

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dlnotes as kd
from keras_dlnotes.callbacks import Diagnosis

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(128, 4)).astype("float32")
Y = X[:, :1] - X[:, 1:2]
ZERO_ROW = X.copy()
ZERO_ROW[90] = 0.0  # one example, which the third of four batches holds


def stacked(*stack):
    keras.utils.set_random_seed(1)
    hidden = layers.Dense(6, "tanh", use_bias=False, name="hidden")
    return keras.Sequential([keras.Input((4,)), hidden, *stack, layers.Dense(1, name="out")])


def root(x):
    return ops.sqrt(ops.square(x))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(6, "tanh", use_bias=False, name="hidden")
        self.out = layers.Dense(1, name="out")

    def call(self, x):
        return self.out(root(self.hidden(x)))


def mean_log(targets, predictions):
    return ops.mean(ops.log(ops.relu(predictions) * 0.0)) + ops.mean(targets)


def distance(targets, predictions):
    # As a norm is on TensorFlow and JAX; torch's `norm` takes 0 for its derivative at 0.
    return ops.sqrt(ops.sum(ops.square((targets - predictions) * 0.0))) + ops.mean(predictions)


# model, loss, layer that is named, what the symptom and the explanation say
CASES = {
    "derivative": (lambda: stacked(layers.Lambda(root)), "mse", "hidden", "gradient of", "sqrt"),
    "norm": (stacked, distance, "out", "gradient of", "norm"),
    "subclass": (Subclassed, "mse", "hidden", "gradient of", "sqrt"),
    "forward": (
        lambda: stacked(layers.Lambda(lambda x: x / ops.max(ops.abs(x), -1, True), name="scaled")),
        "mse",
        "scaled",
        "output of layer 'scaled'",
        "division by 0",
    ),
    "loss": (stacked, mean_log, None, "in the loss", "log of 0"),
}


def fit(model, loss, optimizer=None, epochs=3, others=(), **options):
    model.compile(optimizer or keras.optimizers.Adam(1e-3), loss, **options)
    diagnosis = Diagnosis(verbose=False)
    options = {"batch_size": 32, "epochs": epochs, "shuffle": False, "verbose": 0}
    model.fit(ZERO_ROW, Y, callbacks=[diagnosis, *others], **options)
    return diagnosis


@pytest.mark.parametrize("case", CASES)
def test_the_place_and_the_operation_are_named(case):
    make, loss, layer, where, what = CASES[case]
    diagnosis = fit(make(), loss)
    finding = diagnosis.findings[0]
    assert (finding.cause, finding.layer) == ("non_finite_loss", layer)
    assert where in finding.symptom
    assert what in finding.explanation
    assert finding.step == (0 if case in ("norm", "loss") else 2)
    text = str(diagnosis.findings)
    assert "learning rate" not in text
    assert "too_few_epochs" not in text
    assert not re.search(r"= -?(inf|nan)", text)
    json.dumps([found.to_dict() for found in diagnosis.findings], allow_nan=False)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has none on torch")
def test_many_steps_in_one_execution():
    model = stacked(layers.Lambda(root))
    finding = fit(model, "mse", steps_per_execution=2).findings[0]
    assert (finding.cause, finding.layer, finding.step) == ("non_finite_loss", "hidden", 2)


def test_late_in_a_long_run_the_steps_between_which_it_happened_are_named():
    broken = keras.callbacks.LearningRateScheduler(lambda epoch: [1e-3, np.nan][epoch >= 60])
    finding = fit(stacked(), "mse", epochs=100, others=[broken]).findings[0]
    assert finding.cause == "non_finite_loss"
    assert "between steps 240 and 245" in finding.symptom


def test_steps_that_grow_until_they_overflow_are_blamed_on_the_rate():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8), layers.Dense(8), layers.Dense(1)])
    diagnosis = fit(model, "mse", keras.optimizers.SGD(3.0), epochs=20)
    assert diagnosis.evidence[0].origin.grown
    assert diagnosis.findings[0].cause == "learning_rate_too_high"
    assert diagnosis.findings[0].part == "keras.optimizers.SGD(learning_rate=0.05)"


def test_one_list_from_the_most_likely_cause_on(capsys):
    model = stacked()
    model.compile(keras.optimizers.SGD(1e-7), "mse", metrics=["accuracy"])
    model.fit(X, Y, epochs=4, verbose=0, callbacks=[Diagnosis()])
    printed = capsys.readouterr().out
    assert printed.count("Diagnosis after 4 of 16 steps:") == 1  # of what was sure by then
    assert "Diagnosis after 1 epoch:" not in printed  # the same moment, not told twice
    assert printed.count("most likely cause first") == 1
    early, final = printed.split("Diagnosis, most likely cause first:")
    assert "accuracy_on_regression" in early
    assert final.index("learning_rate_too_low") < final.index("accuracy_on_regression")
    assert "keras.optimizers.SGD(learning_rate=0.05)" in final


def test_before_training_too_it_is_said_when_nothing_was_found():
    model = stacked()
    model.compile(keras.optimizers.Adam(0.02), "mse")
    findings = kd.diagnose(model, X, Y)
    assert findings == []
    assert "nothing wrong was found" in str(findings)
    assert "32 training examples" in str(findings) or "128 training examples" in str(findings)
