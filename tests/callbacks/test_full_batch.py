import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_dlnotes.backend.float64 import true_float64
from keras_dlnotes.callbacks import (
    Diagnosis,
    FullBatch,
    SecondDerivatives,
    StopWhenConverged,
    TrainingMonitor,
)
from keras_dlnotes.optimizers import LBFGS, GaussNewton, Newton, NewtonCG
from keras_dlnotes.summaries import MemoryWriter

BACKEND = keras.backend.backend()


def task():
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 3))
    y = np.sin(x @ np.array([1.0, -2.0, 0.5]))[:, None]
    penalty = keras.regularizers.L2(1e-3)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(5, "sigmoid", kernel_regularizer=penalty),
            keras.layers.Dense(1),
        ]
    )
    model.compile(LBFGS(), loss="mse", jit_compile=BACKEND == "jax")
    return model, x, y


class Pairs(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return self.x[16 * i : 16 * i + 16], self.y[16 * i : 16 * i + 16]


def sources(x, y):
    yield "arrays", (x, y), {"batch_size": 16, "shuffle": BACKEND == "tensorflow"}
    yield "PyDataset", (Pairs(x, y),), {"shuffle": False}
    if BACKEND == "tensorflow":
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
        yield "tf.data", (data,), {"shuffle": False}
        yield "unknown length", (data.filter(lambda *_: True),), {"shuffle": False}


@pytest.mark.usefixtures("float64")
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_equals_one_batch_on_every_kind_of_data():
    model, x, y = task()
    with true_float64():  # Keras computes some float64 operations in float32 on JAX and torch
        model.fit(x, y, batch_size=50, epochs=12, shuffle=False, verbose=0)
    expected = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    for name, data, arguments in sources(x, y):
        model, _, _ = task()
        with true_float64():
            model.fit(*data, epochs=12, verbose=0, callbacks=[FullBatch()], **arguments)
        for a, b in zip(expected, model.trainable_variables, strict=True):
            assert np.max(np.abs(a - ops.convert_to_numpy(b))) <= 1e-10, name
        assert model.optimizer.progress["evaluations"] == 12
        assert "train_step" not in vars(model)


@pytest.mark.usefixtures("float64")
def test_with_validation_and_stopping():
    model, x, y = task()
    callbacks = [FullBatch(), StopWhenConverged(verbose=0)]
    history = model.fit(
        x, y, batch_size=16, epochs=15, verbose=0, callbacks=callbacks, validation_data=(x, y)
    ).history
    assert history["evaluations"] == list(range(1, 16))
    assert model.optimizer.progress["iterations"] >= 8
    assert history["loss"][-1] < history["loss"][0]


def test_the_other_order_and_other_optimizers_are_refused():
    model, x, y = task()
    with pytest.raises(ValueError, match="before StopWhenConverged"):
        model.fit(x, y, verbose=0, callbacks=[StopWhenConverged(), FullBatch()])
    model.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match="SGD"):
        model.fit(x, y, verbose=0, callbacks=[FullBatch()])


class Interruption(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            raise RuntimeError("stop here")


@pytest.mark.skipif(
    BACKEND == "jax", reason="Keras's JAX trainer loses the weights when fit raises"
)
def test_a_fit_that_raised_leaves_nothing_behind():
    model, x, y = task()
    with pytest.raises(RuntimeError, match="stop here"):
        model.fit(x, y, batch_size=16, verbose=0, callbacks=[FullBatch(), Interruption()])
    model.fit(x, y, batch_size=50, epochs=3, verbose=0)  # whole batches, without the callback
    assert "train_step" not in vars(model)
    assert model.optimizer.progress["evaluations"] == 3
    assert not model.optimizer.has_unfinished_evaluation


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("optimizer", [LBFGS, Newton, NewtonCG, GaussNewton])
def test_several_evaluations_an_epoch_are_as_many_epochs_of_one(optimizer):
    results = []
    for evaluations in (1, 4):
        model, x, y = task()
        model.compile(optimizer(), loss="mse", jit_compile=BACKEND == "jax")
        callbacks = [SecondDerivatives()] if optimizer is not LBFGS else []
        callbacks += [FullBatch(evaluations)] if evaluations > 1 else []
        with true_float64():
            history = model.fit(
                x,
                y,
                batch_size=50,
                epochs=12 // evaluations,
                shuffle=False,
                verbose=0,
                callbacks=callbacks,
            ).history
        assert model.optimizer.progress["evaluations"] == 12
        assert "train_step" not in vars(model)
        results.append([ops.convert_to_numpy(v) for v in model.trainable_variables])
        assert history["loss"][-1] < history["loss"][0]
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


def test_a_monitor_records_the_first_evaluation_of_each_epoch():
    def recorded(evaluations):
        model, x, y = task()
        writer = MemoryWriter()
        callbacks = [FullBatch(evaluations)] if evaluations > 1 else []
        callbacks += [TrainingMonitor(writer=writer, every=1), Diagnosis(verbose=0)]
        callbacks += [StopWhenConverged(verbose=0)]
        arguments = {"batch_size": 50, "epochs": 6 // evaluations, "shuffle": False, "verbose": 0}
        model.fit(x, y, callbacks=callbacks, **arguments)
        assert model.optimizer.progress["evaluations"] == 6
        name = f"gradients/{model.layers[0].kernel.path}/norm"
        return [value for _, value in writer.scalars[name]]

    every, first = recorded(1), recorded(3)
    np.testing.assert_allclose(first, every[::3], rtol=1e-5)


def test_several_evaluations_need_one_batch_an_epoch():
    model, x, y = task()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"Expected one batch an epoch\. Received: at least 4"):
        model.fit(x, y, batch_size=16, verbose=0, callbacks=[FullBatch(evaluations=5)])
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert "train_step" not in vars(model)
    model.fit(x, y, batch_size=50, verbose=0, callbacks=[FullBatch(evaluations=5)])
    assert model.optimizer.progress["evaluations"] == 5

    def batches():
        yield x[:16], y[:16]
        yield x[16:], y[16:]

    with pytest.raises(ValueError, match=r"Expected one batch an epoch\. Received: at least 2"):
        model.fit(batches(), shuffle=False, verbose=0, callbacks=[FullBatch(evaluations=5)])
    assert "train_step" not in vars(model)
    for wrong in (0, -1, 2.5, True, "3"):
        with pytest.raises(ValueError, match="evaluations"):
            FullBatch(wrong)


@pytest.mark.parametrize("optimizer", [Newton, GaussNewton])
@pytest.mark.parametrize("where", ["set_model", "on_train_begin", "on_epoch_end"])
def test_after_a_fit_that_a_callback_ended_the_next_one_is_right(optimizer, where):
    model, x, y = task()
    model.compile(optimizer(), loss="mse", jit_compile=BACKEND == "jax")
    before = model.jit_compile

    class Interrupt(keras.callbacks.Callback):
        pass

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    setattr(Interrupt, where, interrupt)
    arguments = {"batch_size": 50, "shuffle": False, "verbose": 0}
    for _ in range(2):
        callbacks = [SecondDerivatives(), FullBatch(3), Interrupt()]
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, callbacks=callbacks, **arguments)
        counted = model.optimizer.progress.get("evaluations", 0)
        model.fit(x, y, callbacks=[SecondDerivatives(), FullBatch(3)], **arguments)
        assert model.optimizer.progress["evaluations"] == counted + 3
        assert model.jit_compile == before
        assert "train_step" not in vars(model)


