"""Docstring examples: complete ones run, and all of them name what is there, with its arguments."""

import ast
import builtins
import importlib
import inspect
import re

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from tests.test_reference import public_names

EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a reader of any example has imported.
IMPORTED = {"kd": kd, "keras": keras, "np": np}
# What a reader has made, and says what it is.
OWN = {
    *("MyLayer", "build", "clean", "dataset", "diagnosis", "masks", "model", "noisy", "optuna"),
    *("pandas", "images", "search", "x", "x_val", "x_validation", "y", "y_val", "y_validation"),
}
# These show what earlier runs have left in files.
NEED_FILES = {"layers_over_steps", "scale_by_depth"}
OPTIONAL = {"mlflow", "wandb"}
# Takes half a minute.
SLOW = {"repair"}


def examples():
    """Each example of a public class, method or function, with the name to show."""
    seen = set()
    for parameter in public_names():
        module, name = parameter.values
        item = getattr(module, name)
        if id(item) in seen or not callable(item):
            continue
        seen.add(id(item))
        documented = [(name, item)]
        if inspect.isclass(item):
            methods = ((key, value) for key, value in vars(item).items() if key[0] != "_")
            documented += [(f"{name}.{key}", value) for key, value in methods]
        for shown, each in documented:
            text = inspect.cleandoc(getattr(each, "__doc__", None) or "")
            for number, example in enumerate(EXAMPLE.findall(text)):
                yield pytest.param(example, id=f"{shown}-{number}" if number else shown)


def free_names(tree):
    """The names that an example uses and neither makes nor imports."""
    nodes = list(ast.walk(tree))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    made |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    made |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            made |= {alias.asname or alias.name for alias in node.names}
    return {node.id for node in names} - made - set(vars(builtins))


def is_complete(parameter):
    (example,) = parameter.values
    return free_names(ast.parse(example)) <= set(IMPORTED) and parameter.id not in NEED_FILES


def with_marks(parameter):
    marks = [pytest.mark.slow] if parameter.id in SLOW else []
    return pytest.param(*parameter.values, id=parameter.id, marks=marks)


def found(node, names):
    """The object that `kd.part.name` stands for; None where it starts from something else."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = found(node.value, names)
        return None if owner is None else getattr(owner, node.attr)
    return None


def check_call(node, function):
    """Raises a TypeError where a function does not take the arguments of a call."""
    of_class = inspect.isclass(function)
    if of_class:
        function = function.__init__  # Keras's `__new__` takes anything
    try:
        signature = inspect.signature(function)
    except ValueError:  # written in C
        return
    given = [None for argument in node.args if not isinstance(argument, ast.Starred)]
    keywords = {keyword.arg: None for keyword in node.keywords if keyword.arg is not None}
    whole = len(given) + len(keywords) >= len(node.args) + len(node.keywords)
    given = [None, *given] if of_class else given
    (signature.bind if whole else signature.bind_partial)(*given, **keywords)


def check(example):
    """Raises an error where an example names something that is not there."""
    tree = ast.parse(example)
    unknown = free_names(tree) - set(IMPORTED) - OWN
    assert not unknown
    names = dict(IMPORTED)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module not in OPTIONAL:
            module = importlib.import_module(node.module)
            names |= {
                alias.asname or alias.name: getattr(module, alias.name) for alias in node.names
            }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found(node, names)
        if isinstance(node, ast.Call) and (function := found(node.func, names)) is not None:
            check_call(node, function)


ALL = list(examples())


def test_there_are_examples():
    assert len(ALL) > 50
    assert sum(map(is_complete, ALL)) > 20


@pytest.mark.any_backend
@pytest.mark.parametrize("example", ALL)
def test_an_example_names_what_is_there(example):
    check(example)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "example",
    [
        "kd.stopping.Patience(checks=3)",
        "kd.stopping.Patients(3)",
        "keras.layers.Dense()",
        "model.fit(inputs)",
    ],
)
def test_a_wrong_example_is_found(example):
    with pytest.raises((AssertionError, AttributeError, TypeError)):
        check(example)


@pytest.mark.any_backend
@pytest.mark.filterwarnings("ignore:.*softmax over axis")
@pytest.mark.parametrize("example", [with_marks(each) for each in ALL if is_complete(each)])
def test_a_complete_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    exec(compile(example, "example", "exec"), dict(IMPORTED))
