"""`tf.data` pipelines around functions of NumPy arrays, for every backend of Keras."""

import numpy as np
import tensorflow as tf

_BATCH_OF_EXAMPLES = 32
_BATCHES_SHUFFLED = 8


def expanded(dataset, variant, variants, seed, shuffle):
    """A dataset in which each example comes `variants` times.

    Args:
        dataset: A `tf.data.Dataset` of tensors or tuples, the pictures first: batches
            `[n, height, width, channels]`, or examples of three axes.
        variant: From a NumPy batch, a whole number that is new every time, and the number of one
            of its variants to that variant of the batch, `[n, ...]`.
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
    elements = dataset.cardinality()
    by_example = rank == 3
    if by_example:
        dataset = dataset.batch(_BATCH_OF_EXAMPLES)
    sample = variant(np.zeros([1, *spec.shape[-3:]], spec.dtype.as_numpy_dtype), 0, 0)

    def in_turn(batch, draw):
        return tf.data.Dataset.range(variants).map(lambda turn: (batch, draw, turn))

    def augment(batch, draw, turn):
        images = tf.numpy_function(variant, (batch[0], draw, turn), sample.dtype, stateful=False)
        images.set_shape([batch[0].shape[0], *sample.shape[1:]])
        return (images, *batch[1:])

    draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    dataset = tf.data.Dataset.zip((dataset, draws)).flat_map(in_turn)
    if shuffle:  # before pictures are made: the buffer then holds no copies of any
        dataset = dataset.shuffle(_BATCHES_SHUFFLED * variants, seed)
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    if by_example:
        dataset = dataset.unbatch()
        if shuffle:
            dataset = dataset.shuffle(_BATCHES_SHUFFLED * variants * _BATCH_OF_EXAMPLES, seed)
    if single:
        dataset = dataset.map(lambda images: images)
    if elements != tf.data.UNKNOWN_CARDINALITY:
        elements *= variants if elements >= 0 else 1  # negative: it never ends
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(elements))
    return dataset.prefetch(2)
