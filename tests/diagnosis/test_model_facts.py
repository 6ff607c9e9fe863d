import functools

import keras
import pytest

import keras_dlnotes as kd
from keras_dlnotes.diagnosis import conventions, model_facts

layers = keras.layers


def facts(*stack, loss="mse", **options):
    model = keras.Sequential([keras.Input((4,)), *stack])
    model.compile("sgd", loss, **options)
    return model_facts(model)


OUTPUTS = {
    "linear": [layers.Dense(2)],
    "softmax": [layers.Dense(2), layers.Activation("softmax")],
    "sigmoid": [layers.Dense(2, "sigmoid"), layers.Reshape((2, 1))],
    "relu": [layers.Dense(2), layers.ReLU()],
    "leaky_relu": [layers.Dense(2, activation=lambda x: keras.ops.leaky_relu(x, 0.1))],
    "tanh": [layers.Dense(2), layers.Lambda(lambda x: keras.ops.tanh(x))],
    "hard_sigmoid": [layers.Dense(2), layers.Activation(lambda x: keras.ops.hard_sigmoid(x))],
    None: [layers.Dense(2, activation=lambda x: 2 * x)],
}


@pytest.mark.parametrize("activation", OUTPUTS)
def test_output_activation(activation):
    found = facts(*OUTPUTS[activation])
    assert found.output_activation == activation
    assert [layer.is_output for layer in found.layers if layer.has_kernel] == [True]


def test_an_output_that_is_squashed_twice():
    lambdas = [layers.Dense(2, lambda x: keras.ops.softmax(x)), layers.Softmax()]
    assert facts(*lambdas).squashed_before == "softmax"
    twice = [layers.Dense(2, "softmax"), layers.Dropout(0.1), layers.Activation("softmax")]
    assert facts(*twice).squashed_before == "softmax"
    for stack in ([layers.Dense(2, "relu"), layers.Softmax()], [layers.Dense(2, "softmax")]):
        assert facts(layers.Dense(3, "softmax"), *stack).squashed_before is None


def test_loss_and_metrics_of_each_output():
    inputs = keras.Input((4,))
    heads = [layers.Dense(1, name="b")(inputs), layers.Dense(3, "softmax", name="a")(inputs)]
    model = keras.Model(inputs, heads)
    both = {"a": "categorical_crossentropy", "b": "mse"}
    for loss, metrics in ((both, {"a": ["acc"]}), ([both["b"], both["a"]], [[], ["acc"]])):
        model.compile("sgd", loss, metrics=metrics)
        first, second = model_facts(model), model_facts(model, 1)
        assert (first.loss, first.metrics, first.output_shape) == ("mean_squared_error", [], (1,))
        assert (second.loss, second.metrics) == ("categorical_crossentropy", ["accuracy"])
        assert (second.output_activation, second.output_layer) == ("softmax", "a")
        assert first.hidden == second.hidden == []


def test_functional_model_and_operations():
    inputs = keras.Input((4,))
    hidden = layers.Dense(3, "tanh")(inputs)
    model = keras.Model(inputs, keras.ops.softmax(layers.Dense(2)(hidden)))
    model.compile(keras.optimizers.SGD(0.2, momentum=0.9), "categorical_crossentropy")
    found = model_facts(model)
    assert found.output_activation == "softmax"
    assert not found.only_layers
    assert (found.optimizer, found.momentum) == ("sgd", 0.9)
    assert found.learning_rate == pytest.approx(0.2)
    assert [layer.units for layer in found.hidden] == [3]


LOSSES = {
    "mse": ("mean_squared_error", False),
    keras.losses.MeanSquaredError: ("mean_squared_error", False),
    keras.losses.binary_crossentropy: ("binary_crossentropy", False),
    keras.losses.SparseCategoricalCrossentropy: ("sparse_categorical_crossentropy", True),
}


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: getattr(loss, "__name__", loss))
def test_loss_as_name_function_and_object(loss):
    name, logits = LOSSES[loss]
    if isinstance(loss, type):
        loss = loss(from_logits=True) if logits else loss()
    found = facts(layers.Dense(2), loss=loss)
    assert (found.loss, found.from_logits) == (name, logits)


class OwnHuber(keras.losses.Huber):
    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred))


def huber(y_true, y_pred):
    return keras.ops.mean(y_true - y_pred)


def own(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 2)


@pytest.mark.parametrize("loss", [own, huber, OwnHuber()], ids=["own", "huber", "subclass"])
def test_a_loss_of_ones_own_is_unknown(loss):
    assert facts(layers.Dense(2), loss=loss).loss is None


def test_arguments_of_a_partial_count():
    loss = functools.partial(keras.losses.binary_crossentropy, from_logits=True)
    found = facts(layers.Dense(2), loss=loss)
    assert (found.loss, found.from_logits) == ("binary_crossentropy", True)


ALL_LOSSES = [
    item
    for name in sorted(set(dir(keras.losses)) - {"Loss", "get", "serialize", "deserialize"})
    if callable(item := getattr(keras.losses, name)) and not name.startswith("_")
]


@pytest.mark.parametrize("loss", ALL_LOSSES, ids=lambda loss: loss.__name__)
def test_every_loss_of_keras_is_of_one_kind(loss):
    name = facts(layers.Dense(2), loss=loss() if isinstance(loss, type) else loss).loss
    kinds = [conventions.REGRESSION_LOSSES, conventions.PROBABILITIES, conventions.OTHER_LOSSES]
    assert sum(name in kind for kind in kinds) == 1


class Steps(keras.optimizers.SGD):
    pass


OPTIMIZERS = [
    (keras.optimizers.Adam(0.1), "adam", "keras.optimizers.Adam", 0.1),
    (kd.optimizers.GradientDescent(0.1), "gradientdescent", "kd.optimizers.GradientDescent", 0.1),
    (Steps(0.1), "sgd", "Steps", 0.1),
    (kd.optimizers.LBFGS(), "lbfgs", "kd.optimizers.LBFGS", None),
    (kd.optimizers.NewtonCG(), "newtoncg", "kd.optimizers.NewtonCG", None),
]


@pytest.mark.parametrize(("optimizer", "kind", "name", "rate"), OPTIMIZERS)
def test_optimizer(optimizer, kind, name, rate):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(optimizer, "mse")
    found = model_facts(model)
    assert (found.optimizer, found.optimizer_name) == (kind, name)
    assert found.learning_rate == (None if rate is None else pytest.approx(rate))


def test_metrics_initial_weights_and_normalization():
    stack = [layers.BatchNormalization(), layers.Dense(64, kernel_initializer="ones")]
    found = facts(*stack, layers.Dense(1), metrics=["acc", keras.metrics.R2Score()])
    assert found.metrics == ["accuracy", "r2_score"]
    assert found.normalizes_inputs
    assert found.hidden[0].identical_units
    assert not facts(layers.Dense(3), layers.Dense(1)).hidden[0].identical_units
    gain = facts(layers.Dense(64, kernel_initializer="he_normal"), layers.Dense(1)).hidden[0].gain
    assert 1.0 < gain < 1.8
    # Glorot's scale of a layer that widens is not too small, though its inputs are few.
    gain = facts(layers.Dense(300), layers.Dense(1)).hidden[0].gain
    assert 0.8 < gain <= 1.0
