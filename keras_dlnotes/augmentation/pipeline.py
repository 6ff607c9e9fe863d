"""The transforms of one augmentation, applied in turn to batches of images."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from threading import Lock
from typing import Any

import keras
import numpy as np

from keras_dlnotes.augmentation.geometric import (
    GeometricTransform,
    apply_geometric,
    shared_resampling,
)
from keras_dlnotes.augmentation.moving_labels import image_size, kinds_of
from keras_dlnotes.backend import internals

# These leave every pixel where it is.
_LAYERS_IN_PLACE = tuple(
    getattr(keras.layers, name)
    for name in (
        "Activation",
        "AutoContrast",
        "ContrastLimitedAdaptiveHistogramEqualization",
        "Dropout",
        "Equalization",
        "GaussianDropout",
        "GaussianNoise",
        "Identity",
        "Normalization",
        "RandomBrightness",
        "RandomColorDegeneration",
        "RandomColorJitter",
        "RandomContrast",
        "RandomErasing",
        "RandomGaussianBlur",
        "RandomGrayscale",
        "RandomHue",
        "RandomInvert",
        "RandomPosterization",
        "RandomSaturation",
        "RandomSharpness",
        "ReLU",
        "Rescaling",
        "Solarization",
    )
    if hasattr(keras.layers, name)
)
# These move pixels as their draws say, whatever the pixels show. (Not RandomElasticTransform, which
# on torch does not repeat itself with the same draws.)
_MOVING_LAYERS = tuple(
    getattr(keras.layers, name)
    for name in (
        "CenterCrop",
        "RandomCrop",
        "RandomFlip",
        "RandomPerspective",
        "RandomRotation",
        "RandomShear",
        "RandomTranslation",
        "RandomZoom",
        "Resizing",
    )
    if hasattr(keras.layers, name)
)
# These blend images with each other, and their labels with them.
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

    def __init__(self, transforms: Any, data_format: str | None = None) -> None:
        transforms = transforms if isinstance(transforms, (list, tuple)) else [transforms]
        for transform in _unpacked(transforms):
            _check_transform(transform)
        data_format = data_format or keras.config.image_data_format()
        if data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                "Expected `data_format` to be 'channels_last' or 'channels_first'. "
                f"Received: data_format={data_format!r}."
            )
        self.channels_first = data_format == "channels_first"
        self.stages = _stages(_unpacked(transforms))
        self._lock = Lock()  # a layer's random state is one for all of `fit`'s workers

    def __getstate__(self) -> dict[str, Any]:
        """Without the lock, for worker processes."""
        return {key: value for key, value in vars(self).items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=Lock())

    def kinds_of(self, parts: Sequence[Any], labels: Any) -> list[str]:
        """How labels and weights follow these images: `moving_labels.kinds_of`.

        Args:
            parts: `(x,)`, `(x, y)` or `(x, y, sample_weight)`, or what tells their shapes.
            labels: As of `expand`.

        Raises:
            ValueError: also if a label is to move, and a layer does not say how.
        """
        moves_pixels = not all(isinstance(stage, _LAYERS_IN_PLACE) for stage in self.stages)
        size = image_size(parts[0].shape, self.channels_first)
        kinds = kinds_of(parts, labels if moves_pixels else "fixed", size, self.channels_first)
        for stage in self.stages:
            known = isinstance(stage, (list, *_LAYERS_IN_PLACE, *_MOVING_LAYERS))
            if not known and set(kinds) & {"mask", "image"}:
                raise ValueError(
                    "Expected transforms that are known to move labels along, or to leave every "
                    f"pixel where it is. Received: {stage.name!r} ({type(stage).__name__}), and "
                    "labels or weights of the images' height and width. Use flip, rotate and "
                    f"crop or one of Keras's {', '.join(each.__name__ for each in _MOVING_LAYERS)};"
                    " derive a layer that moves no pixel from keras.layers.Identity; or pass "
                    "`labels='fixed'` if the labels do not lie over the images."
                )
        return kinds

    def __call__(
        self,
        images: np.ndarray,
        companions: Sequence[tuple[str, np.ndarray]],
        generator: np.random.Generator,
        training: bool = True,
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Transforms a batch of images and what lies over them.

        Args:
            images: A NumPy array, [n, height, width, channels], [n, channels, height, width] or
                [n, height, width].
            companions: Pairs of a kind, `"mask"` or `"image"`, and an array of the layout [n,
                height, width, channels], to be moved along with the same draws.
            generator: A NumPy random generator; all draws come from it.
            training: False for originals: nothing is drawn, crops are taken at the centre, and
                Keras layers run in inference mode.

        Returns:
            The new images, and a list of the new companions. Flips, rotations and crops keep the
            dtype, a Keras layer gives its own, but for masks.
        """
        for stage in self.stages:
            if isinstance(stage, list):
                pixels = self._channels_last(images)
                layers = [("image", pixels), *companions]
                pixels, *moved = apply_geometric(stage, layers, generator, training)
                images = self._as_given(pixels, images.ndim)
            else:
                with self._lock:
                    images, moved = self._through_layer(
                        stage, images, companions, generator, training
                    )
            companions = [(kind, new) for (kind, _), new in zip(companions, moved, strict=True)]
        return images, [array for _, array in companions]

    def _channels_last(self, images: np.ndarray) -> np.ndarray:
        if images.ndim == 3:
            return images[..., None]
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if self.channels_first else images

    def _as_given(self, pixels: np.ndarray, rank: int) -> np.ndarray:
        if rank == 3:
            return pixels[..., 0]
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)) if self.channels_first else pixels

    def _through_layer(
        self,
        layer: keras.Layer,
        images: np.ndarray,
        companions: Sequence[tuple[str, np.ndarray]],
        generator: np.random.Generator,
        training: bool,
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        draws = [
            (seeds, generator.integers(0, 2**31 - 1, seeds.state.shape))
            for inner in internals.flatten_layers(layer)
            for seeds in internals.seed_generators.of(inner)
        ]

        def applied(data: Any) -> Any:
            """The layer with the same draws each time."""
            for seeds, state in draws:
                seeds.state.assign(state.astype(keras.backend.standardize_dtype(seeds.state.dtype)))
            return layer(data, training=training)

        def as_inputs(images: np.ndarray) -> Any:
            if images.ndim == 3:
                images = images[:, None] if self.channels_first else images[..., None]
            # Not all of Keras's layers take whole numbers, but all give floating-point ones.
            return keras.ops.convert_to_tensor(images, dtype=layer.compute_dtype)

        def as_outputs(images: Any, rank: int) -> np.ndarray:
            images = keras.ops.convert_to_numpy(images)
            return (
                images[:, 0]
                if rank == 3 and self.channels_first
                else (images[..., 0] if rank == 3 else images)
            )

        new = as_outputs(applied(as_inputs(images)), images.ndim)
        if isinstance(layer, _LAYERS_IN_PLACE):
            return new, [array for _, array in companions]
        size = image_size(images.shape, self.channels_first)
        moved = []
        for kind, array in companions:
            _check_size(layer, array, size)
            inputs = as_inputs(self._as_given(array, 4))
            if kind == "mask":
                _check_no_stretching(layer, size)
                _check_exact(layer, array, self._channels_last(keras.ops.convert_to_numpy(inputs)))
            with _of_kind(layer, kind):
                outputs = applied(inputs)
            outputs = self._channels_last(as_outputs(outputs, 4))
            moved.append(outputs.astype(array.dtype) if kind == "mask" else outputs)
        return new, moved


def _unpacked(transforms: Iterable[Any]) -> Iterator[Any]:
    """The layers of a `Sequential` or a `Pipeline` one by one."""
    for transform in transforms:
        if isinstance(transform, (keras.Sequential, keras.layers.Pipeline)):
            yield from _unpacked(transform.layers)
        else:
            yield transform


def _stages(transforms: Iterable[Any]) -> list[Any]:
    """Keras layers, and lists of geometric transforms that one resampling can do together."""
    stages: list[Any] = []
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


def _check_transform(transform: Any) -> None:
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


@contextmanager
def _of_kind(layer: keras.Layer, kind: str) -> Iterator[None]:
    """For masks, lets the layer copy the nearest pixel, and 0 where there is none.

    Not by the layer's own way with masks: with Keras 3.15 on torch, RandomRotation turns masks
    otherwise than images.
    """
    wanted = {"interpolation": "nearest", "fill_value": 0.0} if kind == "mask" else {}
    before = {name: getattr(layer, name) for name in wanted if hasattr(layer, name)}
    try:
        for name in before:
            setattr(layer, name, wanted[name])
        yield
    finally:
        for name, value in before.items():
            setattr(layer, name, value)


def _check_size(layer: keras.Layer, array: np.ndarray, size: Sequence[int]) -> None:
    if array.shape[1:3] != tuple(size):
        raise ValueError(
            f"Expected labels of the images' {size[0]} x {size[1]} pixels, as {layer.name!r} "
            f"({type(layer).__name__}) moves along. Received: {array.shape[1]} x {array.shape[2]}. "
            "Use flip, rotate and crop, which move labels of any size."
        )


def _check_no_stretching(layer: keras.Layer, size: Sequence[int]) -> None:
    stretching = isinstance(layer, (keras.layers.CenterCrop, keras.layers.RandomCrop))
    if stretching and (layer.height > size[0] or layer.width > size[1]):
        raise ValueError(
            f"Expected images of at least {layer.height} x {layer.width} pixels, the window of "
            f"{layer.name!r} ({type(layer).__name__}), which stretches smaller ones and blends the "
            f"classes of masks. Received: {size[0]} x {size[1]}. Put `keras.layers.Resizing` "
            "before it."
        )


def _check_exact(layer: keras.Layer, array: np.ndarray, cast: np.ndarray) -> None:
    """Checks that the layer's dtype holds the mask's whole numbers, which may be classes."""
    values = array.astype("float64")
    whole = values == np.rint(values)
    if (cast.astype("float64") != values)[whole].any():
        raise ValueError(
            f"Expected a mask whose whole numbers {layer.compute_dtype} holds, in which "
            f"{layer.name!r} ({type(layer).__name__}) computes. Received: numbers up to "
            f"{array.max()}. Make the layer with dtype='float32'."
        )
