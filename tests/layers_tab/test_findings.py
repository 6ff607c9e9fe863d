"""What Diagnosis found stands in the run's folder, at a layer that the tab knows."""

import json

import keras
import numpy as np
import pytest

from keras_dlnotes.callbacks import Diagnosis, TrainingMonitor
from keras_dlnotes_layers.event_files import read_run

X = np.random.default_rng(0).normal(size=(256, 6)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


def network(nested):
    keras.utils.set_random_seed(0)
    dead = keras.layers.Dense(
        16, activation="relu", bias_initializer=keras.initializers.Constant(-50.0), name="dead"
    )
    hidden = keras.layers.Dense(16, activation="relu", name="hidden")
    inner = [keras.Sequential([hidden, dead], name="inner")] if nested else [hidden, dead]
    output = keras.layers.Dense(1, activation="sigmoid", name="output")
    return keras.Sequential([keras.Input((6,)), *inner, output])


@pytest.mark.parametrize("nested", [False, True])
def test_findings_name_layers_of_the_tab(tmp_path, nested):
    model = network(nested)
    model.compile("adam", "binary_crossentropy")
    diagnosis = Diagnosis(log_dir=tmp_path, verbose=False)
    watch = TrainingMonitor(tmp_path, every=2)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[watch, diagnosis])
    history, found = read_run(tmp_path)
    assert found == json.loads(diagnosis.to_json())
    dead = next(finding for finding in found if finding["cause"] == "dead_units")
    assert dead["layer"] in [layer["name"] for layer in history.layers]
