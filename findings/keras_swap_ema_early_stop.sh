#!/usr/bin/env bash
# Keras: SwapEMAWeights(swap_on_epoch=True) ends with the unaveraged weights when a training stops early.
#
# Guess: after `fit` the model holds the averaged weights, however the training ended, as it does
#   with `use_ema=True` alone.
# Seen: they are there after the last of the planned epochs, but not when EarlyStopping (or any
#   callback that sets `stop_training`) ends the training before: then the model holds the raw
#   weights. EarlyStopping is used without `restore_best_weights`, so no other callback changes weights.
#   After `predict` with the callback the averaged weights stay in the model.
# Cause: in keras/src/callbacks/swap_ema_weights.py `on_epoch_end` has put the raw weights where the
#   averages were, and copies the averages back only `if epoch == params["epochs"] - 1`. `fit` then
#   overwrites the model with what it takes for averages (`finalize_variable_values`).
#   `on_predict_end` asks `if not self._ema_weights_in_model`, the reverse of `on_test_end`.
# Matters: the two callbacks are a usual pair; the file that ModelCheckpoint wrote and the model in
#   memory then differ, and the numbers of the last validation belong to other weights.
# Versions: keras 3.15.1, jax 0.10.2, Python 3.11 (the same with torch 2.13.0 and tensorflow 2.21.0)
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=jax
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import keras
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(64, 4)).astype("float32")
y = (x @ rng.normal(size=(4, 1))).astype("float32")


def new_model():
    model = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.99), "mse")
    return model


class Weights(keras.callbacks.Callback):
    """Keeps the raw and the averaged weights of the last batch."""

    def on_train_batch_end(self, batch, logs=None):
        model = self.model
        self.raw = model.layers[-1].kernel.numpy()
        self.average = model.optimizer._model_variables_moving_average[0].numpy()


def fit(epochs, callbacks, stop):
    model, weights = new_model(), Weights()
    callbacks = [weights, *callbacks]
    if stop:
        callbacks.append(
            # No epoch is better by 1000: the training stops after three epochs.
            keras.callbacks.EarlyStopping("loss", min_delta=1000, patience=2)
        )
    history = model.fit(
        x, y, epochs=epochs, batch_size=16, shuffle=False, verbose=0, callbacks=callbacks
    )
    assert len(history.epoch) == 3
    kernel = model.layers[-1].kernel.numpy()
    raw = np.allclose(kernel, weights.raw, atol=1e-6)
    averaged = np.allclose(kernel, weights.average, atol=1e-6)
    assert raw != averaged
    return "raw" if raw else "averaged"


def swap():
    return keras.callbacks.SwapEMAWeights(swap_on_epoch=True)


seen = {
    "three epochs of three": fit(3, [swap()], stop=False),
    "stopped after three of nine": fit(9, [swap()], stop=True),
    "stopped, without the callback": fit(9, [], stop=True),
}
print(seen)
assert list(seen.values()) == ["averaged", "raw", "averaged"], seen

model = new_model()
model.fit(x, y, verbose=0)
kernel = model.layers[-1].kernel
kernel.assign(np.zeros((4, 1)))
model.optimizer._model_variables_moving_average[0].assign(np.ones((4, 1)))
model.evaluate(x, y, verbose=0, callbacks=[keras.callbacks.SwapEMAWeights()])
after_evaluate = kernel.numpy().ravel().tolist()
model.predict(x, verbose=0, callbacks=[keras.callbacks.SwapEMAWeights()])
after_predict = kernel.numpy().ravel().tolist()
print("raw weights of 0: after evaluate", after_evaluate, "after predict", after_predict)
assert after_evaluate == [0.0] * 4 and after_predict == [1.0] * 4
PY
"$dir/venv/bin/python" "$dir/check.py"
