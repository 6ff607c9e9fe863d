"""What is told before a run is over, and what is not told of runs that recover."""

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.callbacks import Diagnosis
from keras_dlnotes.callbacks.early_looks import EarlyLooks
from keras_dlnotes.diagnosis import DiagnosisError

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(256, 8)).astype("float32")
CLASSES = (X[:, 0] + X[:, 1] > 0).astype("int32")


def network(optimizer, hidden="tanh", output="sigmoid", start="glorot_uniform"):
    keras.utils.set_random_seed(3)
    first = keras.layers.Dense(16, hidden, kernel_initializer=start)
    layers = [first, keras.layers.Dense(1, output)]
    model = keras.Sequential([keras.Input((8,)), *layers])
    model.compile(optimizer, "binary_crossentropy")
    return model


def stuck():
    """A network that does not look at what decides, with steps too small to ever do."""
    model = network(keras.optimizers.SGD(1e-7))
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel).copy()
    kernel[:2] = 0.0
    model.layers[0].kernel.assign(kernel)
    model.layers[1].kernel.assign(0.01 * model.layers[1].kernel)
    model.layers[1].bias.assign([-0.05])  # always the same class
    return model


def fit(model, *callbacks, x=X, y=CLASSES, epochs=20, batch_size=32):
    return model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=callbacks)


def early(diagnosis):
    """Causes that were told before the end, and after which share of the steps."""
    planned = diagnosis._record.planned_steps
    return {cause: n / planned for cause, n in diagnosis.told.items() if n < planned}


def test_a_run_that_will_fail_is_named_in_the_first_fifth(capsys):
    diagnosis = Diagnosis()
    fit(stuck(), diagnosis)
    assert early(diagnosis)["learning_rate_too_low"] <= 0.2
    printed = capsys.readouterr().out
    assert "of 160 steps: this run will not have learned (skill" in printed
    assert printed.count("learning_rate_too_low") in (1, 2)  # the second time in the whole list
    assert diagnosis.evidence[0].finished


def test_what_needs_no_waiting_is_told_within_the_first_epoch(capsys):
    diagnosis = Diagnosis()
    fit(network("adam", output="linear"), diagnosis, epochs=1, batch_size=4)
    assert early(diagnosis)["missing_output_activation"] == 4 / 64
    assert "Diagnosis after 4 of 64 steps:\n1. missing_output_activation" in capsys.readouterr().out


def test_a_hopeless_run_is_ended_within_an_epoch():
    stopped = Diagnosis(action="stop", verbose=False)
    model = stuck()
    fit(model, stopped, batch_size=16)
    assert int(model.optimizer.iterations) < 0.5 * 20 * 16
    assert stopped.findings[0].cause == "learning_rate_too_low"
    (evidence,) = stopped.evidence
    assert not evidence.finished
    assert evidence.hopeless.planned == 320
    raised = Diagnosis(action="raise", verbose=False)
    model = stuck()
    with pytest.raises(DiagnosisError, match="learning_rate_too_low"):
        fit(model, raised, batch_size=16)
    assert int(model.optimizer.iterations) < 0.5 * 20 * 16


def test_it_is_said_once_what_was_found_and_that_it_ended_the_run(capsys):
    stopped = Diagnosis(action="stop")
    model = stuck()
    fit(model, stopped, batch_size=16)
    taken = int(model.optimizer.iterations)
    assert f"\nEnded by action='stop' after {taken} steps.\n" in capsys.readouterr().out
    with pytest.raises(DiagnosisError, match="learning_rate_too_low"):
        fit(stuck(), Diagnosis(action="raise"), batch_size=16)
    assert capsys.readouterr().out == ""  # the error has the report as its text


def test_the_end_of_the_run_is_not_an_end_by_what_was_found(capsys):
    stopped = Diagnosis(action="stop")
    fit(network("adam", output="linear"), stopped, epochs=1, batch_size=256)
    printed = capsys.readouterr().out
    assert stopped.findings[0].cause == "missing_output_activation"
    assert stopped.evidence[0].finished
    assert "Ended by" not in printed


def test_what_was_verified_is_printed_where_the_run_was_stopped(capsys):
    fit(stuck(), Diagnosis(action="stop", verify=True), batch_size=16)
    printed = capsys.readouterr().out
    assert "tried on a copy" in printed
    assert printed.rstrip().splitlines()[-1].startswith("Ended by action='stop'")


