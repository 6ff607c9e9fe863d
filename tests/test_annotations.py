"""The wheel is marked as typed: whatever a user can call says what it takes and returns."""

import functools
import importlib
import inspect
import pkgutil
import typing

import pytest

import keras_dlnotes as kd

pytestmark = pytest.mark.any_backend

PACKAGES = [
    "keras_dlnotes",
    *sorted(
        name
        for _, name, is_package in pkgutil.walk_packages(kd.__path__, "keras_dlnotes.")
        if is_package and not name.startswith("keras_dlnotes.backend")
    ),
]
# Python itself calls these for a class that is called, and for its objects.
CALLED = ("__init__", "__call__", "__getitem__")


def functions_of(module):
    """Each function of `__all__`, and each public method of a class of it, by a name to show."""
    for name in module.__all__:
        item = getattr(module, name)
        if inspect.isfunction(item):
            yield name, item, False
        elif inspect.isclass(item):
            for method, function, is_bound in methods_of(item):
                yield f"{name}.{method}", function, is_bound


def methods_of(item):
    """The public methods and properties of a class that this package defines, inherited ones too.

    Yields:
        The name, the function, and whether its first parameter is the object or the class.
    """
    seen = set(getattr(item, "__dataclass_fields__", ()))  # a function may be a default
    for base in item.__mro__:
        for name, attribute in vars(base).items():
            is_public = not name.startswith("_") or name in CALLED
            if not is_public or name in seen or not base.__module__.startswith(kd.__name__):
                continue
            seen.add(name)
            if isinstance(attribute, property):
                attribute = attribute.fget
            elif isinstance(attribute, functools.cached_property):
                attribute = attribute.func
            is_static = isinstance(attribute, staticmethod)
            function = getattr(attribute, "__func__", attribute)
            if inspect.isfunction(function):
                yield name, function, not is_static


def without_annotation(function, is_bound):
    """The names of the parameters without an annotation, and "return" without one."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[is_bound:]
    missing = [p.name for p in parameters if p.annotation is inspect.Parameter.empty]
    if signature.return_annotation is inspect.Signature.empty:
        missing.append("return")
    return missing


@pytest.mark.parametrize("package", PACKAGES)
def test_each_public_callable_is_annotated(package):
    module = importlib.import_module(package)
    found = {
        name: missing
        for name, function, is_bound in functions_of(module)
        if (missing := without_annotation(function, is_bound))
    }
    assert not found


@pytest.mark.parametrize("package", PACKAGES)
def test_each_annotation_names_something_that_is_there(package):
    for _, function, _ in functions_of(importlib.import_module(package)):
        typing.get_type_hints(function)


def test_what_is_not_annotated_is_found():
    class Partly:
        def __init__(self, first: int, second):
            self.first = first

        @property
        def half(self):
            return self.first / 2

        @functools.cached_property
        def third(self) -> float:
            return self.first / 3

        @classmethod
        def made(cls, *numbers, **settings: int):
            return cls(*numbers, **settings)

        def _private(self, value):
            return value

    Partly.__module__ = f"{kd.__name__}.example"
    found = {name: without_annotation(f, is_bound) for name, f, is_bound in methods_of(Partly)}
    assert found == {
        "__init__": ["second", "return"],
        "half": ["return"],
        "third": [],
        "made": ["numbers", "return"],
    }
