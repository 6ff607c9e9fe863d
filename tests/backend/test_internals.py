"""The tables of other libraries' private names: each is there, and none is used past them."""

import dataclasses
import functools
import importlib
import pkgutil
import re
import subprocess
import sys
import types
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.backend import internals, private_names
from keras_dlnotes.backend.private_names import (
    Attribute,
    Folder,
    Imported,
    Overridden,
    Prefix,
    PrivateNameError,
)
from keras_dlnotes.instrumentation import find_watched_layers
from tools import count

BACKEND = keras.backend.backend()
LIBRARY = importlib.import_module(f"keras_dlnotes.backend.{BACKEND}.internals")
TABLES = {"keras": internals, BACKEND: LIBRARY}
if hasattr(kd, "tuning"):
    TABLES["optuna"] = importlib.import_module("keras_dlnotes.tuning.internals")
ENTRIES = {
    f"{library} {name}": entry
    for library, table in TABLES.items()
    for name, entry in private_names.entries(table).items()
    if BACKEND in entry.backends
}
VERSIONS = (Path(__file__).parents[2] / "docs" / "versions.md").read_text()
METHODS = (types.FunctionType, property, classmethod, staticmethod)
LIBRARIES = ("keras", "tensorflow", "jax", "torch", "optuna", "tensorboard")


