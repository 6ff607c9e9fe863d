"""Which layer of a model has the wrong gradient, where those of many weights are wrong."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.own_random_numbers import OwnRandomNumbers
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.gradient_check.report import GradientReport

# Each check of a layer alone takes a part of a second; later layers are left out.
_MOST_LAYERS = 16


def faulty_layers(
    model: keras.Layer,
    x: Any,
    training: bool | None,
    check: Callable[[keras.Layer, Any], GradientReport],
) -> dict[str, str]:
    """Checks each layer of the user's own alone, on the inputs that the model gives it.

    A wrong gradient of one layer makes those of all weights before it wrong, so the weights alone
    do not tell where it is.

    Args:
        model: the model.
        x: its inputs.
        training: the mode in which it is called.
        check: takes a layer and its inputs; returns the report on it.

    Returns:
        Dict from the name of a layer whose own gradient is wrong to what is wrong with it. A layer
        is left out that is given arrays by keyword, whose inputs cannot be read (within a compiled
        loop), or that holds a layer found wrong; all are where the model cannot be called on `x`.
    """
    layers = _layers_of_the_user(model)[:_MOST_LAYERS]
    wrong: set[int] = set()
    received: dict[int, Any] = {}
    noting = [(layer, "call", _noting(layer, received)) for layer in layers]
    with (
        contextlib.suppress(Exception),
        OwnRandomNumbers().scope(),
        active.random_numbers.SameRandomNumbers().scope(),
        keras.StatelessScope(),
        patched(noting),
    ):
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
        arguments = tensors if isinstance(tensors, tuple) else (tensors,)
        model(*arguments, training=training)
    found: dict[str, str] = {}
    for layer in layers:
        holds_a_wrong_one = any(id(inner) in wrong for inner in _inner_layers(layer))
        if id(layer) not in received or holds_a_wrong_one:
            continue
        with contextlib.suppress(Exception):  # it may need what it has only within the model
            if failures := check(layer, received[id(layer)]).failures:
                wrong.add(id(layer))
                found[layer.name] = f"{failures[0].path}: {failures[0].cause or 'wrong'}"
    return found


def notes_on(found: dict[str, str]) -> list[str]:
    """What the report says of them."""
    return [
        f"layer {name!r} is wrong by itself ({what}); its error is also in the gradients of all "
        "that comes before it"
        for name, what in found.items()
    ]


def _inner_layers(layer):
    return internals.flatten_layers(layer, include_self=False)


def _layers_of_the_user(model):
    """Layers whose code, or a function in them, is not Keras's; those within others first."""
    own = [layer for layer in _inner_layers(model) if _is_of_the_user(layer)]
    return sorted(own, key=lambda layer: len(list(_inner_layers(layer))))


def _is_of_the_user(layer):
    kind = type(layer)
    known = internals.keras_itself.defines(kind) or kind.__module__.startswith("keras_dlnotes.")
    if not known or isinstance(layer, keras.layers.Lambda):
        return True
    activation = getattr(layer, "activation", None)
    return callable(activation) and activation not in vars(keras.activations).values()


def _noting(layer, received):
    """The layer's `call`, which also notes what it is given first."""
    call = layer.call

    def noting(*arguments, **options):
        if not any(keras.ops.is_tensor(leaf) for leaf in keras.tree.flatten(options)):
            with contextlib.suppress(Exception):  # within a compiled loop there are no numbers
                known = keras.tree.map_structure(keras.ops.convert_to_numpy, arguments)
                received.setdefault(id(layer), known if len(known) > 1 else known[0])
        return call(*arguments, **options)

    return noting
