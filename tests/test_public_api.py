"""What a user can reach is listed, sorted, documented and survives its own configuration."""

import copy
import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from tests.landscape_model import constant

PACKAGES = sorted(
    name
    for _, name, is_package in pkgutil.walk_packages(kd.__path__, "keras_dlnotes.")
    if is_package and not name.startswith("keras_dlnotes.backend.")
)
# Arguments for classes that cannot be made without any.
ARGUMENTS: dict[str, dict] = {
    "AllOf": {"criteria": [kd.stopping.Patience(3), kd.stopping.TimeBudget(60)]},
    "AnyOf": {"criteria": [kd.stopping.Patience(3), kd.stopping.TimeBudget(60)]},
    "Box": {"low": -0.5, "high": 2.0},
    "ContinueAugmentation": {
        "data": kd.augmentation.expand(np.zeros((16, 4, 4, 1), "float32"), [kd.augmentation.flip()])
    },
    "DropoutPenalty": {"layer": keras.layers.Dense(4)},
    "PreciseBatchStatistics": {"data": np.random.default_rng(0).normal(size=(16, 3))},
}


def public_classes():
    for part in kd.__all__:
        namespace = getattr(kd, part)
        if inspect.ismodule(namespace):
            for name in namespace.__all__:
                item = getattr(namespace, name)
                if inspect.isclass(item):
                    yield pytest.param(item, id=f"{part}.{name}")


def classes_to_make():
    """The public classes that users make objects of, by what these are."""
    kinds = {"callbacks": [], "saved": [], "searches": []}
    for parameter in public_classes():
        (item,) = parameter.values
        kind = "saved"
        if issubclass(item, keras.callbacks.Callback):
            kind = "callbacks"
        elif item.__module__.startswith("keras_dlnotes.tuning."):
            if not issubclass(item, kd.tuning.Search):
                continue  # a search makes them
            kind = "searches"
        if not inspect.isabstract(item):
            kinds[kind].append(parameter)
    return kinds


@pytest.mark.parametrize("name", ["keras_dlnotes", *PACKAGES])
def test_all_is_complete_and_sorted(name):
    module = importlib.import_module(name)
    assert module.__all__ == sorted(module.__all__)
    public = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (
            (inspect.isclass(value) or inspect.isfunction(value))
            and value.__module__.startswith("keras_dlnotes")
        )
    }
    assert public <= set(module.__all__)
    for key in module.__all__:
        assert hasattr(module, key)


@pytest.mark.parametrize("item", list(public_classes()))
def test_docstring_shows_a_formula_or_an_example(item):
    text = inspect.getdoc(item)
    assert text
    assert "```" in text or "Formula" in text or ">>>" in text


@pytest.mark.parametrize("item", classes_to_make()["saved"])
def test_configuration_round_trip(item):
    first = item(**ARGUMENTS.get(item.__name__, {}))
    config = first.get_config()
    second = item.from_config(config)
    assert second.get_config() == config
    registered = keras.saving.get_registered_name(item)
    assert (
        registered
        == f"keras_dlnotes>{item.__name__.removeprefix('Training')} (import keras_dlnotes)"
    )
    serialized = keras.saving.serialize_keras_object(first)
    assert type(keras.saving.deserialize_keras_object(serialized)) is item


@pytest.mark.parametrize("item", classes_to_make()["callbacks"])
def test_a_callback_keeps_its_arguments(item):
    """As attributes of the same names, as Keras's do: they have no configuration."""
    given = ARGUMENTS.get(item.__name__, {})
    callback = item(**given)
    copied = copy.deepcopy(callback)
    for name, parameter in inspect.signature(item).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        value, expected = getattr(callback, name), given.get(name, parameter.default)
        assert value is expected or expected is None or value == expected
        assert type(getattr(copied, name)) is type(value)
    with pytest.raises(TypeError, match="unheard_of"):
        item(**given, unheard_of=1)


@pytest.mark.parametrize("item", classes_to_make()["searches"])
def test_a_search_is_resumed_from_its_folder(item, tmp_path):
    settings = {"directory": tmp_path, "name": "study", "seed": 5, "verbose": 0}

    def search(max_trials, **different):
        def build(hp):
            return constant(hp.Choice("x", [1.0, 2.0, 3.0, 4.0]))

        return item(build, "loss", max_trials, **settings | different)

    first = search(2).run()
    assert len(first) == 2
    assert search(2).results() == first
    assert search(2).run() == first
    assert search(3).run()[:2] == first
    assert len(search(3).results()) == 3
    with pytest.raises(ValueError, match="'seed': 6"):
        search(3, seed=6).run()
