"""Each remedy changes what it says, on a model that needs it."""

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.diagnosis import Evidence, Finding, LabelFacts, model_facts
from keras_dlnotes.measures import Skill
from keras_dlnotes.remedies import (
    REMEDIES,
    Examples,
    ShortRuns,
    candidates,
    output_for_labels,
    usual_recipe,
)
from keras_dlnotes.remedies.candidates import _ALSO
from keras_dlnotes.remedies.fit_settings import balanced_weights
from keras_dlnotes.remedies.layer_changes import MASK_ZERO

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(48, 5, 2)).astype("float32")
Y = X[:, -1, :1] * 3 + 50


def network(loss="mse"):
    keras.utils.set_random_seed(0)
    penalty = keras.regularizers.L2(0.1)
    layers = [
        keras.Input((5, 2)),
        keras.layers.LSTM(4, return_sequences=True, name="lstm"),
        keras.layers.Dense(4, activation="tanh", kernel_regularizer=penalty, name="hidden"),
        keras.layers.Dropout(0.9, name="dropout"),
        keras.layers.Dense(1, name="output"),
    ]
    model = keras.Sequential(layers)
    model.get_layer("lstm").trainable = False
    model.compile(keras.optimizers.SGD(0.5, momentum=0.5), loss, metrics=["accuracy"])
    return model


def runs_of(model, x=X, y=Y):
    examples = Examples([x], y)
    return ShortRuns(model, examples, lambda: kd.callbacks.Diagnosis(verbose=False), 3, 16)


# A setting of each remedy, and what is true of the model that it makes.
CASES = {
    "activation": ("softplus", lambda m: m.get_layer("output").activation.__name__ == "softplus"),
    "output_units": (3, lambda m: m.get_layer("output").units == 3),
    "loss": ("mae", lambda m: m.loss == "mae"),
    "metrics": (["mae"], lambda m: m.get_compile_config()["metrics"] == ["mae"]),
    "hidden_activation": ("relu", lambda m: m.get_layer("hidden").activation.__name__ == "relu"),
    "initializer": ("he", lambda m: True),
    "normalization": (True, lambda m: any("normalization" in part.name for part in m.layers)),
    "standardize": (True, lambda m: isinstance(m.layers[1], keras.layers.Normalization)),
    "one_prediction": (True, lambda m: not m.get_layer("lstm").return_sequences),
    "wider": (2, lambda m: m.get_layer("hidden").units == 8),
    "without_penalties": (
        True,
        lambda m: (
            m.get_layer("hidden").kernel_regularizer is None and m.get_layer("dropout").rate == 0.3
        ),
    ),
    "trainable": (True, lambda m: m.get_layer("lstm").trainable),
    "optimizer": ("adam", lambda m: isinstance(m.optimizer, keras.optimizers.Adam)),
    "learning_rate": (0.125, lambda m: float(m.optimizer.learning_rate) == 0.125),
    "clipnorm": (2.0, lambda m: m.optimizer.clipnorm == 2.0),
}
# Of these the model shows nothing; each has a test of its own.
OF_OTHER_MODELS = {"mask_zero", "loss_scaling"}
OF_DATA = {
    "finite_data": True,
    "labels": "from_zero",
    "standardize_targets": True,
}
OF_FIT = {
    "batch_size": 8,
    "epochs": 2,
    "shuffle": True,
    "class_weight": True,
    "early_stopping": True,
}


def test_each_remedy_has_a_case():
    assert {remedy.name for remedy in REMEDIES} == {*CASES, *OF_DATA, *OF_FIT, *OF_OTHER_MODELS}


@pytest.mark.parametrize("name", CASES)
def test_a_remedy_of_the_model_changes_it(name):
    setting, holds = CASES[name]
    model = network()
    runs = runs_of(model)
    built = runs.build({name: setting})
    assert holds(built)
    if name not in ("initializer",):
        assert not holds(model)
    assert len(runs.sentences({name: setting})) == 1


