"""A disk that fills up, and files that go away, give one warning each and end no training."""

import contextlib
import errno
import json
import os
import shutil
import warnings

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.summaries import EventFileWriter
from keras_dlnotes.summaries.whole_file import whole_file
from tests.full_disk import full_disk
from tests.summaries.test_event_file_writer import read_back

pytestmark = pytest.mark.filterwarnings("ignore:.*softmax over axis")
X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
Y = (X[:, :1] > 0).astype("float32")


def network():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((3,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "softmax")]
    model = keras.Sequential(layers)
    model.compile("sgd", "binary_crossentropy", run_eagerly=keras.backend.backend() != "jax")
    return model


def fit(callbacks, model=None, epochs=6):
    model = model or network()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=callbacks)
    assert len(history.history["loss"]) == epochs
    told = [str(w.message) for w in caught if "Training" in str(w.message)]
    return model, told


class During(keras.callbacks.Callback):
    """Does something when an epoch begins."""

    def __init__(self, epoch, action):
        super().__init__()
        self.epoch, self.action = epoch, action

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            self.action()


class Improving(keras.callbacks.Callback):
    """Makes each epoch better than the last until one is the best."""

    def __init__(self, best):
        super().__init__()
        self.best = best

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = abs(epoch - self.best)
        if epoch == self.best:
            self.weights = self.model.get_weights()


WRITERS = {
    "monitor": lambda folder: kd.callbacks.TrainingMonitor(folder, every=1, histograms_every=1),
    "regularization": lambda folder: kd.callbacks.RegularizationLog(folder),
    "stopping": lambda folder: kd.callbacks.EarlyStopping("loss", patience=99, log_dir=folder),
    "diagnosis": lambda folder: kd.callbacks.Diagnosis(log_dir=folder, verbose=False),
    "check": lambda folder: kd.callbacks.GradientCheck(at=["start", "after:16"], log_dir=folder),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("epoch", [0, 2])
def test_full_disk(name, epoch, tmp_path):
    callback = WRITERS[name](tmp_path)
    with contextlib.ExitStack() as stack:
        fill = During(epoch, lambda: stack.enter_context(full_disk()))
        _, told = fit([fill, callback] if epoch == 0 else [callback, fill])
    assert len(told) == 1
    assert "stopped writing" in told[0]
    assert not [entry for entry in os.listdir(tmp_path) if entry.startswith("unfinished")]
    read_back(tmp_path).Tags()
    # The next fit writes again.
    _, told = fit([WRITERS[name](tmp_path / "again")])
    assert told == []


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_is_deleted_in_mid_run(name, tmp_path):
    folder = tmp_path / "run"
    callback = WRITERS[name](folder)
    _, told = fit([callback, During(3, lambda: shutil.rmtree(folder))])
    assert len(told) == 1
    assert "was deleted" in told[0]


def test_a_deleted_event_file_is_noticed_by_flush(tmp_path):
    writer = EventFileWriter(tmp_path)
    writer.flush()
    assert writer.failure is None
    os.remove(writer.path)
    writer.flush()
    assert isinstance(writer.failure, FileNotFoundError)
    writer.close()


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.ENOTDIR])
def test_a_folder_that_cannot_be_written_to_from_the_start(name, code, tmp_path, monkeypatch):
    callback, model = WRITERS[name](tmp_path / "file" / "run"), network()
    if code == errno.ENOTDIR:
        (tmp_path / "file").write_text("in the way")
    else:

        def refuse(*args, **kwargs):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr("keras_dlnotes.summaries.event_file_writer.os.makedirs", refuse)
    if code == errno.ENOSPC:  # which may change: training is worth more
        _, told = fit([callback], model)
        assert len(told) == 1
        return
    with pytest.raises(OSError, match="`log_dir` must be a folder that can be written to"):
        fit([callback], model)
    assert int(model.optimizer.iterations) == 0


