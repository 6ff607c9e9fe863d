"""`kd.repair`: what is wrong is repaired, what is not is left alone, as are the user's own."""

import random

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.remedies import Examples

pytestmark = pytest.mark.filterwarnings("ignore:.*softmax over axis")
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(160, 4)).astype("float32")
BINARY = (X[:, 0] + X[:, 1] > 0).astype("int32")
CLASSES = X[:, :3].argmax(axis=1)


def network(units=1, activation=None, loss="mse", optimizer=None, hidden="relu", **options):
    keras.utils.set_random_seed(3)
    layers = [
        keras.Input((4,)),
        keras.layers.Dense(16, activation=hidden, name="hidden"),
        keras.layers.Dense(units, activation=activation, name="output"),
    ]
    model = keras.Sequential(layers)
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss, **options)
    return model


def repaired(model, x=X, y=BINARY, **options):
    options = {"epochs": 20, "batch_size": 16, "seeds": 0, "verbose": False} | options
    return kd.repair(model, x, y, **options)


def test_a_softmax_with_one_unit_becomes_a_sigmoid():
    result = repaired(network(1, "softmax", "binary_crossentropy"), seeds=2)
    assert result.settings["activation"] == "sigmoid"
    assert len(result.pairs) == 2
    assert result.gain > 0.5
    assert result.findings[0].cause == "softmax_with_one_unit"


def test_a_run_that_learns_is_left_alone():
    result = repaired(network(1, "sigmoid", "binary_crossentropy"))
    assert result.settings == {}
    assert result.findings == []
    assert "nothing wrong was found" in str(result)


def test_the_repaired_model_trains_on_the_prepared_data():
    result = repaired(network(1, "linear", "binary_crossentropy"), X * 100, 2 * BINARY - 1)
    x, y = result.data(X * 100, 2 * BINARY - 1)
    losses = result.model.fit(x, y, verbose=0, **result.fit).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    assert set(np.unique(y)) == {0, 1}


@pytest.mark.parametrize(
    ("model", "x", "y"),
    [
        (lambda: network(1, "softmax", "binary_crossentropy"), X, BINARY),
        (lambda: network(2, "softmax", "sparse_categorical_crossentropy"), X, CLASSES),
        (lambda: network(1, "sigmoid", "mse", metrics=["accuracy"]), X, CLASSES),
        (lambda: network(1, None, "mse", keras.optimizers.SGD(100.0)), X, X[:, :1] * 3),
        (lambda: network(3, "softmax", "categorical_crossentropy"), X * 500, CLASSES),
    ],
    ids=["one_unit", "too_few_units", "regression", "rate", "labels"],
)
def test_the_code_does_what_the_model_does(model, x, y):
    result = repaired(model(), x, y)
    assert result.settings
    names = {"model": model(), "x": x, "y": y}
    exec(
        result.code.replace("model.fit(", "history = model.fit(verbose=0, *(").replace(
            ", batch_size", "), batch_size"
        ),
        names,
    )
    losses = names["history"].history["loss"]
    assert losses[-1] < losses[0]
    ours = [weight.shape for weight in result.model.trainable_weights]
    assert [weight.shape for weight in names["model"].trainable_weights] == ours


