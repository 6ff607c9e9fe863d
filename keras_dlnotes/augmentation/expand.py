"""More training examples out of the same ones."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
import numpy as np

from keras_dlnotes.augmentation.expanded_arrays import ExpandedArrays, as_numpy, augmented
from keras_dlnotes.augmentation.expanded_batches import ExpandedBatches, turns
from keras_dlnotes.augmentation.geometric import GeometricTransform
from keras_dlnotes.augmentation.pipeline import Pipeline
from keras_dlnotes.numerics.number_arguments import whole_number


def expand(
    data: Any,
    transforms: Sequence[GeometricTransform | keras.Layer],
    copies: int = 1,
    keep_original: bool = True,
    seed: int | None = None,
    batch_size: int = 32,
    shuffle: bool = True,
    data_format: Literal["channels_last", "channels_first"] | None = None,
    labels: Any = "auto",
    **kwargs: Any,
) -> Any:
    """Increases a training set by transformed copies of its images.

    Use it where images are few and some changes of an image do not change its label. The set
    becomes `copies + 1` times as large, or `copies` times without the originals. Labels and sample
    weights go along, and those that lie over the images move with them. Every epoch draws anew,
    and with a seed every run draws the same.

    | `data` | what `fit` is given |
    |---|---|
    | arrays: `x`, `(x, y)` or `(x, y, sample_weight)` | a `keras.utils.PyDataset`; originals and |
    | | copies of the whole set are shuffled together |
    | a `keras.utils.PyDataset` of such batches | a `keras.utils.PyDataset` |
    | a `tf.data.Dataset` of such batches or examples | a `tf.data.Dataset` |

    From datasets, each batch holds originals and copies in another mixture: every example of a
    batch shows another of its variants each time the batch comes back.

    Flips, rotations and crops that follow one another are one resampling, so an image is blurred
    once; what a rotation shows beyond the edge of a crop before it is the image, where there is
    any. They keep the dtype. They are much faster with OpenCV, the package's extra
    `augmentation`; without it NumPy does the same. Keras layers give their own dtype. They run in
    inference mode for the originals, which are cropped at their centre.

    Labels and weights of the images' height and width, with or without channels (segmentation
    masks, one-hot ones too, and weights of single pixels), move along with the same draws. Each new
    pixel takes the nearest old one's value, so that classes are not blended. Where `y` is the very
    array `x`, as for an autoencoder, it is interpolated like the images. Other labels of one or
    two axes stay as they are: do not give places in the image in this form. Labels of other
    shapes, and those named boxes, points or landmarks, are refused unless `labels` says what they
    are. Keras layers that change colours alone leave labels as they are.

    | `labels` | |
    |---|---|
    | `"auto"` | as above |
    | `"fixed"` | stays as it is |
    | `"mask"` | moves along, with the nearest pixel's value |
    | `"image"` | moves along, interpolated like the images: targets of denoising or |
    | | super-resolution. May have another height and width, with flip, rotate and crop |

    Args:
        data: The training set, as in the table. Images are `[height, width, channels]` as
            `data_format` says, in arrays also `[height, width]`.
        transforms: A list of what `flip`, `rotate` and `crop` return and of Keras preprocessing
            layers, applied in turn.
        copies: Augmented copies of each example.
        keep_original: Whether the originals stay in the set.
        seed: A whole number, or None for one at random.
        batch_size: Examples in a batch; with arrays only.
        shuffle: Whether the order changes from epoch to epoch. With `tf.data` the batches are
            shuffled within a buffer of 8 source batches and their copies.
        data_format: `"channels_last"` or `"channels_first"`; None for Keras's setting.
        labels: As in the table, or a structure of these like that of the labels, such as
            `{"mask": "mask", "class": "fixed"}`. In a dictionary, names left out are `"auto"`.
        **kwargs: `workers`, `use_multiprocessing` and `max_queue_size` of the `PyDataset`; with
            arrays only.

    Returns:
        What `fit` takes as its first argument, as in the table. A `PyDataset` draws anew whenever
        its `on_epoch_end` is called, as `fit` does.

    Raises:
        TypeError: if the data or a transform is of another kind.
        ValueError: if an argument is not as described, arrays differ in length, or labels may hold
            places in the image that cannot be moved along; with a `PyDataset`, at the first
            batch.

    Example:
    ```python
    transforms = [
        kd.augmentation.flip(),
        kd.augmentation.rotate(0.05),
        keras.layers.RandomBrightness(0.2),
    ]
    train = kd.augmentation.expand((x, y), transforms, copies=3, seed=0)
    model.fit(train, epochs=10, validation_data=(x_validation, y_validation))

    train = kd.augmentation.expand((images, masks), [kd.augmentation.rotate(0.1)])
    train = kd.augmentation.expand((noisy, clean), [kd.augmentation.flip()], labels="image")
    ```

    Reference: deep-learning notes, "Data Augmentation".
    """
    copies = whole_number("copies", copies, least=0 if keep_original else 1)
    batch_size = whole_number("batch_size", batch_size, unit="examples")
    if seed is None:
        seed = int(np.random.default_rng().integers(2**31))
    seed = whole_number("seed", seed, least=0)
    pipeline = Pipeline(transforms, data_format)
    common: dict[str, Any] = {
        "pipeline": pipeline,
        "copies": copies,
        "keep_original": keep_original,
        "seed": seed,
    }
    if isinstance(data, keras.utils.PyDataset):
        _check_no_more(kwargs, "a PyDataset, which has its own workers")
        return ExpandedBatches(data, labels, shuffle=shuffle, **common)
    if hasattr(data, "element_spec"):
        _check_no_more(kwargs, "a tf.data.Dataset")
        return _expanded_dataset(data, labels, shuffle=shuffle, **common)
    arrays = _as_arrays(data)
    kinds = pipeline.kinds_of(arrays, labels)
    return ExpandedArrays(arrays, kinds, batch_size=batch_size, shuffle=shuffle, **common, **kwargs)


def _expanded_dataset(
    dataset: Any,
    labels: Any,
    pipeline: Pipeline,
    copies: int,
    keep_original: bool,
    seed: int,
    shuffle: bool,
) -> Any:
    # Whoever has such a dataset has TensorFlow, whatever Keras computes with.
    from keras_dlnotes.backend.tensorflow import datasets

    variants = copies + keep_original

    def moving(parts: Any) -> tuple[list[int], Callable[..., Any]]:
        """Which parts of a batch move, the images first, and how they do."""
        kinds = pipeline.kinds_of(parts, labels)
        chosen = [index for index, kind in enumerate(kinds, 1) if kind != "fixed"]
        moved = [kinds[index - 1] for index in chosen]

        def variant(draw: int, turn: int, *arrays: Any) -> Any:
            """What a batch shows at one of its turns; each example shows each variant once."""
            original = turns(len(arrays[0]), variants, [seed, draw])[turn] == 0
            generator = np.random.default_rng([seed, draw, turn])
            return augmented(pipeline, arrays, moved, original & keep_original, generator)

        return [0, *chosen], variant

    return datasets.expanded(dataset, moving, variants, seed, shuffle)


def _as_arrays(data: Any) -> tuple[Any, ...]:
    parts = data if isinstance(data, tuple) else (data,)
    while parts and parts[-1] is None:
        parts = parts[:-1]
    leaves = [leaf for leaf in keras.tree.flatten(parts) if leaf is not None]
    no_images = not parts or not hasattr(parts[0], "shape")
    if no_images or len(parts) > 3 or not all(getattr(leaf, "shape", ()) for leaf in leaves):
        raise TypeError(
            "Expected arrays x, (x, y) or (x, y, sample_weight), a keras.utils.PyDataset or a "
            f"tf.data.Dataset. Received: {type(data).__name__}"
            f"{[type(part).__name__ for part in parts] if isinstance(data, tuple) else ''}. Make "
            "arrays of lists with `numpy.array`."
        )
    known: dict[int, Any] = {}  # an array that is given twice, as for an autoencoder, stays one

    def as_one_numpy(leaf: Any) -> Any:
        if leaf is None:
            return None
        known.setdefault(id(leaf), as_numpy(leaf))
        return known[id(leaf)]

    arrays = keras.tree.map_structure(as_one_numpy, parts)
    shapes = [known[id(leaf)].shape for leaf in leaves]
    if arrays[0].ndim not in (3, 4) or len({shape[0] for shape in shapes}) != 1 or not shapes[0][0]:
        raise ValueError(
            "Expected images of shape [examples, height, width, channels] or [examples, height, "
            f"width], and as many labels and weights. Received: shapes {shapes}."
        )
    return arrays


def _check_no_more(kwargs: dict[str, Any], data: str) -> None:
    if kwargs:
        raise ValueError(
            f"Expected no further arguments with {data}. Received: {', '.join(sorted(kwargs))}."
        )
