"""Asks a model, outside training, how its layers answer to a sample."""

import warnings
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_dlnotes.backend import internals
from keras_dlnotes.backend.dtypes import widened
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.diagnosis.facts import NormalizationFacts, UnitFacts
from keras_dlnotes.diagnosis.layer_facts import kernel_of
from keras_dlnotes.diagnosis.layer_paths import PRODUCTS
from keras_dlnotes.instrumentation import find_watched_layers

_CHUNK = 128
_MOST_NUMBERS = 1 << 22  # of one layer's output that are brought to the host


class UnmaskedReader(NamedTuple):
    """How a recurrent layer reads the tokens that it is given without a mask."""

    forwards: bool
    backwards: bool


class Answer(NamedTuple):
    """What a model says to a sample."""

    predictions: list  # arrays, one an output
    units: dict  # from a layer's name to its `UnitFacts`
    output_layer: keras.Layer | None  # the layer whose output is the model's, if one is
    penalty: float  # sum of all penalties
    scaled_to: float | None  # see `_scaled_to`
    normalizations: dict  # from a layer's name to its `NormalizationFacts`
    unmasked: dict  # from a recurrent layer's name to its `UnmaskedReader`


def answer_of(model: keras.Model, inputs: list[np.ndarray]) -> Answer | None:
    """What `probe` finds; None for a model that cannot be called on the sample.

    A model of the user's own may take its inputs in another way than they are recorded. Any other
    error is a fault of the probe, of which a warning tells.
    """
    try:
        return probe(model, inputs)
    except Exception as error:  # a diagnosis must never end a training run
        try:
            model(as_taken(model, [part[:_CHUNK] for part in inputs]), training=False)
        except Exception:
            return None
        warnings.warn(
            "The diagnosis could not ask the model about its examples, and does not judge what it "
            f"has learned: {type(error).__name__}: {error}",
            stacklevel=2,
        )
        return None


@np.errstate(all="ignore")  # of a run that has diverged, squares and sums may overflow
def probe(model: keras.Model, inputs: list[np.ndarray]) -> Answer:
    """Runs the model in inference mode on a sample.

    Args:
        model: a built model.
        inputs: list of arrays, one an input of the model.

    Returns:
        An `Answer`.
    """
    watched = find_watched_layers(model)
    kept: dict[str, list] = {w.name: [] for w in watched}
    called = []  # (layer, what it returned), in order
    given: list = []  # what layers were given
    scaled_to: list[float | None] = []
    normalizations: dict = {}
    unmasked: dict = {}
    repeated: list = []  # whether a layer was given the same vector at all steps

    def keep(w):
        original = w.layer.call

        def call(*args, **kwargs):
            if not scaled_to and any(len(v.shape) > 1 for v in w.layer.weights):
                known = kernel_of(w.layer) is not None and len(inputs) == len(args) == 1
                scaled_to.append(_scaled_to(args[0], inputs[0]) if known else None)
            if isinstance(w.layer, keras.layers.BatchNormalization) and args:
                normalizations[w.name] = _normalization_facts(w.layer, args[0])
            if isinstance(w.layer, keras.layers.RepeatVector):
                repeated.append(True)
            if _is_recurrent(w.layer) and args:
                repeated.append(_is_repeated(args[0]))
                tokens = not any(repeated) and _are_steps_of(args[0], inputs)
                if tokens and kwargs.get("mask") is None:
                    unmasked[w.name] = _reader(w.layer)
            outputs = original(*args, **kwargs)
            if type(w.layer).__name__ not in PRODUCTS:  # a gate is not read by what multiplies it
                given.extend(t for t in keras.tree.flatten((args, kwargs)) if hasattr(t, "shape"))
            tensors = keras.tree.flatten(outputs)
            if tensors and hasattr(tensors[0], "shape"):
                kept[w.name].append(tensors[0])
            called.append((w.layer, outputs))
            return outputs

        return call

    collected, units, last, penalty = [], {}, None, 0.0
    for start in range(0, len(inputs[0]), _CHUNK):
        chunk = [part[start : start + _CHUNK] for part in inputs]
        with patched([(w.layer, "call", keep(w)) for w in watched] if start == 0 else []):
            outputs = model(as_taken(model, chunk), training=False)
        tensors = keras.tree.flatten(outputs)
        collected.append([widened(ops.convert_to_numpy(t)) for t in tensors])
        if start == 0:
            last = _maker_of(outputs, called)
            penalty = sum(float(ops.convert_to_numpy(ops.sum(loss))) for loss in model.losses)
            given.extend(tensors)
            units = {
                w.name: facts for w in watched if (facts := _unit_facts(w, kept[w.name], given))
            }
    predictions = [np.concatenate(parts) for parts in zip(*collected, strict=True)]
    first = scaled_to[0] if scaled_to else None
    return Answer(predictions, units, last, penalty, first, normalizations, unmasked)


