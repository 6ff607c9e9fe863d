"""Faults injected into `fit`: kill -9, Ctrl-C, a full disk, a deleted folder, a batch of NaN."""

import math
import re
import shutil
import signal
import time
import zlib
from pathlib import Path

import h5py
import keras
import numpy as np
from fault_cases.injection import (
    DRAW,
    SmallDisk,
    event_steps,
    last_result,
    later,
    lines,
    run,
    warnings_of_ours,
)

import keras_dlnotes as kd

EPOCHS = 40
_NUMBERS = np.random.default_rng(0)
X = _NUMBERS.normal(size=(48, 4)).astype("float32")
Y = (np.sin(X.sum(axis=1, keepdims=True)) + _NUMBERS.normal(0, 0.3, (48, 1))).astype("float32")


class Trace(keras.callbacks.Callback):
    """Writes a line for each epoch: its number, the loss and a checksum of the weights."""

    def __init__(self, path, seconds=0.05):
        super().__init__()
        self._path = path
        self._seconds = seconds

    def on_epoch_end(self, epoch, logs=None):
        """Writes it."""
        weights = b"".join(weight.tobytes() for weight in self.model.get_weights())
        with open(self._path, "a") as file:
            file.write(f"{epoch} {float(logs['loss']).hex()} {zlib.crc32(weights)}\n")
        time.sleep(self._seconds)


