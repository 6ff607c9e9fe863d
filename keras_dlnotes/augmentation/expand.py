"""More training examples out of the same ones."""

import keras
import numpy as np

from keras_dlnotes.augmentation.expanded_arrays import ExpandedArrays, augmented
from keras_dlnotes.augmentation.expanded_batches import ExpandedBatches, turns
from keras_dlnotes.augmentation.pipeline import Pipeline
from keras_dlnotes.numerics.number_arguments import whole_number


def expand(
    data,
    transforms,
    copies=1,
    keep_original=True,
    seed=None,
    batch_size=32,
    shuffle=True,
    data_format=None,
    **kwargs,
):
    """Increases a training set by transformed copies of its pictures.

    Use it where pictures are few and some changes of a picture do not change its label. The set
    becomes `copies + 1` times as large, or `copies` times without the originals. Labels and sample
    weights go along. Every epoch draws anew, and with a seed every run draws the same.

    | `data` | what `fit` is given |
    |---|---|
    | arrays: `x`, `(x, y)` or `(x, y, sample_weight)` | a `keras.utils.PyDataset`; originals and |
    | | copies of the whole set are shuffled together |
    | a `keras.utils.PyDataset` of such batches | a `keras.utils.PyDataset` |
    | a `tf.data.Dataset` of such batches or examples | a `tf.data.Dataset` |

    From datasets, each batch holds originals and copies in another mixture: every example of a
    batch shows another of its variants each time the batch comes back.

    Flips, rotations and crops that follow one another are one resampling, so a picture is blurred
    once; what a rotation shows beyond the edge of a crop before it is the picture, where there is
    any. They keep the dtype. They are much faster with OpenCV, the package's extra
    `augmentation`; without it NumPy does the same. Keras layers give their own dtype. They run in
    inference mode for the originals, which are cropped at their centre.

    Args:
        data: The training set, as in the table. Pictures are `[height, width, channels]` as
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
        **kwargs: `workers`, `use_multiprocessing` and `max_queue_size` of the `PyDataset`; with
            arrays only.

    Returns:
        What `fit` takes as its first argument, as in the table. A `PyDataset` draws anew whenever
        its `on_epoch_end` is called, as `fit` does.

    Raises:
        TypeError: if the data or a transform is of another kind.
        ValueError: if an argument is not as described, or arrays differ in length.

    Example:
    ```python
    transforms = [
        kd.augmentation.flip(),
        kd.augmentation.rotate(0.05),
        keras.layers.RandomBrightness(0.2),
    ]
    train = kd.augmentation.expand((x, y), transforms, copies=3, seed=0)
    model.fit(train, epochs=10, validation_data=(x_validation, y_validation))
    ```

    Reference: deep-learning notes, "Data Augmentation".
    """
    copies = whole_number("copies", copies, least=0 if keep_original else 1)
    batch_size = whole_number("batch_size", batch_size, unit="examples")
    if seed is None:
        seed = int(np.random.default_rng().integers(2**31))
    seed = whole_number("seed", seed, least=0)
    pipeline = Pipeline(transforms, data_format)
    common = {"pipeline": pipeline, "copies": copies, "keep_original": keep_original, "seed": seed}
    if isinstance(data, keras.utils.PyDataset):
        _check_no_more(kwargs, "a PyDataset, which has its own workers")
        return ExpandedBatches(data, shuffle=shuffle, **common)
    if hasattr(data, "element_spec"):
        _check_no_more(kwargs, "a tf.data.Dataset")
        return _expanded_dataset(data, shuffle=shuffle, **common)
    arrays = _as_arrays(data)
    return ExpandedArrays(arrays, batch_size=batch_size, shuffle=shuffle, **common, **kwargs)


def _expanded_dataset(dataset, pipeline, copies, keep_original, seed, shuffle):
    # Whoever has such a dataset has TensorFlow, whatever Keras computes with.
    from keras_dlnotes.backend.tensorflow import datasets

    variants = copies + keep_original

    def variant(images, draw, turn):
        """What a batch shows at one of its turns; each example shows each variant once."""
        original = turns(len(images), variants, [seed, draw])[turn] == 0
        generator = np.random.default_rng([seed, draw, turn])
        return augmented(pipeline, images, original & keep_original, generator)

    return datasets.expanded(dataset, variant, variants, seed, shuffle)


def _as_arrays(data):
    parts = data if isinstance(data, tuple) else (data,)
    given = tuple(part for part in parts if part is not None)
    leaves = keras.tree.flatten(given)
    no_pictures = not parts or not hasattr(parts[0], "shape")
    if no_pictures or len(parts) > 3 or not all(getattr(leaf, "shape", ()) for leaf in leaves):
        raise TypeError(
            "Expected arrays x, (x, y) or (x, y, sample_weight), a keras.utils.PyDataset or a "
            f"tf.data.Dataset. Received: {type(data).__name__}"
            f"{[type(part).__name__ for part in parts] if isinstance(data, tuple) else ''}. Make "
            "arrays of lists with `numpy.array`."
        )
    arrays = keras.tree.map_structure(_as_numpy, given)
    lengths = [len(array) for array in keras.tree.flatten(arrays)]
    if arrays[0].ndim not in (3, 4) or len(set(lengths)) != 1 or not lengths[0]:
        raise ValueError(
            "Expected pictures of shape [examples, height, width, channels] or [examples, height, "
            "width], and as many labels and weights. Received: shapes "
            f"{[array.shape for array in keras.tree.flatten(arrays)]}."
        )
    return arrays


def _as_numpy(array):
    return array if isinstance(array, np.ndarray) else keras.ops.convert_to_numpy(array)


def _check_no_more(kwargs, data):
    if kwargs:
        raise ValueError(
            f"Expected no further arguments with {data}. Received: {', '.join(sorted(kwargs))}."
        )