def _scaled_to(given, inputs):
    """Root mean square of what a layer is given, if that is the inputs scaled and shifted.

    Each feature has to go along with the input's, by a correlation of 0.95 in the mean: a logarithm
    does, a sigmoid in which large inputs drown does not. None if it does not, or is of other shape.
    """
    if not hasattr(given, "shape") or len(given.shape) != inputs.ndim:
        return None
    given = ops.convert_to_numpy(given).astype("float64")
    if given.shape[1:] != inputs.shape[1:]:
        return None
    before = inputs[: len(given)].astype("float64")
    if not np.isfinite(given).all() or not np.isfinite(before).all():
        return None
    a, b = given - given.mean(axis=0), before - before.mean(axis=0)
    sizes = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    moving = sizes > 0.0
    correlations = (a * b).sum(axis=0)[moving] / sizes[moving]
    if not moving.any() or not np.abs(correlations).mean() > 0.95:
        return None
    return float(np.sqrt(np.mean(given**2)))


def _maker_of(outputs, called):
    """The layer that was called last of those which returned the model's output, or None."""
    if keras.tree.is_nested(outputs):
        return None
    for layer, returned in reversed(called):
        if returned is outputs:
            return layer
        if not keras.tree.is_nested(returned) and returned.shape == outputs.shape:
            same = ops.convert_to_numpy(returned) == ops.convert_to_numpy(outputs)
            if same.all():
                return layer
    return None


def as_taken(model: keras.Model, chunk: list[np.ndarray]) -> Any:
    """A list of input arrays in the structure that the model takes."""
    structure = internals.inputs_structure.of(model, None)
    if structure is not None and keras.tree.is_nested(structure):
        return keras.tree.pack_sequence_as(structure, chunk)
    return chunk[0] if len(chunk) == 1 else chunk


def _is_read(outputs, given):
    """Whether a layer was given these outputs as they are, or in another shape."""
    if any(tensor is outputs for tensor in given):
        return True
    size, first = int(np.prod(outputs.shape[1:])), None
    for tensor in given:
        if len(tensor.shape) < 2 or int(np.prod(tensor.shape[1:])) != size:
            continue
        first = ops.convert_to_numpy(outputs[:1]).ravel() if first is None else first
        if np.array_equal(ops.convert_to_numpy(tensor[:1]).ravel(), first):
            return True
    return False


def leaves_of(model: keras.Model, inputs: Any) -> list[np.ndarray]:
    """The input arrays as a list in the order of the model's inputs; a dict goes by names."""
    takes_dict = isinstance(internals.inputs_structure.of(model, None), dict)
    if isinstance(inputs, dict) and not takes_dict:
        names = [tensor.name for tensor in getattr(model, "inputs", None) or ()]
        if set(names) == set(inputs):
            return [inputs[name] for name in names]
    return keras.tree.flatten(inputs)


def _unit_facts(watched, outputs, given):
    if not outputs or "float" not in keras.backend.standardize_dtype(outputs[0].dtype):
        return None
    size = int(np.prod(outputs[0].shape))
    if size == 0 or len(outputs[0].shape) < 2:
        return None
    rows = max(1, min(outputs[0].shape[0], _MOST_NUMBERS * outputs[0].shape[0] // size))
    values = ops.convert_to_numpy(outputs[0][:rows]).astype("float32")
    values = values.reshape(-1, values.shape[-1])
    finite = np.isfinite(values).all()
    saturated = None
    if watched.saturation is not None:
        center, radius = watched.saturation
        saturated = float(np.mean(np.abs(values - center) > radius))
    spans = np.ptp(values, axis=0) if finite else np.ones(values.shape[-1])
    return UnitFacts(
        dead=float(np.mean(np.all(values == 0, axis=0))),
        saturated=saturated,
        constant=float(np.mean(spans <= 1e-6 * (1e-6 + np.abs(values).max(axis=0)))),
        deviation=float(values.std(dtype="float64")) if finite else float("nan"),
        non_finite=not finite,
        units=values.shape[-1],
        read=_is_read(outputs[0], given),
    )


def _is_recurrent(layer):
    return isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional)


def _are_steps_of(given, inputs):
    """Whether a tensor has one step a token of the only input."""
    if not hasattr(given, "shape") or len(inputs) != 1 or inputs[0].ndim != 2:
        return False
    return len(given.shape) == 3 and given.shape[1] == inputs[0].shape[1]


def _is_repeated(given):
    """Whether all steps of a sequence are the same, as those a decoder is given."""
    if not hasattr(given, "shape") or len(given.shape) != 3 or given.shape[1] < 2:
        return False
    return bool(ops.convert_to_numpy(ops.all(given == given[:, :1])))


def _reader(layer):
    if isinstance(layer, keras.layers.Bidirectional):
        return UnmaskedReader(forwards=True, backwards=True)
    backwards = bool(getattr(layer, "go_backwards", False))
    return UnmaskedReader(forwards=not backwards, backwards=backwards)


def _normalization_facts(layer, inputs):
    """Compares what batch normalization is given with its running statistics, by feature."""
    values = ops.convert_to_numpy(ops.cast(inputs, "float32"))
    values = np.moveaxis(values, layer.axis, -1).reshape(-1, values.shape[layer.axis])
    mean, variance = (
        ops.convert_to_numpy(ops.cast(v.value, "float32")).ravel()
        for v in (layer.moving_mean, layer.moving_variance)
    )
    scale = np.sqrt(variance + layer.epsilon)
    spreads, offsets = values.std(axis=0) / scale, np.abs(values.mean(axis=0) - mean) / scale
    return NormalizationFacts(
        spread=float(np.median(spreads)),
        offset=float(np.median(offsets)),
        untouched=bool(np.all(mean == 0) and np.all(variance == 1)),
    )
