import contextlib
import importlib
import json

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.callbacks import Diagnosis, TrainingMonitor
from keras_dlnotes.diagnosis import DiagnosisError
from keras_dlnotes.summaries import MemoryWriter
from tests.summaries.test_event_file_writer import read_back

# Keras says so itself, of the fault that most of these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*softmax over axis")
BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(128, 4)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("int32")


def network(output="sigmoid", units=1, rate=0.02, loss="binary_crossentropy", **options):
    keras.utils.set_random_seed(3)
    hidden = keras.layers.Dense(8, activation="tanh", name="hidden")
    output = keras.layers.Dense(units, activation=output, name="output")
    model = keras.Sequential([keras.Input((4,)), hidden, output])
    model.compile(keras.optimizers.Adam(rate), loss, **options)
    return model


def causes(diagnosis):
    return [finding.cause for finding in diagnosis.findings]


def fit(model, diagnosis, x=X, y=Y, **options):
    options = {"batch_size": 32, "epochs": 8, "verbose": 0} | options
    return model.fit(x, y, callbacks=[diagnosis], **options)


def test_finds_nothing_in_a_run_that_learns_and_leaves_it_alone(capsys):
    plain, watched = network(), network()
    history = plain.fit(X, Y, batch_size=32, epochs=8, verbose=0, shuffle=False).history
    diagnosis = Diagnosis()
    seen = fit(watched, diagnosis, shuffle=False).history
    assert diagnosis.findings == []
    printed = capsys.readouterr().out
    assert printed.count("nothing wrong was found") == 1
    assert "32 of 32 steps" in printed
    assert "128 training examples" in printed
    assert str(diagnosis.findings) in printed
    assert diagnosis.evidence[0].outcome == "learned"
    assert diagnosis.evidence[0].steps == 32
    np.testing.assert_allclose(seen["loss"], history["loss"], rtol=1e-5)
    for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert not any({"call", "train_step", "compute_metrics"} & set(vars(i)) for i in [watched])


def test_finds_what_is_wrong_and_says_it_once_and_everywhere(tmp_path, capsys):
    diagnosis = Diagnosis(log_dir=tmp_path)
    fit(network("softmax"), diagnosis)
    finding = diagnosis.findings[0]
    assert finding.cause == "softmax_with_one_unit"
    assert finding.layer == "output"
    assert finding.confidence > 0.9
    printed = capsys.readouterr().out
    assert printed.count("softmax_with_one_unit") == 1
    assert finding.remedy in " ".join(printed.split())
    assert json.loads(diagnosis.to_json())[0]["cause"] == finding.cause
    assert json.loads((tmp_path / "diagnosis.json").read_text()) == json.loads(diagnosis.to_json())
    assert "diagnosis/text_summary" in read_back(tmp_path).Tags()["tensors"] or any(
        "diagnosis" in tag for tag in read_back(tmp_path).Tags()["tensors"]
    )


def backend_softmax(x):
    """The softmax of the backend itself, which has a name of its own on TensorFlow."""
    module = {"tensorflow": "tensorflow.nn", "jax": "jax.nn", "torch": "torch"}[BACKEND]
    return importlib.import_module(module).softmax(x, -1)


SOFTMAXES = {
    "function": lambda units: [keras.layers.Dense(units, backend_softmax)],
    "lambda": lambda units: [keras.layers.Dense(units, lambda x: backend_softmax(x))],
    "activation": lambda units: [
        keras.layers.Dense(units),
        keras.layers.Activation(backend_softmax),
    ],
    "layer": lambda units: [keras.layers.Dense(units), keras.layers.Softmax()],
}


