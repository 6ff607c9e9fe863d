"""Files of the first version load; files of this one load right, or say what is to be imported.

`saved_files/` was written by version 0.1.0 on TensorFlow: models in Keras's three formats, every
class that Keras saves as JSON, those without variables pickled, and what was to be seen then.
"""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_dlnotes as kd

OLD = Path(__file__).parent / "saved_files"
EXPECTED = json.loads((OLD / "expected.json").read_text())
OBJECTS = json.loads((OLD / "objects.json").read_text())


def class_of(name):
    parts = (kd.optimizers, kd.initializers, kd.regularizers, kd.layers, kd.stopping)
    return next(getattr(part, name) for part in parts if name in part.__all__)


def penalized_model():
    penalty = kd.regularizers.L1L2(0.1, 0.2)
    start = keras.Input((3,))
    x = keras.layers.Dense(4, kernel_regularizer=penalty)(start)
    x = kd.layers.BatchNormalization(gamma_regularizer=kd.regularizers.L2(0.3))(x)
    inner = keras.layers.Dense(2, kernel_initializer=kd.initializers.He(), bias_regularizer="l1")
    inner.bias_regularizer = kd.regularizers.L1(0.3)
    model = keras.Model(start, keras.Sequential([inner])(x))
    model.compile(kd.optimizers.Adam(0.01), keras.losses.MeanSquaredError())
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_model_of_the_first_version_predicts_the_same_and_goes_on(name):
    model = keras.models.load_model(OLD / name)
    x = np.array(EXPECTED["x"], "float32")
    outputs = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(outputs, EXPECTED[name], rtol=1e-4, atol=1e-5)
    kind = kd.optimizers.Adam if name == "model.keras" else kd.optimizers.AdaGrad
    assert type(model.optimizer) is kind
    assert int(model.optimizer.iterations) == 4
    if name == "model.keras":  # Keras's optimizers, too, cannot go on after HDF5 on JAX
        model.fit(x, np.zeros_like(outputs), epochs=1, verbose=0)
        assert int(model.optimizer.iterations) == 5


def test_regularizers_of_a_model_of_the_first_version_are_ours():
    penalties = kd.regularizers.penalties_by_layer(keras.models.load_model(OLD / "model.keras"))
    # Paths of layers depend on where a model was made.
    expected = list(EXPECTED["penalties"].values())
    assert list(penalties.values()) == pytest.approx(expected, rel=1e-5)
    from_json = keras.models.model_from_json((OLD / "model.json").read_text())
    assert list(kd.regularizers.penalties_by_layer(from_json)) == list(penalties)


def without_names(config):
    """A configuration without the names of classes and modules, which are others by now."""
    if isinstance(config, list):
        return [without_names(each) for each in config]
    if not isinstance(config, dict):
        return config
    names = ("class_name", "module", "registered_name")
    kept = {key: config[key] for key in config if key not in names}
    return {key: without_names(value) for key, value in kept.items()}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_of_the_first_version_is_read(name):
    loaded = keras.saving.deserialize_keras_object(OBJECTS[name])
    assert type(loaded) is class_of(name)
    before = OBJECTS[name]["config"]
    again = keras.saving.serialize_keras_object(loaded)["config"]
    assert without_names({key: again[key] for key in before}) == without_names(before)


def test_pickles_of_the_first_version_are_read():
    for name, item in pickle.loads((OLD / "objects.pickle").read_bytes()).items():
        assert type(item) is class_of(name)
        assert type(pickle.loads(pickle.dumps(item))) is class_of(name)


def test_constructors_take_their_own_configuration():
    for item in (kd.optimizers.Adam(0.1), kd.optimizers.LBFGS(), kd.regularizers.L1L2(0.1, 0.2)):
        assert type(item)(**item.get_config()).get_config() == item.get_config()


READ = """
import json, pickle, sys
import keras

folder = sys.argv[1]
objects = json.loads(open(folder + "/objects.json").read())
layers = [
    {**objects["Dense"], "config": {**objects["Dense"]["config"], "kernel_regularizer": each}}
    for each in (objects["L1"], objects["L2"], objects["L1L2"])
]
readers = {
    "keras": lambda: keras.models.load_model(folder + "/model.keras"),
    "uncompiled": lambda: keras.models.load_model(folder + "/model.keras", compile=False),
    "optimizer": lambda: keras.models.load_model(folder + "/bare.keras"),
    "h5": lambda: keras.models.load_model(folder + "/model.h5"),
    "json": lambda: keras.models.model_from_json(open(folder + "/model.json").read()),
    "pickle": lambda: pickle.loads(open(folder + "/model.pickle", "rb").read()),
}
readers |= {f"layer {i}": (lambda c=c: keras.layers.deserialize(c)) for i, c in enumerate(layers)}
for name, config in objects.items():
    if name != "Dense":
        readers[name] = lambda c=config: keras.saving.deserialize_keras_object(c)
        part = config["module"].split(".")[1]
        if part in ("optimizers", "initializers", "regularizers"):
            readers["get " + name] = lambda c=config, p=part: getattr(keras, p).get(c)
outcomes = {}
for name, read in readers.items():
    try:
        outcomes[name] = repr(read())
    except Exception as error:
        outcomes[name] = str(error)
print(json.dumps(outcomes))
"""


def test_without_the_import_every_file_names_it_and_none_is_taken_for_keras_own(tmp_path):
    model = penalized_model()
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    (tmp_path / "model.json").write_text(model.to_json())
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    bare = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    bare.compile(kd.optimizers.RMSProp(), "mse")
    bare.optimizer.build(bare.trainable_variables)
    bare.save(tmp_path / "bare.keras")
    objects = {
        name: keras.saving.serialize_keras_object(keras.saving.deserialize_keras_object(config))
        for name, config in OBJECTS.items()
    }
    objects["Dense"] = keras.saving.serialize_keras_object(keras.layers.Dense(2))
    (tmp_path / "objects.json").write_text(json.dumps(objects))
    program = [sys.executable, "-W", "ignore", "-c", READ, str(tmp_path)]
    result = subprocess.run(program, capture_output=True, text=True, check=True, timeout=300)
    outcomes = json.loads(result.stdout.splitlines()[-1])
    assert len(outcomes) > len(OBJECTS)
    silent = {name: text for name, text in outcomes.items() if "import keras_dlnotes" not in text}
    assert not silent


def test_a_new_file_is_read_with_the_same_classes(tmp_path):
    model = penalized_model()
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    model.fit(x, x[:, :2], epochs=2, verbose=0)
    expected = keras.ops.convert_to_numpy(model(x))
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        loaded = keras.models.load_model(tmp_path / name)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(loaded(x)), expected)
        assert type(loaded.optimizer) is kd.optimizers.Adam
        assert type(loaded.layers[1].kernel_regularizer) is kd.regularizers.L1L2
        assert type(loaded.layers[2]) is kd.layers.BatchNormalization
        penalties = [kd.regularizers.penalties_by_layer(each).values() for each in (model, loaded)]
        assert list(penalties[1]) == pytest.approx(list(penalties[0]))
