"""`tf.data` pipelines around functions of NumPy arrays, for every backend of Keras."""

import keras
import numpy as np
import tensorflow as tf

_BATCH_OF_EXAMPLES = 32
_BATCHES_SHUFFLED = 8


def expanded(dataset, moving, variants, seed, shuffle):
    """A dataset in which each example comes `variants` times.

    Args:
        dataset: A `tf.data.Dataset` of tensors or tuples, the pictures first: batches
            `[n, height, width, channels]`, or examples of three axes.
        moving: From a batch's structure of specs to the positions of the parts that change, in the
            order of `keras.tree.flatten`, and a function that changes them: from a whole number
            that is new every time, the number of a variant, and the parts as NumPy arrays to those
            of that variant.
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
    spec = dataset.element_spec
    positions, variant = moving(spec)
    # TensorFlow may order a structure in another way than Keras.
    count = len(tf.nest.flatten(spec))
    order = keras.tree.flatten(tf.nest.pack_sequence_as(spec, list(range(count))))
    chosen = [order[position] for position in positions]
    specs = [tf.nest.flatten(spec)[index] for index in chosen]
    zeros = [
        np.zeros([length or 1 for length in (1, *each.shape[1:])], each.dtype.as_numpy_dtype)
        for each in specs
    ]
    samples = variant(0, 0, *zeros)

    def in_turn(batch, draw):
        return tf.data.Dataset.range(variants).map(lambda turn: (batch, draw, turn))

    def augment(batch, draw, turn):
        parts = tf.nest.flatten(batch)
        old = [parts[index] for index in chosen]
        types = [sample.dtype for sample in samples]
        new = tf.numpy_function(variant, (draw, turn, *old), types, stateful=False)
        for index, before, after, sample in zip(chosen, old, new, samples, strict=True):
            # Layers may change the number of channels, but not whether it is known.
            lengths = zip(before.shape[1:], sample.shape[1:], strict=True)
            after.set_shape([before.shape[0], *(old and new for old, new in lengths)])
            parts[index] = after
        return tf.nest.pack_sequence_as(batch, parts)

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
