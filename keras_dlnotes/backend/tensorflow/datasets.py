"""`tf.data` pipelines around functions of NumPy arrays, for every backend of Keras."""

import numpy as np
import tensorflow as tf

_BATCH_OF_EXAMPLES = 32
_BATCHES_SHUFFLED = 8


def expanded(dataset, all_variants, variants, seed, shuffle):
    """A dataset in which each example comes `variants` times.

    Args:
        dataset: A `tf.data.Dataset` of tensors or tuples, the pictures first: batches
            `[n, height, width, channels]`, or examples of three axes.
        all_variants: From a NumPy batch and a whole number that is new every time to the stacked
            variants of the batch, `[variants, n, ...]`.
        variants: How many there are.
        seed: Of those numbers and of the shuffling.
        shuffle: Whether the result is shuffled, within a buffer.

    Returns:
        A dataset of the same structure.

    Raises:
        ValueError: if the pictures are not a tensor of known size.
    """
    single = not isinstance(dataset.element_spec, tuple)
    if single:
        dataset = dataset.map(lambda images: (images,))
    spec = dataset.element_spec[0]
    rank = spec.shape.rank if isinstance(spec, tf.TensorSpec) else None
    if rank not in (3, 4) or None in spec.shape[-3:]:
        raise ValueError(
            "Expected a tf.data.Dataset of pictures [height, width, channels] of known size, or "
            f"batches of them, alone or first in a tuple. Received: {dataset.element_spec}."
        )
    cardinality = dataset.cardinality()
    by_example = rank == 3
    if by_example:
        dataset = dataset.batch(_BATCH_OF_EXAMPLES)
    sample = all_variants(np.zeros([1, *spec.shape[-3:]], spec.dtype.as_numpy_dtype), 0)

    def expand_batch(batch, draw):
        images = tf.numpy_function(all_variants, (batch[0], draw), sample.dtype, stateful=False)
        images.set_shape([variants, batch[0].shape[0], *sample.shape[2:]])
        return images, batch[1:]

    def one_after_the_other(images, rest):
        return tf.data.Dataset.from_tensor_slices(images).map(lambda each: (each, *rest))

    draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    dataset = tf.data.Dataset.zip((dataset, draws)).map(expand_batch, num_parallel_calls=2)
    dataset = dataset.flat_map(one_after_the_other)
    buffer = _BATCHES_SHUFFLED * variants
    if by_example:
        dataset, buffer = dataset.unbatch(), buffer * _BATCH_OF_EXAMPLES
    if shuffle:
        dataset = dataset.shuffle(buffer, seed)
    if single:
        dataset = dataset.map(lambda images: images)
    if cardinality >= 0:
        cardinality *= variants
    return dataset.apply(tf.data.experimental.assert_cardinality(cardinality)).prefetch(2)
