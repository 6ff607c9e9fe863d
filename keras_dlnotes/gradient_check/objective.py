"""The scalar functions whose gradients are checked, made from a model, a layer or a loss."""

import contextlib
import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.backend.float64 import half_casts_widened
from keras_dlnotes.backend.number_dtypes import is_floating
from keras_dlnotes.gradient_check.frozen_scope import FrozenScope
from keras_dlnotes.gradient_check.target import Target
from keras_dlnotes.instrumentation.patch import patched

backend = active.line_losses


class Objective:
    """A loss and a penalty as pure functions of weights and inputs.

    Args:
        subject: a model, layer, `keras.losses.Loss` or function.
        batch: dict with "x" and perhaps "y" and "sample_weight", of any structure.
        training: the mode in which layers are called.
        with_inputs: whether the floating-point inputs are targets too.
        dtype: "float64" or "float32".
        seed: integers, the seed of the random projection.
        compile_loss: for a compiled model, a loss that was not called yet, in place of its own.
    """

    def __init__(self, subject, batch, training, with_inputs, dtype, seed, compile_loss=None):
        self._subject = subject
        self._training = training
        self.dtype = dtype
        self._compile_loss = compile_loss
        self.seed = seed
        self._random = np.random.default_rng((*seed, 1))
        self._projections: list[Any] = []
        self._batch = keras.tree.map_structure(self._leaf, batch)
        leaves = keras.tree.flatten(batch)
        self.data_size = sum(int(np.prod(np.shape(leaf))) for leaf in leaves)
        self.narrow_layers: list[str] = []
        self.half_casts: set[str] = set()
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

        return [(layer, "call", watched(layer)) for layer in self._subject._flatten_layers()]

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
        layers = self._subject._flatten_layers()
        trained_once = {id(v) for layer in layers for v in layer._trainable_variables}
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
            elif value.size:
                self._weights.append(variable)
                targets.append(Target(variable.path, value, "weight"))
        return targets

    def _input_targets(self):
        leaves = keras.tree.flatten(self._batch["x"])
        self._input_places = [
            i
            for i, leaf in enumerate(leaves)
            if leaf is not None and not isinstance(leaf, np.ndarray) and _is_float(leaf)
        ]
        return [
            Target(
                "input" if len(leaves) == 1 else f"input/{i}",
                keras.ops.convert_to_numpy(leaves[i]),
                "input",
            )
            for i in self._input_places
        ]

    def _pieces(self, tensors):
        """Loss and, where there are any, penalties at given weights and inputs."""
        weights = list(zip(self._weights, tensors[: len(self._weights)], strict=True))
        x = self._inputs(tensors[len(self._weights) :])
        subject, _batch = self._subject, self._batch
        # Draws from global generators must be the same in each evaluation too.
        np.random.seed(0)
        random.seed(0)
        with self._scope(weights):
            if isinstance(subject, keras.Layer):
                options = {}
                if self._training is not None and subject._call_has_training_arg:
                    options["training"] = self._training
                # A layer with several arguments is given them as a tuple.
                arguments = x if isinstance(x, tuple) else (x,)
                outputs = subject(*arguments, **options)
                pieces = {"loss": self._loss(x, outputs)}
                penalties = subject.losses
                if penalties:
                    pieces["penalty"] = sum(keras.ops.sum(p) for p in penalties)
                    regularizers = subject._get_regularization_losses()
                    self._penalty_of_weights_alone = len(penalties) == len(regularizers)
                return pieces
            return {"loss": self._projected(self._function_value(x))}

    @contextlib.contextmanager
    def _scope(self, weights):
        """Scope of one evaluation at given weights."""
        half = half_casts_widened(self.dtype, self.half_casts)
        with (
            FrozenScope(self._frozen + weights),
            backend.same_random_numbers(),
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
            penalties = self._subject._get_regularization_losses()
            return sum(keras.ops.sum(p) for p in penalties)

    def _loss(self, x, outputs):
        if self._compile_loss is None:
            return self._projected(outputs)
        model, batch = self._subject, self._batch
        y, sample_weight = batch.get("y"), batch.get("sample_weight")
        if type(model).compute_loss is keras.Model.compute_loss:
            return self._compile_loss(y, outputs, sample_weight)
        return model._compute_loss(
            x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=self._training
        )

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


def _kind(output):
    return str(getattr(output, "dtype", type(output).__name__))


def _unique(variables):
    return list({id(v): v for v in variables}.values())
