"""The five second-order optimizers where numbers are not what they should be, on every backend."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_dlnotes.callbacks import FullBatch, SecondDerivatives, StopWhenConverged
from keras_dlnotes.numerics import loss_scale
from keras_dlnotes.numerics.phases import LineSearchPhase
from keras_dlnotes.optimizers import BFGS, LBFGS, GaussNewton, Newton, NewtonCG
from keras_dlnotes.regularizers import L1

BACKEND = keras.backend.backend()
METHODS = [LBFGS, BFGS, Newton, NewtonCG, GaussNewton]
SECOND = (Newton, NewtonCG, GaussNewton)


class Scaled(keras.losses.Loss):
    """The mean squared error times a number."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale

    def call(self, y, prediction):
        return self.scale * ops.mean((y - prediction) ** 2, axis=-1)


def task(scale=1.0, units=3):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    y = np.tanh(x @ np.array([[1.0], [-2.0]])) + 0.1 * rng.normal(size=(40, 1))
    layers = [keras.layers.Dense(units, "tanh"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((2,)), *layers])
    return model, Scaled(scale), x, y


def fit(model, x, y, epochs, *callbacks):
    if isinstance(model.optimizer, SECOND):
        callbacks = [SecondDerivatives(), *callbacks]
    return model.fit(
        x, y, batch_size=len(x), epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks)
    ).history


def compiled(method, loss, model, **arguments):
    model.compile(method(**arguments), loss, jit_compile=BACKEND == "jax")
    return model.optimizer


def fit_with_faults(model, x, y, epochs, faults, *callbacks):
    """An evaluation an epoch; those whose number is in `faults` see a target that is NaN."""
    if isinstance(model.optimizer, SECOND):
        callbacks = [SecondDerivatives(), *callbacks]
    bad = y.copy()
    bad[3] = np.nan
    batches = ((x, bad if number in faults else y) for number in range(epochs))
    return model.fit(
        batches,
        steps_per_epoch=1,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    ).history


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("when", [0, 1, 2, 3, 5, 8])
def test_one_evaluation_that_is_not_finite_is_recovered_from(method, when):
    model, loss, x, y = task(units=1)
    optimizer = compiled(method, loss, model, gradient_tolerance=1e-4)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(optimizer.status)
            for variable in model.trainable_variables:
                assert np.isfinite(ops.convert_to_numpy(variable)).all()

    # In one and the same `fit`, a NaN at the evaluation `when`.
    fit_with_faults(model, x, y, 150, [when], Watch(), StopWhenConverged(verbose=0))
    if when == 0:
        assert seen == ["not finite"]  # nothing to start from
        fit_with_faults(model, x, y, 150, [], Watch(), StopWhenConverged(verbose=0))
    assert optimizer.status == "converged"
    assert np.isfinite(optimizer.progress["loss"])
    # At the accepted point it is said, at a trial point it is a reason for a shorter step.
    if when == 1:
        at_accepted = method in (NewtonCG, GaussNewton)
        assert seen[1] == ("not finite" if at_accepted else "searching")


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("method", METHODS)
def test_a_loss_that_stays_not_finite_ends_training_and_a_later_fit_goes_on(method):
    model, loss, x, y = task(units=1)
    optimizer = compiled(method, loss, model, gradient_tolerance=1e-4)
    steps = fit(model, x, y, 20, StopWhenConverged(verbose=0))
    before = model.get_weights()
    # A new `fit` evaluates the accepted point first: twice, and then it ends.
    history = fit_with_faults(model, x, y, 20, range(20), StopWhenConverged(verbose=0))
    assert len(history["loss"]) == 2 < len(steps["loss"])
    assert optimizer.status == "not finite"
    for weight, old in zip(model.get_weights(), before, strict=True):
        assert np.array_equal(weight, old)
    fit(model, x, y, 200, StopWhenConverged(verbose=0))
    assert optimizer.status == "converged"
    assert optimizer.progress["restarts"] == 0


