"""The penalty is in the training loss as Keras's is, and nowhere else."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dlnotes as kd
from keras_dlnotes.summaries import MemoryWriter
from tests.references import penalties as reference

BACKEND = keras.backend.backend()
JIT = BACKEND == "jax"
QUICK = {"jit_compile": True} if JIT else {"run_eagerly": True}
PAIRS = {
    "L2": (kd.regularizers.L2(0.2), keras.regularizers.L2(0.1)),
    "L1": (kd.regularizers.L1(0.05), keras.regularizers.L1(0.05)),
    "L1L2": (kd.regularizers.L1L2(0.05, 0.2), keras.regularizers.L1L2(0.05, 0.1)),
}
COMPILED = {"jit": {"jit_compile": True}, "eager": {"run_eagerly": True}}
if BACKEND == "tensorflow":
    COMPILED |= {"graph": {"jit_compile": False}}
    COMPILED |= {"many": {"jit_compile": False, "steps_per_execution": 2}}
if BACKEND == "torch":
    COMPILED = {"eager": QUICK}


def data(rows=32):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 5)).astype("float32")
    return x, np.sin(x @ rng.normal(size=(5, 1))).astype("float32")


def network(regularizer, optimizer="sgd", **kwargs):
    keras.utils.set_random_seed(1)
    # Not at 0, where the derivative of Keras's L1 is 1 on JAX and 0 elsewhere.
    bias = {"bias_regularizer": regularizer, "bias_initializer": keras.initializers.Constant(0.1)}
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(8, "tanh", kernel_regularizer=regularizer),
            keras.layers.Dense(1, kernel_regularizer=regularizer, **bias),
        ]
    )
    model.compile(optimizer, "mse", **kwargs)
    return model


def bare_loss(model, x, y):
    return float(np.mean((ops.convert_to_numpy(model(x, training=False)) - y) ** 2))


def assert_same_weights(one, other, atol=1e-7):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.allclose(a, b, rtol=0, atol=atol)


@pytest.mark.parametrize("compiled", COMPILED)
def test_trains_as_keras_and_evaluates_bare(compiled, tmp_path):
    x, y = data()
    for ours, theirs in PAIRS.values() if COMPILED[compiled] == QUICK else [PAIRS["L1L2"]]:
        kwargs = COMPILED[compiled]
        model, keras_model = network(ours, **kwargs), network(theirs, **kwargs)
        fit = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
        history = model.fit(x, y, validation_data=(x, y), **fit).history
        expected = keras_model.fit(x, y, **fit).history
        assert np.allclose(history["loss"], expected["loss"], rtol=1e-6)
        assert_same_weights(model, keras_model)
        bare = bare_loss(model, x, y)
        penalty = sum(kd.regularizers.penalties_by_layer(model).values())
        assert penalty > 0.1
        assert np.isclose(history["val_loss"][-1], bare, rtol=1e-5)
        assert np.isclose(model.evaluate(x, y, verbose=0), bare, rtol=1e-5)
        assert np.isclose(model.test_on_batch(x, y), bare, rtol=1e-5)
        assert np.isclose(model.train_on_batch(x, y), bare + penalty, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].kernel_regularizer.get_config() == ours.get_config()
    assert np.isclose(loaded.evaluate(x, y, verbose=0), bare_loss(model, x, y), rtol=1e-5)


def test_penalties_are_the_formulas(float64):
    weights = np.random.default_rng(0).normal(size=(4, 3, 2)) * 10
    tensor = ops.convert_to_tensor(weights, "float64")
    expected = {
        kd.regularizers.L2(0.3): reference.l2(0.3, weights),
        kd.regularizers.L1(0.3): reference.l1(0.3, weights),
        kd.regularizers.L1L2(0.3, 0.7): reference.l1(0.3, weights) + reference.l2(0.7, weights),
        kd.regularizers.L2(0): 0.0,
    }
    for regularizer, value in expected.items():
        assert np.isclose(float(regularizer.penalty(tensor)), value, rtol=1e-13)


def test_an_infinite_weight_gives_an_infinite_loss():
    for regularizer in [*(ours for ours, _ in PAIRS.values()), kd.regularizers.L1L2(l1=0.1)]:
        penalty = regularizer.penalty(ops.convert_to_tensor([1.0, np.inf, -np.inf]))
        assert ops.convert_to_numpy(penalty) == np.inf
        # tanh keeps the bare loss finite.
        model = network(regularizer, **QUICK)
        kernel, bias = model.layers[0].get_weights()
        kernel[0, 0] = np.inf
        model.layers[0].set_weights([kernel, bias])
        x, y = np.ones((4, 5), "float32"), np.ones((4, 1), "float32")
        assert np.isfinite(model.test_on_batch(x, y))
        assert model.train_on_batch(x, y) == np.inf
    # Without strength there is no penalty, not 0 * inf.
    for regularizer in [kd.regularizers.L1(0), kd.regularizers.L2(0), kd.regularizers.L1L2()]:
        assert float(regularizer.penalty(ops.convert_to_tensor([np.inf]))) == 0.0


@pytest.mark.parametrize("strength", [-1, np.nan, np.inf, "0.1", True, None])
def test_strength_is_checked(strength):
    with pytest.raises(ValueError, match="Expected `strength` to be a finite number"):
        kd.regularizers.L2(strength)
    with pytest.raises(ValueError, match="Expected `strength`"):
        kd.regularizers.L1(strength)
    with pytest.raises(ValueError, match="Expected `l2`"):
        kd.regularizers.L1L2(0.1, strength)


def test_strength_may_be_a_numpy_number():
    assert kd.regularizers.L2(np.float32(0.5)).get_config() == {"strength": 0.5}


def test_half_precision_weights_are_summed_in_single():
    weights = ops.cast(ops.ones((300, 300)), "float16")
    assert float(kd.regularizers.L1(1.0).penalty(ops.cast(weights, "float32"))) == 90000.0
    keras.utils.set_random_seed(0)
    for policy in ("float16", "mixed_float16"):
        model = keras.Sequential(
            [
                keras.Input((300,)),
                keras.layers.Dense(
                    300,
                    kernel_initializer="ones",
                    kernel_regularizer=kd.regularizers.L1(1.0),
                    dtype=policy,
                ),
            ]
        )
        model.compile(keras.optimizers.SGD(0.0), "mse", **QUICK)
        x = np.zeros((2, 300), "float32")
        assert np.isclose(model.train_on_batch(x, x), 90000.0)
        assert model.test_on_batch(x, x) == 0.0


def test_value_and_gradient_agree_for_a_line_search(float64):
    """Ridge regression by L-BFGS is the closed form, also over batches, one penalty for all."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 4)) * [1.0, 5.0, 0.2, 1.0]
    y = x @ rng.normal(size=(4, 1)) + rng.normal(size=(60, 1))
    strength = 0.7
    layer = keras.layers.Dense(
        1, use_bias=False, kernel_regularizer=kd.regularizers.L2(strength), dtype="float64"
    )
    model = keras.Sequential([keras.Input((4,), dtype="float64"), layer])
    # Keras computes float64 matrix products in float32 on torch, means of losses on JAX.
    tolerance = 1e-9 if BACKEND == "tensorflow" else 1e-4
    optimizer = kd.optimizers.LBFGS(gradient_tolerance=tolerance)
    model.compile(optimizer, "mse", jit_compile=JIT)
    callbacks = [kd.callbacks.FullBatch(), kd.callbacks.StopWhenConverged(verbose=0)]
    model.fit(x, y, batch_size=20, epochs=60, shuffle=False, verbose=0, callbacks=callbacks)
    # mean (x w - y)² + λ/2 |w|² is least where (2 xᵀx / m + λ) w = 2 xᵀy / m.
    closed = np.linalg.solve(2 * x.T @ x / 60 + strength * np.eye(4), 2 * x.T @ y / 60)
    assert optimizer.status == "converged"
    assert np.allclose(ops.convert_to_numpy(layer.kernel), closed, atol=10 * tolerance)
    best = np.mean((x @ closed - y) ** 2) + strength * np.sum(closed**2) / 2
    assert np.isclose(optimizer.progress["loss"], best, rtol=1e-5)


