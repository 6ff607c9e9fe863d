"""What is checked: the subject of a check with its data, and what it is made of."""

import contextlib
from typing import NamedTuple

import keras
import numpy as np

from keras_dlnotes.backend import internals
from keras_dlnotes.numerics.number_arguments import whole_number


class CheckedArray(NamedTuple):
    """A weight or an input whose gradient is checked.

    Args:
        path: the variable's path, or "input", "input/1" and so on.
        value: its numbers as a NumPy array, at which the gradient is checked.
    """

    path: str
    value: np.ndarray


def checked_subject(subject, batch):
    """The subject, looked up where it is the name of a loss, if it can be checked on the batch.

    Args:
        subject: see `check_gradients`.
        batch: dict with "x", "y" and "sample_weight".

    Raises:
        TypeError: if it is nothing that has a gradient.
        ValueError: if it does not go with the batch.
    """
    y = batch["y"]
    if isinstance(subject, str):
        subject = keras.losses.get(subject)
    made = not isinstance(subject, type)  # an object, and not its class
    if not (made and (isinstance(subject, keras.Layer) or callable(subject))):
        raise TypeError(
            "Expected a model, a layer, a loss, the name of a loss, or a function. "
            f"Received: {subject!r} of type {type(subject).__name__}."
        )
    _check_lists(batch)
    is_loss = isinstance(subject, keras.Loss)
    if is_loss and y is None:
        raise ValueError(
            "Expected the predictions as `x` and the targets as `y` to check a loss. "
            "Received: y=None."
        )
    compiled = internals.compile_loss.of(subject, None) is not None
    own_loss = has_own(subject, "compute_loss") or has_own_step(subject)
    if compiled and y is None and not own_loss:
        raise ValueError(
            f"Expected targets `y` for the loss that {subject.name!r} was compiled with. "
            "Received: y=None."
        )
    if compiled:
        _check_examples(batch)
    _check_not_empty(batch)
    return subject


def check_counts(directions, seed):
    """Raises a ValueError where the number of directions or the seed is none."""
    if directions is not None:
        whole_number("directions", directions, advice="Pass None for as many as are needed.")
    whole_number("seed", seed, least=0)


@contextlib.contextmanager
def text_explained(batch):
    """Adds to an error that the data hold words, which few layers take."""
    try:
        yield
    except Exception as error:
        leaves = keras.tree.flatten(list(batch.values()))
        kinds = {np.asarray(leaf).dtype for leaf in leaves if isinstance(leaf, str | np.ndarray)}
        words = sorted(str(kind) for kind in kinds if kind.kind in "OSU")
        if words:
            error.add_note(
                f"Among the data are arrays of {', '.join(words)}. Where numbers are expected, "
                "encode words as numbers, or convert with `np.asarray(x, dtype=...)`."
            )
        raise


def _check_lists(batch):
    """Raises a ValueError where a list of numbers, which counts as many inputs, is no array."""
    for name, part in batch.items():
        for argument in part if isinstance(part, tuple) else (part,):
            listed = keras.tree.flatten(argument) if isinstance(argument, list | dict) else ()
            if any(isinstance(leaf, int | float) for leaf in listed):
                raise ValueError(
                    f"Expected arrays in `{name}`. Received: a list of numbers, which counts as "
                    "many inputs. Use np.array."
                )


def _check_not_empty(batch):
    """Raises a ValueError where there are no examples, on which nothing can be checked."""
    leaves = [leaf for leaf in keras.tree.flatten(batch["x"]) if leaf is not None]
    if leaves and all(np.shape(leaf)[:1] == (0,) for leaf in leaves):
        raise ValueError(
            "Expected at least one example to check the gradients on. Received shapes of `x`: "
            f"{[np.shape(leaf) for leaf in leaves]}."
        )


def _check_examples(batch):
    """Raises a ValueError where the arrays of a batch do not hold the same number of examples."""
    shapes = {
        name: [np.shape(leaf) for leaf in keras.tree.flatten(part) if leaf is not None]
        for name, part in batch.items()
    }
    if any(shape == () for part in shapes.values() for shape in part):
        raise ValueError(
            "Expected arrays whose first axis is that of the examples. Received a single number: "
            f"shapes {shapes}."
        )
    counts = {shape[0] for part in shapes.values() for shape in part}
    if counts == {0} or len(counts) != 1:
        raise ValueError(
            "Expected the same number of examples, 1 or more, in `x`, `y` and `sample_weight`. "
            f"Received shapes: {shapes}."
        )


def has_own(subject, method):
    """Whether the subject is a model whose class overrides one of Keras's methods."""
    return isinstance(subject, keras.Model) and (
        getattr(type(subject), method, None) is not getattr(keras.Model, method, None)
    )


def has_own_step(subject):
    """Whether it is a model that trains by a loss which only its training step knows."""
    # On JAX Keras's own step calls the latter.
    return has_own(subject, "train_step") or has_own(subject, "compute_loss_and_updates")


def parts_with_policies(subject):
    """All layers and losses whose precision changes, and a compiled model's loss."""
    if isinstance(subject, keras.Loss):
        return [], [subject], None
    if not isinstance(subject, keras.Layer):
        return [], [], None
    layers = list(internals.flatten_layers(subject))
    compile_loss = internals.compile_loss.of(subject, None)
    user_losses = keras.tree.flatten(internals.user_loss.of(compile_loss, None))
    held = [value for layer in layers for value in vars(layer).values()]
    losses = {id(loss): loss for loss in user_losses + held if isinstance(loss, keras.Loss)}
    return layers, list(losses.values()), compile_loss


def build(subject, batch):
    """Makes the weights of a layer that has not been called yet, as its first call would."""
    if isinstance(subject, keras.Layer) and not all(
        layer.built for layer in internals.flatten_layers(subject)
    ):
        x = batch["x"]
        with keras.StatelessScope():  # its other effects, such as moving averages, are dropped
            x = keras.tree.map_structure(
                lambda leaf: None if leaf is None else keras.ops.convert_to_tensor(leaf), x
            )
            try:
                subject(*x) if isinstance(x, tuple) else subject(x)
            except NotImplementedError:
                if not has_own_step(subject):
                    raise  # a model of several networks may have no `call`
