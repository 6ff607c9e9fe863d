"""`kd.diagnose`: labels of every kind, data of every kind, models of every kind."""

import sys

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.diagnosis import sample_of

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(96, 4)).astype("float32")
CLASSES = X[:, :3].argmax(axis=1)
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
AMOUNTS = X[:, :1] - X[:, 1:2]
BINARY = (X[:, 0] > 0).astype("int32")
WITH_NAN = np.where(np.arange(96)[:, None] == 7, np.nan, ONE_HOT)


def network(units=1, activation=None, loss="mse", optimizer=None, **options):
    keras.utils.set_random_seed(3)
    hidden = keras.layers.Dense(16, activation="relu", name="hidden")
    output = keras.layers.Dense(units, activation=activation, name="output")
    model = keras.Sequential([keras.Input((4,)), hidden, output])
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss, **options)
    return model


def causes(*arguments, **options):
    return [finding.cause for finding in kd.diagnose(*arguments, **options)]


CROSS_ENTROPY = ("categorical_crossentropy", "sparse_categorical_crossentropy")


@pytest.mark.parametrize(
    ("loss", "labels", "cause"),
    [
        (CROSS_ENTROPY[0], CLASSES, "labels_do_not_fit_loss"),
        (CROSS_ENTROPY[0], CLASSES[:, None], "labels_do_not_fit_loss"),
        (CROSS_ENTROPY[0], np.eye(4)[CLASSES], "target_shape_mismatch"),
        (CROSS_ENTROPY[0], WITH_NAN, "non_finite_data"),
        (CROSS_ENTROPY[0], np.full((96, 3), np.nan), "non_finite_data"),
        (CROSS_ENTROPY[1], ONE_HOT, "labels_do_not_fit_loss"),
        (CROSS_ENTROPY[1], CLASSES + 1, "labels_do_not_fit_loss"),
        (CROSS_ENTROPY[1], CLASSES - 1, "labels_do_not_fit_loss"),
        (CROSS_ENTROPY[1], CLASSES + 0.5, "labels_do_not_fit_loss"),
        (CROSS_ENTROPY[1], np.array(["cat", "dog", "cow"])[CLASSES], "non_numeric_data"),
        (CROSS_ENTROPY[1], np.array(["cat", "dog", "cow"], object)[CLASSES], "non_numeric_data"),
        (CROSS_ENTROPY[1], [["cat", "dog", "cow"][c] for c in CLASSES], "non_numeric_data"),
    ],
)
def test_labels_that_a_softmax_cannot_learn_are_a_finding(loss, labels, cause):
    model = network(3, "softmax", loss)
    findings = kd.diagnose(model, X, labels)
    assert findings[0].cause == cause


@pytest.mark.parametrize(
    ("labels", "cause"),
    [
        (CLASSES * 3, "labels_do_not_fit_loss"),
        (2 * BINARY - 1, "labels_do_not_fit_loss"),
        (np.eye(2)[BINARY], "target_shape_mismatch"),
    ],
    ids=["numbers", "signed", "one-hot"],
)
def test_labels_that_a_sigmoid_cannot_learn_are_a_finding(labels, cause):
    assert causes(network(1, "sigmoid", "binary_crossentropy"), X, labels)[0] == cause


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        (CROSS_ENTROPY[1], CLASSES.astype("float32")),
        (CROSS_ENTROPY[1], CLASSES[:, None]),
        (
            keras.losses.SparseCategoricalCrossentropy(ignore_class=-1),
            np.where(X[:, 3] > 1, -1, CLASSES),
        ),
        (CROSS_ENTROPY[0], ONE_HOT.astype(bool)),
    ],
    ids=["float", "column", "ignored", "bool"],
)
def test_labels_that_fit_are_not(loss, labels):
    assert causes(network(3, "softmax", loss), X, labels) == []


def test_what_the_training_raises_is_a_finding_in_its_own_words():
    def refuses(targets, predictions):
        raise TypeError("amounts of whales, please")

    for options in ({"loss": refuses}, {"metrics": [refuses]}):
        (finding,) = kd.diagnose(network(**options), X, AMOUNTS)
        assert finding.cause == "error_in_training"
        assert "amounts of whales, please" in finding.symptom
        assert "TypeError" in finding.symptom
    flat = keras.Sequential([keras.layers.Dense(4), keras.layers.Conv2D(1, 3)])  # not built
    flat.compile("adam", "mse")
    for model, x in ((network(), X[:, :3]), (flat, X)):
        (finding,) = kd.diagnose(model, x, AMOUNTS)
        assert finding.cause == "error_in_training"
        assert "incompatible" in finding.symptom


