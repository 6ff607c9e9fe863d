"""Steps are batches seen: whatever updates the weights, a second `fit` writes no step again."""

import keras
import numpy as np
import pytest

from keras_dlnotes.callbacks import TrainingMonitor
from keras_dlnotes.instrumentation import train_step_number
from keras_dlnotes.summaries import MemoryWriter

BACKEND = keras.backend.backend()
X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
Y = X[:, :1]


def fit(model, *callbacks, y=Y, **options):
    options = {"batch_size": 8, "verbose": 0, "epochs": 2, "shuffle": False} | options
    model.fit(X, y, callbacks=list(callbacks), **options)


def monitor():
    return TrainingMonitor(writer=MemoryWriter(), every=1)


def steps(*monitors):
    """The recorded steps, in the order in which they were written."""
    found = []
    for watch in monitors:
        found += [step for step, _ in watch.writer.scalars["activations/only/mean"]]
    return found


def layers():
    return [keras.Input((3,)), keras.layers.Dense(1, name="only")]


@keras.saving.register_keras_serializable("test_train_step_number")
class OwnStep(keras.Sequential):
    """Updates its weights as it likes: `updates` says how often, with which optimizers."""

    def prepare(self, updates, keep=lambda *optimizers: optimizers):
        self.seen = 0
        self.updates = updates
        self.own_optimizers = keep(keras.optimizers.SGD(0.01), keras.optimizers.SGD(0.01))
        self.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=True)
        for optimizer in self.two():
            optimizer.build(self.trainable_variables)
        return self

    def two(self):
        own = self.own_optimizers
        return list(own.values() if isinstance(own, dict) else own)

    def chosen(self):
        """The optimizers that update at this batch."""
        self.seen += 1
        first, second = [self.optimizer] * 2 if BACKEND == "jax" else self.two() or [None] * 2
        return {
            "several": [first, first, second],
            "seldom": [second] if self.seen % 2 else [],
            "none": [],
        }[self.updates]

    def train_step(self, *arguments):
        return {"jax": self._jax, "tensorflow": self._tensorflow, "torch": self._torch}[BACKEND](
            *arguments
        )

    def _tensorflow(self, data):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = keras.ops.mean((self(data[0], training=True) - data[1]) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        for optimizer in self.chosen():
            optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}

    def _torch(self, data):
        import torch

        self.zero_grad()
        loss = keras.ops.mean((self(data[0], training=True) - data[1]) ** 2)
        loss.backward()
        gradients = [v.value.grad for v in self.trainable_variables]
        with torch.no_grad():
            for optimizer in self.chosen():
                optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}

    def _jax(self, state, data):
        import jax

        trainable, non_trainable, optimizer_variables, metrics = state

        def loss_of(trainable):
            outputs, changed = self.stateless_call(trainable, non_trainable, data[0], training=True)
            return keras.ops.mean((outputs - data[1]) ** 2), changed

        (loss, non_trainable), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable)
        for optimizer in self.chosen():
            trainable, optimizer_variables = optimizer.stateless_apply(
                optimizer_variables, gradients, trainable
            )
        return {"loss": loss}, (trainable, non_trainable, optimizer_variables, metrics)


@pytest.mark.parametrize("updates", ["several", "seldom", "none"])
@pytest.mark.parametrize("other_monitor", [False, True])
def test_a_train_step_of_the_users_own(updates, other_monitor):
    model = OwnStep(layers()).prepare(updates)
    first, second = monitor(), monitor()
    fit(model, first)
    fit(model, second if other_monitor else first)
    fit(model, second, epochs=1)
    assert steps(first, second) == list(range(20))
    assert train_step_number(model) == 20


@pytest.mark.skipif(BACKEND == "jax", reason="JAX's trainer keeps the state of one optimizer")
@pytest.mark.parametrize("keep", [lambda *own: own, lambda *own: dict(zip("dg", own, strict=True))])
def test_two_optimizers_of_a_model_in_a_new_process(keep):
    """Nothing is known of the fit before but what the optimizers have counted."""
    model = OwnStep(layers()).prepare("seldom", keep)
    fit(model)  # not observed
    watch = monitor()
    assert train_step_number(model) == 4
    fit(model, watch, epochs=1)
    assert steps(watch) == [4, 5, 6, 7]
    assert model.optimizer.iterations == 0


def test_a_fit_that_another_callback_ended_and_one_that_is_not_observed():
    class Boom(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyError("boom")

    model = OwnStep(layers()).prepare("none")
    first, second = monitor(), monitor()
    with pytest.raises(KeyError):
        fit(model, first, Boom())
    fit(model, second)
    recorded = steps(first, second)
    assert sorted(set(recorded)) == recorded
    plain = keras.Sequential(layers())
    plain.compile("sgd", "mse")
    fit(plain, first, epochs=1)
    fit(plain)
    fit(plain, second, epochs=1)
    assert steps(second)[-4:] == [12, 13, 14, 15]


def test_a_model_without_an_optimizer():
    model = OwnStep(layers()).prepare("none")
    model.own_optimizers = []
    # JAX's trainer asks for one.
    model.compile("sgd" if BACKEND == "jax" else None, "mse", run_eagerly=True)
    watch = monitor()
    assert train_step_number(model) == 0
    fit(model, watch)
    fit(model, watch)
    assert steps(watch) == list(range(16))


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_a_loss_scale_optimizer_skips_batches_that_count(tmp_path):
    model = keras.Sequential(layers())
    inner = keras.optimizers.SGD(0.01)
    model.compile(keras.optimizers.LossScaleOptimizer(inner), "mse")
    y = Y.copy()
    y[8] = np.inf  # the second batch of each epoch
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "start.keras")
    first, second = monitor(), monitor()
    fit(model, first, y=y)
    assert int(inner.iterations) == 6
    fit(model, second)
    assert steps(first, second) == list(range(16))
    model.load_weights(tmp_path / "start.keras")
    assert train_step_number(model) == 0


@pytest.mark.parametrize("accumulated", [None, 3])
def test_a_second_fit_a_saved_model_and_weights_of_an_earlier_step(accumulated, tmp_path):
    model = keras.Sequential(layers())
    optimizer = keras.optimizers.SGD(0.01, gradient_accumulation_steps=accumulated)
    model.compile(optimizer, "mse")
    watch = monitor()
    fit(model, watch)
    model.save(tmp_path / "model.keras")
    fit(model, watch)
    assert steps(watch) == list(range(16))
    loaded, other = keras.saving.load_model(tmp_path / "model.keras"), monitor()
    fit(loaded, other, epochs=1)
    assert steps(other) == [8, 9, 10, 11]
    # Of the same model: what comes after the earlier step is trained, and written, again.
    model.load_weights(tmp_path / "model.keras")
    assert train_step_number(model) == 8
    # Compiled anew it begins anew.
    model.compile("sgd", "mse")
    assert train_step_number(model) == 0
