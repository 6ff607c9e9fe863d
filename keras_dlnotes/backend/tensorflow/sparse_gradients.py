"""Sparse gradients: TensorFlow's `IndexedSlices`, as an embedding's lookup returns them."""

import tensorflow as tf


def to_dense(gradient):
    """The gradient as one array of the variable's shape; rows that occur twice are added up."""
    return tf.convert_to_tensor(gradient)
