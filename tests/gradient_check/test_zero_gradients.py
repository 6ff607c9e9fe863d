"""Where every derivative is 0 a wrong gradient would not show, and nothing has passed."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dlnotes as kd
from tests.references.faulty_gradients import normal, unary

X = normal(8, 4)


def compiled(*inner, loss="mse"):
    model = keras.Sequential([keras.Input((4,)), *inner])
    model.compile("sgd", loss)
    return model


def saturated_softmax():
    """Its probabilities are 0 and 1, which Keras's loss clips."""
    model = compiled(layers.Dense(3, "softmax"), loss="categorical_crossentropy")
    kernel = 1e4 * normal(4, 3, seed=5)
    model.set_weights([kernel, np.zeros(3)])
    return model, X, np.eye(3)[np.argmax(X @ kernel, axis=1)]


def one_softmax_unit():
    return compiled(layers.Dense(1, lambda z: ops.exp(z) / ops.exp(z))), X, X[:, :1]


def rounding_loss():
    def loss(y, p):
        return ops.mean(ops.abs(ops.cast(y, p.dtype) - ops.round(p)))

    return compiled(layers.Dense(1, "sigmoid"), loss=loss), X, 1.0 * (X[:, :1] > 0)


def inactive_units():
    dead = layers.Dense(3, "relu", bias_initializer=keras.initializers.Constant(-50.0))
    return compiled(dead, layers.Dense(2, use_bias=False)), X, X[:, :2]


def no_gradient_layer():
    return layers.Lambda(lambda x: ops.sign(x)), X


def no_gradient_function():
    return (lambda x: ops.floor(x)), X


@pytest.mark.parametrize(
    "case",
    [
        saturated_softmax,
        one_softmax_unit,
        rounding_loss,
        inactive_units,
        no_gradient_layer,
        no_gradient_function,
    ],
    ids=lambda f: f.__name__,
)
def test_all_zero_is_inconclusive_with_the_reason(case):
    subject, *data = case()
    report = kd.check_gradients(subject, *data)
    assert not report.passed
    assert not report.failures, report
    assert {row.verdict for row in report.rows} == {"inconclusive"}
    assert all("no derivative differs from 0" in row.cause for row in report.rows)
    assert "0 passed" in str(report)
    assert "nothing was tested" in str(report) or "in steps" in str(report)
    with pytest.raises(AssertionError, match="no derivative differs from 0"):
        kd.assert_gradients(subject, *data)


def test_a_loss_that_changes_in_steps_is_told_from_a_flat_one():
    fine = layers.Lambda(lambda x: ops.floor(30.0 * x))
    assert "in steps" in str(kd.check_gradients(fine, X))
    assert "the same at points nearby" in str(kd.check_gradients(*no_gradient_layer()))


def test_a_variable_without_influence_does_not_fail_a_right_model():
    model = compiled(layers.Dense(3), layers.BatchNormalization(), layers.Dense(2))
    report = kd.check_gradients(model, X, X[:, :2])
    assert report.passed
    assert not report.inconclusive, report
    (row,) = [row for row in report.rows if not row.tested]
    assert row.path == model.layers[0].bias.path
    assert "a bias does before a normalization" in row.cause


def test_a_variable_that_nothing_uses_is_inconclusive_beside_others_that_pass():
    class WithSpare(layers.Dense):
        def build(self, shape):
            super().build(shape)
            self.spare = self.add_weight((2,), name="spare", initializer="ones")

        def call(self, x):
            return super().call(x) + 0.0 * ops.sum(self.spare)

    layer = WithSpare(3)
    report = kd.check_gradients(layer, X)
    assert report.passed
    (row,) = report.inconclusive
    assert row.path == layer.spare.path
    assert "no derivative differs from 0" in row.cause
    assert any("not tested" in note for note in report.notes)
    assert kd.assert_gradients(layer, X).rows


def test_part_of_the_units_inactive_and_variables_frozen():
    bias = keras.initializers.Constant([-50.0, 0.5, 0.5])
    frozen = layers.Dense(3, trainable=False)
    model = compiled(layers.Dense(3, "relu", bias_initializer=bias), frozen, layers.Dense(2))
    report = kd.check_gradients(model, X, X[:, :2])
    assert report.passed
    assert not report.inconclusive, report
    assert set(report.skipped) == {v.path for v in frozen.weights}


def test_zero_at_the_point_alone_is_judged_nearby():
    def square(factor):
        return unary(ops.square, lambda x: factor * 2.0 * x)

    right = kd.check_gradients(square(1.0), np.zeros((2, 3)))
    assert right.passed
    assert "0 here; right at points nearby" in right.rows[0].cause
    (failure,) = kd.check_gradients(square(1.5), np.zeros((2, 3))).failures
    assert "nearby" in failure.cause


def test_within_fit_nothing_tested_is_a_warning():
    model, x, y = inactive_units()
    check = kd.callbacks.GradientCheck(at="start", action="raise")
    with pytest.warns(UserWarning, match="no derivative differs from 0"):
        model.fit(x, y, verbose=0, callbacks=[check])
    assert not check.reports["start"].passed
    compiled(layers.Dense(2)).fit(x, y, verbose=0, callbacks=[check])  # without a warning
    assert check.reports["start"].passed