def network(optimizer=None):
    """A small network, always from the same weights."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, "tanh", name="hidden"), keras.layers.Dense(1, name="out")]
    model = keras.Sequential([keras.Input((4,)), *layers], name="net")
    model.compile(optimizer or kd.optimizers.LBFGS(), "mse")
    return model


def fit(model, callbacks, epochs=EPOCHS):
    """Trains on full batches, judged by other examples."""
    judged_by = (X[32:], Y[32:])
    model.fit(X[:32], Y[:32], 32, epochs, 0, callbacks, None, judged_by, shuffle=False)


# kill -9 in fit


def train(folder):
    """A training that goes on where the last one was killed; what it ended with."""
    folder = Path(folder)
    model = network()
    stop = kd.callbacks.EarlyStopping(patience=25, restore_best_weights=True)
    monitor = kd.callbacks.TrainingMonitor(folder / "logs", every=1)
    backup = keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True)
    fit(model, [Trace(folder / "trace"), stop, monitor, backup])
    weights = b"".join(weight.tobytes() for weight in model.get_weights())
    return {"weights": zlib.crc32(weights), "best": stop.best, "reason": stop.reason}


def backup_is_torn(folder):
    """Whether the kill fell between the two files of BackupAndRestore, or into one of them."""
    try:
        with h5py.File(folder / "backup" / "latest.weights.h5") as file:
            steps = int(np.asarray(file["optimizer/vars/0"]))
        found = re.search(r'"epoch": (\d+)', (folder / "backup/training_metadata.json").read_text())
        return found is None or int(found[1]) != steps
    except (OSError, KeyError):
        return True


def kill_in_fit(folder, row):
    """Kills a training up to three times; compares it, epoch by epoch, with one left alone."""
    whole, broken = folder.parent / "whole_fit", folder
    if not whole.exists():
        run(train, whole)
    torn = False
    for _ in range(DRAW.randint(1, 3)):
        count = len(lines(broken / "trace")) + DRAW.randint(1, 9)
        run(train, broken, when=later(broken / "trace", count, DRAW.uniform(0, 0.1)))
        torn = torn or ((broken / "backup").exists() and backup_is_torn(broken))
    result = run(train, broken)
    if torn:
        row.add(True, "killed inside of Keras's backup, whose two files no longer fit each other")
        return
    if "error" in (result or {"error": 1}):
        row.add(False, f"not resumed: {result}"[:120])
        return
    expected, found = (
        {line.split()[0]: line.split()[1:] for line in lines(where / "trace")}
        for where in (whole, broken)
    )
    same = expected == found and result == last_result(whole)
    event_steps(broken / "logs")
    text = "resumed: iterates and stop equal bit for bit, event files readable"
    row.add(same, text if same else "resumed with other iterates")


# Ctrl-C in fit


def interrupted_fit(folder, other):
    """A fit that Ctrl-C ends, and a second one with the same callbacks from fresh weights."""
    folder = Path(folder)
    early = keras.callbacks.EarlyStopping if other else kd.callbacks.EarlyStopping
    stop = early(patience=5, restore_best_weights=True)
    monitor = kd.callbacks.TrainingMonitor(folder / "logs", every=1)
    model = network()
    before = model.__class__, set(model.__dict__)
    interrupted = False
    try:
        fit(model, [Trace(folder / "trace"), stop, monitor])
    except KeyboardInterrupt:
        interrupted = True
    fresh = network()
    model.set_weights(fresh.get_weights())
    model.compile(kd.optimizers.LBFGS(), "mse")
    fit(model, [Trace(folder / "second", 0), stop, monitor])
    alone = early(patience=5, restore_best_weights=True)
    fit(fresh, [Trace(folder / "alone", 0), alone])
    event_steps(folder / "logs")
    return {
        "interrupted": interrupted,
        "same": lines(folder / "second") == lines(folder / "alone"),
        "weights": all(
            map(np.array_equal, model.get_weights(), fresh.get_weights()),
        ),
        "epochs": [len(lines(folder / "second")), len(lines(folder / "alone"))],
        "clean": before[0] is model.__class__,
    }


def interrupt_fit(folder, row, other=False):
    """Interrupts a fit from the keyboard at some epoch."""
    when = later(folder / "trace", DRAW.randint(1, 5), DRAW.uniform(0, 0.1))
    found = run(interrupted_fit, folder, other, when=when, send=signal.SIGINT)
    if "error" in found:
        row.add(False, found["error"][:120])
    elif found["same"] and found["weights"]:
        row.add(True, "the next fit is as if nothing had been, event files readable")
    else:
        row.add(False, "the next fit from fresh weights was stopped or undone")


# A full disk and a deleted folder in fit


def callback_of(kind, folder):
    """A callback that writes into a folder."""
    if kind == "TrainingMonitor":
        return kd.callbacks.TrainingMonitor(folder, every=1)
    if kind == "Diagnosis":
        return kd.callbacks.Diagnosis(log_dir=folder)
    if kind == "EarlyStopping(log_dir)":
        return kd.callbacks.EarlyStopping(patience=99, log_dir=folder)
    if kind == "ModelCheckpoint":
        return keras.callbacks.ModelCheckpoint(folder / "{epoch}.keras")
    return kd.callbacks.EarlyStopping(
        patience=99, best_weights_path=folder / "best.weights.h5", restore_best_weights=True
    )


WRITERS = (
    "TrainingMonitor",
    "Diagnosis",
    "EarlyStopping(log_dir)",
    "EarlyStopping(best_weights_path)",
)


def fit_in_trouble(folder, kind, at, disk):
    """A fit whose disk fills up, or whose folder is deleted, before it or after some epochs."""
    where = (Path(folder) if disk is None else disk.folder) / "written"
    where.mkdir(parents=True, exist_ok=True)
    done = []

    def trouble(epoch):
        if epoch == at and disk is not None:
            disk.fill()
        elif epoch == at:
            shutil.rmtree(where)

    class Trouble(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            done.append(epoch)
            trouble(epoch)

    raised = None
    with warnings_of_ours() as texts:
        try:
            trouble(-1)
            fit(network("sgd"), [Trouble(), callback_of(kind, where)], 8)
        except Exception as error:
            raised = f"{type(error).__name__}: {error}"
    return {"epochs": len(done), "raised": raised, "warned": texts, "written": written(where)}


def written(folder):
    """The steps of the event files in a folder, and what its other files hold, if readable."""
    found, weights = {}, []
    for path in folder.glob("*"):
        if path.suffix in (".h5", ".keras"):
            try:
                if path.suffix == ".h5":
                    with h5py.File(path) as file:
                        file.visititems(lambda _, item: weights.append(_checksum(item)))
                    found["weights"] = weights
                else:
                    keras.models.load_model(path)
            except (OSError, ValueError) as error:
                found[path.name] = f"cannot be read: {error}"
                continue
        if not path.name.startswith("events."):
            found[path.name] = "can be read" if path.stat().st_size else "cannot be read: empty"
    try:
        found["steps"] = event_steps(folder)
    except Exception as error:
        found["steps"] = f"cannot be read: {error}"
    return found


def _checksum(item):
    """That of a weight; None for groups, and for the callback's state, which holds seconds."""
    is_weight = isinstance(item, h5py.Dataset) and item.dtype.kind == "f"
    return zlib.crc32(np.asarray(item).tobytes()) if is_weight else None