def test_ridge_by_descent_is_the_closed_form():
    x, y = data(64)
    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(1, use_bias=False, kernel_regularizer=kd.regularizers.L2(0.5))
    model = keras.Sequential([keras.Input((5,)), layer])
    optimizer = kd.optimizers.Momentum(0.1, momentum=0.6)
    model.compile(optimizer, "mse", jit_compile=JIT)
    model.fit(x, y, batch_size=64, epochs=50, verbose=0)
    closed = np.linalg.solve(2 * x.T @ x / 64 + 0.5 * np.eye(5), 2 * x.T @ y / 64)
    assert np.allclose(ops.convert_to_numpy(layer.kernel), closed, atol=1e-4)


def test_accumulated_gradients_and_loss_scaling_are_keras_own():
    x, y = data()
    optimizers = {
        "accumulated": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
        "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)),
    }
    for make in optimizers.values():
        ours, theirs = (network(r, make(), **QUICK) for r in PAIRS["L1L2"])
        for model in (ours, theirs):
            model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
        assert_same_weights(ours, theirs)


def test_second_derivatives_hold_the_penalty():
    """A Newton step on a quadratic with a penalty ends at its minimum."""
    x, y = data(64)
    layer = keras.layers.Dense(1, use_bias=False, kernel_regularizer=kd.regularizers.L2(0.5))
    model = keras.Sequential([keras.Input((5,)), layer])
    model.compile(kd.optimizers.Newton(), "mse", jit_compile=JIT)
    callbacks = [kd.callbacks.SecondDerivatives()]
    model.fit(x, y, batch_size=64, epochs=4, verbose=0, callbacks=callbacks)
    closed = np.linalg.solve(2 * x.T @ x / 64 + 0.5 * np.eye(5), 2 * x.T @ y / 64)
    assert np.allclose(ops.convert_to_numpy(layer.kernel), closed, atol=1e-5)


