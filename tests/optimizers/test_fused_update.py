"""What Keras's base class promises holds when all variables are updated at once."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_dlnotes import optimizers
from keras_dlnotes.backend import active
from keras_dlnotes.optimizers.first_order_optimizer import FirstOrderOptimizer

BACKEND = keras.backend.backend()
# Small variables share their state; the last is large enough to be updated by itself.
SHAPES = [(4, 3), (3,), (), (2, 1, 2), (70, 70)]
# Rules that Keras has as well, so that a whole run can be compared with its own optimizers; the
# numbers are such that it does not round them to float32 on TensorFlow.
PAIRS = {
    "descent": (
        lambda **kwargs: optimizers.GradientDescent(**kwargs),
        lambda **kwargs: keras.optimizers.SGD(**kwargs),
    ),
    "momentum": (
        lambda **kwargs: optimizers.Momentum(momentum=0.75, **kwargs),
        lambda **kwargs: keras.optimizers.SGD(momentum=0.75, **kwargs),
    ),
    "nesterov": (
        lambda **kwargs: optimizers.NesterovMomentum(momentum=0.75, **kwargs),
        lambda **kwargs: keras.optimizers.SGD(momentum=0.75, nesterov=True, **kwargs),
    ),
    "rmsprop": (
        lambda **kwargs: optimizers.RMSProp(rho=0.8, epsilon=1e-4, **kwargs),
        lambda **kwargs: keras.optimizers.RMSprop(rho=0.8, epsilon=1e-4, **kwargs),
    ),
}
OPTIONS = {
    "schedule": {"learning_rate": lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)},
    "callable learning rate": {"learning_rate": lambda: lambda: 0.0625},
    "clipnorm": {"clipnorm": 0.5},
    "clipvalue": {"clipvalue": 0.3},
    "global_clipnorm": {"global_clipnorm": 0.7},
    "weight_decay": {"weight_decay": 0.1},
    "ema": {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 3},
    "accumulation": {"gradient_accumulation_steps": 2},
    "accumulation, clipped": {"gradient_accumulation_steps": 3, "clipnorm": 0.5},
    "loss scale": {"loss_scale_factor": 8.0},
    "constraint": {},
    "all at once": {
        "learning_rate": lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5),
        "global_clipnorm": 2.0,
        "weight_decay": 0.1,
        "use_ema": True,
        "ema_overwrite_frequency": 2,
    },
}


def make(factory, options):
    options = {"learning_rate": 0.05, **options}
    if not isinstance(options["learning_rate"], float):
        options["learning_rate"] = options["learning_rate"]()
    optimizer = factory(**options)
    if "weight_decay" in options:
        optimizer.exclude_from_weight_decay(var_names=["kept"])
    return optimizer


def fresh_variables(constraint=None, dtype=None):
    rng = np.random.default_rng(3)
    variables = []
    for position, shape in enumerate(SHAPES):
        name = "kept" if position == 1 else f"v{position}"
        variable = keras.Variable(rng.normal(size=shape), dtype=dtype, name=name)
        variable.constraint = constraint
        variables.append(variable)
    return variables


def gradients(steps, missing=()):
    rng = np.random.default_rng(4)
    for _ in range(steps):
        drawn = [rng.normal(size=shape).astype(keras.config.floatx()) for shape in SHAPES]
        yield [
            None if position in missing else ops.convert_to_tensor(gradient)
            for position, gradient in enumerate(drawn)
        ]


def run(optimizer, variables, steps=5, missing=()):
    if BACKEND == "jax" and not missing:
        run_jitted(optimizer, variables, steps)
    else:
        for drawn in gradients(steps, missing):
            optimizer.apply(drawn, variables)
    optimizer.finalize_variable_values(variables)
    return [ops.convert_to_numpy(variable) for variable in variables]


def run_jitted(optimizer, variables, steps):
    """The way JAX takes in `fit`: one compiled function from state to state."""
    import jax

    if not optimizer.built:
        optimizer.build(variables)
    apply = jax.jit(optimizer.stateless_apply)
    for drawn in gradients(steps):
        state = [v.value for v in optimizer.variables], drawn, [v.value for v in variables]
        for known, values in zip((variables, optimizer.variables), apply(*state), strict=True):
            for variable, value in zip(known, values, strict=True):
                variable.assign(value)


def assert_all_close(actual, expected, **tolerance):
    for mine, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, **tolerance)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("option", "pair"),
    [(option, "momentum") for option in OPTIONS]
    + [("all at once", pair) for pair in PAIRS if pair != "momentum"],
)
def test_base_class_options_as_in_keras(option, pair):
    ours, theirs = PAIRS[pair]
    constraint = keras.constraints.NonNeg() if option == "constraint" else None
    results = [
        run(make(factory, OPTIONS[option]), fresh_variables(constraint))
        for factory in (ours, theirs)
    ]
    assert_all_close(*results, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("missing", [(4,), (0, 2), (0, 1, 2, 3)])
@pytest.mark.parametrize("pair", ["descent", "rmsprop"])
def test_missing_gradients(pair, missing):
    results = []
    for factory in PAIRS[pair]:
        optimizer, variables = make(factory, {}), fresh_variables()
        run(optimizer, variables, steps=2)
        with pytest.warns(UserWarning, match="Gradients do not exist"):
            run(optimizer, variables, steps=2, missing=missing)
        results.append(run(optimizer, variables, steps=2))
    assert_all_close(*results, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "sizes",
    [
        {"SMALL": 0},
        {"SMALL": 10**6},
        {"SMALL": 10**6, "LARGE_GROUP": 1},
        {"LARGEST_GROUP": 8},
        {"PIECE": 1000},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["Adam", "NesterovMomentum", "AdaGrad"])
def test_the_way_variables_are_grouped_changes_nothing(name, sizes, monkeypatch):
    expected = run(getattr(optimizers, name)(0.05), fresh_variables())
    for constant, value in sizes.items():
        if not hasattr(active.fused_update, constant):
            pytest.skip(f"{BACKEND} has no {constant}")
        monkeypatch.setattr(active.fused_update, constant, value)
    actual = run(getattr(optimizers, name)(0.05), fresh_variables())
    assert_all_close(actual, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_state_can_be_read_and_set_one_variable_at_a_time():
    drawn = next(gradients(1))
    variables = fresh_variables()
    optimizer = optimizers.Momentum(0.5, momentum=0.9)
    optimizer.apply(drawn, variables)
    velocities = optimizer.variables[2:]
    for velocity, gradient in zip(velocities, drawn, strict=True):
        expected = -0.5 * ops.convert_to_numpy(gradient)
        np.testing.assert_allclose(ops.convert_to_numpy(velocity), expected, rtol=1e-12)
        np.testing.assert_allclose(velocity.numpy(), expected, rtol=1e-12)
    before = [ops.convert_to_numpy(variable) for variable in variables]
    for velocity in velocities:
        velocity.assign(ops.ones(velocity.shape, velocity.dtype))
    optimizer.apply([ops.zeros_like(gradient) for gradient in drawn], variables)
    moved = [ops.convert_to_numpy(v) - b for v, b in zip(variables, before, strict=True)]
    assert_all_close(moved, [np.full(shape, 0.9) for shape in SHAPES], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("make_one", FirstOrderOptimizer.__subclasses__())
def test_16_bit_variables(make_one, dtype):
    arguments = {"bias_correction": True} if make_one is optimizers.Adam else {}
    exact = run(make_one(0.01, **arguments), fresh_variables(dtype="float32"))
    rounded = run(make_one(0.01, **arguments), fresh_variables(dtype=dtype))
    # Five roundings of numbers up to 4, half an ulp each.
    spacing = {"float16": 2.0**-9, "bfloat16": 2.0**-6}[dtype]
    assert_all_close([r.astype("float32") for r in rounded], exact, rtol=0, atol=4 * spacing)
    start = fresh_variables(dtype=dtype)[-1].numpy().astype("float32")
    assert np.mean(rounded[-1].astype("float32") != start) > 0.5


def regression():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 70)).astype("float32")
    return x, np.tanh(x[:, :1])


def network(dtype=None):
    return keras.Sequential(
        [
            keras.Input((70,)),
            layers.Dense(70, "tanh", dtype=dtype),
            layers.Dense(1, dtype=dtype),
        ]
    )


def trained(optimizer, start=None, dtype=None, **kwargs):
    x, y = regression()
    model = network(dtype)
    if start is not None:
        model.set_weights(start)
    model.compile(optimizer, "mse", **kwargs)
    history = model.fit(x, y, epochs=3, batch_size=16, shuffle=False, verbose=0)
    return [ops.convert_to_numpy(w) for w in model.weights], history.history["loss"]


def test_mixed_precision_with_a_loss_scale():
    start = network().get_weights()
    results = [
        trained(
            keras.optimizers.LossScaleOptimizer(make(factory, {}), initial_scale=2.0**9),
            start,
            keras.DTypePolicy("mixed_float16"),
        )
        for factory in PAIRS["momentum"]
    ]
    assert results[0][1][-1] < results[0][1][0]
    assert_all_close(results[0][0], results[1][0], rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(BACKEND == "torch", reason="torch has no jit_compile without a C++ compiler")
@pytest.mark.parametrize("name", ["Adam", "GradientDescent"])
def test_jit_compile(name):
    start = network().get_weights()
    results = [
        trained(getattr(optimizers, name)(0.01), start, jit_compile=jit) for jit in (True, False)
    ]
    assert_all_close(results[0][0], results[1][0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("arguments", [{"run_eagerly": True}, {"steps_per_execution": 2}], ids=str)
def test_ways_to_run_a_step(arguments):
    if BACKEND == "torch" and "steps_per_execution" in arguments:
        pytest.skip("Keras offers it on TensorFlow and JAX only")
    start = network().get_weights()
    plain = trained(optimizers.Adam(0.01), start)
    other = trained(optimizers.Adam(0.01), start, **arguments)
    assert_all_close(other[0], plain[0], rtol=1e-4, atol=1e-5)


def test_a_run_interrupted_in_the_middle_of_an_accumulation_goes_on_the_same(tmp_path):
    x, y = regression()
    model = network()
    # On JAX Keras cannot fit a model a second time with its average: the fault is its own.
    average = BACKEND != "jax"
    model.compile(
        optimizers.Adam(0.01, gradient_accumulation_steps=3, use_ema=average, clipnorm=1.0), "mse"
    )
    model.fit(x, y, batch_size=16, verbose=0, shuffle=False)  # four steps: one is pending
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.fit(x, y, batch_size=16, verbose=0, shuffle=False)
    for mine, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's own checkpoints")
def test_tensorflow_checkpoint(tmp_path):
    import tensorflow as tf

    variables = fresh_variables()
    optimizer = optimizers.Adam(0.01)
    run(optimizer, variables, steps=3)
    saved = [v.numpy() for v in optimizer.variables]
    path = tf.train.Checkpoint(optimizer=optimizer).save(str(tmp_path / "checkpoint"))
    other = optimizers.Adam(0.01)
    other.build(fresh_variables())
    tf.train.Checkpoint(optimizer=other).restore(path).assert_existing_objects_matched()
    assert_all_close([v.numpy() for v in other.variables], saved, rtol=0)


MIRRORED = """
import keras, numpy as np, tensorflow as tf
from keras_dlnotes import optimizers
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
x = rng.normal(size=(32, 70)).astype("float32"); y = np.tanh(x[:, :1])
def train(strategy, start=None):
    with strategy.scope():
        model = keras.Sequential([keras.Input((70,)), keras.layers.Dense(70, "tanh"),
                                  keras.layers.Dense(1)])
        if start is not None:
            model.set_weights(start)
        start = model.get_weights()
        model.compile(optimizers.Adam(0.01), "mse")
    model.fit(x, y, epochs=3, batch_size=16, shuffle=False, verbose=0)
    return start, model.get_weights()
start, alone = train(tf.distribute.get_strategy())
_, mirrored = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), start)
for a, b, s in zip(alone, mirrored, start):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert np.any(a != s)
print("two replicas agree")
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute")
def test_mirrored_strategy_over_two_devices():
    result = subprocess.run([sys.executable, "-c", MIRRORED], capture_output=True, text=True)
    assert "two replicas agree" in result.stdout, result.stderr[-3000:]
