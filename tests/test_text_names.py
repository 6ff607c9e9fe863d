"""Parts found by their name as text: ours only where Keras has none of that name."""

import copy
import pickle

import keras
import numpy as np
import pytest
from keras import layers

import keras_dlnotes as kd

OPTIMIZERS = ("LBFGS", "BFGS", "Newton", "NewtonCG", "GaussNewton")
INITIALIZERS = {"he": "He", "xavier": "Xavier", "small_random": "SmallRandom"}
X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
Y = X @ np.array([[1.0], [-2.0], [0.5]], "float32")


def compiled(optimizer):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, kernel_initializer="he")])
    model.compile(optimizer=optimizer, loss="mse")
    return model


@pytest.mark.parametrize("name", [*OPTIMIZERS, *map(str.lower, OPTIMIZERS)])
def test_second_order_optimizers(name, tmp_path):
    part = next(getattr(kd.optimizers, each) for each in OPTIMIZERS if each.lower() == name.lower())
    model = compiled(name)
    assert type(model.optimizer) is part
    assert model.optimizer.get_config() == part().get_config()
    assert keras.optimizers.get(name) is not keras.optimizers.get(name)
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    assert type(keras.models.load_model(tmp_path / "model.keras").optimizer) is part
    again = keras.Sequential.from_config(model.get_config())
    again.compile_from_config(model.get_compile_config())
    assert type(again.optimizer) is part


@pytest.mark.parametrize("seed", [0, 4])
def test_it_trains(seed):
    keras.utils.set_random_seed(seed)
    model = compiled("lbfgs")
    first = model.evaluate(X, Y, verbose=0)
    model.fit(X, Y, batch_size=32, epochs=25, shuffle=False, verbose=0)
    assert model.optimizer.status == "converged"
    # It ends on its way to 0 where the rounding of the loss it began with is passed.
    assert model.evaluate(X, Y, verbose=0) < np.finfo("float32").eps * first


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initializers(name, tmp_path):
    part = getattr(kd.initializers, INITIALIZERS[name])
    layer = layers.Dense(4, kernel_initializer=name)
    assert type(layer.kernel_initializer) is part
    model = keras.Sequential([keras.Input((3,)), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0].kernel_initializer) is part
    assert type(keras.models.clone_model(model).layers[0].kernel_initializer) is part


@pytest.mark.parametrize(
    ("get", "names"),
    [
        (keras.optimizers.get, ["adam", "Adam", "adagrad", "AdaGrad", "RMSProp", "rmsprop", "sgd"]),
        (keras.regularizers.get, ["l1", "l2", "L1", "L2", "L1L2"]),
        (keras.initializers.get, ["he_normal", "HeNormal", "glorot_uniform", "lecun_normal"]),
    ],
)
def test_what_keras_has_remains_keras(get, names):
    for name in names:
        assert type(get(name)).__module__.startswith("keras.src"), name


def test_texts_of_a_configuration_stay_texts():
    """Keras replaces every text that is a custom object's name, a vocabulary's words too."""
    words = ["he", "newton", "xavier", "LBFGS"]
    found = keras.saving.deserialize_keras_object(words)
    assert found == words
    assert all(isinstance(word, str) for word in found)
    nested = keras.saving.deserialize_keras_object({"by": "newton", "words": words})
    assert nested == {"by": "newton", "words": words}
    for word in (
        copy.copy(found[0]),
        copy.deepcopy(found[0]),
        pickle.loads(pickle.dumps(found[0])),
    ):
        assert type(word) is str
        assert word == "he"


class LBFGS(keras.optimizers.SGD):
    """A user's class of that name, which is not registered."""


def test_a_users_class_of_that_name_is_not_taken_for_ours():
    config = keras.saving.serialize_keras_object(LBFGS(0.1))
    with pytest.raises(ValueError, match="register_keras_serializable"):
        keras.saving.deserialize_keras_object(config, custom_objects={"LBFGS": LBFGS})
    with keras.saving.custom_object_scope({"LBFGS": LBFGS}):
        assert type(keras.optimizers.get("LBFGS")) is LBFGS


def test_a_name_that_nobody_has():
    with pytest.raises(ValueError, match="Could not interpret"):
        compiled("lbgfs")