def test_the_monitor_changes_nothing():
    x, y = data()
    models, writer = [], MemoryWriter()
    for callbacks in ([], [kd.callbacks.TrainingMonitor(every=1, writer=writer)]):
        model = network(PAIRS["L2"][0], jit_compile=JIT)
        history = model.fit(
            x,
            y,
            batch_size=16,
            epochs=2,
            shuffle=False,
            verbose=0,
            validation_data=(x, y),
            callbacks=callbacks,
        )
        models.append(model)
    assert_same_weights(*models, atol=1e-6)
    assert np.isclose(history.history["val_loss"][-1], bare_loss(model, x, y), rtol=1e-5)
    assert any(tag.startswith("gradients/") for tag in writer.scalars)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute is TensorFlow's")
def test_replicas_count_the_penalty_once():
    import tensorflow as tf

    x, y = data()
    single = network(PAIRS["L2"][0], jit_compile=False)
    fit = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
    expected = single.fit(x, y, validation_data=(x, y), **fit).history
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = network(PAIRS["L2"][0], jit_compile=False)
    history = model.fit(x, y, validation_data=(x, y), **fit).history
    assert np.allclose(history["loss"], expected["loss"], rtol=1e-5)
    assert np.allclose(history["val_loss"], expected["val_loss"], rtol=1e-5)
    assert_same_weights(single, model, atol=1e-6)


@pytest.mark.parametrize(
    "optimizer",
    [kd.optimizers.GradientDescent, kd.optimizers.Adam, kd.optimizers.LBFGS],
    ids=lambda f: f.__name__,
)
def test_weights_of_zero_stay_zero(optimizer):
    """The derivative of abs at 0 is 0: what was pruned does not come back by the penalty."""
    x, y = data()
    x[:, 3:] = 0.0  # two inputs that have no gradient of their own
    for regularizer in (kd.regularizers.L1(0.1), kd.regularizers.L1L2(0.1, 0.2)):
        model = network(regularizer)
        kernel = model.layers[0].kernel
        kernel.assign(ops.concatenate([kernel[:3], ops.zeros((2, 8))]))
        model.compile(optimizer(), "mse")
        model.fit(x, y, batch_size=32, epochs=3, verbose=0)
        pruned = ops.convert_to_numpy(kernel)
        np.testing.assert_array_equal(pruned[3:], 0.0)
        assert np.abs(pruned[:3]).min() > 0.0


@pytest.mark.parametrize("optimizer", [kd.optimizers.LBFGS, kd.optimizers.BFGS])
def test_at_the_minimum_of_an_l1_problem_nothing_is_left_to_do(optimizer):
    model = network(kd.regularizers.L1(0.1))
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.compile(optimizer(), "mse")
    x, _ = data()
    model.fit(x, np.zeros((32, 1)), batch_size=32, epochs=4, verbose=0)
    assert model.optimizer.status == "converged"
    assert all((w == 0.0).all() for w in model.get_weights())
