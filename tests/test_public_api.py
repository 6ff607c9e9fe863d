"""What a user can reach is listed, sorted, documented and survives its own configuration."""

import importlib
import inspect
import pkgutil

import keras
import pytest

import keras_dlnotes as kd

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
    "DropoutPenalty": {"layer": keras.layers.Dense(4)},
}


def public_classes():
    for part in kd.__all__:
        namespace = getattr(kd, part)
        if inspect.ismodule(namespace):
            for name in namespace.__all__:
                item = getattr(namespace, name)
                if inspect.isclass(item):
                    yield pytest.param(item, id=f"{part}.{name}")


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


@pytest.mark.parametrize("item", list(public_classes()))
def test_configuration_round_trip(item):
    if inspect.isabstract(item):
        return
    if issubclass(item, keras.callbacks.Callback):
        return  # Keras does not save callbacks
    if item.__module__.startswith("keras_dlnotes.tuning."):
        return  # a search is resumed from its folder, not from a configuration
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
