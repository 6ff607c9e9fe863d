"""The callback: when it looks, what it does, and that training does not notice."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import keras_dlnotes as kd
from tests.references.faulty_gradients import CustomDense, right_dense

X = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(24, 2)).astype("float32")


def compiled(*inner, **options):
    model = keras.Sequential([keras.Input((4,)), *inner, layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.01), "mse", **options)
    return model


def wrong_later(u, x, w, b):
    """Wrong in proportion to the bias, which starts at 0."""
    dx, dw, db = right_dense(u, x, w, b)
    return dx, dw * (1.0 + ops.sum(b**2)), db


class WrongLater(CustomDense):
    def build(self, input_shape):
        super().build(input_shape)
        self.bias.assign(ops.zeros((self.units,)))


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}], ids=["compiled", "eager"])
def test_training_is_bit_for_bit_the_same(options):
    def train(*callbacks):
        keras.utils.set_random_seed(0)
        model = compiled(layers.Dropout(0.2), layers.BatchNormalization(), **options)
        history = model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=list(callbacks))
        return model, history.history["loss"]

    plain, losses = train()
    check = kd.callbacks.GradientCheck(at=("start", "after:2", "after:4"), action="raise")
    observed, same_losses = train(check)
    assert losses == same_losses
    for a, b in zip(plain.variables, observed.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    for a, b in zip(plain.optimizer.variables, observed.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert set(check.reports) == {"start", "after:2", "after:4"}
    numeric = [report.rows[0].numeric for report in check.reports.values()]
    assert len(set(numeric)) == 3  # at three different points
    if keras.backend.backend() == "torch" or options:
        return
    function = observed.train_function
    observed.fit(X, Y, batch_size=8, verbose=0)
    assert observed.train_function is function


def test_fault_that_shows_after_some_steps_and_its_text_in_tensorboard(tmp_path):
    model = compiled(WrongLater(3, wrong_later))
    check = kd.callbacks.GradientCheck(at=("start", "after:6"), log_dir=tmp_path, action="stop")
    with pytest.warns(UserWarning, match="At step 6 of this fit"):
        history = model.fit(X, Y, batch_size=8, epochs=9, verbose=0, callbacks=[check])
    assert check.reports["start"].passed
    (failure,) = check.reports["after:6"].failures
    assert failure.path.endswith("kernel")
    assert len(history.history["loss"]) == 3  # stopped in the third epoch
    events = EventAccumulator(str(tmp_path)).Reload()
    assert sum("gradient_check" in tag for tag in events.Tags()["tensors"]) == 2


def test_raise_and_another_fit_afterwards():
    model = compiled(CustomDense(3, lambda u, x, w, b: tuple(-g for g in right_dense(u, x, w, b))))
    with pytest.raises(AssertionError, match="wrong sign"):
        model.fit(X, Y, verbose=0, callbacks=[kd.callbacks.GradientCheck(action="raise")])
    model.fit(X, Y, verbose=0)
    assert np.isfinite(model.get_weights()[0]).all()


def test_given_data_and_a_training_shorter_than_asked():
    model = compiled()
    data = X, Y, np.ones(24)
    check = kd.callbacks.GradientCheck(data=data, at=("after:2", "after:100"), samples=5)
    model.fit(X, Y, batch_size=6, verbose=0, callbacks=[check])
    assert check.reports["after:2"].passed
    assert check.reports["after:100"].passed


def test_many_steps_in_one_execution():
    if keras.backend.backend() == "torch":
        return  # Keras has none there
    check = kd.callbacks.GradientCheck(at=("start", "after:2"), action="raise")
    keras.utils.set_random_seed(0)
    plain = compiled(steps_per_execution=3)
    plain.fit(X, Y, batch_size=4, verbose=0)
    keras.utils.set_random_seed(0)
    observed = compiled(steps_per_execution=3)
    observed.fit(X, Y, batch_size=4, verbose=0, callbacks=[check])
    assert set(check.reports) == {"start", "after:2"}
    np.testing.assert_array_equal(plain.get_weights()[0], observed.get_weights()[0])


def test_monitor_and_check_together(tmp_path):
    model = compiled()
    check = kd.callbacks.GradientCheck(action="raise")
    monitor = kd.callbacks.TrainingMonitor(tmp_path, every=1)
    model.fit(X, Y, batch_size=8, verbose=0, callbacks=[monitor, check])
    assert check.reports["start"].passed


@pytest.mark.parametrize(
    "arguments",
    [
        {"at": "end"},
        {"at": ("after:x",)},
        {"at": 3},
        {"action": "log"},
        {"samples": 0},
        {"data": X},
        {"direction": 3},
    ],
)
def test_careless_arguments(arguments):
    with pytest.raises((ValueError, TypeError), match="Received"):
        kd.callbacks.GradientCheck(**arguments)