def test_nothing_of_the_users_changes():
    model = network(1, "softmax", "binary_crossentropy", metrics=["accuracy"])
    model.fit(X, BINARY, verbose=0)
    x, y = X.copy(), BINARY.copy()
    weights, state = model.get_weights(), [np.array(v) for v in model.optimizer.variables]
    metrics = {name: float(value) for name, value in model.get_metrics_result().items()}
    drawn = random.getstate()
    repaired(model, x, y)
    assert random.getstate() == drawn
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, BINARY)
    for before, now in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, now)
    for before, now in zip(state, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(before, np.array(now))
    assert {name: float(value) for name, value in model.get_metrics_result().items()} == metrics
    model.fit(X, BINARY, verbose=0)


def test_the_same_repair_twice():
    first, second = (
        repaired(network(1, "softmax", "binary_crossentropy"), seeds=1, epochs=4) for _ in range(2)
    )
    assert first.settings == second.settings
    assert first.pairs == second.pairs


def test_labels_that_nothing_explains_are_not_repaired():
    labels = np.random.default_rng(1).integers(0, 2, 160)
    result = repaired(network(1, "sigmoid", "binary_crossentropy"), y=labels, budget=1000)
    assert result.gain <= 0.2
    assert all(reason for _, reason in result.not_repaired)


def test_the_budget_is_kept_and_named():
    result = repaired(network(1, "softmax", "binary_crossentropy"), budget=100)
    assert result.steps <= 100
    assert result.settings == {}
    assert "budget" in str(result)


def test_loaded_weights_are_kept():
    model = network(1, "softmax", "binary_crossentropy")
    loaded = np.full(16, 0.25)
    kernel, _ = model.get_layer("hidden").get_weights()
    model.get_layer("hidden").set_weights([kernel, loaded])
    result = repaired(model)
    np.testing.assert_array_equal(result.model.get_layer("hidden").get_weights()[0], kernel)


def test_frozen_layers_keep_their_weights():
    model = network(1, "softmax", "binary_crossentropy")
    model.get_layer("hidden").trainable = False
    kernel = model.get_layer("hidden").get_weights()[0]
    result = repaired(model)
    np.testing.assert_array_equal(result.model.get_layer("hidden").get_weights()[0], kernel)


def test_inputs_in_another_unit_are_scaled_by_a_layer_of_the_model():
    model = network(1, "sigmoid", "binary_crossentropy", keras.optimizers.SGD(0.1))
    result = repaired(model, X * 1000 + 5000)
    assert result.settings.get("standardize")
    x, y = result.data(X * 1000 + 5000, BINARY)
    np.testing.assert_array_equal(x, (X * 1000 + 5000).astype("float32"))
    assert y.shape == BINARY.shape


def test_missing_numbers_are_filled():
    x = X.copy()
    x[::7, 2] = np.nan
    result = repaired(network(1, "sigmoid", "binary_crossentropy"), x)
    assert result.settings.get("finite_data")
    assert np.isfinite(result.data(x, BINARY)[0]).all()


def test_a_dataset_is_repaired_too():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 10

        def __getitem__(self, number):
            part = slice(16 * number, 16 * number + 16)
            return X[part], BINARY[part]

    model = network(1, "softmax", "binary_crossentropy")
    result = kd.repair(model, Batches(workers=1), epochs=20, seeds=0, verbose=False)
    assert result.settings["activation"] == "sigmoid"
    assert result.fit["batch_size"] == 16


def test_validation_data_measure_the_skill():
    model = network(1, "softmax", "binary_crossentropy")
    result = repaired(model, X[:100], BINARY[:100], validation_data=(X[100:], BINARY[100:]))
    assert result.settings["activation"] == "sigmoid"


def test_each_run_is_told(capsys):
    repaired(network(1, "softmax", "binary_crossentropy"), seeds=1, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("as it is: skill")
    assert any(line.startswith("softmax_with_one_unit: output activation") for line in lines)
    assert any(line.startswith("seed 1: skill") for line in lines)


def test_a_notebook_shows_it():
    result = repaired(network(1, "softmax", "binary_crossentropy"))
    assert "sigmoid" in result._repr_html_()
    assert "<pre>" in result._repr_html_()


def test_the_callback_repairs_what_it_has_found(capsys):
    model = network(1, "softmax", "binary_crossentropy")
    diagnosis = kd.callbacks.Diagnosis(action="repair")
    history = model.fit(X, BINARY, epochs=8, verbose=0, callbacks=[diagnosis])
    assert len(history.history["loss"]) == 8
    assert diagnosis.repair.settings["activation"] == "sigmoid"
    assert "Repair: skill" in capsys.readouterr().out
    good = network(1, "sigmoid", "binary_crossentropy")
    good.fit(X, BINARY, epochs=20, verbose=0, callbacks=[diagnosis])
    assert diagnosis.repair is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": 0}, "`budget`"),
        ({"seeds": -1}, "`seeds`"),
        ({"epochs": 2.5}, "`epochs`"),
        ({"batch_size": True}, "`batch_size`"),
        ({"validation_data": X}, "`validation_data`"),
        ({"y": BINARY[:5]}, "lengths"),
    ],
)
def test_bad_arguments_are_told_before_any_run(arguments, message):
    with pytest.raises(ValueError, match=message):
        repaired(network(1, "softmax", "binary_crossentropy"), **arguments)


def test_a_model_must_be_compiled_and_have_one_output():
    with pytest.raises(ValueError, match="compile"):
        kd.repair(keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]), X, BINARY)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="one output"):
        kd.repair(model, X, BINARY)


def test_the_code_keeps_what_cannot_be_written_down():
    def own_loss(targets, predictions):
        return keras.ops.mean((targets - predictions) ** 2)

    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9)
    model = network(1, None, own_loss, keras.optimizers.SGD(schedule))
    result = repaired(model, X * 1000, X[:, :1])
    assert result.settings
    names = {"model": model, "x": X * 1000, "y": X[:, :1]}
    exec(result.code.replace("epochs=20", "epochs=1, verbose=0"), names)
    assert names["model"].loss is own_loss


def test_the_arguments_of_fit_are_the_users():
    result = repaired(network(1, "softmax", "binary_crossentropy"), epochs=13, shuffle=False)
    assert result.fit["epochs"] == 13
    assert not result.fit["shuffle"]
    assert "epochs=13, shuffle=False" in result.code


