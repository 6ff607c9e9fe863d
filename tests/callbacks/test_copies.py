"""Every public object can be copied and pickled, before and after it took part in a `fit`."""

import copy
import pickle

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.summaries import EventFileWriter, MemoryWriter
from tests.test_public_api import ARGUMENTS, classes_to_make

X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
NEEDS_MORE = ("Newton", "NewtonCG", "GaussNewton")  # than the gradient
SECOND_ORDER = {
    "FullBatch": "LBFGS",
    "StopWhenConverged": "LBFGS",
    "SecondDerivatives": "Newton",
}
KINDS = classes_to_make()
COPY = {"deepcopy": copy.deepcopy, "pickle": lambda item: pickle.loads(pickle.dumps(item))}
# A copied optimizer is not built: Keras says so, and its values stay with the original.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer"),
    pytest.mark.filterwarnings("ignore:.*softmax over axis"),
]


def fit(item, part, tmp_path):
    """A small `fit` in which the object takes part."""
    layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)]
    optimizer, callbacks, name = "sgd", [], type(item).__name__
    if part == "layers":
        layers.insert(1, item)
    if part == "initializers":
        layers[1] = keras.layers.Dense(4, kernel_initializer=item)
    if part == "regularizers":
        layers[1] = keras.layers.Dense(4, kernel_regularizer=item)
    if part == "stopping":
        callbacks = [kd.callbacks.EarlyStopping("loss", criterion=item)]
    if name == "PreciseBatchStatistics":
        layers.insert(1, keras.layers.BatchNormalization())
    if part == "callbacks":
        callbacks = [item]
        optimizer = getattr(kd.optimizers, SECOND_ORDER.get(name, "GradientDescent"))()
    if part == "optimizers":
        optimizer = item
        if name in NEEDS_MORE:
            callbacks = [kd.callbacks.SecondDerivatives()]
    if hasattr(item, "log_dir"):
        item.log_dir = tmp_path
    model = keras.Sequential(layers)
    # TensorFlow takes second derivatives from a graph.
    second = name in NEEDS_MORE or name == "SecondDerivatives"
    eager = keras.backend.backend() != "jax" and not second
    model.compile(optimizer, "mse", run_eagerly=eager)
    y = X[:, :1]
    model.fit(X, y, validation_data=(X, y), epochs=2, batch_size=16, verbose=0, callbacks=callbacks)


@pytest.mark.filterwarnings("ignore:At step:UserWarning")
@pytest.mark.parametrize("item", [*KINDS["saved"], *KINDS["callbacks"]])
def test_before_and_after_a_fit(item, tmp_path, capsys):
    part = item.__module__.split(".")[1]
    made = item(**ARGUMENTS.get(item.__name__, {}))
    for when in ("before", "after"):
        for function in COPY.values():
            copied = function(made)
            assert type(copied) is item
            if hasattr(made, "get_config") and not getattr(made, "built", False):
                assert copied.get_config() == made.get_config()
        if when == "before":
            fit(made, part, tmp_path)
    if part == "callbacks":  # the copy is of use, and leaves the original alone
        assert copied.model is None
        fit(copied, part, tmp_path)


@pytest.mark.parametrize("function", COPY.values(), ids=COPY)
def test_a_copy_has_what_was_found_and_shares_data(function):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    writer = MemoryWriter()
    stopper = kd.callbacks.EarlyStopping(
        "loss", patience=1, restore_best_weights=True, every=1, validation_data=(X, X[:, :1])
    )
    monitor = kd.callbacks.TrainingMonitor(every=1, writer=writer)
    model.fit(X, X[:, :1], epochs=3, verbose=0, callbacks=[stopper, monitor])
    copied = function(stopper)
    assert (copied.best, copied.reason, copied.wait) == (stopper.best, stopper.reason, stopper.wait)
    for a, b in zip(copied.best_weights, stopper.best_weights, strict=True):
        assert a is not b
        assert np.array_equal(a, b)
    if function is copy.deepcopy:
        assert copied.validation_data is stopper.validation_data
    assert function(monitor).writer.scalars == writer.scalars


@pytest.mark.parametrize("function", COPY.values(), ids=COPY)
def test_a_copied_writer_has_a_file_of_its_own(function, tmp_path):
    writer = EventFileWriter(tmp_path)
    copied = function(kd.callbacks.RegularizationLog(writer=writer)).writer
    assert copied.path != writer.path
    assert copied.path.startswith(str(tmp_path))
    writer.close()
    copied.close()
