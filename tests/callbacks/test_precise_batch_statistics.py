"""Statistics recomputed over data are those of the data, where and when they are wanted."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_dlnotes.callbacks import PreciseBatchStatistics
from keras_dlnotes.layers import BatchNormalization


def data(examples=40):
    return np.random.default_rng(0).normal(3, 2, (examples, 5, 4)).astype("float32")


def network(first):
    hidden = keras.Input((3,))
    second = layers.BatchNormalization(renorm=True)
    return keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.Masking(),
            first,
            layers.Dropout(0.5),
            layers.Dense(3, activation="relu"),
            layers.GlobalAveragePooling1D(),
            keras.Model(hidden, layers.Dense(1)(second(hidden))),
        ]
    )


class Recorder(keras.callbacks.Callback):
    """The first normalization's variance, as validation and the end of an epoch find it."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_test_begin(self, logs=None):
        self.seen.append(ops.convert_to_numpy(self.model.layers[1].moving_variance))

    def on_epoch_end(self, epoch, logs=None):
        self.on_test_begin()


@pytest.mark.parametrize(
    "make",
    [lambda: BatchNormalization(unbiased=True, ghost_batch_size=4), layers.BatchNormalization],
    ids=["ours", "keras"],
)
def test_exactly_the_variance_of_all_data_before_validation_and_after(make):
    x = data()
    x[::3, 2:] = 0  # masked
    shown = x[np.any(x != 0, axis=-1)].astype("float64")
    model = network(make())
    model.compile("sgd", "mse")
    recorder = Recorder()
    callbacks = [PreciseBatchStatistics((x, x), batch_size=20), recorder]
    y = x[:, 0, :1]
    model.fit(x, y, 20, validation_data=(x, y), verbose=0, callbacks=callbacks)
    first = model.layers[1]
    ddof = 1 if isinstance(first, BatchNormalization) else 0
    assert len(recorder.seen) == 2
    for variance in recorder.seen:
        np.testing.assert_allclose(variance, shown.var(0, ddof=ddof), rtol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(first.moving_mean), shown.mean(0), rtol=1e-5)
    # At inference the second normalization centres what it was centred on.
    second = model.layers[-1].layers[1]
    hidden = keras.Model(model.inputs, model.layers[-2].output).predict(x, verbose=0)
    np.testing.assert_allclose(ops.convert_to_numpy(second.moving_mean), hidden.mean(0), rtol=0.1)
    assert "call" not in vars(first)


def test_batches_in_every_form_and_only_at_the_end():
    x = data()

    class Batches(keras.utils.PyDataset):
        num_batches = 2

        def __getitem__(self, index):
            return x[20 * index : 20 * (index + 1)], x[:20]

    for given, taken in (
        (x, x),
        (Batches(), x),
        ([(x[:20],), (x[20:],)], x),
        (PreciseBatchStatistics(x, batch_size=20, batches=1, every_epoch=False), x[:20]),
    ):
        callback = given
        if not isinstance(given, PreciseBatchStatistics):
            callback = PreciseBatchStatistics(given, batch_size=20, every_epoch=False)
        model = network(BatchNormalization(momentum=None))
        callback.set_model(model)
        callback.on_epoch_end(0)
        assert float(model.layers[1].total_weight) == 0
        callback.on_train_batch_end(0)
        callback.on_train_end()
        expected = taken.reshape(-1, 4).astype("float64").mean(0)
        np.testing.assert_allclose(
            ops.convert_to_numpy(model.layers[1].moving_mean), expected, rtol=1e-5
        )
        assert float(model.layers[1].total_weight) == taken.size / 4


class Endless(keras.utils.PyDataset):
    num_batches = None

    def __getitem__(self, index):
        return (data(),)


def test_frozen_normalizations_keep_their_statistics():
    model = network(BatchNormalization())
    first, second = model.layers[1], model.layers[-1].layers[1]
    first.trainable = False
    callback = PreciseBatchStatistics(data())
    callback.set_model(model)
    callback.recompute()
    assert float(first.total_weight) == 0
    assert np.all(ops.convert_to_numpy(second.moving_mean) != 0)


def test_what_is_refused():
    with pytest.raises(ValueError, match="iterator"):
        PreciseBatchStatistics(iter([data()]))
    for batches in (-1, 0):
        with pytest.raises(ValueError, match="`batches`"):
            PreciseBatchStatistics(data(), batches=batches)
    with pytest.raises(ValueError, match="Expected inputs as an array"):
        PreciseBatchStatistics(3)
    with pytest.raises(ValueError, match="come to an end"):
        PreciseBatchStatistics(Endless())
    assert PreciseBatchStatistics(Endless(), batches=2).batches == 2
    callback = PreciseBatchStatistics(data())
    with pytest.raises(ValueError, match="at least one BatchNormalization"):
        callback.set_model(keras.Sequential([layers.Dense(1)]))
    empty = PreciseBatchStatistics([])
    empty.set_model(network(BatchNormalization()))
    with pytest.raises(ValueError, match="at least one batch"):
        empty.recompute()