class OneOfItsOwn(keras.Model):
    """A model of a class of one's own."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def trained(model, *callbacks):
    """The model, compiled with all that Keras knows, after an epoch."""
    optimizer = keras.optimizers.SGD(0.01, use_ema=True)
    model.compile(optimizer, "mse", metrics=["mae"], weighted_metrics=["mse"])
    x, y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    model.fit(x, y, validation_data=(x, y), verbose=0, callbacks=list(callbacks))
    return model


@functools.cache
def functional():
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(2, kernel_regularizer="l2")(inputs)
    return trained(keras.Model(inputs, outputs))


def tensor_behind_softmax():
    tf = importlib.import_module("tensorflow")
    seen = []
    # Within a graph, as in `fit`: an eager tensor takes no attribute.
    tf.function(lambda x: seen.append(keras.ops.softmax(x)) or x)(tf.ones((1, 2)))
    return seen[0]


def tracer():
    seen = []
    importlib.import_module("jax").make_jaxpr(lambda x: seen.append(x) or x)(1.0)
    return seen[0]


# From the class of the objects that have an attribute to how one of them is made.
OBJECTS = {
    "jax:core.Tracer": tracer,
    "keras.src.models.functional:Functional": functional,
    "keras.src.trainers.compile_utils:CompileLoss": lambda: functional()._compile_loss,
    "keras.src.trainers.compile_utils:CompileMetrics": lambda: functional()._compile_metrics,
    "keras:KerasTensor": lambda: functional().outputs[0],
    "keras:Layer": lambda: functional().layers[-1],
    "keras:Loss": keras.losses.MeanAbsoluteError,
    "keras:Model": functional,
    "keras:Operation": lambda: functional().layers[-1],
    "keras:Optimizer": lambda: functional().optimizer,
    "keras:Sequential": lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]),
    "keras:Variable": lambda: functional().weights[0],
    "keras:callbacks.Callback": keras.callbacks.Callback,
    "keras:callbacks.EarlyStopping": keras.callbacks.EarlyStopping,
    "keras:callbacks.SwapEMAWeights": keras.callbacks.SwapEMAWeights,
    "keras:layers.InputLayer": lambda: functional().layers[0],
    "keras:losses.MeanSquaredError": keras.losses.MeanSquaredError,
    "optuna.trial:FrozenTrial": lambda: importlib.import_module("optuna").create_trial(value=0.0),
    "optuna:Study": lambda: importlib.import_module("optuna").create_study(),
    "tensorflow:Tensor": tensor_behind_softmax,
    "tensorflow:Variable": lambda: importlib.import_module("tensorflow").Variable([1.0]),
    "tensorflow:distribute.StrategyExtended": lambda: (
        importlib.import_module("tensorflow").distribute.get_strategy().extended
    ),
    "torch:_ops.OpOverload": lambda: importlib.import_module("torch").ops.aten.add.Tensor,
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_the_installed_libraries_have_the_name(entry):
    assert entry.used_for
    assert entry.without_it
    if isinstance(entry, Imported):
        assert entry.value is not None
    assert entry.is_there(), entry.error()
    if isinstance(entry, Attribute) and not isinstance(entry, Prefix):
        made = OBJECTS[entry.place.rpartition(".")[0]]()
        assert isinstance(made, entry.owner)
        entry.of(made)


@pytest.mark.parametrize("entry", internals.set_by_training, ids=lambda entry: entry.name)
def test_training_sets_attributes_that_begin_so(entry):
    if BACKEND in entry.backends:
        seen = set()
        model = OneOfItsOwn()

        def look(*_):
            seen.update(vars(model), internals.modules.of(model, ()))

        trained(model, keras.callbacks.LambdaCallback(on_epoch_end=look))
        assert any(name.startswith(entry.name) for name in seen), entry.error()


def test_entries_of_methods_call_them():
    layers = internals.flatten_layers(functional(), include_self=False)
    assert layers == functional().layers


def test_keras_keeps_its_seeds_under_the_key():
    keras.random.normal((1,))
    assert internals.get_global.value(internals.GLOBAL_SEEDS) is internals.global_seeds.value()


def modules():
    """All modules of the package that can be imported on this backend."""
    others = {"tensorflow", "jax", "torch"} - {BACKEND}
    for module in pkgutil.walk_packages(kd.__path__, "keras_dlnotes."):
        parts = module.name.split(".")
        optional = parts[1] == "tuning" and not hasattr(kd, "tuning")
        if not (optional or others & set(parts) or parts[-1] == "__main__"):
            yield importlib.import_module(module.name)


def test_private_methods_that_replace_a_library_s_are_listed():
    listed = {entry.name for entry in ENTRIES.values() if isinstance(entry, Overridden)}
    found = set()
    for module in modules():
        for kind in vars(module).values():
            if not isinstance(kind, type) or kind.__module__ != module.__name__:
                continue
            methods = {name for name, item in vars(kind).items() if isinstance(item, METHODS)}
            own = {name for name in methods if re.match("_[a-z]", name)}
            for base in kind.__mro__:
                if base.__module__.partition(".")[0] in LIBRARIES:
                    found |= own & set(vars(base))
    assert found <= listed
    assert {"_backend_update_step", "_backend_apply_gradients", "_clip_gradients"} <= found


def test_no_private_name_stands_outside_the_tables():
    assert count.private_names() == []


@pytest.mark.parametrize(
    "code",
    [
        "import keras.src.backend",
        "from keras.src.backend import core",
        "import keras\nx = keras.src.backend.core",
        "from tensorflow.python.eager import record",
        "from torch.utils import _pytree",
        "import torch\ntorch._C.f()",
        "def f(layer):\n    return layer._remat_mode",
        "def f(layer):\n    return getattr(layer, '_anything', None)",
        "def f(layer, replaced):\n    replaced(layer, '_remat_mode', 1)",
        "def f(kind):\n    return kind.__module__.startswith('keras.src.layers.')",
        "class A(Layer):\n    def f(self):\n        return self._flatten_layers()",
        "class A:\n    _dtype = 1\ndef f(layer):\n    return layer._dtype",
    ],
)
def test_the_count_finds_private_names(tmp_path, code):
    folder = tmp_path / "keras_dlnotes"
    folder.mkdir()
    (folder / "module.py").write_text(code)
    assert [place.path for place in count.private_names(tmp_path)] == ["keras_dlnotes/module.py"]


@pytest.mark.parametrize(
    "code",
    [
        "from keras_dlnotes.module import _own",
        "class A:\n    def f(self, other):\n        self._x = 1\n        return other._x",
        "class A:\n    _x: int\nclass B(A):\n    def f(self):\n        return self._x",
        "def f(point):\n    return point._replace(x=1)",
        "class A(B):\n    def _f(self):\n        return super()._f()",
        "'''Text about keras.src.backend and layer._remat_mode.'''",
    ],
)
def test_the_count_passes_over_names_of_the_package_s_own(tmp_path, code):
    folder = tmp_path / "keras_dlnotes"
    folder.mkdir()
    (folder / "module.py").write_text(code)
    assert count.private_names(tmp_path) == []


def test_importing_the_package_looks_up_none_of_them():
    names = [table.__name__ for table in TABLES.values()]
    code = (
        "import importlib, keras_dlnotes\n"
        "from keras_dlnotes.backend.private_names import entries\n"
        f"tables = map(importlib.import_module, {names})\n"
        "found = [(n, e) for table in tables for n, e in entries(table).items()]\n"
        "assert found\n"
        "print([n for n, e in found if {'value', 'owner', '_lost'} & set(vars(e))])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def moved(monkeypatch, table, name):
    """Lets a table's entry name what the library does not have."""
    entry = getattr(table, name)
    gone = dataclasses.replace(entry, place=f"{entry.place}_moved")
    monkeypatch.setattr(table, name, gone)
    monkeypatch.setattr(private_names, "_warned_of", set())
    return gone