def test_a_model_whose_own_step_changes_the_targets():
    class Own(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            if "bad" in self.name:
                raise KeyError("whales")
            return super().compute_loss(x, y / 3, y_pred, sample_weight, training)

    for name in ("good", "bad"):
        model = Own([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")], name=name)
        model.compile("adam", "binary_crossentropy")
        found = kd.diagnose(model, X, 3.0 * BINARY[:, None])
        assert ("error_in_training" in [finding.cause for finding in found]) == (name == "bad")


class Batches(keras.utils.PyDataset):
    def __init__(self, targets):
        super().__init__()
        self.targets = targets

    def __len__(self):
        return 6

    def __getitem__(self, index):
        part = slice(16 * index, 16 * index + 16)
        return X[part], self.targets[part]


class Frame:
    """What matters of a table of pandas."""

    def __init__(self, values):
        self.values = values
        self.shape = values.shape

    def to_numpy(self):
        return self.values


def loaded(targets):
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(targets))
    return torch.utils.data.DataLoader(pairs, batch_size=16)


def piped(targets):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((X, targets)).batch(16)


def generated(targets):
    return ((X[i : i + 16], targets[i : i + 16]) for i in range(0, 96, 16))


@pytest.mark.parametrize("dataset", [Batches, loaded, piped, generated])
def test_datasets(dataset):
    model = network(3, "softmax", CROSS_ENTROPY[1])
    assert causes(model, dataset(CLASSES + 1))[0] == "labels_do_not_fit_loss"
    sample = sample_of(dataset(CLASSES))
    order = np.lexsort(sample.inputs.T)
    np.testing.assert_array_equal(sample.inputs[order], X[np.lexsort(X.T)])
    np.testing.assert_array_equal(sample.targets, sample.inputs[:, :3].argmax(axis=1))


def test_large_datasets_are_not_read_to_their_end():
    read = []

    def endless():
        while True:
            read.append(1)
            yield X, CLASSES

    assert len(sample_of(endless())) == 512
    assert len(read) == 6


@pytest.mark.parametrize(
    "arrays",
    [Frame, keras.ops.convert_to_tensor, lambda a: a.astype("float64"), lambda a: a.tolist()],
    ids=["table", "tensor", "float64", "list"],
)
def test_arrays_of_other_libraries(arrays):
    sample = sample_of(arrays(X), arrays(AMOUNTS))
    np.testing.assert_allclose(sample.inputs, X)
    np.testing.assert_allclose(sample.targets, AMOUNTS)
    assert sample.non_numeric == ()
    findings = kd.diagnose(network(3, "softmax", CROSS_ENTROPY[0]), arrays(X), arrays(X[:, 0]))
    assert findings[0].cause == "labels_do_not_fit_loss"


@pytest.mark.parametrize("structure", ["list", "dict"])
def test_several_inputs_and_named_targets(structure):
    inputs = {"left": keras.Input((2,), name="left"), "right": keras.Input((2,), name="right")}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    given = inputs if structure == "dict" else list(inputs.values())
    model = keras.Model(given, keras.layers.Dense(1, name="amount")(joined))
    model.compile(keras.optimizers.Adam(0.05), "mse")
    x = {"left": X[:, :2], "right": X[:, 2:]}
    x = x if structure == "dict" else list(x.values())
    assert causes(model, x, {"amount": AMOUNTS}) == []
    bad = keras.tree.map_structure(lambda part: np.where(part > 2, np.nan, part), x)
    assert causes(model, bad, AMOUNTS)[0] == "non_finite_data"


def test_bfloat16_arrays():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    half = ml_dtypes.bfloat16
    assert causes(network(), X.astype(half), AMOUNTS.astype(half)) == []
    bad = X.astype(half)
    bad[0, 0] = np.inf
    assert causes(network(), bad, AMOUNTS.astype(half))[0] == "non_finite_data"


def test_a_learning_rate_far_too_low_is_found():
    findings = kd.diagnose(network(optimizer=keras.optimizers.Adam(1e-5)), X, AMOUNTS)
    assert findings[0].cause == "learning_rate_too_low"
    assert causes(network(optimizer="adam"), X, AMOUNTS) == []


class OwnLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


class OwnMetric(keras.metrics.Mean):
    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(keras.ops.abs(y_true - y_pred))


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.02 / (1.0 + 0.01 * keras.ops.cast(step, "float32"))


def local_loss(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": lambda t, p: keras.ops.mean((t - p) ** 2)},
        {"loss": local_loss},
        {"loss": OwnLoss()},
        {"metrics": [lambda t, p: keras.ops.mean(p), OwnMetric(name="own")]},
        {"optimizer": keras.optimizers.Adam(Schedule())},
        {"optimizer": keras.optimizers.Adam(lambda: 0.01), "run_eagerly": True},
    ],
    ids=["lambda", "local", "class", "metrics", "schedule", "rate"],
)
def test_models_compiled_with_objects_that_keras_does_not_know(options):
    model = network(**options)
    if "metrics" in options:
        model.fit(X, AMOUNTS, verbose=0)
        metric = options["metrics"][1]
        seen = float(metric.result())
    weights = model.get_weights()
    assert causes(model, X, AMOUNTS) == []
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    if "metrics" in options:
        assert float(metric.result()) == seen
    model.fit(X, AMOUNTS, verbose=0)


def test_verify_tries_remedies_on_such_a_model_too():
    model = network(loss=OwnLoss(), optimizer=keras.optimizers.Adam(1e-5))
    finding = kd.diagnose(model, X, AMOUNTS, verify=True)[0]
    assert finding.cause == "learning_rate_too_low"
    assert finding.verified["after"] > finding.verified["before"]
    assert finding.not_tried is None


class Closed(keras.Model):
    """Nobody can tell which of its weights `build` makes."""

    def __init__(self, units):
        super().__init__()
        self.scale = self.add_weight(shape=(units,), initializer="ones")

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 1))

    def call(self, x):
        return (x @ self.kernel) * self.scale


