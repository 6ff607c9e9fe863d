"""A resumed training gets the augmented images that it would have got."""

import keras
import numpy as np
import pytest

import keras_dlnotes as kd


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


class Batches(keras.utils.PyDataset):
    num_batches = 2

    def __getitem__(self, index):
        x, y = data()
        return x[4 * index :][:4], y[4 * index :][:4]


def data():
    x = np.random.default_rng(0).normal(size=(8, 5, 5, 1)).astype("float32")
    return x, x[:, :1, 0, 0]


def model_and_set(source):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((5, 5, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(0.05), "mse")
    return model, kd.augmentation.expand(source(), [kd.augmentation.rotate(0.5)], 2, seed=1)


@pytest.mark.parametrize("source", [data, Batches])
def test_resumed_as_if_never_stopped(source, tmp_path):
    def fit(*callbacks, continued=True):
        model, train = model_and_set(source)
        more = [kd.callbacks.ContinueAugmentation(train)] if continued else []
        model.fit(train, epochs=4, verbose=0, shuffle=False, callbacks=[*callbacks, *more])
        return model.get_weights()[0]

    def backup(folder):
        return keras.callbacks.BackupAndRestore(tmp_path / folder)

    for continued, whole in ((True, fit()), (False, fit(continued=False))):
        folder = f"continued {continued}"
        with pytest.raises(KeyboardInterrupt):
            fit(backup(folder), Stop(), continued=continued)
        resumed = fit(backup(folder), continued=continued)
        assert np.array_equal(resumed, whole) is continued


def test_what_is_refused():
    with pytest.raises(TypeError, match="made of arrays or of a PyDataset"):
        kd.callbacks.ContinueAugmentation(data())