IMPORTED = [name for name, entry in ENTRIES.items() if isinstance(entry, Imported)]


@pytest.mark.parametrize("name", IMPORTED)
def test_the_message_names_what_has_moved_and_what_needs_it(monkeypatch, name):
    library, name = name.split()
    entry = moved(monkeypatch, TABLES[library], name)
    assert not entry.is_there()
    with pytest.raises(PrivateNameError) as caught:
        entry.value  # noqa: B018
    for part in (entry.path, entry.used_for, entry.without_it, entry.known_in):
        assert part in str(caught.value)
    installed = sys.modules[entry.library].__version__
    assert f"Received: {entry.library} {installed}" in str(caught.value)
    with pytest.warns(UserWarning, match="_moved"):
        assert entry.value_or("default") == "default"


def test_a_name_that_has_moved_ends_only_what_needs_it(monkeypatch):
    moved(monkeypatch, internals, "narrowed_dtypes")
    layer = keras.layers.Dense(2)
    x = np.ones((4, 3))
    with pytest.raises(PrivateNameError, match="BIT64_TO_BIT32_DTYPE_moved"):
        kd.check_gradients(layer, x, verbose=0)
    model = keras.Sequential([layer])
    model.compile(kd.optimizers.Adam(), "mse")
    model.fit(x, np.ones((4, 2)), verbose=0)


def test_a_feature_that_goes_on_without_a_name_says_so(monkeypatch):
    moved(monkeypatch, internals, "remat_mode")
    with pytest.warns(UserWarning, match="_remat_mode_moved") as caught:
        watched = find_watched_layers(functional())
    assert [each.layer for each in watched] == functional().layers[1:]
    assert len(caught) == 1


def test_an_attribute_that_an_object_need_not_have_is_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert internals.compile_config.of(keras.Sequential(), None) is None
        assert internals.nodes_by_depth.of(keras.layers.ReLU(), None) is None
    with pytest.raises(PrivateNameError, match="an object of class ReLU"):
        internals.nodes_by_depth.of(keras.layers.ReLU())


def test_an_overriding_method_whose_original_has_moved_is_an_error(monkeypatch):
    moved(monkeypatch, internals, "update_all")
    with pytest.raises(PrivateNameError, match="_backend_update_step_moved"):
        kd.optimizers.Adam().build([keras.Variable([1.0])])


def test_folders_that_have_moved_are_told(monkeypatch):
    folder = internals.activations
    gone = dataclasses.replace(folder, place="keras.src.layers.moved.")
    monkeypatch.setattr(private_names, "_warned_of", set())
    assert isinstance(gone, Folder)
    assert folder.defines(keras.layers.ReLU)
    assert not folder.defines(keras.layers.Dense)
    with pytest.warns(UserWarning, match=r"keras\.src\.layers\.moved"):
        assert not gone.defines(keras.layers.ReLU)


@pytest.mark.parametrize("library", TABLES)
def test_the_table_in_the_docs_counts_the_names(library):
    table = TABLES[library]
    entries = private_names.entries(table)
    path = f"{table.__name__.replace('.', '/')}.py"
    (row,) = re.findall(rf"^\| \w+ \| (\d+) \| (.*?) \| `{path}` \|$", VERSIONS, re.MULTILINE)
    assert int(row[0]) == len(entries)
    assert {row[1]} == {entry.known_in for entry in entries.values()}