@pytest.mark.filterwarnings("ignore:.*from_logits=True")  # Keras says so too, on TensorFlow
@pytest.mark.parametrize("kind", SOFTMAXES)
def test_a_softmax_is_known_however_it_is_written(kind):
    targets = np.concatenate([X[:, :1] + 3, X[:, :1] - 3, X[:, 1:2]], axis=1)
    classes = np.arange(128) % 3
    logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for units, loss, y, cause in (
        (1, "binary_crossentropy", Y, "softmax_with_one_unit"),
        (3, "mse", targets, "output_cannot_reach_targets"),
        (3, "poisson", np.abs(targets), "output_cannot_reach_targets"),
        (3, logits, classes, "from_logits_mismatch"),
    ):
        model = keras.Sequential([keras.Input((4,)), *SOFTMAXES[kind](units)])
        model.compile("adam", loss)
        diagnosis = Diagnosis(verbose=False)
        fit(model, diagnosis, y=y, epochs=1)
        assert causes(diagnosis)[0] == cause


def test_stop_and_raise_end_a_hopeless_run_early():
    stopping = Diagnosis(action="stop", verbose=False)
    assert len(fit(network("softmax"), stopping).history["loss"]) == 1
    raising = Diagnosis(action="raise", verbose=False)
    with pytest.raises(DiagnosisError, match="softmax_with_one_unit") as caught:
        fit(network("softmax"), raising)
    assert caught.value.findings[0].cause == "softmax_with_one_unit"
    with pytest.raises(ValueError, match="action"):
        Diagnosis(action="ignore")


def test_training_that_failed_is_compared_with_what_could_be_learned():
    diagnosis = Diagnosis(verbose=False)
    fit(network(rate=1e-7), diagnosis)
    assert causes(diagnosis)[0] == "learning_rate_too_low"
    assert diagnosis.evidence[0].outcome in ("failed", "poor")
    assert diagnosis.evidence[0].reference.best > 0.8


def test_measures_a_step_once_together_with_the_monitor():
    writer = MemoryWriter()
    model, diagnosis = network(), Diagnosis(verbose=False)
    monitor = TrainingMonitor(writer=writer, every=4)
    model.fit(X, Y, batch_size=32, epochs=4, verbose=0, callbacks=[monitor, diagnosis])
    assert monitor._observer is diagnosis._observer
    assert [step for step, _ in writer.scalars["activations/hidden/mean"]] == [0, 4, 8, 12]
    assert len(diagnosis.evidence[0].statistic_steps) == 16
    assert diagnosis.evidence[0].labels.kind == "binary"


def test_second_fit_and_other_kinds_of_data():
    model, diagnosis = network("softmax"), Diagnosis(verbose=False)
    fit(model, diagnosis, epochs=1)
    fit(model, diagnosis, epochs=1)
    assert causes(diagnosis)[0] == "softmax_with_one_unit"
    batches = keras.utils.PyDataset

    class Batches(batches):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return X[32 * index : 32 * index + 32], Y[32 * index : 32 * index + 32]

    model.fit(Batches(), epochs=1, verbose=0, callbacks=[diagnosis])
    assert causes(diagnosis)[0] == "softmax_with_one_unit"


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(8, activation="tanh")
        self.out = keras.layers.Dense(1)

    def call(self, x):
        return self.out(self.hidden(x))


def test_a_model_of_the_users_own_class():
    model, diagnosis = Subclassed(), Diagnosis(verbose=False, verify=True)
    model.compile("adam", "binary_crossentropy", run_eagerly=True)
    fit(model, diagnosis, epochs=1)
    finding = diagnosis.findings[0]
    assert finding.cause == "missing_output_activation"
    assert (finding.verified is None) == (finding.not_tried is not None)


def test_a_model_that_the_first_step_builds():
    model = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(1, "softmax")])
    model.compile("adam", "mse")
    diagnosis = Diagnosis(verbose=False)
    fit(model, diagnosis, epochs=1)
    assert causes(diagnosis)[0] == "softmax_with_one_unit"
    assert [layer.units for layer in diagnosis.evidence[0].model.layers] == [4, 1]


