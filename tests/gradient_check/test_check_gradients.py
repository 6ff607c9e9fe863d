"""Kinks, noise, precision, second order, and what is said of careless uses."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dlnotes as kd
from keras_dlnotes.gradient_check import check
from tests.references.faulty_gradients import CustomDense, normal, right_dense, unary, with_gradient


def test_report_shows_what_was_found():
    layer = CustomDense(
        3,
        lambda u, x, w, b: (right_dense(u, x, w, b)[0], *(-g for g in right_dense(u, x, w, b)[1:])),
    )
    report = kd.check_gradients(layer, normal(4, 3))
    kernel, bias = report.failures
    assert (kernel.path, bias.path) == (layer.kernel.path, layer.bias.path)
    assert kernel.analytic == pytest.approx(-kernel.numeric, rel=1e-6)
    assert kernel.relative_error == pytest.approx(2.0, rel=1e-6)
    assert len(kernel.worst_index) == 2
    assert {row.path: row.verdict for row in report.rows}["input"] == "passed"
    for text in (str(report), report.markdown()):
        assert kernel.path in text
        assert "wrong sign" in text
    with pytest.raises(AssertionError, match="wrong sign"):
        kd.assert_gradients(layer, normal(4, 3))


def test_gradient_right_at_the_start_and_wrong_later():
    def backward(u, x, w, b):
        dx, dw, db = right_dense(u, x, w, b)
        return dx, dw + 0.1 * w**3, db

    layer = CustomDense(3, backward)
    layer.build((None, 4))
    layer.kernel.assign(ops.zeros((4, 3)))
    assert kd.check_gradients(layer, normal(5, 4), inputs=False).passed
    layer.kernel.assign(normal(4, 3))
    assert not kd.check_gradients(layer, normal(5, 4), inputs=False).passed


def test_kinks_at_the_point_are_inconclusive_and_not_failures():
    x = normal(4, 6)
    x[0] = 0.0  # a whole row at the corner
    report = kd.check_gradients(layers.ReLU(), x)
    (row,) = report.rows
    assert report.passed
    assert row.inconclusive_count == 6
    assert "6 of 24 coordinates are at a kink" in row.cause
    (row,) = kd.check_gradients(layers.ReLU(), np.zeros((4, 6))).rows
    assert row.verdict == "inconclusive"


def test_kinks_do_not_hide_a_fault():
    """Right at the corner and for positive numbers; wrong for negative ones, where nobody is."""
    function = unary(ops.relu, lambda x: ops.where(x < 0, 0.1 * ops.ones_like(x), 1.0))
    report = kd.check_gradients(function, np.zeros((4, 6)))
    assert not report.passed
    assert "nearby" in report.failures[0].cause


def test_ties_of_a_maximum_pass_or_are_inconclusive():
    assert kd.check_gradients(layers.MaxPooling1D(2), np.ones((2, 6, 2))).passed


def test_zero_initialized_weights_with_an_absolute_penalty():
    layer = layers.Dense(3, kernel_initializer="zeros", kernel_regularizer="l1")
    report = kd.check_gradients(layer, normal(4, 3))
    assert report.passed
    assert report.rows[0].verdict == "passed"
    # This package's penalty: its derivative at the kink is 0, as the differences say.
    layer = layers.Dense(3, kernel_initializer="zeros", kernel_regularizer=kd.regularizers.L1(0.1))
    report = kd.check_gradients(layer, normal(4, 3))
    assert not report.inconclusive, report
    (penalty,) = [row for row in report.rows if row.part == "penalty"]
    assert penalty.verdict == "passed"
    assert "at a kink; right at points nearby" in penalty.cause


def test_random_numbers_that_keras_does_not_know_are_reported():
    generator = np.random.default_rng(0)

    def noisy(x):
        return x * generator.normal()

    if keras.backend.backend() == "torch":  # the others draw once, when they compile
        report = kd.check_gradients(noisy, normal(3))
        assert "not deterministic" in report.failures[0].cause


def test_float32_inside_is_noticed_and_judged_by_its_noise():
    def narrow(x):
        return ops.cast(ops.tanh(ops.cast(x, "float32")), x.dtype)

    report = kd.check_gradients(narrow, normal(4, 3))
    assert report.passed
    assert "float32" in report.notes[0]
    layer = layers.Lambda(narrow, name="narrow")
    report = kd.check_gradients(keras.Sequential([layers.Dense(3), layer]), normal(4, 3))
    assert report.passed
    wrong = unary(narrow, lambda x: 1.1 * (1.0 - ops.tanh(x) ** 2))
    assert not kd.check_gradients(wrong, normal(4, 3)).passed


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_casts_to_half_precision_inside_are_no_fault(half):
    def narrow(x):
        return ops.cast(ops.tanh(ops.cast(x, half)), x.dtype)

    report = kd.check_gradients(narrow, normal(4, 3))
    assert report.passed, report
    assert half in report.notes[0]
    wrong = unary(narrow, lambda x: 1.001 * (1.0 - ops.tanh(x) ** 2))
    assert not kd.check_gradients(wrong, normal(4, 3)).passed
    rounded = unary(ops.tanh, lambda x: ops.cast(ops.cast(1.0 - ops.tanh(x) ** 2, half), x.dtype))
    assert not kd.check_gradients(rounded, normal(4, 3)).passed


def test_small_derivatives_do_not_hide_behind_large_ones():
    def scales(x):
        return ops.convert_to_tensor([1e6, 1e-3, 1.0], dtype=x.dtype) * x

    def backward(upstream, x, w, b):
        dx, dw, db = right_dense(upstream, x, w, b)
        factors = ops.convert_to_tensor([1.0, 1.5, 1.0], dtype=db.dtype)
        return dx, dw, db * factors  # wrong where it is a thousandth

    layer = CustomDense(3, backward, activation=scales)
    (row,) = kd.check_gradients(layer, normal(5, 4)).failures
    assert row.path == layer.bias.path
    assert row.worst_index == (1,)
    assert not kd.check_gradients(layer, normal(5, 4), directions=3).passed


def test_words_are_pointed_out_with_what_to_do():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(Exception, match="str") as raised:
        kd.check_gradients(model, np.array([["a", "b", "c"]]))
    assert "np.asarray" in raised.value.__notes__[-1]


def test_layers_checked_one_after_the_other_have_other_weights():
    first, second = layers.Dense(2), layers.Dense(2)
    for layer in (first, second):
        kd.check_gradients(layer, normal(3, 4))
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])


def test_half_precision_that_cannot_be_widened_and_half_precise_penalties():
    def mixed(x):
        half = ops.cast(x, "float16")
        constant = ops.ones(x.shape, "float16")
        start = ops.zeros(x.shape, "float16")
        return ops.fori_loop(0, 2, lambda i, c: c * constant + half, start)

    assert kd.check_gradients(mixed, normal(2, 3)).rows

    def penalty(kernel):
        return ops.sum(ops.square(ops.cast(kernel, "float16")))

    layer = layers.Dense(2, kernel_regularizer=penalty)
    assert kd.check_gradients(layer, normal(3, 4)).passed


def test_layer_whose_output_stays_narrow_is_named():
    narrow = layers.Lambda(lambda x: ops.cast(x, "float32"), name="narrow")
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3), narrow, layers.Dense(2)])
    report = kd.check_gradients(model, normal(4, 3))
    assert report.passed
    assert any("narrow" in note for note in report.notes), report


def test_what_cannot_compute_in_float64_says_so():
    class Narrow(layers.Layer):
        def call(self, x):
            if "float32" not in str(x.dtype):
                raise TypeError("only float32 here")
            return x * 2.0

    report = kd.check_gradients(Narrow(), normal(3, 2))
    assert report.passed
    assert report.precision == "float32"
    assert "Narrow" in report.notes[0]
    assert "only float32 here" in report.notes[0]


def test_second_order():
    report = kd.check_gradients(layers.Dense(3, "tanh"), normal(4, 3), second_order=True)
    assert report.passed
    assert [row.part for row in report.rows].count("second order") == 3
    # A first derivative that is right and was detached: the second one does not know of it.
    wrong = unary(ops.sin, lambda x: ops.cos(ops.stop_gradient(x)))
    report = kd.check_gradients(wrong, normal(4), second_order=True)
    assert {row.part for row in report.failures} == {"second order"}


def test_every_coordinate():
    report = kd.check_gradients(
        layers.Dense(4, activation="relu"), normal(4, 30), every_coordinate=True
    )
    assert report.passed
    assert [row.compared_count for row in report.rows] == [120, 4, 120]


def test_losses_by_object_name_and_function():
    p, y = np.abs(normal(6, 3)) / 5.0, np.eye(3)[[0, 1, 2, 0, 1, 2]]
    for loss in ("mse", keras.losses.CategoricalCrossentropy(label_smoothing=0.1)):
        assert kd.check_gradients(loss, p, y, np.linspace(0.5, 1.0, 6)).passed
    assert kd.check_gradients(lambda a, b: ops.sin(a) * b, (p, y)).passed


def test_wrong_shape_of_a_gradient_is_a_failure_with_its_cause():
    layer = CustomDense(
        3,
        lambda u, x, w, b: (
            right_dense(u, x, w, b)[0],
            ops.transpose(right_dense(u, x, w, b)[1]),
            ops.sum(u, 0),
        ),
    )
    report = kd.check_gradients(layer, normal(5, 4))
    assert re.search("shape|size|same type", report.failures[0].cause), report


def test_loss_that_is_not_finite():
    report = kd.check_gradients(ops.log, -np.ones(3))
    assert "the loss itself is nan" in report.failures[0].cause


def test_exception_puts_everything_back():
    class Broken(layers.Layer):
        def call(self, x):
            raise RuntimeError("broken")

    layer = Broken()
    layer.built = True
    with pytest.raises(RuntimeError, match="broken"):
        kd.check_gradients(layer, normal(3, 2))
    assert keras.config.floatx() == "float32"
    assert layer.dtype_policy.name == "float32"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, normal(2)), TypeError, "Expected a model, a layer, a loss"),
        ((keras.losses.MeanSquaredError(), normal(2)), ValueError, "Received: y=None"),
        ((layers.Dense(2), normal(2, 2), normal(2, 3)), ValueError, "compile"),
        ((layers.Dense(2, trainable=False), normal(2, 2)), None, ""),
        ((lambda x: ops.cast(x, "int32"), normal(2)), ValueError, "floating-point"),
        ((lambda x: None, normal(2)), ValueError, "floating-point"),
        ((layers.Dense, normal(2, 2)), TypeError, "Expected a model, a layer"),
        ((layers.Dense(2), [[1.0, 2.0]]), ValueError, "np.array"),
    ],
    ids=["subject", "targets", "compiled", "frozen", "integers", "nothing", "class", "list"],
)
def test_careless_uses(arguments, error, message):
    if error is None:
        report = kd.check_gradients(*arguments)
        assert set(report.skipped.values()) == {"frozen: it is not trained"}
        assert [row.path for row in report.rows] == ["input"]
        with pytest.raises(ValueError, match="frozen"):
            kd.check_gradients(*arguments, inputs=False)
        return
    with pytest.raises(error, match=message):
        kd.check_gradients(*arguments)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (normal(6, 3), normal(4, 2), {}, "same number of examples"),
        (normal(0, 3), normal(0, 2), {}, "1 or more"),
        ([[1.0, 2.0, 3.0]], [[1.0, 2.0]], {}, "np.array"),
        (normal(6, 3), normal(6, 2), {"directions": 0}, "Received: directions=0"),
        (normal(6, 3), normal(6, 2), {"seed": -1}, "Received: seed=-1"),
    ],
    ids=["lengths", "empty", "lists", "directions", "seed"],
)
def test_careless_batches_and_options(x, y, options, message):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=message):
        kd.check_gradients(model, x, y, **options)


def test_progress_bar_comes_after_a_second(capsys, monkeypatch):
    clock = iter(np.arange(0.0, 1e4, 0.3))
    monkeypatch.setattr(check.time, "perf_counter", lambda: next(clock))
    for verbose, shown in ((1, True), (0, False)):
        bar = check.EvaluationBar(verbose)
        for _ in range(5):
            bar.advance(10)
        bar.close()
        assert ("loss" in capsys.readouterr().out) is shown


def test_data_made_from_the_seed_do_not_make_a_transposed_gradient_symmetric():
    layer = Scaled(with_gradient(ops.matmul, transposed_kernel))
    report = kd.check_gradients(layer, np.random.default_rng(0).normal(size=(5, 4)), seed=0)
    assert not report.passed, report


def test_saturated_probabilities_are_noisy_and_not_wrong():
    """1 - p has the more rounding noise the nearer p is to 1, so it differs between points."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    x, y = np.random.default_rng(0).normal(size=(2, 8, 4))
    for seed in range(3):
        kernel = 30.0 * np.random.default_rng((7, seed)).normal(size=(4, 3))
        model.layers[0].set_weights([kernel, np.zeros(3)])
        report = kd.check_gradients(model, 10.0 * x, (y[:, :3] > 0.0) * 1.0, seed=seed)
        assert not report.failures, report
        assert report.passed or not any(row.tested for row in report.rows), report


class Scaled(keras.layers.Layer):
    """A function of the input and a square kernel."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1],) * 2, name="kernel")

    def call(self, x):
        return self.function(x, ops.convert_to_tensor(self.kernel))


def transposed_kernel(upstream, x, kernel):
    return upstream @ ops.transpose(kernel), ops.transpose(upstream) @ x


def test_no_numbers_are_left_out_and_no_examples_refused():
    class WithNothing(layers.Dense):
        def build(self, shape):
            super().build(shape)
            self.nothing = self.add_weight((0, 3), name="nothing")

        def call(self, x):
            return super().call(x) + ops.sum(self.nothing)

    layer = WithNothing(2)
    report = kd.check_gradients(layer, normal(4, 3))
    assert report.passed
    assert "holds no numbers" in report.skipped[layer.nothing.path]
    report = kd.check_gradients(layers.Dense(2), np.zeros((4, 0)))
    assert report.passed
    assert [row.path.rpartition("/")[-1] for row in report.rows] == ["bias"]
    for subject in (layers.Dense(2), ops.sin, "mse"):
        with pytest.raises(ValueError, match="at least one example"):
            kd.check_gradients(subject, np.zeros((0, 3)), *[np.zeros((0, 3))] * (subject == "mse"))
