import keras
import numpy as np
import pytest
from keras import ops

from keras_dlnotes.backend.float64 import true_float64
from keras_dlnotes.callbacks import FullBatch, StopWhenConverged
from keras_dlnotes.optimizers import LBFGS

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