def test_a_fit_that_raises_leaves_nothing_behind():
    class Broken(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    model = network()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, verbose=0, callbacks=[Diagnosis(verbose=False), Broken()])
    diagnosis = Diagnosis(verbose=False)
    fit(model, diagnosis, epochs=1)
    assert diagnosis.evidence[0].steps == 4
    assert "compute_metrics" not in vars(model)


def two_headed(flag="sigmoid", names=("amount", "flag"), **options):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, activation="tanh", name="hidden")(inputs)
    heads = {
        "amount": keras.layers.Dense(1, name="amount")(hidden),
        "flag": keras.layers.Dense(1, activation=flag, name="flag")(hidden),
    }
    model = keras.Model(inputs, [heads[name] for name in names])
    loss = {"amount": "mse", "flag": "binary_crossentropy"}
    model.compile(keras.optimizers.Adam(0.02), loss, **options)
    return model


TWO = {"flag": Y, "amount": X[:, 0] + X[:, 1]}


@pytest.mark.parametrize("names", [("amount", "flag"), ("flag", "amount")], ids="-".join)
def test_each_of_several_outputs_is_judged_on_its_own(names):
    model = two_headed(names=names, metrics={"amount": ["mae"], "flag": ["accuracy"]})
    diagnosis = Diagnosis(verbose=False)
    fit(model, diagnosis, y=TWO, epochs=12)
    assert diagnosis.findings == []
    outputs = dict(zip(names, diagnosis.evidence, strict=True))
    assert outputs["flag"].model.loss == "binary_crossentropy"
    assert outputs["flag"].model.metrics == ["accuracy"]
    assert outputs["flag"].labels.kind == "binary"
    assert outputs["amount"].labels.kind == "real"
    assert {evidence.outcome for evidence in diagnosis.evidence} == {"learned"}


def test_a_fault_of_the_second_output_is_found():
    diagnosis = Diagnosis(verbose=False)
    fit(two_headed("softmax"), diagnosis, y=TWO, epochs=1)
    assert [(f.cause, f.layer) for f in diagnosis.findings] == [("softmax_with_one_unit", "flag")]


@pytest.mark.parametrize("rate", [0.02, 1e-6])
def test_a_bottleneck_is_measured_by_principal_components(rate):
    keras.utils.set_random_seed(3)
    stack = [keras.layers.Dense(2, name="narrow"), keras.layers.Dense(4, name="output")]
    model = keras.Sequential([keras.Input((4,)), *stack])
    model.compile(keras.optimizers.Adam(rate), "mse")
    diagnosis = Diagnosis(verbose=False)
    fit(model, diagnosis, y=X, epochs=12)
    (evidence,) = diagnosis.evidence
    assert evidence.reconstructs
    assert 0.5 < evidence.reference.best < 0.75  # two of four directions of about the same size
    assert (causes(diagnosis)[:1] == ["learning_rate_too_low"]) == (rate < 0.01)