def test_a_product_that_is_not_finite_in_the_middle_of_conjugate_gradients():
    quadratic = np.diag([1.0, 4.0, 9.0])
    weights = keras.Variable([1.0, 0.25, 1 / 9], dtype="float32", name="weights")
    optimizer = NewtonCG(gradient_tolerance=1e-4)
    optimizer.build([weights])
    products = iter(range(1000))

    # The product alone fails, as a second derivative at a square root of 0 does.
    def product(_):
        factor = np.nan if next(products) == 2 else 1.0
        return ops.convert_to_tensor(
            factor * (quadratic @ ops.convert_to_numpy(optimizer._inner[2])), dtype="float32"
        )

    optimizer.second_derivative = product
    statuses = []
    for _ in range(40):
        point = ops.convert_to_numpy(weights)
        assert np.isfinite(point).all()
        optimizer.differentiate(lambda w: None)
        optimizer.scale_loss(ops.convert_to_tensor(0.5 * point @ quadratic @ point + 1.0))
        optimizer.apply([ops.convert_to_tensor((quadratic @ point).astype("float32"))], [weights])
        statuses.append(optimizer.status)
    assert statuses[2] == "not finite"
    assert set(statuses[3:]) == {"searching", "converged"}
    assert statuses[-1] == "converged"
    assert np.max(np.abs(ops.convert_to_numpy(weights))) < 1e-4


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("method", METHODS)
def test_two_fits_take_the_steps_of_one(method):
    """`fit` ends at the accepted point: in mid-search the next one evaluates it once more."""
    straight, loss, x, y = task()
    whole = compiled(method, loss, straight)
    losses = fit(straight, x, y, 10)["loss"]
    for split in (1, 4) if BACKEND == "torch" else (4,):
        model, loss, x, y = task()
        optimizer = compiled(method, loss, model)
        first = fit(model, x, y, split)["loss"]
        suspended = ops.convert_to_numpy(optimizer._control)[1]
        # Where an evaluation of the accepted point was due anyway, nothing is spent.
        spent = 0 if suspended == LineSearchPhase.VERIFY else 1
        second = fit(model, x, y, 10 - split + spent)["loss"]
        assert spent == 1 or method in (NewtonCG, GaussNewton)
        assert np.allclose([*first, *second[spent:]], losses, rtol=1e-9)
        for number in ("iterations", "loss", "gradient_norm"):
            assert optimizer.progress[number] == pytest.approx(whole.progress[number], rel=1e-9)
        for a, b in zip(model.get_weights(), straight.get_weights(), strict=True):
            assert np.allclose(a, b, rtol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("method", METHODS)
def test_weights_changed_between_two_fits_are_noticed(method):
    model, loss, x, y = task()
    optimizer = compiled(method, loss, model)
    fit(model, x, y, 5)
    changed = [w + 0.25 for w in model.get_weights()]
    model.set_weights(changed)
    with pytest.warns(RuntimeWarning, match="took no step"):
        fit(model, x, y, 1)
    assert optimizer.progress["restarts"] == 1
    for weight, new in zip(model.get_weights(), changed, strict=True):
        assert np.array_equal(weight, new)


@pytest.mark.parametrize("method", SECOND)
@pytest.mark.parametrize("scale", [30.0, 1000.0])
def test_unscaled_data_in_float32_ends_at_the_minimum(method, scale):
    rng = np.random.default_rng(0)
    x = (scale * rng.uniform(0.5, 2, size=(200, 3))).astype("float32")
    y = (scale * rng.uniform(0.5, 2, size=(200, 1))).astype("float32")
    bordered = np.c_[x, np.ones(200)].astype("float64")
    least = np.linalg.lstsq(bordered, y.astype("float64"), rcond=None)[1][0] / 200
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    optimizer = compiled(method, "mse", model)
    losses = fit(model, x, y, 120, StopWhenConverged(verbose=0))["loss"]
    assert optimizer.status == "converged"
    assert len(losses) < (12 if method is Newton else 120)
    assert losses[-1] <= 1.0001 * least


@pytest.mark.parametrize("method", METHODS)
def test_evaluations_do_not_depend_on_the_unit_of_the_loss(method):
    counts = {}
    for scale in (1.0, 1e-15, 1e12):
        model, loss, x, y = task(scale, units=1)
        # That of GaussNewton is a cosine.
        tolerance = 1e-6 if method is GaussNewton else 1e-3 * scale
        compiled(method, loss, model, gradient_tolerance=tolerance)
        counts[scale] = len(fit(model, x, y, 100, StopWhenConverged(verbose=0))["loss"])
        assert model.optimizer.status == "converged"
    assert max(counts.values()) < 100
    assert max(counts.values()) <= 1.2 * min(counts.values())


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("method", [LBFGS, BFGS])
def test_the_default_stops_at_the_minimum_whatever_the_unit_of_the_loss(method):
    """Neither early where all gradients are small, nor never where their rounding is large."""
    counts = {}
    for scale in (1.0, 2.0**-60, 2.0**60):
        weights = keras.Variable([-1.2, 1.0], dtype="float64", name="weights")
        optimizer = method()
        optimizer.build([weights])
        while optimizer.status in ("not started", "searching"):
            a, b = ops.convert_to_numpy(weights)
            loss = 100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2
            gradient = np.array([-400.0 * a * (b - a**2) - 2.0 * (1.0 - a), 200.0 * (b - a**2)])
            optimizer.scale_loss(ops.convert_to_tensor(scale * loss, "float64"))
            optimizer.apply([ops.convert_to_tensor(scale * gradient, "float64")], [weights])
            assert optimizer.progress["evaluations"] < 80
        assert optimizer.status == "converged"
        optimizer.finalize_variable_values([weights])
        assert np.allclose(ops.convert_to_numpy(weights), 1.0, atol=1e-7)
        counts[scale] = optimizer.progress["evaluations"]
    assert len(set(counts.values())) == 1


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("method", [LBFGS, BFGS])
@pytest.mark.parametrize(("away", "status"), [(1e-14, "converged"), (1e-6, "searching")])
def test_a_new_optimizer_at_the_minimum_has_converged(method, away, status):
    weights = keras.Variable([1.0 + away, 1.0], dtype="float64", name="weights")
    optimizer = method()
    optimizer.build([weights])
    a, b = ops.convert_to_numpy(weights)
    loss, gradient = (
        0.3 + 50.0 * (a - 1.0) ** 2 + (b - 1.0) ** 2,
        [100.0 * (a - 1.0), 2.0 * (b - 1)],
    )
    optimizer.scale_loss(ops.convert_to_tensor(loss, "float64"))
    optimizer.apply([ops.convert_to_tensor(gradient, "float64")], [weights])
    assert optimizer.status == status


@pytest.mark.parametrize("method", METHODS)
def test_the_default_stops_in_float32_where_the_loss_shows_nothing_more(method):
    counts = []
    for scale in (1.0, 2.0**-40, 2.0**30):
        model, loss, x, y = task(scale, units=1)
        optimizer = compiled(method, loss, model)
        counts.append(len(fit(model, x, y, 150, StopWhenConverged(verbose=0))["loss"]))
        assert optimizer.status == "converged"
    assert max(counts) < 150
    assert max(counts) <= 1.2 * min(counts)


@pytest.mark.parametrize("size", [0.0, 1.0, 1.5, 3e-15, 0.7, 2.0**-50, 2.0**40, 7e11, 1e30])
def test_the_unit_is_the_power_of_two_below_the_size(size):
    one = ops.convert_to_tensor(1.0, dtype="float32")
    unit, factor = loss_scale.change_unit(
        4.0 * one, one > 0.0, 0.25 * one * size, 0.125 * one * size
    )
    expected = 2.0 ** np.floor(np.log2(size / 4.0)) if size > 0.0 else 1.0
    assert float(unit) == 4.0 * expected
    assert float(factor) == 1.0 / expected
    unit, factor = loss_scale.change_unit(4.0 * one, one < 0.0, one * size, one * size)
    assert (float(unit), float(factor)) == (4.0, 1.0)


def test_a_power_of_two_changes_no_iterate():
    seen = {}
    for scale in (1.0, 2.0**-50):
        model, loss, x, y = task(scale)
        optimizer = compiled(LBFGS, loss, model, gradient_tolerance=0.0)
        losses = fit(model, x, y, 15)["loss"]
        seen[scale] = model.get_weights()
        assert optimizer.progress["loss"] == pytest.approx(min(losses), rel=1e-6)
    for a, b in zip(seen[1.0], seen[2.0**-50], strict=True):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-5)


