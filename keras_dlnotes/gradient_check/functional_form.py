"""The functional form of a model, a layer or a loss: the scalar functions that are checked."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.dtypes import is_floating
from keras_dlnotes.backend.float64 import half_casts_widened
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.gradient_check.precision import FrozenScope
from keras_dlnotes.gradient_check.report import one_line
from keras_dlnotes.gradient_check.subject import CheckedArray, has_own, has_own_step

backend = active.scalar_functions


class FunctionalForm:
    """A loss and a penalty as pure functions of weights and inputs.

    Args:
        subject: a model, layer, `keras.losses.Loss` or function.
        batch: dict with "x" and perhaps "y" and "sample_weight", of any structure.
        training: the mode in which layers are called.
        with_inputs: whether the floating-point inputs are targets too.
        dtype: "float64" or "float32".
        seed: integers, the seed of the random projection.
        random_numbers: an `OwnRandomNumbers`, whose scope the check runs in.
        compile_loss: for a compiled model, a loss that was not called yet, in place of its own.
    """

    def __init__(
        self,
        subject,
        batch,
        training,
        with_inputs,
        dtype,
        seed,
        random_numbers,
        compile_loss=None,
    ):
        self._subject = subject
        self._random_numbers = random_numbers
        self._own_draws = active.random_numbers.SameRandomNumbers()
        self._training = training
        self.dtype = dtype
        self._compile_loss = compile_loss
        self.seed = seed
        self._random = np.random.default_rng((*seed, 1))
        self._projections: list[Any] = []
        self._batch = keras.tree.map_structure(self._leaf, batch)
        leaves = keras.tree.flatten(batch)
        self.data_size = sum(int(np.prod(np.shape(leaf))) for leaf in leaves)
        self._follows_train_step = has_own_step(subject)
        self.narrow_layers: list[str] = []
        self.half_casts: set[str] = set()
        self.remarks: list[str] = []
        own = has_own(subject, "compute_loss") or self._follows_train_step
        given = own or compile_loss is not None or not isinstance(subject, keras.Layer)
        if batch["y"] is not None and not given:
            self.remarks.append("no loss is given: checked under the mean squared error")
        self._widens = True
        self.parts: dict[str, Callable] = {}
        self.skipped: dict[str, str] = {}
        self._frozen: list[tuple] = []
        self._weights: list[Any] = []
        self._input_places: list[int] = []
        targets = self._weight_targets() if isinstance(subject, keras.Layer) else []
        self.targets = targets + (self._input_targets() if with_inputs else [])

    def trace(self, values):
        """Runs everything once, to see which parts there are and what the outputs look like."""
        found: dict[str, Any] = {}

        def note(tensors):
            found.update(self._pieces(tensors))
            return found["loss"]

        if self._follows_train_step:
            self._follow_train_step(note, values)
        try:
            self._trace(note, values)
        except Exception:
            if not self.half_casts:
                raise
            self._widens = False  # half precision is mixed with what was widened
            self.half_casts.clear()
            self._trace(note, values)
        # Casts in a gradient alone are to be judged; JAX runs its code within the scope too.
        self._widens = self._widens and self._half_casts_matter(values)
        if not self._widens:
            self.half_casts.clear()
        for name in found:
            self.parts[name] = lambda tensors, name=name: self._pieces(tensors)[name]
        if "penalty" in found and self._penalty_of_weights_alone:
            self.parts["penalty"] = self._weight_penalty

    def _follow_train_step(self, note, values):
        """Sees whether the loss can be had from the model's own `train_step`."""
        try:
            self._trace(note, values)
            self.remarks.append("the loss is what the model's `train_step` differentiates first")
        except Exception as error:
            self._follows_train_step = False
            subject = self._subject
            if self._compile_loss is None and not has_own(subject, "compute_loss"):
                raise ValueError(
                    "Expected a `train_step` whose loss can be found. Received: "
                    f"{type(subject).__name__}.train_step, where {one_line(error)}. Put the loss "
                    "into `compute_loss`, or check the function that computes it by itself."
                ) from error
            self.remarks.append(
                f"the loss is that of `compute_loss`: the model's own `train_step` could not be "
                f"followed ({one_line(error)})"
            )

    def _trace(self, note, values):
        with patched(self._watched_calls()):
            backend.trace(note, values)

    def _half_casts_matter(self, values):
        """Whether the loss or a penalty casts to half precision, and is another without."""
        if not self.half_casts:
            return False
        widened = self._total(values)
        self._widens = False
        try:
            return self._total(values) != widened
        except Exception:
            return True  # only widened it can be computed at all
        finally:
            self._widens = True

    def _total(self, values):
        return sum(float(keras.ops.convert_to_numpy(p)) for p in self._pieces(values).values())

    def _watched_calls(self):
        """Replacements for the layers' `call` that note down outputs of too little precision."""
        if not isinstance(self._subject, keras.Layer):
            return []

        def watched(layer):
            call = layer.call

            def wrapper(*arguments, **options):
                outputs = call(*arguments, **options)
                kinds = {backend.dtype_name(o) for o in keras.tree.flatten(outputs) if _is_float(o)}
                if kinds - {self.dtype} and layer.path not in self.narrow_layers:
                    self.narrow_layers.append(layer.path)
                return outputs

            return wrapper

        layers = internals.flatten_layers(self._subject)
        return [(layer, "call", watched(layer)) for layer in layers]

    def tensors(self):
        """The targets' values on the device."""
        return [backend.constant(target.value.astype(self.dtype)) for target in self.targets]

    def _leaf(self, array):
        """Floating-point data in the precision of the check, other data as it is."""
        if array is None:
            return None
        if not isinstance(array, np.ndarray):
            array = keras.ops.convert_to_numpy(array)
        if array.dtype.kind in "OSU":
            return array
        if is_floating(array.dtype):
            array = array.astype(self.dtype)
        return backend.constant(array)

    def _weight_targets(self):
        targets = []
        trainable = {id(v) for v in self._subject.trainable_variables}
        # Moving averages never are trained; a frozen layer's weights would be.
        layers = internals.flatten_layers(self._subject)
        trained_once = {
            id(v)
            for variables in map(internals.trained_unless_frozen.of, layers)
            for v in variables
        }
        for variable in _unique(self._subject.variables):
            if not keras.backend.is_float_dtype(variable.dtype):
                if id(variable) in trainable:
                    self.skipped[variable.path] = f"holds {variable.dtype} numbers"
                continue
            # Read from the device as it is stored, though the variable now reports another dtype.
            value = keras.ops.convert_to_numpy(variable.value).astype(self.dtype)
            if id(variable) not in trainable:
                self._frozen.append((variable, backend.constant(value)))
                if id(variable) in trained_once:
                    self.skipped[variable.path] = "frozen: it is not trained"
            elif not value.size:
                self._frozen.append((variable, backend.constant(value)))
                self.skipped[variable.path] = f"holds no numbers: its shape is {value.shape}"
            else:
                self._weights.append(variable)
                targets.append(CheckedArray(variable.path, value))
        return targets

    def _input_targets(self):
        leaves = keras.tree.flatten(self._batch["x"])
        self._input_places = [
            i
            for i, leaf in enumerate(leaves)
            if leaf is not None and not isinstance(leaf, np.ndarray) and _is_float(leaf)
            if 0 not in leaf.shape
        ]
        return [
            CheckedArray(
                "input" if len(leaves) == 1 else f"input/{i}",
                keras.ops.convert_to_numpy(leaves[i]),
            )
            for i in self._input_places
        ]

    def _pieces(self, tensors):
        """Loss and, where there are any, penalties at given weights and inputs."""
        weights = list(zip(self._weights, tensors[: len(self._weights)], strict=True))
        x = self._inputs(tensors[len(self._weights) :])
        subject, _batch = self._subject, self._batch
        self._random_numbers.start_anew()
        with self._scope(weights):
            if isinstance(subject, keras.Layer):
                pieces = {"loss": self._layer_loss(x)}
                penalties = subject.losses
                if penalties:
                    pieces["penalty"] = sum(keras.ops.sum(p) for p in penalties)
                    regularizers = internals.regularization_losses(subject)
                    self._penalty_of_weights_alone = len(penalties) == len(regularizers)
                return pieces
            return {"loss": self._projected(self._function_value(x))}

    @contextlib.contextmanager
    def _scope(self, weights):
        """Scope of one evaluation at given weights."""
        half = half_casts_widened(self.dtype, self.half_casts)
        with (
            FrozenScope(self._frozen + weights),
            self._own_draws.scope(),
            half if self._widens else contextlib.nullcontext(),
        ):
            yield

    def _function_value(self, x):
        """Outputs of a loss or of another function."""
        function, y = self._subject, self._batch["y"]
        weight = self._batch["sample_weight"]
        if isinstance(function, keras.Loss):
            return function(y, x, weight)
        if y is None:
            return function(*x) if isinstance(x, tuple) else function(x)
        values = function(y, x)
        if weight is None:
            return values
        # A loss function without reduction has a value for each example.
        return values * keras.ops.reshape(weight, (-1,) + (1,) * (len(values.shape) - 1))

    def _weight_penalty(self, tensors):
        """The penalties without the forward pass, which regularizers do not need."""
        weights = list(zip(self._weights, tensors[: len(self._weights)], strict=True))
        with self._scope(weights):
            penalties = internals.regularization_losses(self._subject)
            return sum(keras.ops.sum(p) for p in penalties)

    def _layer_loss(self, x):
        """What is differentiated in training; of a layer, its outputs' error or projection."""
        subject, y = self._subject, self._batch["y"]
        sample_weight = self._batch["sample_weight"]
        if self._follows_train_step:
            data = keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
            return active.recording.differentiated_loss(subject, data)
        options = {}
        if self._training is not None and internals.call_takes_training.of(subject):
            options["training"] = self._training
        # A layer with several arguments is given them as a tuple.
        outputs = subject(*x if isinstance(x, tuple) else (x,), **options)
        if has_own(subject, "compute_loss"):
            given = {"x": x, "y": y, "y_pred": outputs, "sample_weight": sample_weight}
            return internals.compute_loss(subject, **given, training=self._training)
        if self._compile_loss is not None:
            return self._compile_loss(y, outputs, sample_weight)
        return self._projected(outputs) if y is None else self._squared_error(outputs)

    def _squared_error(self, outputs):
        """The mean squared errors of all outputs, in sum."""
        outputs, targets = keras.tree.flatten(outputs), keras.tree.flatten(self._batch["y"])
        shapes = [[tuple(a.shape) for a in arrays] for arrays in (outputs, targets)]
        if [_without_last_one(s) for s in shapes[0]] != [_without_last_one(s) for s in shapes[1]]:
            raise ValueError(
                f"Expected targets `y` in the outputs' shapes {shapes[0]}, since no loss is given "
                f"and the mean squared error is taken. Received: {shapes[1]}. For another loss, "
                "call `model.compile(loss=...)`."
            )
        error = keras.losses.MeanSquaredError(dtype=self.dtype)
        weight = self._batch["sample_weight"]
        return sum(error(t, o, weight) for t, o in zip(targets, outputs, strict=True))

    def _inputs(self, tensors):
        x = self._batch["x"]
        if not self._input_places:
            return x
        leaves = keras.tree.flatten(x)
        for place, tensor in zip(self._input_places, tensors, strict=True):
            leaves[place] = tensor
        return keras.tree.pack_sequence_as(x, leaves)

    def _projected(self, outputs):
        """<r, outputs> / sqrt(n) with random r: no wrong output gradient is orthogonal to it."""
        floats = [o for o in keras.tree.flatten(outputs) if o is not None and _is_float(o)]
        if not floats:
            raise ValueError(
                "Expected at least one output of floating-point numbers, which alone has a "
                f"gradient. Received: {[_kind(o) for o in keras.tree.flatten(outputs)]}."
            )
        if len(floats) == 1 and floats[0].shape == () and not self._projections:
            return floats[0]
        total = 0.0
        for i, output in enumerate(floats):
            if i == len(self._projections):
                shape = tuple(output.shape)
                scale = max(1.0, np.prod(shape)) ** -0.5
                projection = self._random.normal(size=shape) * scale
                self._projections.append(projection.astype(self.dtype))
            projection = keras.ops.convert_to_tensor(self._projections[i], output.dtype)
            total = total + keras.ops.sum(output * projection)
        return total


def _is_float(tensor):
    return hasattr(tensor, "dtype") and keras.backend.is_float_dtype(
        keras.backend.standardize_dtype(tensor.dtype)
    )


def _without_last_one(shape):
    """Numbers may be given as a column or not."""
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape


def _kind(output):
    return str(getattr(output, "dtype", type(output).__name__))


def _unique(variables):
    return list({id(v): v for v in variables}.values())
