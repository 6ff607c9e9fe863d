"""The statistics of batch normalization recomputed over real data."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.dtypes import arithmetic_dtype
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.callbacks.copyable_callback import CopyableCallback
from keras_dlnotes.layers import BatchNormalization
from keras_dlnotes.numerics import batch_statistics as statistics
from keras_dlnotes.numerics.number_arguments import whole_number


class PreciseBatchStatistics(CopyableCallback):
    r"""Gives every batch normalization the statistics of given data under the present weights.

    Use it where the moving average lags behind the weights: large learning rates, short trainings,
    small batches, or when validation loss jumps while training loss does not.

    Formula: over batches \(b\) of \(n_b\) positions with means \(\mu_b\) and variances
    \(\sigma_b^2\) in each channel, \(n = \sum_b n_b\),

    \(\mu = \frac{1}{n} \sum_b n_b \mu_b\),
    \(\sigma^2 = \frac{1}{n} \sum_b n_b (\sigma_b^2 + (\mu_b - \mu)^2)\)

    which for the first normalization is exactly the variance of all its inputs together. While the
    data pass, each normalization uses the statistics of the batch, as in training; dropout and
    the like are off, as they will be at inference. Give sorted data shuffled, and batches as large
    as memory allows.

    It works on this package's and on Keras's `BatchNormalization`, in nested models too, but for
    those with `trainable=False`, whose statistics are not to change. It runs before each validation
    and at the end of each epoch that had none, before callbacks that come after it. What it assigns
    is kept: the next step averages on from there.

    Args:
        data: Inputs as an array or a dict of them, or a tuple `(inputs, ...)`; or an iterable of
            such batches that can be run through again: `tf.data.Dataset`,
            `keras.utils.PyDataset`, a torch `DataLoader`, a list.
        batch_size: Examples in a batch; with arrays only.
        batches: How many batches to take; None for all.
        every_epoch: `False` to run only once, at the end of training.

    Raises:
        ValueError: if an argument is not as described, the model has no batch normalization that
            is trainable, or the data no batches.

    Example:
    ```python
    model.fit(x, y, callbacks=[kd.callbacks.PreciseBatchStatistics(x[:1024], batch_size=256)])
    ```

    Reference: Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3.
    """

    of_a_fit = ("_layers",)
    shared = ("data",)

    def __init__(
        self, data: Any, batch_size: int = 128, batches: int | None = None, every_epoch: bool = True
    ) -> None:
        super().__init__()
        batch_size = whole_number("batch_size", batch_size, unit="examples")
        batches = None if batches is None else whole_number("batches", batches)
        if hasattr(data, "__next__"):
            raise ValueError(
                "Expected data that can be run through every epoch. Received: an iterator "
                f"({type(data).__name__}), which is used up after one. Pass the arrays or the "
                "dataset itself."
            )
        if not any(hasattr(data, name) for name in ("shape", "__iter__", "__getitem__")):
            raise ValueError(
                "Expected inputs as an array, a tuple or a dict of them, or batches of such. "
                f"Received: data={data!r}."
            )
        if batches is None and _never_ends(data):
            raise ValueError(
                "Expected data that come to an end, or `batches`, how many of them to take. "
                f"Received: data={data!r}, batches=None."
            )
        self.data = data
        self.batch_size = batch_size
        self.batches = batches
        self.every_epoch = every_epoch
        self._stale = False

    def set_model(self, model: keras.Model) -> None:
        """Finds the normalizations."""
        super().set_model(model)
        kinds = (BatchNormalization, keras.layers.BatchNormalization)
        self._layers = [
            layer
            for layer in internals.flatten_layers(model)
            if isinstance(layer, kinds) and layer.trainable
        ]
        if not self._layers:
            raise ValueError(
                "Expected a model with at least one BatchNormalization that is trainable. "
                f"Received: {model.name!r}. Leave the callback out."
            )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Remembers that the weights have changed."""
        self._stale = True

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Validation sees the new statistics."""
        self._run_if(self.every_epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """And so do callbacks after this one."""
        self._run_if(self.every_epoch)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """And the trained model."""
        self._run_if(True)

    def _run_if(self, wanted: bool) -> None:
        if wanted and self._stale:
            active.train_function.sync_variables(self.model)
            self.recompute()
            self._stale = False

    def recompute(self) -> None:
        """Assigns the statistics of the data to every normalization of the model, once."""
        moments = {id(layer): (0.0, 0.0, 0.0) for layer in self._layers}
        taken = 0
        with patched([(layer, "call", _collecting(layer, moments)) for layer in self._layers]):
            for inputs in _batches_of_inputs(self.data, self.batch_size):
                self.model(inputs, training=False)
                taken += 1
                if taken == self.batches:
                    break
        if not taken:
            raise ValueError("Expected at least one batch of data. Received: none.")
        for layer in self._layers:
            count, mean, variance = moments[id(layer)]
            if np.all(count):
                _assign(layer, count, mean, variance, count / taken)


def _collecting(layer: keras.Layer, moments: dict[int, Any]) -> Callable[..., Any]:
    """A `call` that adds up the moments of the layer's inputs and normalizes by the batch."""

    def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
        axis = layer.axis % len(inputs.shape)
        inputs = ops.cast(inputs, arithmetic_dtype(inputs.dtype))
        if mask is not None:
            mask = statistics.mask_over_positions(mask, inputs)
        batch = statistics.batch_statistics(inputs, axis, mask)
        new = (batch.weight, batch.batch_mean, batch.batch_variance)
        moments[id(layer)] = statistics.merged_moments(
            moments[id(layer)], [ops.convert_to_numpy(each).astype("float64") for each in new]
        )
        gamma, beta = (
            None if weight is None else statistics.along_channels(weight, axis, inputs)
            for weight in (layer.gamma, layer.beta)
        )
        outputs = statistics.normalize(batch.centred, batch.variance, layer.epsilon, gamma, beta)
        return ops.cast(outputs, layer.compute_dtype)

    return call


def _assign(
    layer: keras.Layer, count: Any, mean: Any, variance: Any, count_of_a_batch: Any
) -> None:
    if getattr(layer, "unbiased", False):
        variance = variance * count / np.maximum(count - 1, 1)
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)
    if isinstance(layer, BatchNormalization):
        # As after many steps, so that the next one counts no less than it would then.
        layer.total_weight.assign(np.max(count if layer.momentum is None else count_of_a_batch))
    elif getattr(layer, "renorm", False):
        layer.moving_stddev.assign(np.sqrt(variance + layer.epsilon))


def _never_ends(data: Any) -> bool:
    if hasattr(data, "cardinality"):
        return int(data.cardinality()) == -1  # tf.data.INFINITE_CARDINALITY
    return isinstance(data, keras.utils.PyDataset) and data.num_batches is None


def _batches_of_inputs(data: Any, batch_size: int) -> Iterator[Any]:
    if isinstance(data, (tuple, dict)) or hasattr(data, "shape"):
        inputs = data[0] if isinstance(data, tuple) else data
        for start in range(0, keras.tree.flatten(inputs)[0].shape[0], batch_size):
            part = slice(start, start + batch_size)
            yield keras.tree.map_structure(lambda array, part=part: array[part], inputs)
        return
    for batch in data:
        yield keras.utils.unpack_x_y_sample_weight(batch)[0]