def test_an_embedding_masks_the_padding():
    layers = [keras.Input((4,)), keras.layers.Embedding(5, 2), keras.layers.LSTM(2)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    runs = runs_of(model, np.ones((48, 4)), Y)
    assert runs.build({"mask_zero": True}).layers[0].mask_zero
    assert not model.layers[0].mask_zero
    exec("\n".join(["import keras", *MASK_ZERO.code(runs.facts, True)]), {"model": model})
    assert model.layers[0].mask_zero


def test_the_loss_is_scaled_in_half_precision():
    policy = "mixed_float16"
    model = keras.Sequential([keras.Input((5, 2)), keras.layers.Flatten(dtype=policy)])
    model.add(keras.layers.Dense(1, dtype=policy))
    model.dtype_policy = policy
    model.compile("sgd", "mse", auto_scale_loss=False)
    runs = runs_of(model)
    assert not model_facts(model).loss_scaling
    assert not model_facts(runs.build({})).loss_scaling
    assert isinstance(
        runs.build({"loss_scaling": True}).optimizer, keras.optimizers.LossScaleOptimizer
    )


def test_rare_classes_count_as_much_as_others():
    y = np.repeat([0, 1], [36, 12])
    model = keras.Sequential([keras.Input((5, 2)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(2, "softmax"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    runs = runs_of(model, y=y)
    weights = runs.fit_arguments({"class_weight": True})["class_weight"]
    assert weights == pytest.approx({0: 2 / 3, 1: 2.0})
    assert runs.attempt({"class_weight": True}).problem is None
    assert balanced_weights(np.eye(2)[y]) == pytest.approx(weights)


def test_the_rate_at_which_a_schedule_began_is_tried():
    facts = model_facts(network())
    found = Finding("learning_rate_too_low", "", "", "", 0.9, fix={"learning_rate": 0.5})
    over = Evidence(model=facts, learning_rates=[0.5, 0.0, 0.0])
    assert {"learning_rate": 0.5} in candidates(found, over)
    assert {"learning_rate": 0.5} not in candidates(found, Evidence(model=facts))


def test_kernels_are_drawn_by_the_rule_and_by_the_seed():
    runs = runs_of(network())
    kernels = [
        runs.build({"initializer": "he"}, seed).get_layer("hidden").kernel for seed in (1, 1, 2)
    ]
    first, again, other = (keras.ops.convert_to_numpy(kernel) for kernel in kernels)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("settings", "y", "expected"),
    [
        ({"labels": "from_zero"}, np.array([3, 4, 5, 3]), [0, 1, 2, 0]),
        ({"labels": "zero_one"}, np.array([-1.0, 1.0]), [0, 1]),
        ({"standardize_targets": True}, np.array([1.0, 3.0]), [-1, 1]),
    ],
)
def test_targets_are_changed(settings, y, expected):
    inputs, targets = runs_of(network(), X[: len(y)], y).prepared(settings, [X[: len(y)]], y)
    np.testing.assert_allclose(targets, expected)
    np.testing.assert_array_equal(inputs[0], X[: len(y)])


def test_numbers_that_are_not_finite_go():
    x, y = X.copy(), Y.copy()
    x[3, 1, 0], y[7] = np.nan, np.inf
    inputs, targets = runs_of(network(), x, y).prepared({"finite_data": True}, [x], y)
    assert np.isfinite(inputs[0]).all()
    assert np.isfinite(targets).all()
    assert len(targets) == len(y) - 1
    np.testing.assert_allclose(inputs[0][3, 1, 0], np.delete(x, 3, 0)[:, 1, 0].mean(), rtol=1e-5)


def test_held_out_examples_are_changed_as_the_training_examples_are():
    y = np.array([1.0, 3.0])
    _, other = runs_of(network(), X[:2], y).prepared(
        {"standardize_targets": True}, [X[:1]], np.array([5.0])
    )
    np.testing.assert_allclose(other, [3.0])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"batch_size": 16, "epochs": 1, "shuffle": True}),
        ({"batch_size": 8}, {"batch_size": 8, "epochs": 1, "shuffle": True}),
        ({"epochs": 4}, {"batch_size": 16, "epochs": 4, "shuffle": True}),
    ],
)
def test_arguments_of_fit(settings, expected):
    assert runs_of(network()).fit_arguments(settings) == expected


def test_small_batches_keep_the_epochs_and_cost_more_steps():
    runs = runs_of(network())
    assert runs.cost({}) == 3
    assert runs.cost({"batch_size": 8}) == 6
    assert runs.cost({"epochs": 4}) == 12


def test_two_runs_with_one_seed_are_the_same():
    y = X[:, -1, :1]
    runs = runs_of(network(), y=np.repeat(y[:, None], 5, axis=1))
    settings = {"without_penalties": True, "learning_rate": 0.01}
    first, again, other = (runs.attempt(settings, seed) for seed in (1, 1, 2))
    assert first.problem is None
    assert first.skill == again.skill
    assert first.skill != other.skill


def test_what_a_remedy_raises_is_its_problem():
    attempt = runs_of(network()).attempt({"activation": "nonsense"})
    assert "nonsense" in attempt.problem
    assert attempt.skill == -1.0


def test_a_name_that_is_no_remedy_is_refused():
    with pytest.raises(ValueError, match="luck"):
        runs_of(network()).build({"luck": True})


def labels(kind, shape=(), low=0.0, high=1.0, classes=2):
    return LabelFacts(kind, classes, low, high, shape, 0.5, 0.5, True)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (labels("binary"), {"activation": "sigmoid", "loss": "binary_crossentropy"}),
        (
            labels("signed", low=-1.0),
            {"labels": "zero_one", "activation": "sigmoid", "loss": "binary_crossentropy"},
        ),
        (
            labels("integers", low=1.0, high=4.0, classes=4),
            {
                "labels": "from_zero",
                "output_units": 4,
                "activation": "softmax",
                "loss": "sparse_categorical_crossentropy",
            },
        ),
        (
            labels("one_hot", (3,)),
            {"output_units": 3, "activation": "softmax", "loss": "categorical_crossentropy"},
        ),
        (
            labels("multi_hot", (4,)),
            {"output_units": 4, "activation": "sigmoid", "loss": "binary_crossentropy"},
        ),
        (labels("real", high=7.5), {}),
        (labels("real", (2,), high=7.5), {"output_units": 2}),
    ],
    ids=["binary", "signed", "integers", "one_hot", "multi_hot", "amounts", "two_amounts"],
)
def test_the_output_that_goes_with_the_labels(facts, expected):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile("adam", "mse")
    evidence = Evidence(model=model_facts(model), labels=facts, prediction_shape=(1,))
    assert output_for_labels(evidence) == expected


def test_every_cause_with_more_remedies_names_known_ones():
    known = {remedy.name for remedy in REMEDIES}
    evidence = Evidence(
        model=model_facts(network()),
        labels=labels("binary"),
        prediction_shape=(1,),
        skill=Skill(0.0),
    )
    for cause, more in _ALSO.items():
        for settings in more(evidence):
            assert set(settings) <= known, cause
    assert all(set(settings) <= known for settings in usual_recipe(evidence))


def test_remedies_that_change_nothing_are_not_tried():
    fix = {"activation": "linear", "loss": "mean_squared_error"}
    finding = Finding("constant_inputs", "", "", "", 0.9, fix=fix)
    evidence = Evidence(model=model_facts(network()), prediction_shape=(5, 1))
    assert candidates(finding, evidence) == []