def test_a_diagnosis_is_written_whole_or_not_at_all(tmp_path):
    diagnosis = kd.callbacks.Diagnosis(log_dir=tmp_path, verbose=False)
    model, _ = fit([diagnosis])
    before = (tmp_path / "diagnosis.json").read_text()
    assert json.loads(before)
    with contextlib.ExitStack() as stack:
        fill = During(0, lambda: stack.enter_context(full_disk()))
        fit([fill, diagnosis], model)
    assert (tmp_path / "diagnosis.json").read_text() == before


def stopper_on_disk(path, best=1):
    stopper = kd.callbacks.EarlyStopping(
        patience=99, restore_best_weights=True, best_weights_path=path
    )
    return stopper, Improving(best)


@pytest.mark.parametrize("epoch", [0, 3])
def test_best_weights_are_restored_though_the_disk_is_full(epoch, tmp_path):
    path = tmp_path / "best.weights.h5"
    stopper, improving = stopper_on_disk(path, best=4)
    with contextlib.ExitStack() as stack:
        fill = During(epoch, lambda: stack.enter_context(full_disk()))
        model, told = fit([improving, fill, stopper])
    assert len(told) == 1
    assert "could not be written" in told[0]
    for a, b in zip(model.get_weights(), improving.weights, strict=True):
        assert np.array_equal(a, b)
    assert [name for name in os.listdir(tmp_path) if name != path.name] == []
    if epoch:  # what was there before can be read
        network().load_weights(path)


def test_best_weights_that_were_deleted(tmp_path):
    path = tmp_path / "run" / "best.weights.h5"
    stopper, improving = stopper_on_disk(path)
    model, told = fit([improving, stopper, During(4, lambda: shutil.rmtree(path.parent))])
    assert len(told) == 1
    assert "could not be read again" in told[0]
    # Deleted before the best epoch, the folder is made again.
    stopper, improving = stopper_on_disk(path, best=5)
    model, told = fit([improving, stopper, During(4, lambda: shutil.rmtree(path.parent))])
    assert told == []
    for a, b in zip(model.get_weights(), improving.weights, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("mistake", ["folder", "file in the way", "read-only"])
def test_best_weights_path_that_cannot_be_written_is_told_before_training(
    mistake, tmp_path, monkeypatch
):
    path = tmp_path / "a" / "best.weights.h5"
    if mistake == "folder":
        path.mkdir(parents=True)
    if mistake == "file in the way":
        (tmp_path / "a").write_text("")
    if mistake == "read-only":

        def refuse(*args, **kwargs):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr("keras_dlnotes.summaries.whole_file.os.makedirs", refuse)
    stopper, _ = stopper_on_disk(path)
    model = network()
    with pytest.raises(OSError, match="`best_weights_path` must be the path of a file"):
        fit([stopper], model)
    assert int(model.optimizer.iterations) == 0


def test_whole_file_keeps_what_was_there_and_leaves_nothing(tmp_path):
    path = tmp_path / "a" / "file"
    with whole_file(path) as unfinished, open(unfinished, "w") as file:
        file.write("first")
    for error in (OSError, KeyboardInterrupt):
        with contextlib.suppress(error), whole_file(path) as unfinished:
            with open(unfinished, "w") as file:
                file.write("half of the sec")
            raise error
    assert path.read_text() == "first"
    assert os.listdir(path.parent) == ["file"]


def test_a_writer_of_the_users_own_that_raises():
    class Raising:
        def add_scalars(self, *args, **kwargs):
            raise RuntimeError("the network is down")

        add_histogram = add_text = add_custom_scalars = flush = close = add_scalars

    callbacks = [
        kd.callbacks.TrainingMonitor(every=1, writer=Raising()),
        kd.callbacks.EarlyStopping("loss", patience=99, writer=Raising()),
    ]
    _, told = fit(callbacks)
    assert len(told) == 2
    assert all("the network is down" in sentence for sentence in told)
