import logging

import keras
import numpy as np
import pytest
from keras import ops

from keras_dlnotes import stopping
from keras_dlnotes.callbacks import EarlyStopping
from keras_dlnotes.callbacks.stopping_state import identity_of
from keras_dlnotes.summaries import MemoryWriter

JIT = keras.backend.backend() == "jax"


def small_model(metrics=(), optimizer="sgd", **kwargs):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    kwargs = kwargs or ({"jit_compile": True} if JIT else {"run_eagerly": True})
    model.compile(optimizer, "mse", metrics=list(metrics), **kwargs)
    return model


def data(rows=8):
    x = np.random.default_rng(0).normal(size=(rows, 4)).astype("float32")
    return x[:, :3], x[:, 3:]


class Recorded:
    """A model whose weights are the number of the epoch: what `fit` would call, without it."""

    def __init__(self):
        self.stop_training, self.epoch = False, -1

    def get_weights(self):
        return [np.array(self.epoch)]

    def set_weights(self, weights):
        self.epoch = int(weights[0])


def play(stopper, values, model=None, name="val_loss", initial_epoch=0):
    """Lets a callback see a history; returns the number of epochs trained, and the model."""
    model = model or Recorded()
    model.stop_training = False
    stopper.set_model(model)
    stopper.on_train_begin()
    for epoch, value in enumerate(values, start=initial_epoch):
        stopper.on_epoch_begin(epoch)
        model.epoch = epoch
        stopper.on_epoch_end(epoch, {name: value})
        if model.stop_training:
            break
    stopper.on_train_end()
    return epoch + 1 - initial_epoch, model


# The cases of Keras's own early_stopping_test.


def test_directions_are_keras_own():
    model = small_model(["mse", "acc", "accuracy", "hinge", keras.metrics.F1Score(name="f1_score")])
    x, y = data()
    cases = {
        ("max", "val_mse"): ops.greater,
        ("min", "val_loss"): ops.less,
        ("auto", "val_mse"): ops.less,
        ("auto", "loss"): ops.less,
        ("auto", "acc"): ops.greater,
        ("auto", "val_accuracy"): ops.greater,
        ("auto", "hinge"): ops.less,
        ("auto", "f1_score"): ops.greater,
    }
    stoppers = {case: EarlyStopping(case[1], mode=case[0]) for case in cases}
    model.fit(x, y, validation_data=(x, y), epochs=2, verbose=0, callbacks=[*stoppers.values()])
    for case, stopper in stoppers.items():
        assert stopper.monitor_op is cases[case]
    with pytest.raises(ValueError, match="unknown"):
        model.fit(x, y, verbose=0, callbacks=[EarlyStopping("unknown")])
    with pytest.warns(UserWarning, match="`val_loss` which is not available"):
        model.fit(x, y, verbose=0, callbacks=[EarlyStopping()])


@pytest.mark.parametrize("value", [np.ones(3), "low", [1.0, 2.0], object(), {"a": 1.0}])
def test_a_quantity_that_is_not_one_number_is_told_once_and_ends_nothing(value):
    stopper = EarlyStopping("loss")
    with pytest.warns(UserWarning, match="expected `loss` to be one number") as caught:
        assert play(stopper, [value, value, 3.0, value, 4.0], name="loss")[0] == 5
    assert len(caught) == 1
    assert stopper.reason == "loss has not improved on 3 for one check"


@pytest.mark.parametrize("patience", [0, 1, 2, 3])
def test_patience(patience):
    losses = [10.0, 9.0, 8.0, 9.0, 8.9, 8.8, 8.7, 8.6, 8.5]
    stopper = EarlyStopping("loss", patience=patience)
    play(stopper, losses, small_model(), "loss")
    assert stopper.stopped_epoch == max(patience, 1) + 2
    assert stopper.wait == max(patience, 1)