def trouble_in_fit(folder, row, kinds, is_full, at):
    """Judges it: training goes on, with one warning, or was refused before its first epoch."""
    kind = kinds[row.tries % len(kinds)]
    whole = folder.parent / f"whole_{kinds.index(kind)}"
    if not whole.exists():
        run(fit_in_trouble, whole, kind, None, None)
    if is_full:
        with SmallDisk(folder / "disk") as disk:
            found = run(fit_in_trouble, folder, kind, at, disk)
    else:
        found = run(fit_in_trouble, folder, kind, at, None)
    if found is None or "error" in found:
        row.add(False, f"{kind}: the process died")
        return
    found["written"].pop("filler", None)
    unreadable = [name for name, what in found["written"].items() if "cannot be read" in str(what)]
    if found["raised"] and found["epochs"]:
        row.add(False, f"{kind}: ended training with {found['raised'].split(':')[0]}")
    elif found["raised"]:
        row.add(True, f"{kind}: refused before the first epoch")
    elif unreadable:
        row.add(False, f"{kind}: left {unreadable[0]} that cannot be read")
    elif found["written"] == last_result(whole)["written"]:
        row.add(True, f"{kind}: nothing was lost")
    elif not found["warned"]:
        row.add(False, f"{kind}: lost something without a word")
    else:
        row.add(True, f"{kind}: went on, {len(found['warned'])} warning(s)")


# A batch of NaN


class OneBadBatch(keras.utils.PyDataset):
    """One batch an epoch; that of one epoch is NaN."""

    def __init__(self, bad):
        super().__init__()
        self._bad = bad
        self._epoch = -1  # `fit` ends one before the first

    def __len__(self):
        """One batch."""
        return 1

    def __getitem__(self, index):
        """The batch."""
        return (X * np.nan if self._epoch == self._bad else X), Y

    def on_epoch_end(self):
        """Counts."""
        self._epoch += 1


OPTIMIZERS = {
    "LBFGS": kd.optimizers.LBFGS,
    "BFGS": kd.optimizers.BFGS,
    "Newton": kd.optimizers.Newton,
    "NewtonCG": kd.optimizers.NewtonCG,
    "Keras's Adam": lambda: keras.optimizers.Adam(0.01),
}


def fit_with_nan(folder, name, bad):
    """Losses before and after it, and those of a training without it."""
    del folder
    losses = []
    for epoch in (bad, -1):
        model = network(OPTIMIZERS[name]())
        model.fit(OneBadBatch(epoch), epochs=25, verbose=0)
        losses.append(float(model.evaluate(X, Y, verbose=0)))
    start = float(network().evaluate(X, Y, verbose=0))
    return {"with": losses[0], "without": losses[1], "start": start}


def nan_batch(folder, row, names):
    """Judges it: nine tenths of what training gains without the batch is gained with it."""
    name = names[row.tries % len(names)]
    found = run(fit_with_nan, folder, name, DRAW.randint(0, 12))
    if "error" in found:
        row.add(False, f"{name}: {found['error'][:80]}")
        return
    gain = found["start"] - found["with"], found["start"] - found["without"]
    if not math.isfinite(found["with"]):
        row.add(False, f"{name}: NaN for good")
    elif gain[0] < 0.9 * gain[1]:
        row.add(False, f"{name}: got stuck")
    else:
        row.add(True, f"{name}: the step was refused, training went on")
