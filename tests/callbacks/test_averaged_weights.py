"""Early stopping judges, keeps and restores the averages where an optimizer averages weights."""

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.backend import internals
from keras_dlnotes.callbacks.averaged_weights import AveragedWeights

JIT = keras.backend.backend() == "jax"
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(32, 3)).astype("float32")
Y = X @ np.array([[1.0], [2.0], [-1.0]], "float32")
CHECKED = (X, 0.5 * Y)  # so that an epoch in the middle is the best


def network(wrapped=False, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.8, **options)
    if wrapped:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0)
    model.compile(optimizer, "mse", jit_compile=JIT)
    return model


def fit(model, *callbacks, **options):
    options = {"batch_size": 8, "epochs": 16, "verbose": 0, "shuffle": False} | options
    options = {"validation_data": CHECKED} | options
    return model.fit(X, Y, callbacks=list(callbacks), **options).history


class Averages(keras.callbacks.Callback):
    """What the averages are at the end of each epoch, read from the optimizer."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        averages = internals.averages_of_weights.of(optimizer)
        self.seen.append([keras.ops.convert_to_numpy(each).copy() for each in averages])


def equal(a, b):
    return all(np.allclose(x, y, rtol=1e-6, atol=1e-7) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("frequency", [None, 3])
def test_what_is_judged_is_what_the_user_predicts_with(wrapped, frequency):
    model, averages = network(wrapped, ema_overwrite_frequency=frequency), Averages()
    stopper = kd.callbacks.EarlyStopping(patience=99, restore_best_weights=True)
    losses = fit(model, averages, stopper)["val_loss"]
    assert np.argmin(losses) == stopper.best_epoch < 15
    assert equal(model.get_weights(), averages.seen[stopper.best_epoch])
    assert np.isclose(model.evaluate(*CHECKED, verbose=0), stopper.best, rtol=1e-5)


@pytest.mark.parametrize("validated", [True, False])
def test_training_is_as_without_the_callback(validated):
    plain, watched = network(), network()
    options = {} if validated else {"validation_data": None}
    expected = fit(plain, **options)
    stopper = kd.callbacks.EarlyStopping("loss", patience=99)
    history = fit(watched, stopper, **options)
    assert np.allclose(history["loss"], expected["loss"], rtol=1e-6)
    assert equal(plain.get_weights(), watched.get_weights())
    pairs = zip(plain.optimizer.variables, watched.optimizer.variables, strict=True)
    assert all(np.allclose(a, b, rtol=1e-5) for a, b in pairs)


@pytest.mark.parametrize("order", ["stopper first", "checkpoint first"])
def test_a_checkpoint_holds_what_was_judged(order, tmp_path):
    path = str(tmp_path / "best.weights.h5")
    stopper = kd.callbacks.EarlyStopping(patience=99, best_weights_path=tmp_path / "own.weights.h5")
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_best_only=True, save_weights_only=True)
    callbacks = [stopper, checkpoint] if order == "stopper first" else [checkpoint, stopper]
    best = min(fit(network(), *callbacks)["val_loss"])
    for each in (path, tmp_path / "own.weights.h5"):
        model = network()
        model.optimizer.build(model.trainable_variables)
        model.load_weights(each)
        assert np.isclose(model.evaluate(*CHECKED, verbose=0), best, rtol=1e-5)


@pytest.mark.parametrize("swap_on_epoch", [True, False])
@pytest.mark.parametrize("order", ["stopper first", "swap first"])
def test_beside_the_callback_of_keras_that_swaps_them(order, swap_on_epoch):
    expected = fit(network(), kd.callbacks.EarlyStopping(patience=99))["val_loss"]
    model, stopper = network(), kd.callbacks.EarlyStopping(patience=99, restore_best_weights=True)
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=swap_on_epoch)
    callbacks = [stopper, swap] if order == "stopper first" else [swap, stopper]
    losses = fit(model, *callbacks)["val_loss"]
    assert np.allclose(losses, expected, rtol=1e-5)
    assert np.isclose(model.evaluate(*CHECKED, verbose=0), min(losses), rtol=1e-5)


def test_checks_at_steps():
    expected = fit(network())["loss"]
    model = network()
    stopper = kd.callbacks.EarlyStopping(
        patience=99, restore_best_weights=True, every=3, validation_data=CHECKED
    )
    assert np.allclose(fit(model, stopper)["loss"], expected, rtol=1e-6)
    assert np.isclose(model.evaluate(*CHECKED, verbose=0), stopper.best, rtol=1e-5)


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 4:
            raise InterruptedError


@pytest.mark.parametrize("stopper_first", [True, False])
def test_a_resumed_run_goes_on_with_the_trained_weights(stopper_first, tmp_path):
    def callbacks():
        pair = [
            kd.callbacks.EarlyStopping(patience=99, restore_best_weights=True),
            keras.callbacks.BackupAndRestore(tmp_path),
        ]
        return pair if stopper_first else pair[::-1]

    expected = network()
    history = fit(expected, kd.callbacks.EarlyStopping(patience=99, restore_best_weights=True))
    with pytest.raises(InterruptedError):
        fit(network(), *callbacks(), Interrupt())
    resumed = network()
    if stopper_first:
        losses = fit(resumed, *callbacks())["loss"]
    else:
        with pytest.warns(UserWarning, match="Put EarlyStopping before BackupAndRestore"):
            losses = fit(resumed, *callbacks())["loss"]
    assert np.allclose(losses, history["loss"][4:], rtol=1e-5)
    if stopper_first:
        assert equal(resumed.get_weights(), expected.get_weights())


def test_without_averages_nothing_happens():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    for optimizer in ("sgd", keras.optimizers.Adam(use_ema=True)):
        model.compile(optimizer, "mse")
        callback = keras.callbacks.Callback()
        callback.set_model(model)
        averages = AveragedWeights(callback)
        before = model.get_weights()
        with averages.in_model():
            assert equal(model.get_weights(), before)
        averages.put_in()
        assert averages.trained is None