def test_one_batch_of_unknown_length():
    model, x, y = task()

    def one_batch():
        yield x, y

    callbacks = [FullBatch(evaluations=5)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras: the input ran out of data
        model.fit(one_batch(), shuffle=False, verbose=0, callbacks=callbacks)
    assert model.optimizer.progress["evaluations"] == 5
    model.steps_per_execution = 4
    with pytest.raises(ValueError, match="takes the place of `steps_per_execution`"):
        model.fit(x, y, batch_size=50, verbose=0, callbacks=callbacks)


def test_what_was_compiled_is_not_used_for_another_model():
    model, x, y = task()
    arguments = {"batch_size": 50, "shuffle": False, "verbose": 0}
    model.fit(x, y, callbacks=[FullBatch(3)], **arguments)
    kept = vars(model)["_compiled_with_replacements"][1]
    model.fit(x, y, callbacks=[FullBatch(3)], **arguments)
    assert vars(model)["_compiled_with_replacements"][1] is kept
    model.optimizer.gradient_tolerance = 1e-3
    model.fit(x, y, callbacks=[FullBatch(3)], **arguments)
    assert vars(model)["_compiled_with_replacements"][1] is not kept
    model.layers[0].quantize("float8")  # the optimizer does not know the variables that it makes
    with pytest.raises(ValueError, match="variable"):
        model.fit(x, y, callbacks=[FullBatch(3)], **arguments)


def test_second_derivatives_come_before_several_evaluations():
    model, x, y = task()
    model.compile(Newton(), loss="mse")
    callbacks = [FullBatch(evaluations=5), SecondDerivatives()]
    with pytest.raises(ValueError, match="SecondDerivatives before FullBatch"):
        model.fit(x, y, batch_size=50, verbose=0, callbacks=callbacks)


@pytest.mark.filterwarnings("ignore:LBFGS took no step:RuntimeWarning")
def test_the_next_fit_uses_what_this_one_compiled_and_no_more():
    model, x, y = task()
    arguments = {"batch_size": 50, "shuffle": False, "verbose": 0}
    traced = []
    own = type(model).train_step

    def counting_train_step(self, *given):
        traced.append(1)
        return own(self, *given)

    kind = type("Counting", (type(model),), {"train_step": counting_train_step})
    counting = kind(model.layers)
    counting.compile(LBFGS(), loss="mse", jit_compile=BACKEND == "jax")

    def traces(evaluations, **changed):
        before = len(traced)
        counting.fit(x, y, callbacks=[FullBatch(evaluations)], **(arguments | changed))
        return len(traced) - before

    first = traces(3)
    assert first >= 2
    assert traces(3) == (first if BACKEND == "torch" else 0)  # nothing is compiled on torch
    assert counting.optimizer.progress["evaluations"] == 6
    assert traces(4) >= 2
    assert counting.optimizer.progress["evaluations"] == 10
    assert traces(1, batch_size=16) >= 1
    assert counting.optimizer.progress["evaluations"] == 11
    counting.compile(LBFGS(), loss="mae", jit_compile=BACKEND == "jax")
    assert traces(4) >= 2
    assert counting.optimizer.progress["evaluations"] == 4
    counting.fit(x, y, **arguments)
    assert counting.optimizer.progress["evaluations"] == 5


@pytest.mark.filterwarnings("ignore:LBFGS took no step:RuntimeWarning")
def test_evaluations_after_an_interrupted_fit_are_counted_once():
    model, x, y = task()

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise KeyboardInterrupt

    arguments = {"batch_size": 50, "shuffle": False, "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, callbacks=[FullBatch(3), Interrupt()], **arguments)
    model.fit(x, y, callbacks=[FullBatch(3)], **arguments)
    assert model.optimizer.progress["evaluations"] == 3
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, callbacks=[FullBatch(3), Interrupt()], **arguments)
    model.fit(x, y, **arguments)
    assert model.optimizer.progress["evaluations"] == 4
