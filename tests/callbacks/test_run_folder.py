"""Runs that do not continue each other do not share a folder, those that do go on in one."""

import os

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.summaries import MemoryWriter
from tests.summaries.test_event_file_writer import read_back

X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
TAG = "weights/net/only/kernel/norm"


def network(**options):
    layers = [keras.Input((3,)), keras.layers.Dense(1, name="only")]
    model = keras.Sequential(layers, name="net")
    model.compile(keras.optimizers.SGD(0.01, **options), "mse")
    return model


def fit(model, *callbacks, epochs=2, **options):
    options = {"batch_size": 8, "verbose": 0, "epochs": epochs} | options
    model.fit(X, X[:, :1], callbacks=list(callbacks), **options)


def steps(folder):
    return [event.step for event in read_back(folder).Scalars(TAG)]


def monitor(folder):
    return kd.callbacks.TrainingMonitor(folder, every=1)


def folders(path):
    return sorted(name for name in os.listdir(path) if os.path.isdir(path / name))


def test_a_second_run_gets_a_folder_of_its_own(tmp_path):
    watch = monitor(tmp_path)
    for _ in range(2):  # the same callback
        fit(network(), watch)
    fit(network(), monitor(tmp_path), epochs=1)  # and another one
    assert folders(tmp_path) == ["run_2", "run_3"]
    assert steps(tmp_path) == steps(tmp_path / "run_2") == list(range(8))
    assert steps(tmp_path / "run_3") == list(range(4))


def test_a_fit_that_goes_on_writes_to_the_same_folder(tmp_path):
    first, second = network(), network()
    fit(first, monitor(tmp_path))
    fit(second, monitor(tmp_path))
    fit(first, monitor(tmp_path))
    fit(second, monitor(tmp_path), epochs=4, initial_epoch=2)
    assert folders(tmp_path) == ["run_2"]
    assert steps(tmp_path) == steps(tmp_path / "run_2") == list(range(16))
    # Compiled anew the optimizer counts from 0 again.
    second.compile("sgd", "mse")
    fit(second, monitor(tmp_path))
    assert folders(tmp_path) == ["run_2", "run_3"]


def test_all_callbacks_of_one_fit_share_the_folder(tmp_path):
    for _ in range(2):
        callbacks = [
            monitor(tmp_path),
            kd.callbacks.RegularizationLog(tmp_path),
            kd.callbacks.EarlyStopping("loss", patience=9, log_dir=tmp_path),
            kd.callbacks.Diagnosis(log_dir=tmp_path, verbose=False),
            kd.callbacks.GradientCheck(at="start", log_dir=tmp_path),
        ]
        fit(network(), *callbacks)
    assert folders(tmp_path) == ["run_2"]
    for folder in (tmp_path, tmp_path / "run_2"):
        assert (folder / "diagnosis.json").exists()
        assert len([name for name in os.listdir(folder) if "tfevents" in name]) == 5
        assert len(read_back(folder).Scalars("regularization/penalty")) == 2


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise InterruptedError


@pytest.mark.parametrize("monitor_first", [True, False])
@pytest.mark.parametrize("accumulated", [None, 2])
def test_a_resumed_run_counts_on(monitor_first, accumulated, tmp_path):
    """Wherever the monitor stands, and though gradients of several steps are accumulated."""
    writer = MemoryWriter()

    def callbacks(*more):
        own = [kd.callbacks.TrainingMonitor(every=1, writer=writer), monitor(tmp_path / "logs")]
        backup = [keras.callbacks.BackupAndRestore(tmp_path / "backup")]
        return [*(own + backup if monitor_first else backup + own), *more]

    def model():
        return network(gradient_accumulation_steps=accumulated)

    first = callbacks(Interrupt())
    with pytest.raises(InterruptedError):
        fit(model(), *first, epochs=4)
    for each in first:
        if isinstance(each, kd.callbacks.TrainingMonitor):
            each.on_train_end()  # as when the process ends
    fit(model(), *callbacks(), epochs=4)
    assert [step for step, _ in writer.scalars[TAG]] == list(range(16))
    assert folders(tmp_path / "logs") == []
    assert steps(tmp_path / "logs") == list(range(16))