def test_a_second_order_method_on_mini_batches_is_named():
    model = network(kd.optimizers.LBFGS())
    diagnosis = Diagnosis(verbose=False)
    with pytest.warns(RuntimeWarning, match="two evaluations at the same weights"):
        fit(model, diagnosis, epochs=10)
    assert diagnosis.findings[0].cause == "changing_objective"
    assert "batch_size=len(x)" in diagnosis.findings[0].remedy


def test_looking_early_leaves_the_training_as_it_is():
    plain, watched = stuck(), stuck()
    plain.fit(X, CLASSES, epochs=10, shuffle=False, verbose=0)
    diagnosis = Diagnosis(verbose=False)
    watched.fit(X, CLASSES, epochs=10, shuffle=False, verbose=0, callbacks=[diagnosis])
    assert early(diagnosis)
    assert int(watched.optimizer.iterations) == 80
    for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


class WarmsUp(keras.optimizers.schedules.LearningRateSchedule):
    """Hardly anything for the first 70 of 160 steps."""

    def __call__(self, step):
        ready = keras.ops.cast(step, "float32") >= 70.0
        return keras.ops.where(ready, 0.03, 1e-7)

    def get_config(self):
        return {}


def warm_up_by_callback(epoch, rate):
    return 1e-7 * 10.0 ** min(epoch, 5.5)


def parity():
    """Product of two signs, which gradient descent finds only after a plateau."""
    x = RANDOM.choice([-1.0, 1.0], size=(256, 8)).astype("float32")
    return x, (x[:, 0] * x[:, 1] > 0).astype("int32")


def pretrained():
    model = network(keras.optimizers.Adam(0.02))
    model.fit(X, CLASSES, epochs=10, verbose=0)
    model.layers[0].trainable = False
    model.layers[1].kernel.assign(keras.ops.zeros((16, 1)))
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
    return model


# Runs that rest at first, and learn: model, other callbacks, data, epochs, batch size.
RECOVERING = {
    "schedule that warms up": lambda: (
        network(keras.optimizers.Adam(WarmsUp())), (), (X, CLASSES), 20, 32),
    "callback that warms up": lambda: (
        network(keras.optimizers.Adam(1e-7)),
        (keras.callbacks.LearningRateScheduler(warm_up_by_callback),), (X, CLASSES), 20, 32),
    "plateau": lambda: (network(keras.optimizers.Adam(0.004)), (), parity(), 60, 32),
    "plateau of sigmoids": lambda: (
        network(keras.optimizers.SGD(0.3, momentum=0.9), "sigmoid"), (), parity(), 60, 32),
    "one long epoch": lambda: (
        network(keras.optimizers.Adam(0.01)), (), (np.tile(X, (8, 1)), np.tile(CLASSES, 8)), 1, 8),
    "transfer learning": lambda: (pretrained(), (), (X, CLASSES), 20, 32),
    "begins far too large": lambda: (
        network(keras.optimizers.Adam(0.02), start=keras.initializers.RandomNormal(stddev=1.0)),
        (), (X, CLASSES), 20, 32),
}  # fmt: skip


@pytest.mark.parametrize("kind", RECOVERING)
def test_a_run_that_recovers_is_not_accused(kind):
    model, callbacks, (x, y), epochs, batch_size = RECOVERING[kind]()
    diagnosis = Diagnosis(verbose=False)
    fit(model, *callbacks, diagnosis, x=x, y=y, epochs=epochs, batch_size=batch_size)
    assert diagnosis.evidence[0].outcome == "learned"  # or it would be no such run
    assert early(diagnosis) == {}


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras trains step by step on torch")
def test_several_steps_an_execution():
    model = stuck()
    model.compile(model.optimizer, "binary_crossentropy", steps_per_execution=4)
    diagnosis = Diagnosis(verbose=False)
    fit(model, diagnosis)
    assert "learning_rate_too_low" in diagnosis.told


def test_without_a_known_length_it_looks_after_the_first_epoch():
    looks = EarlyLooks(20, None, 0.1)
    looks.begin_epoch(0)
    assert not any(looks.due(batch) for batch in range(8))
    assert looks.due_after_epoch(8)
    assert looks.planned_steps == 160
    seen = []
    for epoch in range(1, 20):
        looks.begin_epoch(8 * epoch)
        seen += [8 * epoch + batch + 1 for batch in range(8) if looks.due(batch)]
    assert seen[:4] == [9, 16, 24, 32]
