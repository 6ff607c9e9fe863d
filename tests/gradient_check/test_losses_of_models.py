"""Which loss of a model is checked: the one that training differentiates, whoever computes it."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dlnotes as kd
from tests.references.faulty_gradients import normal, unary

BACKEND = keras.backend.backend()
X, Y = normal(6, 4), normal(6, 2, seed=1)


def cube(factor):
    """Σ |x|³ / 3 with a gradient that is `factor` times too large."""
    return unary(lambda x: ops.abs(x) ** 3 / 3.0, lambda x: factor * x * ops.abs(x))


class Network(keras.Model):
    """A penalty and a layer; the loss is the subclass's."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.hidden = layers.Dense(3, "tanh", kernel_regularizer="l2")
        self.out = layers.Dense(2)
        self.loss_of_errors = cube(factor)
        self.square = keras.losses.MeanSquaredError()

    def call(self, x, training=False):
        return self.out(self.hidden(x))

    def total(self, y, y_pred):
        return ops.mean(self.loss_of_errors(y_pred - ops.cast(y, y_pred.dtype)))


class WithComputeLoss(Network):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.total(y, y_pred) + self.square(y, y_pred) + sum(self.losses)


class WithTrainStep(Network):
    """As in Keras's guides, with a loss that nothing else knows of."""

    def train_step(self, *arguments):
        return {"tensorflow": self.by_tape, "jax": self.by_grad, "torch": self.by_backward}[
            BACKEND
        ](*arguments)

    def by_tape(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = self.total(y, self(x, training=True)) + sum(self.losses)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}

    def by_backward(self, data):
        x, y = data
        self.zero_grad()
        loss = self.total(y, self(x, training=True)) + sum(self.losses)
        loss.backward()
        weights = list(self.trainable_weights)
        self.optimizer.apply([w.value.grad for w in weights], weights)
        return {"loss": loss}

    def loss_and_updates(self, trainable, non_trainable, x, y):
        predictions, non_trainable, losses = self.stateless_call(
            trainable, non_trainable, x, training=True, return_losses=True
        )
        return self.total(y, predictions) + sum(losses), non_trainable

    def by_grad(self, state, data):
        import jax

        trainable, non_trainable, optimizer, metrics = state
        grad = jax.value_and_grad(self.loss_and_updates, has_aux=True)
        (loss, non_trainable), gradients = grad(trainable, non_trainable, *data)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        return {"loss": loss}, (trainable, non_trainable, optimizer, metrics)


@pytest.mark.parametrize("kind", [WithComputeLoss, WithTrainStep])
@pytest.mark.parametrize("compiled", [{}, {"loss": "mse"}], ids=["no loss", "with a loss"])
def test_the_models_own_loss_is_checked(kind, compiled):
    right, wrong = kind(), kind(factor=1.5)
    for model in (right, wrong):
        model.compile("sgd", **compiled)
        model.fit(X, Y, batch_size=6, verbose=0)
    before = [w.copy() for w in right.get_weights()]
    report = kd.check_gradients(right, X, Y)
    assert report.passed, report
    assert not report.inconclusive, report
    assert not any("float32" in note for note in report.notes), report
    assert {row.part for row in report.rows} == {"loss", "penalty"}
    for old, new in zip(before, right.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    report = kd.check_gradients(wrong, X, Y)
    failures = {row.path for row in report.failures if row.part == "loss"}
    assert failures == {v.path for v in wrong.trainable_variables}
    if kind is WithTrainStep:
        assert "train_step" in report.notes[0]
        assert "a constant factor 1.5 off" in str(
            kd.check_gradients(no_penalty(wrong), X, Y, inputs=False)
        )


def no_penalty(model):
    model.hidden.kernel.regularizer = None
    model.hidden.kernel_regularizer = None
    return model


@pytest.mark.parametrize("kind", [WithComputeLoss, WithTrainStep])
def test_targets_left_out_do_not_let_a_wrong_loss_pass(kind):
    model = kind(factor=1.5)
    model.compile("sgd")
    with pytest.raises(Exception, match=r"None|y"):
        kd.check_gradients(model, X)


def test_check_within_fit_of_a_model_with_its_own_step():
    for factor, passed in ((1.0, True), (1.5, False)):
        model = WithTrainStep(factor)
        model.compile("sgd")
        check = kd.callbacks.GradientCheck(at=("start", "after:2"), action="stop")
        if passed:
            model.fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[check])
        else:
            with pytest.warns(UserWarning, match="factor|missing|too many"):
                model.fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[check])
        assert check.reports["start"].passed is passed


def test_a_step_that_cannot_be_followed():
    class Opaque(Network):
        def train_step(self, *arguments):
            raise RuntimeError("no steps here")

    model = Opaque()
    model.compile("sgd")
    with pytest.raises(ValueError, match="compute_loss"):
        kd.check_gradients(model, X, Y)
    model.compile("sgd", "mse")
    report = kd.check_gradients(model, X, Y)
    assert report.passed
    assert "no steps here" in report.notes[0]


class TwoOutputs(layers.Layer):
    def __init__(self, factor=1.0):
        super().__init__()
        self.dense = layers.Dense(2)
        self.square = unary(ops.square, lambda x: 2.0 * factor * x)

    def call(self, x):
        outputs = self.dense(x)
        return {"plain": outputs, "square": ops.sum(self.square(outputs), -1, keepdims=True)}


def test_bare_layers_and_models_with_targets_are_checked_under_a_squared_error():
    report = kd.check_gradients(layers.Dense(2), X, Y, np.linspace(0.5, 1.0, 6))
    assert report.passed
    assert "mean squared error" in report.notes[0]
    targets = {"plain": Y, "square": Y[:, 0]}
    assert kd.check_gradients(TwoOutputs(), X, targets).passed
    assert not kd.check_gradients(TwoOutputs(factor=1.5), X, targets).passed
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    numeric = kd.check_gradients(model, X, Y).rows[1].numeric
    model.compile("sgd", "mse")
    assert numeric == pytest.approx(kd.check_gradients(model, X, Y).rows[1].numeric)
    with pytest.raises(ValueError, match="outputs' shapes"):
        kd.check_gradients(layers.Dense(2), X, Y[:, :1])
    with pytest.raises(ValueError, match="outputs' shapes"):
        kd.check_gradients(TwoOutputs(), X, Y)


def test_loss_functions_with_targets():
    def loss(factor):
        function = cube(factor)
        return lambda y_true, y_pred: function(y_pred - ops.cast(y_true, y_pred.dtype))

    assert kd.check_gradients(loss(1.0), X[:, :2], Y).passed
    (failure,) = kd.check_gradients(loss(1.5), X[:, :2], Y).failures
    assert "factor 1.5" in failure.cause
