import logging

import keras
import numpy as np
import pytest

from keras_dlnotes.callbacks import Diagnosis, EarlyStopping
from keras_dlnotes.stopping import TimeBudget

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


@pytest.fixture
def logged_only():
    keras.config.disable_interactive_logging()
    yield
    keras.config.enable_interactive_logging()


def fit():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    stopping = EarlyStopping("loss", criterion=TimeBudget(seconds=1e-9), verbose=1)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[Diagnosis(), stopping])


def test_messages_are_printed_and_logged(capsys, caplog):
    with caplog.at_level(logging.INFO, logger="keras_dlnotes"):
        fit()
    printed = capsys.readouterr().out
    for text in ("early stopping at step", "Diagnosis"):
        assert text in printed
        assert text in caplog.text


@pytest.mark.usefixtures("logged_only")
def test_messages_are_logged_where_keras_prints_none(capsys, caplog):
    with caplog.at_level(logging.INFO, logger="keras_dlnotes"):
        fit()
    assert capsys.readouterr().out == ""
    assert "early stopping at step" in caplog.text
    assert {record.name for record in caplog.records} == {"keras_dlnotes"}