def test_labels_that_the_loss_refuses_are_named_before_the_first_step(capsys):
    told = []

    class Listens(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            told.append(capsys.readouterr().out)

    diagnosis = Diagnosis()
    raises = pytest.raises(RuntimeError) if BACKEND == "torch" else contextlib.nullcontext()
    with raises:
        network().fit(X, 3 * Y, verbose=0, callbacks=[diagnosis, Listens()])
    assert causes(diagnosis)[0] == "labels_do_not_fit_loss"
    assert diagnosis.evidence[0].labels.high == 3
    assert "labels_do_not_fit_loss" in "".join(told[:1] or capsys.readouterr().out)


@pytest.mark.parametrize("compiled", [False, True])
def test_labels_that_the_loss_refuses_raise_before_the_first_step(compiled, tmp_path, capsys):
    model = network(jit_compile=compiled and BACKEND != "torch")
    before = [np.array(weight) for weight in model.weights]
    diagnosis = Diagnosis(action="raise", log_dir=tmp_path)
    with pytest.raises(DiagnosisError, match="labels_do_not_fit_loss"):
        model.fit(X, 3 * Y, verbose=0, callbacks=[diagnosis])
    assert causes(diagnosis) == ["labels_do_not_fit_loss"]
    assert all(np.array_equal(a, b) for a, b in zip(before, model.weights, strict=True))
    assert "labels_do_not_fit_loss" in (tmp_path / "diagnosis.json").read_text()
    assert capsys.readouterr().out == ""  # the report is the error's text
    diagnosis = Diagnosis(verbose=False)  # and nothing is left of it
    fit(model, diagnosis)
    assert causes(diagnosis) == []


def test_what_raises_before_the_first_step_leaves_no_replaced_method():
    model = network()
    model.compile(kd.optimizers.LBFGS(), "binary_crossentropy")
    callbacks = [kd.callbacks.FullBatch(evaluations=2), Diagnosis(action="raise", verbose=False)]
    with pytest.raises(DiagnosisError, match="labels_do_not_fit_loss"):
        model.fit(X, 3 * Y, batch_size=len(X), verbose=0, callbacks=callbacks)
    assert "train_step" not in vars(model)
    model.fit(X, Y, batch_size=len(X), epochs=3, verbose=0)
    assert model.optimizer.progress["evaluations"] == 3


@pytest.mark.skipif(BACKEND == "jax", reason="its loss of such a label is NaN")
def test_a_label_beyond_the_examples_that_were_seen_is_named_by_the_error(capsys):
    labels = np.arange(len(X)) % 3
    labels[-1] = 3
    model = network("softmax", 3, loss="sparse_categorical_crossentropy")
    diagnosis = Diagnosis()
    with pytest.raises(Exception, match=r"out of bounds|outside the valid"):
        fit(model, diagnosis, X, labels, batch_size=len(X), shuffle=False)
    assert causes(diagnosis) == ["labels_do_not_fit_loss", "error_in_training"]
    assert "between 0 and 3" in capsys.readouterr().out


def normalized(momentum):
    keras.utils.set_random_seed(4)
    stack = [keras.Input((4,)), keras.layers.Rescaling(1.0, 3.0)]
    for _ in range(2):
        stack += [keras.layers.Dense(32, use_bias=False)]
        stack += [keras.layers.BatchNormalization(momentum=momentum), keras.layers.ReLU()]
    model = keras.Sequential([*stack, keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("momentum", [0.999, 0.8])
def test_running_statistics_that_lag_are_told(momentum):
    diagnosis = Diagnosis(verbose=False)
    fit(normalized(momentum), diagnosis, epochs=6)
    expected = ["batch_statistics_lag"] if momentum == 0.999 else []
    assert causes(diagnosis)[:1] == expected


@pytest.mark.parametrize("mean", [30.0, 0.0])
def test_validation_data_that_are_not_centered_are_told(mean):
    diagnosis = Diagnosis(verbose=False)
    other = RANDOM.normal(size=(128, 4)).astype("float32")
    validation = (other + mean, (other[:, 0] + other[:, 1] > 0).astype("int32"))
    model = network(metrics=["accuracy"])
    fit(model, diagnosis, epochs=8, validation_data=validation)
    expected = ["validation_data_differ"] if mean else []
    assert causes(diagnosis)[:1] == expected


def raising_at(step, error):
    """A model whose train step raises at its n-th call, run eagerly."""

    class Raising(keras.Sequential):
        calls = 0

        def train_step(self, *arguments):
            Raising.calls += 1
            if Raising.calls == step:
                raise error
            return super().train_step(*arguments)

    keras.utils.set_random_seed(3)
    model = Raising([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", run_eagerly=True)
    return model


@pytest.mark.parametrize(("step", "action"), [(1, "warn"), (3, "warn"), (3, "raise")])
def test_an_error_of_a_step_is_a_finding_that_is_printed_before_it_surfaces(step, action, capsys):
    diagnosis = Diagnosis(action=action)
    model = raising_at(step, ArithmeticError("whales"))
    before = model.get_weights()
    with pytest.raises(ArithmeticError, match="whales"):
        fit(model, diagnosis, epochs=1)
    # On JAX Keras leaves a model whose first step raised without values.
    pairs = zip(before, model.get_weights(), strict=True)
    assert all(np.array_equal(*pair) == (step == 1) for pair in pairs)
    assert np.isfinite(model.predict(X, verbose=0)).all()
    assert causes(diagnosis) == ["error_in_training"]
    assert "whales" in diagnosis.findings[0].symptom
    assert "ArithmeticError: whales" in capsys.readouterr().out
    assert diagnosis.evidence[0].labels.kind == "binary"
    diagnosis = Diagnosis(verbose=False)  # and nothing is left of it
    fit(network(), diagnosis, epochs=1)
    assert "error_in_training" not in causes(diagnosis)


def test_a_user_who_ends_training_is_no_error():
    diagnosis = Diagnosis(verbose=False)
    with pytest.raises(KeyboardInterrupt):
        fit(raising_at(2, KeyboardInterrupt()), diagnosis, epochs=1)
    assert diagnosis.findings == []


def test_labels_of_a_train_step_of_ones_own_are_not_judged_by_the_compiled_loss():
    class Own(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return super().compute_loss(x, y / 3, y_pred, sample_weight, training)

    keras.utils.set_random_seed(3)
    model = Own([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    diagnosis = Diagnosis(verbose=False)
    seen = []

    class Looks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.extend(diagnosis.findings)

    model.fit(X, 3.0 * Y[:, None], verbose=0, callbacks=[diagnosis, Looks()])
    assert seen == []


def test_the_first_batch_trains_as_any_other():
    diagnosis = Diagnosis(verbose=False)
    for size, steps in ((128, 1), (50, 3)):
        plain, watched = network(), network()
        plain.fit(X, Y, batch_size=size, epochs=1, verbose=0, shuffle=False)
        fit(watched, diagnosis, batch_size=size, epochs=1, shuffle=False)
        assert int(watched.optimizer.iterations.value) == steps
        for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_bfloat16_data():
    half = pytest.importorskip("ml_dtypes").bfloat16
    diagnosis = Diagnosis(verbose=False)
    fit(network(), diagnosis, x=X.astype(half), y=Y.astype(half), epochs=12)
    assert diagnosis.findings == []
    assert diagnosis.evidence[0].outcome == "learned"
    assert diagnosis.evidence[0].labels.kind == "binary"


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has none on torch")
def test_steps_per_execution():
    model, diagnosis = network(steps_per_execution=3), Diagnosis(verbose=False)
    fit(model, diagnosis, x=X[:100], y=Y[:100], epochs=8)  # the last batch holds 4 examples
    assert diagnosis.findings == []
    (evidence,) = diagnosis.evidence
    assert evidence.labels.kind == "binary"
    assert len(evidence.inputs) >= 64
    assert {row.tobytes() for row in evidence.inputs} <= {x.astype("float64").tobytes() for x in X}
    assert evidence.outcome == "learned"


def test_verify_measures_the_gain_on_a_copy():
    model, diagnosis = network(), Diagnosis(verbose=False, verify=True)
    model.compile(keras.optimizers.SGD(1e-6), "binary_crossentropy")
    fit(model, diagnosis, epochs=20)
    before = model.get_weights()
    finding = diagnosis.findings[0]
    assert finding.cause == "learning_rate_too_low"
    assert finding.fix["learning_rate"] == 0.05
    assert finding.verified["steps"] == 80
    assert finding.verified["after"] > finding.verified["before"]
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-6)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert "tried on a copy" in str(finding)


def test_verify_with_a_loss_that_keras_does_not_know():
    def own(y_true, y_pred):
        return keras.losses.binary_crossentropy(y_true, y_pred)

    model = network()
    model.compile(keras.optimizers.SGD(1e-6), own, metrics=[lambda t, p: keras.ops.mean(p)])
    diagnosis = Diagnosis(verbose=False, verify=True)
    fit(model, diagnosis, epochs=20)
    finding = diagnosis.findings[0]
    assert finding.cause == "learning_rate_too_low"
    assert finding.verified["after"] > finding.verified["before"]


def test_verify_says_why_a_remedy_could_not_be_tried():
    class Late(keras.layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def build(self, shape):
            self.inner = keras.layers.Dense(1)
            self.inner.build(shape)

        def call(self, x):
            return self.inner(x)

    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), Late(np.sum)])
    model.compile(keras.optimizers.SGD(1e-6), "mse")
    diagnosis = Diagnosis(verbose=False, verify=True)
    fit(model, diagnosis, y=X[:, :1], epochs=10)
    tried = [finding for finding in diagnosis.findings if finding.fix]
    assert tried
    assert all("cannot be copied" in finding.not_tried for finding in tried)
    assert "not tried on a copy: " in str(tried[0])


def test_diagnose_before_training():
    assert kd.diagnose(network(), X, Y) == []
    model = network("sigmoid", 4, loss="categorical_crossentropy")
    weights = model.get_weights()
    y = keras.utils.to_categorical(np.arange(128) % 3, 4)  # the last class has no example
    findings = kd.diagnose(model, X, y)
    assert findings[0].cause == "loss_does_not_fit_output"
    assert "missing_class" in [finding.cause for finding in findings]
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_diagnose_asks_for_what_it_needs():
    with pytest.raises(ValueError, match="compile"):
        kd.diagnose(keras.Sequential([keras.layers.Dense(1)]), X, Y)
    with pytest.raises(ValueError, match="lengths"):
        kd.diagnose(network(), X, Y[:5])


class OneBuffer(keras.utils.PyDataset):
    """Fills the same array anew for each batch, as loaders do that save memory."""

    def __init__(self, x, y, batch_size):
        super().__init__()
        self.x, self.y, self.size = x, y, batch_size
        self.buffer = np.empty_like(x[:batch_size])

    def __len__(self):
        return len(self.x) // self.size

    def __getitem__(self, index):
        part = slice(index * self.size, (index + 1) * self.size)
        self.buffer[:] = self.x[part]
        return self.buffer, self.y[part].copy()


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="TensorFlow reads ahead without a copy, and trains on what the memory holds later",
)
def test_examples_of_a_batch_are_kept_when_its_memory_is_filled_anew():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 16)).astype("float32")
    y = x[:, :1].copy()
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    diagnosis = kd.callbacks.Diagnosis(verbose=False)
    model.fit(OneBuffer(x, y, 16), epochs=2, shuffle=False, verbose=0, callbacks=[diagnosis])
    (inputs,), (targets,) = diagnosis._record.sample()
    np.testing.assert_array_equal(inputs[:, :1], targets)
    assert len(inputs) == 64


def test_a_class_for_each_step_is_judged_to_the_end(capsys):
    # Two-dimensional inputs are no table where the targets are by position.
    random = np.random.default_rng(0)
    tokens = random.integers(1, 20, (128, 12))
    model = keras.Sequential(
        [keras.Input((12,)), keras.layers.Embedding(20, 8), keras.layers.Dense(5, "softmax")]
    )
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    diagnosis = Diagnosis()
    model.fit(tokens, tokens % 5, epochs=12, verbose=0, callbacks=[diagnosis])
    assert diagnosis.findings == []
    assert "nothing wrong was found" in capsys.readouterr().out


def test_without_a_run_nothing_is_said_to_be_right():
    assert "no run was judged" in str(Diagnosis().findings)