def test_a_model_that_cannot_be_copied_says_why():
    model = Closed(1)
    model.compile("adam", "mse")
    model(X[:2])
    with pytest.raises(ValueError, match="Closed") as caught:
        kd.diagnose(model, X, AMOUNTS)
    assert caught.value.__cause__ is not None
    model.compile("adam", CROSS_ENTROPY[1])  # but what needs no copy is told all the same
    assert causes(model, X, np.array(["cat"] * 96))[0] == "non_numeric_data"


def test_bad_calls():
    with pytest.raises(ValueError, match="targets"):
        kd.diagnose(network(), X)
    with pytest.raises(ValueError, match="lengths"):
        kd.diagnose(network(), X, AMOUNTS[:5])
    with pytest.raises(ValueError, match="dataset"):
        kd.diagnose(network(), Batches(AMOUNTS), AMOUNTS)
    with pytest.raises(ValueError, match="iterated"):
        kd.diagnose(network(), 3.0 + 1j)
    with pytest.raises(ValueError, match="batch"):
        kd.diagnose(network(), ((row, row[0]) for row in X))


def test_a_small_run_that_was_too_short_to_tell_says_so():
    slow = kd.diagnose(network(optimizer=keras.optimizers.Adam(5e-4)), X, AMOUNTS)
    assert not slow
    assert "still falling after 200 steps on one small batch" in str(slow)
    quick = kd.diagnose(network(), X, AMOUNTS)
    assert not quick
    assert "still falling" not in str(quick)


def two_headed(activation):
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(32, "tanh")(inputs)
    flag = keras.layers.Dense(2, activation, name="flag")(hidden)
    model = keras.Model(
        inputs, {"flag": flag, "amount": keras.layers.Dense(1, name="amount")(hidden)}
    )
    losses = {"amount": "mse", "flag": "sparse_categorical_crossentropy"}
    model.compile(keras.optimizers.Adam(0.02), losses)
    return model


def test_several_outputs():
    flags = (X[:, 0] > 0).astype("int32")
    y = {"amount": AMOUNTS, "flag": flags}
    assert causes(two_headed("softmax"), X, y) == []
    wrong = kd.diagnose(two_headed("sigmoid"), X, y, verify=True)
    assert wrong[0].cause == "loss_does_not_fit_output"
    assert wrong[0].layer == "flag"
    assert not wrong[0].fix or "several outputs" in wrong[0].not_tried
    assert causes(two_headed("softmax"), X, y | {"flag": flags + 1})[0] == "labels_do_not_fit_loss"
    missing = kd.diagnose(two_headed("softmax"), X, AMOUNTS)  # so it stands in the error's words
    assert missing[0].cause == "error_in_training"


def test_slow_steps_are_few(monkeypatch):
    module = sys.modules["keras_dlnotes.diagnose"]
    monkeypatch.setattr(module, "_SECONDS", 0.0)
    stopped = kd.diagnose(network(optimizer=keras.optimizers.Adam(1e-4)), X, AMOUNTS)
    assert not stopped
    assert "stopped after 8 steps" in str(stopped)
    wrong = network(optimizer=keras.optimizers.Adam(1e-7))
    assert causes(wrong, X, AMOUNTS)[0] == "learning_rate_too_low"