def test_class_numbers_that_start_above_one_are_counted_from_zero():
    result = repaired(network(3, "softmax", "sparse_categorical_crossentropy"), y=CLASSES + 3)
    assert result.settings["labels"] == "from_zero"
    assert "loss" not in result.settings


def test_inputs_by_name_reach_the_input_of_that_name():
    first, second = keras.Input((4,), name="b"), keras.Input((4,), name="a")
    hidden = keras.layers.Dense(16, "relu")(first)
    blind = keras.layers.Dense(1, kernel_initializer="zeros", trainable=False)(second)
    model = keras.Model([first, second], keras.layers.Dense(1, "softmax")(hidden) + 0 * blind)
    model.compile(keras.optimizers.Adam(0.02), "mse")
    x = {"a": np.zeros_like(X), "b": X}
    result = repaired(model, x, X[:, :1] * 2, epochs=10)
    inputs, _ = result.data(x, X[:, :1])
    np.testing.assert_array_equal(inputs[0], X)


def test_a_rare_class_is_in_both_parts():
    labels = np.zeros(160, "int32")
    labels[:12] = 1
    examples = Examples.split([X], labels)
    assert 0 < examples.targets.sum() < 12
    assert examples.held_out[1].sum() == 12 - examples.targets.sum()
    assert len(examples.targets) == 120


def test_a_prescribed_batch_size_is_kept():
    model = keras.Sequential([keras.Input(batch_shape=(32, 4)), keras.layers.Dense(1, "softmax")])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    result = repaired(model, batch_size=32)
    assert result.settings["activation"] == "sigmoid"


def test_a_loss_of_ones_own_with_logits():
    class OwnLoss(keras.losses.Loss):
        from_logits = True

        def call(self, y_true, y_pred):
            return keras.ops.square(y_true - y_pred)

    result = repaired(network(1, None, OwnLoss()), X * 1000, X[:, :1], budget=1500)
    assert result.findings


@pytest.mark.parametrize(
    ("x", "y"),
    [(X, np.array(["cat", "dog"] * 80)), (np.ones((160, 7), "float32"), BINARY)],
    ids=["text", "shape"],
)
def test_data_that_the_model_cannot_take_are_listed(x, y):
    result = repaired(network(1, "sigmoid", "binary_crossentropy"), x, y, budget=1000)
    assert result.settings == {}
    assert "not repaired" in str(result) or "nothing was tried" in str(result)


def test_class_weights_stay_in_the_run():
    weights = {0: 1.0, 1: 2.0}
    result = repaired(network(1, "softmax", "binary_crossentropy"), class_weight=weights)
    assert result.fit["class_weight"] == weights
    assert "class_weight={0: 1.0, 1: 2.0}" in result.code


def test_a_model_that_failed_starts_anew_in_the_code():
    model = network(1, None, "mse", keras.optimizers.SGD(1e6))
    model.fit(X, X[:, :1], verbose=0)
    assert not np.isfinite(model.get_weights()[0]).all()
    result = repaired(model, y=X[:, :1])
    names = {"model": model, "x": X, "y": X[:, :1]}
    exec(
        result.code.replace("model.fit(", "history = model.fit(verbose=0, x=").replace(
            "x=x, y,", "x=x, y=y,"
        ),
        names,
    )
    assert np.isfinite(names["history"].history["loss"]).all()


def test_several_inputs_are_scaled_one_by_one():
    first, second = keras.Input((2,), name="first"), keras.Input((2,), name="second")
    hidden = keras.layers.Dense(16, "relu")(keras.layers.Concatenate()([first, second]))
    model = keras.Model([first, second], keras.layers.Dense(1, "sigmoid")(hidden))
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy")
    x = [X[:, :2] * 1000 + 3000, X[:, 2:] * 10]
    labels = (X[:, 0] + X[:, 2] > 0).astype("int32")
    result = repaired(model, x, labels)
    assert result.settings.get("standardize")
    names = {"model": model, "x": x, "y": labels}
    exec(result.code.replace("epochs=", "verbose=0, epochs="), names)
    assert len(names["model"].inputs) == 2


def test_a_learning_rate_is_written_as_a_number_that_keras_takes():
    model = network(1, "softmax", "binary_crossentropy", keras.optimizers.SGD(1.0))
    assert "learning_rate=1.0" in repaired(model).code


def test_an_interrupted_repair_leaves_the_training_complete(monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_dlnotes.remedies.try_remedies.search", interrupted)
    model = network(1, "softmax", "binary_crossentropy")
    diagnosis = kd.callbacks.Diagnosis(action="repair")
    history = model.fit(X, BINARY, epochs=3, verbose=0, callbacks=[diagnosis])
    assert len(history.history["loss"]) == 3
    assert "The training is complete" in capsys.readouterr().out
