"""The transforms of one augmentation, applied in turn to batches of pictures."""

from itertools import groupby
from threading import Lock

import keras
import numpy as np

from keras_dlnotes.augmentation.geometric import (
    GeometricTransform,
    apply_geometric,
    shared_resampling,
)

# These blend pictures with each other, and their labels with them.
_MIXING_LAYERS = tuple(
    getattr(keras.layers, name) for name in ("MixUp", "CutMix") if hasattr(keras.layers, name)
)


class Pipeline:
    """Flips, rotations, crops and Keras layers, one after the other.

    Args:
        transforms: What `flip`, `rotate` and `crop` return, and Keras preprocessing layers.
        data_format: `"channels_last"` or `"channels_first"`; None for Keras's setting.

    Raises:
        TypeError: if a transform is none of these.
        ValueError: if it is a layer that mixes labels, or the data format is unknown.
    """

    def __init__(self, transforms, data_format=None):
        transforms = transforms if isinstance(transforms, (list, tuple)) else [transforms]
        for transform in transforms:
            _check_transform(transform)
        data_format = data_format or keras.config.image_data_format()
        if data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                "Expected `data_format` to be 'channels_last' or 'channels_first'. "
                f"Received: data_format={data_format!r}."
            )
        self.channels_first = data_format == "channels_first"
        self.stages = _stages(transforms)
        self._lock = Lock()  # a layer's random state is one for all of `fit`'s workers

    def __getstate__(self):
        """Without the lock, for worker processes."""
        return {key: value for key, value in vars(self).items() if key != "_lock"}

    def __setstate__(self, state):
        vars(self).update(state, _lock=Lock())

    def __call__(self, images, generator, training=True):
        """Transforms a batch of pictures.

        Args:
            images: A NumPy array, [n, height, width, channels], [n, channels, height, width] or
                [n, height, width].
            generator: A NumPy random generator; all draws come from it.
            training: False for originals: nothing is drawn, crops are taken at the centre, and
                Keras layers run in inference mode.

        Returns:
            The new pictures. Flips, rotations and crops keep the dtype, a Keras layer gives its
            own.
        """
        for stage in self.stages:
            if isinstance(stage, list):
                images = self._resampled(stage, images, generator, training)
            else:
                with self._lock:
                    images = _through_layer(stage, images, generator, training)
        return images

    def _resampled(self, transforms, images, generator, training):
        if images.ndim == 3:
            images = apply_geometric(transforms, images[..., None], generator, training)
            return images[..., 0]
        if not self.channels_first:
            return apply_geometric(transforms, images, generator, training)
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        images = apply_geometric(transforms, images, generator, training)
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _stages(transforms):
    """Keras layers, and lists of geometric transforms that one resampling can do together."""
    stages: list = []
    for geometric, run in groupby(transforms, lambda each: isinstance(each, GeometricTransform)):
        if not geometric:
            stages.extend(run)
            continue
        stages.append([])
        for transform in run:
            before = shared_resampling(stages[-1])
            if None not in (before, transform.resampling) and before != transform.resampling:
                stages.append([])
            stages[-1].append(transform)
    return stages


def _check_transform(transform):
    if isinstance(transform, _MIXING_LAYERS):
        raise ValueError(
            "Expected transforms that leave the labels as they are. Received: "
            f"{transform.name!r} ({type(transform).__name__}), which blends labels too. Map it "
            "over the batches of a tf.data pipeline as Keras's guide shows."
        )
    if not isinstance(transform, (GeometricTransform, keras.Layer)):
        raise TypeError(
            "Expected transforms made by kd.augmentation's flip, rotate and crop, or Keras "
            f"preprocessing layers. Received: {transform!r}."
        )


def _through_layer(layer, images, generator, training):
    for inner in layer._flatten_layers():
        for seeds in inner._seed_generators:
            state = generator.integers(0, 2**31 - 1, seeds.state.shape)
            seeds.state.assign(state.astype(keras.backend.standardize_dtype(seeds.state.dtype)))
    images = images[..., None] if (flat := images.ndim == 3) else images
    # Not all of Keras's layers take whole numbers, but all give floating-point ones.
    inputs = keras.ops.convert_to_tensor(images, dtype=layer.compute_dtype)
    new = keras.ops.convert_to_numpy(layer(inputs, training=training))
    return new[..., 0] if flat else new
