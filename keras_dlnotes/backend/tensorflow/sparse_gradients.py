"""Sparse gradients: TensorFlow's `IndexedSlices`, as an embedding's lookup returns them."""

import tensorflow as tf


def to_dense(gradient):
    """The gradient as one array of the variable's shape; rows that occur twice are added up."""
    return tf.convert_to_tensor(gradient)


def is_dense(value):
    """Whether a value is a tensor with all of its numbers stored."""
    return tf.is_tensor(value) and not isinstance(value, tf.SparseTensor | tf.RaggedTensor)