def test_a_fresh_fit_starts_from_nothing():
    stopper = EarlyStopping(patience=3, restore_best_weights=True)
    epochs, model = play(stopper, [5.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    assert (epochs, model.epoch, stopper.best) == (5, 1, 1.0)
    epochs, model = play(stopper, [9.0, 8.0, 7.0, 8.0], model)
    assert (epochs, model.epoch, stopper.best, stopper.wait) == (4, 2, 7.0, 1)


def test_a_fit_from_a_later_epoch_goes_on():
    stopper = EarlyStopping(patience=3, restore_best_weights=True)
    _, model = play(stopper, [1.0, 2.0, 2.0])
    assert play(stopper, [2.0, 2.0], model, initial_epoch=3)[0] == 1
    assert (stopper.best, model.epoch) == (1.0, 0)
    # This callback ended the run: then the best stays, and patience is full again.
    assert play(stopper, [3.0, 3.0, 3.0, 3.0, 3.0], model, initial_epoch=4)[0] == 4
    assert (stopper.best, model.epoch) == (1.0, 0)
    # Another model has no run that could go on, whatever its first epoch is.
    play(stopper, [5.0, 4.0], initial_epoch=4)
    assert (stopper.best, stopper.best_epoch, stopper.wait) == (4.0, 5, 0)


def test_resume_says_otherwise():
    stopper = EarlyStopping(patience=3, resume=True)
    _, model = play(stopper, [1.0, 2.0, 2.0])
    assert play(stopper, [2.0, 2.0], model)[0] == 1
    play(stopper, [5.0])
    assert stopper.best == 5.0
    stopper = EarlyStopping(patience=3, resume=False)
    _, model = play(stopper, [1.0, 2.0, 2.0])
    play(stopper, [3.0], model, initial_epoch=3)
    assert stopper.best == 3.0


def test_a_fit_without_an_epoch_changes_nothing():
    x, y = data()
    model, stopper = small_model(), EarlyStopping("loss", restore_best_weights=True)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[stopper])
    best = stopper.best
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
    model.fit(x, y, epochs=2, initial_epoch=2, verbose=0, callbacks=[stopper])
    assert stopper.best == best
    for weight in model.get_weights():
        assert np.array_equal(weight, np.ones_like(weight))


def two_tasks():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    return x, x @ np.array([[1.0], [2.0], [3.0]]), x @ np.array([[5.0], [0.0], [-4.0]]) + 2.0


@pytest.mark.parametrize("change", ["data", "loss", "interrupted", "weights", "validation"])
def test_the_next_task_keeps_what_it_learned(change):
    class Interrupted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 20 and change == "interrupted":
                raise KeyboardInterrupt

    x, first, second = two_tasks()
    model = small_model(optimizer=keras.optimizers.SGD(0.1), jit_compile=JIT)
    fresh = model.get_weights()
    stopper = EarlyStopping(patience=2, restore_best_weights=True)
    fit = {"epochs": 30, "verbose": 0, "callbacks": [stopper, Interrupted()]}
    try:
        model.fit(x, first, validation_data=(x, first), **fit)
    except KeyboardInterrupt:
        model.set_weights(fresh)
    if change == "loss":
        model.compile(keras.optimizers.SGD(0.1), "mae", jit_compile=JIT)
    if change == "weights":
        model.set_weights(fresh)
    fit["callbacks"] = [stopper]
    target = first if change == "validation" else second
    checked = (x, second) if change == "validation" else (x, target)
    history = model.fit(x, target, validation_data=checked, **fit).history
    losses = history["val_loss"]
    assert stopper.best == min(losses)
    assert np.isclose(model.evaluate(*checked, verbose=0), min(losses), rtol=1e-5)
    if change != "validation":
        assert len(losses) > 10
        assert min(losses) < 0.6 * losses[0]


def test_a_run_goes_on_under_the_same_compile_only():
    x, first, _ = two_tasks()
    model = small_model(optimizer=keras.optimizers.SGD(0.01), jit_compile=JIT)
    stopper = EarlyStopping(patience=50, restore_best_weights=True)
    fit = {"validation_data": (x, first), "verbose": 0, "callbacks": [stopper]}
    model.fit(x, first, epochs=3, **fit)
    best = stopper.best
    model.optimizer.learning_rate.assign(0.0)
    model.fit(
        x, first + 1.0, epochs=5, initial_epoch=3, **fit | {"validation_data": (x, 9 * first)}
    )
    assert (stopper.best, stopper.best_epoch, stopper.wait) == (best, 2, 2)
    model.compile(keras.optimizers.SGD(0.0), "mae", jit_compile=JIT)
    model.fit(x, first, epochs=7, initial_epoch=5, **fit)
    assert stopper.best_epoch == 5


def test_baseline():
    stopper = EarlyStopping(patience=5, baseline=0.5, restore_best_weights=True)
    epochs, model = play(stopper, [0.9, 0.8, 0.7, 0.71, 0.72, 0.73])
    assert (epochs, model.epoch) == (5, 2)


def test_best_weights_are_restored():
    stopper = EarlyStopping(patience=2, restore_best_weights=True)
    epochs, model = play(stopper, [0.2, 0.15, 0.1, 0.11, 0.12, 0.0])
    assert (epochs, model.epoch, stopper.best_epoch) == (5, 2, 2)
    # Also when it was another callback that ended training.
    stopper = EarlyStopping(patience=5, restore_best_weights=True)
    assert play(stopper, [0.9, 0.7, 0.71])[1].epoch == 1


def test_start_from_epoch():
    stopper = EarlyStopping(patience=0, start_from_epoch=2)
    assert play(stopper, [1.0, 2.0, 3.0, 4.0])[0] == 4
    assert stopper.best == 3.0


# Beyond Keras's.


def test_not_a_number_is_never_the_best():
    stopper = EarlyStopping(patience=3, restore_best_weights=True)
    epochs, model = play(stopper, [np.nan, 3.0, -np.inf, 2.0, np.nan, np.inf, 2.5, 0.0])
    assert (epochs, stopper.best, stopper.best_epoch, model.epoch) == (7, 2.0, 3, 3)
    stopper = EarlyStopping("val_accuracy", patience=2, mode="max", restore_best_weights=True)
    epochs, model = play(stopper, [np.nan, np.inf, np.nan], name="val_accuracy")
    assert (epochs, stopper.best, model.epoch) == (2, None, 1)
    assert "not a finite number" in stopper.reason


def test_patience_of_zero_stops_at_the_first_worsening():
    assert play(EarlyStopping(patience=0), [3.0, 2.0, 2.5, 1.0])[0] == 3


def test_several_quantities():
    stopper = EarlyStopping(["val_loss", "val_accuracy"], patience=2, mode=["min", "max"])
    model = Recorded()
    stopper.set_model(model)
    stopper.on_train_begin()
    stopper.on_epoch_begin(0)
    history = [(1.0, 0.5), (1.1, 0.6), (1.2, 0.7), (1.3, 0.6), (1.4, 0.6), (1.5, 0.6)]
    for epoch, (loss, accuracy) in enumerate(history):
        stopper.on_epoch_end(epoch, {"val_loss": loss, "val_accuracy": accuracy})
        if model.stop_training:
            break
    assert epoch == 4
    assert "val_loss has not improved on 1 for 4" in stopper.reason
    assert "val_accuracy has not improved on 0.7 for 2" in stopper.reason
    assert stopper.best == 1.0


def test_smoothing_lets_a_single_bad_epoch_pass():
    values = [1.0, 0.9, 0.8, 0.81, 0.6, 0.5, 0.4]
    criterion = stopping.UpStrips(1, strip=1)
    assert play(EarlyStopping(criterion=criterion), values)[0] == 4
    stopper = EarlyStopping(criterion=criterion, smoothing=0.6)
    assert play(stopper, values)[0] == 7
    assert stopper.best > 0.4  # the best average, not the best value


def test_the_reason_is_told_in_words(capsys, caplog):
    writer = MemoryWriter()
    criterion = stopping.GeneralizationLoss(5) | stopping.TimeBudget(1e6)
    stopper = EarlyStopping(criterion=criterion, verbose=1, writer=writer)
    with caplog.at_level(logging.INFO):
        play(stopper, [1.0, 1.01, 1.2])
    sentence = (
        "Epoch 3: early stopping at step 0: val_loss is 20 % worse than its best, more than "
        "alpha = 5 %."
    )
    assert sentence in capsys.readouterr().out
    assert sentence in caplog.text
    assert writer.texts["early_stopping/reason"] == [(0, sentence)]
    losses = [number for _, number in writer.scalars["early_stopping/val_loss/generalization_loss"]]
    assert np.allclose(losses, [0, 1, 20])
    assert len(writer.scalars["early_stopping/seconds"]) == 3


def test_the_reason_reaches_an_event_file(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    play(EarlyStopping(log_dir=tmp_path), [1.0, 2.0])
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    text = events.Tensors("early_stopping/reason")[0].tensor_proto.string_val[0]
    assert b"has not improved on 1" in text


def test_checks_at_steps_leave_the_epoch_as_it_is():
    x, y = data(32)
    fit = {"batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0, "validation_data": (x, y)}
    plain = small_model(["mae"], "adam", jit_compile=JIT)
    expected = plain.fit(x, y, **fit).history
    model, writer = small_model(["mae"], "adam", jit_compile=JIT), MemoryWriter()
    stopper = EarlyStopping(patience=99, every=3, validation_data=(x, y), writer=writer)
    history = model.fit(x, y, callbacks=[stopper], **fit).history
    for name in expected:
        assert np.allclose(history[name], expected[name], rtol=1e-6), name
    for a, b in zip(plain.get_weights(), model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    # Every third of 16 steps and both ends of epochs, which are steps 8 and 16.
    best = writer.scalars["early_stopping/val_loss/best"]
    assert [step for step, _ in best] == [3, 6, 8, 9, 12, 15, 16]
    assert np.isclose(best[2][1], expected["val_loss"][0], rtol=1e-5)


def test_stops_in_the_middle_of_an_epoch():
    x, y = data(32)
    model = small_model()
    stopper = EarlyStopping("loss", criterion=stopping.Target(1e9), every=2)
    model.fit(x, y, batch_size=4, epochs=3, verbose=0, callbacks=[stopper])
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 2
    assert stopper.reason.startswith("loss = ")


def test_best_weights_on_disk(tmp_path):
    x, y = data(32)
    path = tmp_path / "deeper" / "best.weights.h5"
    values = iter([3.0, 1.0, 2.0])

    class Scripted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = next(values)
            weights.append(self.model.get_weights())

    weights = []
    model = small_model(optimizer="adam")
    stopper = EarlyStopping(patience=9, restore_best_weights=True, best_weights_path=path)
    model.fit(x, y, epochs=3, verbose=0, callbacks=[Scripted(), stopper])
    assert stopper.best_weights is None
    for a, b in zip(weights[1], model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 3  # only weights went back
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    other.load_weights(path)
    assert np.array_equal(other.get_weights()[0], weights[1][0])


class Interruption(keras.callbacks.Callback):
    def __init__(self, at):
        super().__init__()
        self.at = at

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = [5.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0][epoch]

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            raise InterruptedError


@pytest.mark.parametrize("on_disk", [False, True])
def test_state_survives_backup_and_restore(tmp_path, on_disk):
    x, y = data(32)

    def run(interrupt_at):
        model = small_model(optimizer="adam")
        stopper = EarlyStopping(
            patience=4,
            smoothing=0.1,
            restore_best_weights=True,
            best_weights_path=tmp_path / "best.weights.h5" if on_disk else None,
        )
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        callbacks = [Interruption(interrupt_at), stopper, backup]
        history = model.fit(x, y, epochs=7, shuffle=False, verbose=0, callbacks=callbacks).history
        return stopper, len(history["loss"]), model

    whole, epochs, expected = run(None)
    assert (epochs, whole.best_epoch) == (6, 1)
    with pytest.raises(InterruptedError):
        run(3)
    resumed, epochs, model = run(None)  # as in a new process: nothing but the files is left
    assert epochs == 3
    assert (resumed.best, resumed.best_epoch) == (whole.best, whole.best_epoch)
    assert resumed.reason == whole.reason
    for a, b in zip(expected.get_weights(), model.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-7)


def test_saved_states_are_found_by_the_names_of_the_first_version():
    """Which criteria a state belongs to is a part of its name in the file."""
    criterion = stopping.UpStrips(2) | stopping.TimeBudget(600)
    assert identity_of(criterion, ["val_loss"], ["auto"], 0.5, 7) == (
        '[["val_loss"], ["auto"], {"module": "keras_dlnotes.stopping.any_of", "class_name": '
        '"AnyOf", "config": {"criteria": [{"module": "keras_dlnotes.stopping.up_strips", '
        '"class_name": "UpStrips", "config": {"successive": 2, "strip": 5, "monitor": null, '
        '"mode": "auto"}, "registered_name": "keras_dlnotes>UpStrips"}, {"module": '
        '"keras_dlnotes.stopping.time_budget", "class_name": "TimeBudget", "config": {"seconds": '
        '600.0}, "registered_name": "keras_dlnotes>TimeBudget"}]}, "registered_name": '
        '"keras_dlnotes>AnyOf"}, 0.5, 7]'
    )


def test_files_of_weights_fit_with_and_without_the_callback(tmp_path):
    x, y = data()
    checkpoint = str(tmp_path / "{epoch}.weights.h5")
    whole = str(tmp_path / "whole.keras")
    model = small_model()
    model.fit(
        x,
        y,
        verbose=0,
        callbacks=[
            EarlyStopping("loss", patience=3),
            keras.callbacks.ModelCheckpoint(checkpoint, save_weights_only=True),
            keras.callbacks.ModelCheckpoint(whole),
        ],
    )
    assert not any("early_stopping" in name for name in vars(model))
    other = small_model()
    other.load_weights(tmp_path / "1.weights.h5")
    loaded = keras.models.load_model(whole)
    for a, b, c in zip(*(m.get_weights() for m in (model, other, loaded)), strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a, c)
    # And weights saved without the callback leave it with nothing remembered.
    model.save_weights(tmp_path / "bare.weights.h5")
    stopper = EarlyStopping("loss", patience=3)
    stopper.set_model(model)
    stopper.on_train_begin()
    stopper.on_epoch_begin(0)
    stopper.on_epoch_end(0, {"loss": 1.0})
    stopper.set_model(model)
    stopper.on_train_begin()
    model.load_weights(tmp_path / "bare.weights.h5")
    assert stopper.best is None
    # Weights that are loaded while epochs run, by a callback that goes back, change nothing.
    stopper.on_epoch_begin(0)
    stopper.on_epoch_end(0, {"loss": 1.0})
    model.load_weights(tmp_path / "bare.weights.h5")
    assert stopper.best == 1.0


def test_a_loop_of_ones_own_that_tells_of_the_ends_of_epochs_alone():
    stopper = EarlyStopping(patience=2, restore_best_weights=True)
    for scale in (1.0, 100.0):  # the second run starts from nothing
        model = Recorded()
        model.stop_training = False
        stopper.set_model(model)
        stopper.on_train_begin()
        for epoch, value in enumerate([0.2, 0.15, 0.1, 0.11, 0.12, 0.05]):
            model.epoch = epoch
            stopper.on_epoch_end(epoch, {"val_loss": scale * value})
            if model.stop_training:
                break
        stopper.on_train_end()
        assert (epoch, model.epoch, stopper.best) == (4, 2, scale * 0.1)


def test_broken_off_it_can_restore_by_hand():
    model = Recorded()
    stopper = EarlyStopping(patience=9, restore_best_weights=True)
    stopper.set_model(model)
    stopper.on_train_begin()
    for epoch, value in enumerate([1.0, 2.0]):
        stopper.on_epoch_begin(epoch)
        model.epoch = epoch
        stopper.on_epoch_end(epoch, {"val_loss": value})
    stopper.restore()  # after a KeyboardInterrupt, say
    assert model.epoch == 0
    # A fit that goes on from there knows what was best; a fresh one does not.
    play(stopper, [3.0], model, initial_epoch=2)
    assert (stopper.best, stopper.wait) == (1.0, 2)
    play(stopper, [3.0], model)
    assert (stopper.best, stopper.wait) == (3.0, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patience": -1}, "Expected `patience`"),
        ({"patience": float("nan")}, "Expected `patience`"),
        ({"min_delta": "1e-3"}, "Expected `min_delta`"),
        ({"baseline": float("nan")}, "Expected `baseline`"),
        ({"start_from_epoch": None}, "Expected `start_from_epoch`"),
        ({"mode": "down"}, "Expected `mode`"),
        ({"mode": None}, "Expected `mode`"),
        ({"mode": "down", "criterion": stopping.UpStrips(1)}, "Expected `mode`"),
        ({"monitor": None}, "Expected `monitor`"),
        ({"monitor": ["a", 3]}, "Expected `monitor`"),
        ({"monitor": ["a", "b"], "mode": ["min"]}, "Expected `monitor`"),
        ({"monitor": []}, "Expected `monitor`"),
        ({"criterion": stopping.Patience(2), "patience": 3}, "Expected `criterion`"),
        ({"criterion": "patience"}, r"kd.stopping.Patience\(3\), or several joined by `\|`"),
        ({"criterion": stopping.Patience}, r"kd.stopping.Patience\(3\).*class: call it"),
        ({"criterion": stopping.Patience | stopping.TimeBudget}, "class: call it"),
        ({"criterion": [stopping.Patience(3), stopping.TimeBudget(9)]}, "joined by.*Join"),
        ({"criterion": lambda logs: True}, r"kd.stopping.Patience\(3\)"),
        ({"criterion": keras.callbacks.EarlyStopping()}, r"kd.stopping.Patience\(3\)"),
        ({"patience": stopping.Patience(3)}, "Expected `patience`"),
        ({"resume": "always"}, "Expected `resume`"),
        ({"smoothing": 1.0}, "Expected `smoothing`"),
        ({"smoothing": None}, "Expected `smoothing`"),
        ({"every": 0, "monitor": "loss"}, "Expected `every`"),
        ({"every": 5}, "Expected `validation_data` beside `every`"),
        ({"best_weights_path": "best.keras"}, "Expected `best_weights_path`"),
        ({"best_weights_path": True}, "Expected `best_weights_path`"),
        (
            {"mode": "min", "criterion": stopping.Patience(1, monitor="val_loss", mode="max")},
            "Expected one direction",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**arguments)