def square_with_gradient(gradient, point):
    """A parabola of curvature 100 with this gradient at the point, for `GaussNewton`."""
    minimum = point - 0.01 * gradient

    def loss(weights, outputs):
        return 50.0 * ops.sum(ops.square(outputs[0] - minimum))

    def outputs(weights, inputs):
        return [ops.reshape(weights[0], (1, 1)) * inputs]

    return loss, outputs, ops.ones((1, 1))


@pytest.mark.parametrize("method", METHODS)
def test_a_staircase_is_told(method):
    """The loss has two digits, and the gradient is that of the smooth one."""
    weights = keras.Variable([0.301], dtype="float32", name="weights")
    optimizer = method()
    optimizer.build([weights])
    if method in SECOND:
        curvature = np.eye(1) if method is Newton else np.ones(1)
        optimizer.second_derivative = lambda _: ops.convert_to_tensor(100.0 * curvature, "float32")
    for _ in range(100):
        point = float(ops.convert_to_numpy(weights)[0])
        loss, gradient = 1.0 + np.round(0.05 * point**2, 1), -1.0
        if method is GaussNewton:
            optimizer.differentiate(*square_with_gradient(-1.0, point))
        elif method in SECOND:
            optimizer.differentiate(lambda w: None)
        optimizer.scale_loss(ops.convert_to_tensor(loss, dtype="float32"))
        optimizer.apply([ops.convert_to_tensor([gradient], dtype="float32")], [weights])
        if optimizer.status != "searching":
            break
    assert optimizer.status == "loss too coarse"
    with pytest.warns(RuntimeWarning, match="straight-through"):
        optimizer.finalize_variable_values([weights])


