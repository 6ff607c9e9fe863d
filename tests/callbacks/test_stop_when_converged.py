import keras
import numpy as np
import pytest
from keras import ops

from keras_dlnotes.callbacks import SecondDerivatives, StopWhenConverged
from keras_dlnotes.optimizers import LBFGS, NewtonCG

JIT = keras.backend.backend() == "jax"


def linear_task():
    keras.utils.set_random_seed(2)
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 4)) * np.array([1.0, 3.0, 0.3, 1.0])
    y = x @ np.array([[1.0], [2.0], [-1.0], [0.5]]) + 0.5
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    return model, x, y


def curved_task():
    keras.utils.set_random_seed(2)
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 4))
    y = np.sin(2.0 * x[:, :1])
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "sigmoid"), keras.layers.Dense(1)]
    )
    return model, x, y


@pytest.mark.usefixtures("float64")
def test_stops_and_says_so(capsys):
    model, x, y = linear_task()
    model.compile(LBFGS(gradient_tolerance=1e-5), loss="mse", jit_compile=JIT)
    history = model.fit(
        x, y, batch_size=40, epochs=500, verbose=0, callbacks=[StopWhenConverged()]
    ).history
    assert len(history["loss"]) < 100
    assert history["gradient_norm"][-1] <= 1e-5 < history["gradient_norm"][0]
    assert history["evaluations"][-1] == len(history["loss"])
    assert model.optimizer.status == "converged"
    assert "lbfgs: converged after" in capsys.readouterr().out
    kernel = ops.convert_to_numpy(model.layers[0].kernel)[:, 0]
    assert np.allclose(kernel, [1.0, 2.0, -1.0, 0.5], atol=1e-4)


class Watch(keras.callbacks.Callback):
    def __init__(self, break_off=None):
        super().__init__()
        self.seen, self.break_off = [], break_off

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append([ops.convert_to_numpy(v).copy() for v in self.model.trainable_variables])
        if epoch == self.break_off:
            raise InterruptedError

    def on_epoch_end(self, epoch, logs=None):
        weights = np.concatenate(
            [ops.convert_to_numpy(v).ravel() for v in self.model.trainable_variables]
        )
        state = {variable.name: variable for variable in self.model.optimizer.variables}
        assert np.array_equal(weights, ops.convert_to_numpy(state["accepted_point"]))


def test_validation_and_checkpoints_see_the_accepted_point_and_training_the_trial():
    plain, x, y = curved_task()
    plain.compile(LBFGS(), loss="mse", jit_compile=JIT)
    losses = plain.fit(x, y, batch_size=40, epochs=30, shuffle=False, verbose=0).history["loss"]
    model, x, y = curved_task()
    model.compile(LBFGS(), loss="mse", jit_compile=JIT)
    history = model.fit(
        x,
        y,
        batch_size=40,
        epochs=30,
        shuffle=False,
        verbose=0,
        validation_data=(x, y),
        validation_batch_size=40,
        callbacks=[StopWhenConverged(), Watch()],
    ).history
    assert np.allclose(history["loss"], losses, rtol=1e-4)
    # An accepted point's loss never rises; trial points' losses do.
    assert np.all(np.diff(history["val_loss"]) <= 1e-6)
    assert np.any(np.diff(history["loss"]) > 1e-6)


@pytest.mark.parametrize("stopping", [False, True])
def test_interrupted_and_restored_it_continues_bit_for_bit(tmp_path, stopping):
    def run(epochs, watch):
        model, x, y = curved_task()
        model.compile(LBFGS(), loss="mse", jit_compile=JIT)
        callbacks = [StopWhenConverged()] if stopping else []
        callbacks.append(keras.callbacks.BackupAndRestore(str(tmp_path / "backup")))
        if not stopping:
            watch.on_epoch_end = lambda epoch, logs=None: None
        model.fit(
            x,
            y,
            batch_size=40,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[*callbacks, watch],
        )
        return watch.seen

    whole = run(20, Watch())
    with pytest.raises(InterruptedError):
        run(20, Watch(break_off=5))
    rest = run(20, Watch())
    assert len(rest) == 15
    for a, b in zip(whole[5:], rest, strict=True):
        for one, other in zip(a, b, strict=True):
            assert np.array_equal(one, other)


def test_refuses_other_optimizers():
    model, x, y = linear_task()
    model.compile("adam", loss="mse", jit_compile=JIT)
    with pytest.raises(ValueError, match="Adam"):
        model.fit(x, y, verbose=0, callbacks=[StopWhenConverged()])


@pytest.mark.parametrize("optimizer", [LBFGS, NewtonCG])
def test_loss_that_is_not_finite_is_told_and_leaves_the_weights(optimizer, capsys):
    x = np.random.default_rng(0).normal(size=(8, 2))
    y = np.where(np.arange(8) == 3, np.nan, x[:, 0])
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer(), "mse")
    before = model.get_weights()
    callbacks = [StopWhenConverged(), *([SecondDerivatives()] if optimizer is NewtonCG else [])]
    model.fit(x, y, batch_size=8, epochs=5, verbose=0, callbacks=callbacks)
    assert model.optimizer.status == "not finite"
    assert model.optimizer.progress["evaluations"] == 1
    assert "look for NaN and infinity in the data" in capsys.readouterr().out
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
