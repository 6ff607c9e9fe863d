"""Dropout as a regularizer."""

import random
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.registration import registered
from keras_dlnotes.instrumentation import layer_kinds
from keras_dlnotes.layers.rebuild import unit_axis
from keras_dlnotes.numerics import penalties
from keras_dlnotes.numerics.fan_in import Layout
from keras_dlnotes.numerics.number_arguments import as_python_number, is_real_number

_SEED_STATE = "seed_state"


@registered("DropoutPenalty")
class DropoutPenalty(keras.layers.Wrapper):
    r"""Drops units of the wrapped layer at random and penalizes the weights into those dropped.

    Use it in place of the layer followed by `keras.layers.Dropout`, to keep the weights into
    units small as well as the units from co-adapting. With `strength=0` it is that pair: plain
    inverted dropout.

    Formula: \(L_{reg} = L + \lambda \sum_i 1_{\{d_i = 0\}} w_i^2\), in training only.

    - \(\lambda\) → `strength`.
    - \(i\) → a unit of the wrapped layer: a number of a dense layer's output, a whole channel of a
      convolution's.
    - \(d_i\) → the dropout mask, 0 with probability `rate`, drawn anew for each example and step.
      The term is averaged over the examples, as the loss \(L\) is: the indicator becomes the share
      of the batch in which unit \(i\) was dropped. (A dense layer that is applied at many
      positions has a mask for each, and they are averaged over too.)
    - \(w_i^2\) → the sum of the squared weights that lead into unit \(i\): column \(i\) of the
      kernel, without the bias.

    In expectation over masks the term is \(\lambda \cdot rate \sum_i w_i^2\), which
    `expected_penalty()` returns. Units that are kept are scaled by 1 / (1 - rate).

    With batch normalization or a separate activation in between, wrap all of it:
    `DropoutPenalty(keras.Sequential([Dense(64), BatchNormalization(), ReLU()]), rate=0.5)`; the
    weights are those of the last dense or convolutional layer inside.

    Files of the model and of its weights hold where the sequence of masks stands, so training that
    is resumed from the end of an epoch draws the masks that it would have drawn. Keras's own random
    layers begin their sequence anew then.

    Args:
        layer: a Dense or convolutional layer (also depthwise, separable or transposed), or a
            layer or `Sequential` that holds such a one.
        rate: share of units to drop, between 0 and 1.
        strength: λ, a finite number of at least 0.
        seed: an integer or `None`; the masks are those of `keras.layers.Dropout(rate, seed=seed)`.

    Raises:
        ValueError: if an argument is not as described, or the layer's output is not made of the
            units of such a layer.

    Example:
    ```python
    hidden = keras.layers.Dense(64, "relu")
    model = keras.Sequential(
        [kd.layers.DropoutPenalty(hidden, rate=0.5, strength=1e-3), keras.layers.Dense(10)]
    )
    ```

    Reference: deep-learning notes, "Dropout Regularization"; Srivastava et al., "Dropout: A Simple
    Way to Prevent Neural Networks from Overfitting", 2014, section 4.
    """

    def __init__(
        self,
        layer: keras.Layer,
        rate: float = 0.5,
        strength: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, **kwargs)
        if not is_real_number(rate) or not 0 <= rate <= 1:
            raise ValueError(
                "Expected `rate` to be a number between 0 and 1, the share of units to drop. "
                f"Received: rate={rate!r}."
            )
        self.rate = float(rate)
        self.strength = penalties.check_strength("strength", strength)
        self.seed = as_python_number(seed)
        self.supports_masking = True
        # A number in any case: without one Keras's dropout on torch does not use the generator.
        drawn = random.randint(1, 10**9) if seed is None else self.seed
        self.seed_generator = keras.random.SeedGenerator(drawn)

    def build(self, input_shape: Any) -> None:
        """Builds the wrapped layer and finds the weights into its units."""
        super().build(input_shape)
        source = self._source()
        self._unit_axis = unit_axis(source)
        units = self.layer.compute_output_shape(input_shape)[self._unit_axis]
        expected = self._squares_into_units().shape[0]
        if units != expected:
            raise ValueError(
                f"Expected the output of {self.layer.name!r} to be the {expected} units of "
                f"{source.name!r}. Received: an output of {units} on axis {self._unit_axis}. "
                "Leave layers that rearrange units (Flatten, pooling over channels) outside of "
                "DropoutPenalty."
            )

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Applies the layer, and in training drops units and adds the penalty."""
        outputs = self.layer(inputs)
        if not training or self.rate == 0.0:
            return outputs
        mask = keras.random.dropout(self._ones(outputs), self.rate, seed=self.seed_generator)
        kept = mask > 0
        if self.strength > 0.0:
            rank = len(kept.shape)
            others = [axis for axis in range(rank) if axis != self._unit_axis % rank]
            dropped_share = 1.0 - ops.mean(ops.cast(kept, "float32"), axis=others)
            self.add_loss(
                active.recording.only_while_recording(
                    self._penalty, *self._kernel_and(dropped_share)
                )
            )
        scale = 1.0 / (1.0 - self.rate) if self.rate < 1.0 else 0.0
        return ops.where(kept, outputs * scale, ops.zeros_like(outputs))

    def expected_penalty(self) -> float:
        """The penalty's average over masks, λ · rate · Σ wᵢ²; a float."""
        squares = ops.sum(self._squares_into_units())
        return self.strength * self.rate * float(ops.convert_to_numpy(squares))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The wrapped layer's."""
        return self.layer.compute_output_shape(input_shape)

    def save_own_variables(self, store: Any) -> None:
        """Saves where the sequence of masks stands, which Keras leaves out."""
        super().save_own_variables(store)
        store[_SEED_STATE] = keras.ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store: Any) -> None:
        """Goes on with the sequence of masks; files of older versions do not hold its place."""
        keys = list(store.keys())  # a store cannot be iterated over
        super().load_own_variables({key: store[key] for key in keys if key != _SEED_STATE})
        if _SEED_STATE in keys:
            self.seed_generator.state.assign(np.asarray(store[_SEED_STATE]))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        arguments = {"rate": self.rate, "strength": self.strength, "seed": self.seed}
        return {**super().get_config(), **arguments}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Makes the layer with the one that it wraps; Keras's own empties the configuration."""
        return super().from_config(dict(config), custom_objects)

    def _source(self) -> keras.Layer:
        """The layer whose units are dropped."""
        layers = internals.flatten_layers(self.layer)
        found = [layer for layer in layers if isinstance(layer, layer_kinds.LINEAR)]
        if not found:
            raise ValueError(
                "Expected `layer` to be, or to hold, a Dense or convolutional layer, into whose "
                f"units the penalized weights lead. Received: {type(self.layer).__name__}. Use "
                "keras.layers.Dropout after other layers."
            )
        return found[-1]

    def _kernel_and(self, *others: Any) -> list[Any]:
        source = self._source()
        kernel = (
            source.pointwise_kernel if isinstance(source, layer_kinds.SEPARABLE) else source.kernel
        )
        kernel = ops.convert_to_tensor(kernel)
        dtype = "float64" if keras.backend.standardize_dtype(kernel.dtype) == "float64" else None
        return [ops.cast(tensor, dtype or "float32") for tensor in (kernel, *others)]

    def _layout(self) -> Layout:
        source = self._source()
        if isinstance(source, layer_kinds.DEPTHWISE):
            return "depthwise"
        return "transpose" if isinstance(source, layer_kinds.TRANSPOSE) else "dense"

    def _squares_into_units(self) -> Any:
        (kernel,) = self._kernel_and()
        return penalties.squares_into_units(kernel, self._layout())

    def _penalty(self, kernel: Any, dropped_share: Any) -> Any:
        return self.strength * penalties.squares_into_dropped_units(
            kernel, dropped_share, self._layout()
        )

    def _ones(self, outputs: Any) -> Any:
        """Ones in the shape of the mask: all places of a channel share a number."""
        if isinstance(self._source(), layer_kinds.CONVOLUTIONS):
            rank = len(outputs.shape)
            own = (0, self._unit_axis % rank)
            first = tuple(slice(None) if axis in own else slice(0, 1) for axis in range(rank))
            outputs = outputs[first]
        return ops.ones_like(outputs, dtype="float32")
