"""The six optimizers as parts of Keras: `fit`, saving, sparse gradients, arguments."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_dlnotes import optimizers
from keras_dlnotes.optimizers.first_order_optimizer import FirstOrderOptimizer

PUBLIC = [getattr(optimizers, name) for name in optimizers.__all__]
ALL = [item for item in PUBLIC if issubclass(item, FirstOrderOptimizer)]
KERAS_TWINS = {
    "GradientDescent": ("SGD", {}),
    "Momentum": ("SGD", {"momentum": 0.9}),
    "NesterovMomentum": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "AdaGrad": ("Adagrad", {}),
    "RMSProp": ("RMSprop", {}),
    "Adam": ("Adam", {}),
}
LEARNING_RATES = {"AdaGrad": 0.1, "RMSProp": 0.01, "Adam": 0.01}


def halves():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, 2)).astype("float32")
    return x, (x[:, :1] > x[:, 1:]).astype("float32")


def network():
    return keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(70, "tanh"),
            layers.Dense(70, "tanh"),
            layers.Dense(1, "sigmoid"),
        ]
    )


def weights_of(model):
    return [ops.convert_to_numpy(weight) for weight in model.weights]


@pytest.mark.parametrize("make", ALL)
def test_fit_lowers_the_loss_and_a_saved_model_goes_on_the_same(make, tmp_path):
    x, y = halves()
    optimizer = make(LEARNING_RATES.get(make.__name__, 0.1))
    model = network()
    model.compile(optimizer, "binary_crossentropy")
    losses = model.fit(x, y, epochs=8, batch_size=32, verbose=0, shuffle=False).history["loss"]
    assert losses[-1] < 0.97 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is make
    assert loaded.optimizer.get_config() == optimizer.get_config()
    for each in (model, loaded):
        each.fit(x, y, epochs=2, batch_size=32, verbose=0, shuffle=False)
    for mine, theirs in zip(weights_of(model), weights_of(loaded), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("make", ALL)
def test_slots_are_named_and_ordered_as_keras_does(make):
    name, arguments = KERAS_TWINS[make.__name__]
    variables = [keras.Variable(np.ones(shape), name=f"v{len(shape)}") for shape in ((2, 3), (3,))]
    mine, theirs = make(name="same"), getattr(keras.optimizers, name)(name="same", **arguments)
    mine.build(variables)
    theirs.build(variables)
    assert [v.path for v in mine.variables] == [v.path for v in theirs.variables]
    assert [v.shape for v in mine.variables] == [v.shape for v in theirs.variables]


@pytest.mark.parametrize("arguments", [{}, {"clipnorm": 1e-3}, {"clipvalue": 1e-3}], ids=str)
@pytest.mark.parametrize("rows", [6, 1100])
@pytest.mark.parametrize("make", [optimizers.Adam, optimizers.GradientDescent, optimizers.AdaGrad])
def test_sparse_gradients(make, rows, arguments):
    """An embedding, whose gradient TensorFlow keeps sparse, learns as its dense twin does."""
    tokens = np.array([[0, 3, 3], [3, 1, 0]])
    x, y = tokens, np.array([[1.0], [-1.0]], "float32")
    embedding = layers.Embedding(rows, 4)
    sparse = keras.Sequential(
        [keras.Input((3,), dtype="int32"), embedding, layers.Flatten(), layers.Dense(1)]
    )
    one_hot = np.eye(rows, dtype="float32")[tokens]
    dense = keras.Sequential(
        [
            keras.Input((3, rows)),
            layers.Dense(4, use_bias=False),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    dense.set_weights(sparse.get_weights())
    before = ops.convert_to_numpy(embedding.embeddings)
    for model, inputs in ((sparse, x), (dense, one_hot)):
        model.compile(make(0.01, **arguments), "mse")
        model.fit(inputs, y, epochs=5, batch_size=1, verbose=0, shuffle=False)
    for mine, theirs in zip(weights_of(sparse), weights_of(dense), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    after = ops.convert_to_numpy(embedding.embeddings)
    # Clipped to one size, the steps of two examples may cancel in single numbers.
    assert np.any(after[[0, 1, 3]] != before[[0, 1, 3]])
    np.testing.assert_array_equal(after[[2, 4, 5]], before[[2, 4, 5]])


@pytest.mark.parametrize("make", ALL)
def test_a_whole_learning_rate_and_its_checks(make):
    assert float(make(1).learning_rate) == 1.0
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="learning_rate"):
            make(wrong)
    with pytest.raises(ValueError, match="learning_rate"):
        make("fast")
    with pytest.raises(ValueError, match="not recognized"):
        make(learnig_rate=0.1)


@pytest.mark.parametrize(
    ("make", "name", "wrong"),
    [
        (optimizers.Momentum, "momentum", [-0.1, 1.1, "a", None, True]),
        (optimizers.NesterovMomentum, "momentum", [-0.1, 1.1, "a", None, True]),
        (optimizers.RMSProp, "rho", [-0.1, 1.0, "a", None]),
        (optimizers.Adam, "beta_1", [-0.1, 1.0, "a", None]),
        (optimizers.Adam, "beta_2", [-0.1, 1.0, "a", None]),
        (optimizers.Adam, "epsilon", [0, -1e-7, float("inf"), float("nan"), None]),
        (optimizers.RMSProp, "epsilon", [0, -1e-7, float("inf"), float("nan"), None]),
        (optimizers.AdaGrad, "epsilon", [0, -1e-7, float("inf"), float("nan"), None]),
        (optimizers.Adam, "epsilon_mode", ["between", None]),
        (optimizers.RMSProp, "epsilon_mode", ["between", None]),
        (optimizers.AdaGrad, "epsilon_mode", ["between", None]),
    ],
)
def test_hyperparameters_are_checked(make, name, wrong):
    for value in wrong:
        with pytest.raises(ValueError, match=f"Received: {name}="):
            make(**{name: value})


@pytest.mark.parametrize(
    ("make", "arguments", "instead"),
    [
        (optimizers.GradientDescent, {"momentum": 0.9}, "kd.optimizers.Momentum"),
        (optimizers.GradientDescent, {"nesterov": True}, "kd.optimizers.NesterovMomentum"),
        (optimizers.Momentum, {"nesterov": True}, "kd.optimizers.NesterovMomentum"),
        (optimizers.NesterovMomentum, {"nesterov": False}, "kd.optimizers.Momentum"),
        (optimizers.RMSProp, {"momentum": 0.9}, "kd.optimizers.Adam"),
        (optimizers.RMSProp, {"centered": True}, "keras.optimizers.RMSprop"),
        (optimizers.Adam, {"amsgrad": True}, "keras.optimizers.Adam"),
    ],
)
def test_arguments_of_keras_that_a_rule_has_no_place_for(make, arguments, instead):
    name, value = next(iter(arguments.items()))
    expected = (not value) if isinstance(value, bool) else 0.0
    form = f"Expected `{name}` to be left out or {expected}: .* has no other form. "
    with pytest.raises(ValueError, match=f"{form}Received: {name}={value}. Use {instead}"):
        make(**arguments)
    what_it_does_anyway = {name: expected}
    config = make(name="same", **what_it_does_anyway).get_config()
    assert config == make(name="same").get_config()


@pytest.mark.parametrize("arguments", [{}, {"clipnorm": 0.1}, {"clipvalue": 0.1}], ids=str)
@pytest.mark.parametrize("make", ALL)
def test_numpy_gradients(make, arguments):
    """They pass, whatever their dtype, as they do with Keras's optimizers."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype("float32") for shape in ((3, 2), (70, 70))]
    gradients = [rng.normal(size=each.shape) for each in start]
    ends = []
    for convert in (np.asarray, lambda g: ops.convert_to_tensor(g, "float32")):
        variables = [keras.Variable(each) for each in start]
        optimizer = make(0.1, **arguments)
        for _ in range(2):
            optimizer.apply([convert(each) for each in gradients], variables)
        ends.append([ops.convert_to_numpy(variable) for variable in variables])
    for from_numpy, from_tensors, before in zip(*ends, start, strict=True):
        np.testing.assert_allclose(from_numpy, from_tensors, rtol=1e-5, atol=1e-6)
        assert np.any(from_numpy != before)


def test_accumulators_start_where_they_are_told_and_are_saved():
    optimizer = optimizers.AdaGrad(0.1, initial_accumulator_value=0.25)
    variables = [keras.Variable(np.ones(shape)) for shape in ((2, 3), (3,), (70, 70))]
    optimizer.build(variables)
    for slot in optimizer.variables[2:]:
        np.testing.assert_array_equal(ops.convert_to_numpy(slot), np.full(slot.shape, 0.25))
    assert optimizers.AdaGrad.from_config(optimizer.get_config()).initial_accumulator_value == 0.25
    for wrong in (-0.1, float("nan"), "a", None):
        with pytest.raises(ValueError, match="Received: initial_accumulator_value="):
            optimizers.AdaGrad(initial_accumulator_value=wrong)