def test_each_optimizer_warns_that_its_loss_changes():
    """Python shows a warning of one place once a process, unless it is told that it is another."""
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *_: shown.append(str(message))
        for _ in range(2):
            optimizer = LBFGS()
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
            model.compile(optimizer, "mse")
            x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
            model.fit(x, x[:, :1] ** 2, batch_size=8, epochs=10, verbose=0)
            assert optimizer.status == "not deterministic"
    assert sum("two evaluations" in text for text in shown) == 2


@pytest.mark.filterwarnings("ignore:.*does not have a `quantize` method.*:UserWarning")
@pytest.mark.filterwarnings("ignore:The loss changed between two evaluations:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:The loss was the same at several trial:RuntimeWarning")
def test_a_model_quantized_to_float8_is_trained_until_its_noise_is_told():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 8)).astype("float32")
    y = np.sin(x[:, :1] * 2) + x[:, 1:2]
    for method in (LBFGS, BFGS):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(32, "tanh"), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((8,)), *layers])
        model.quantize("float8")
        optimizer = compiled(method, "mse", model)
        losses = fit(model, x, y, 120, StopWhenConverged(verbose=0))["loss"]
        # The scales that Keras writes into the model are no weights.
        assert optimizer._accepted_point.shape[0] == 8 * 32 + 32 + 32 + 1
        assert optimizer.status in ("not deterministic", "loss too coarse")
        assert min(losses) < 0.9 * losses[0]


@pytest.mark.parametrize("method", METHODS)
def test_state_saved_by_an_earlier_version_is_loaded(method):
    model, _, x, y = task(units=1)
    optimizer = compiled(method, "mse", model)
    fit(model, x, y, 6)
    control = str([v is optimizer._control for v in optimizer.variables].index(True))
    saved = {str(i): ops.convert_to_numpy(v) for i, v in enumerate(optimizer.variables)}
    added = 4 if method in SECOND else 3  # numbers that earlier versions did not have
    saved[control] = saved[control][:-added]
    fresh = method()
    fresh.build(model.trainable_variables)
    fresh.load_own_variables(saved)
    loaded = ops.convert_to_numpy(fresh._control)
    assert np.array_equal(loaded[:-added], saved[control])
    assert not np.any(loaded[-added:])
    assert fresh.status == "searching"
    if "unit" in fresh.machine.read(loaded)._fields[-added:]:  # the loss was measured as it is
        assert fresh.machine.read(loaded).unit == 0.0
        assert loss_scale.known_unit(ops.convert_to_tensor(0.0)) == 1.0
    else:
        assert fresh.progress == optimizer.progress


@pytest.mark.parametrize("method", METHODS)
def test_fits_of_one_evaluation_say_that_no_step_was_taken(method):
    model, loss, x, y = task(units=1)
    optimizer = compiled(method, loss, model)
    before = model.get_weights()
    fit(model, x, y, 1)
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match=f"{method.__name__} took no step.*epochs"):
            fit(model, x, y, 1)
    assert all(map(np.array_equal, before, model.get_weights()))
    fit(model, x, y, 6)  # no warning, nor at the next one, which has nothing left to do
    assert optimizer.progress["iterations"] > 0
    fit(model, x, y, 200, StopWhenConverged(verbose=0))
    assert len(fit(model, x, y, 5, StopWhenConverged(verbose=0))["loss"]) < 5


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("method", [LBFGS, Newton, GaussNewton])
def test_a_minimum_at_the_kink_of_an_l1_penalty_is_named(method, capsys):
    _, loss, x, y = task()
    dense = keras.layers.Dense(1, None, False, "zeros", kernel_regularizer=L1(10.0))
    model = keras.Sequential([keras.Input((2,)), dense])
    optimizer = compiled(method, loss, model)
    fit(model, x, y, 300, StopWhenConverged())
    assert np.allclose(model.get_weights()[0], 0.0, atol=1e-9)
    assert optimizer.status in ("line search failed", "trust region failed")
    assert "a kink there (an L1 penalty" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize("method", METHODS)
def test_a_model_without_weights_to_train_is_refused(method):
    model, loss, x, y = task()
    model.trainable = False
    compiled(method, loss, model)
    callbacks = [StopWhenConverged(verbose=0)]
    if method not in SECOND:
        callbacks.append(FullBatch())
    for callback in callbacks:
        with pytest.raises(ValueError, match=f"{method.__name__} has no weights to train"):
            fit(model, x, y, 2, callback)
