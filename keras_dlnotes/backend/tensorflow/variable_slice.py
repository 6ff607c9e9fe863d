"""A variable that lives in a part of a longer one."""

import math

import tensorflow as tf

from keras_dlnotes.backend.tensorflow import internals


class VariableSlice:
    """What Keras asks of a `tf.Variable`, kept in one stretch of a flat `tf.Variable`.

    On TensorFlow reading and writing one small variable costs as much as the arithmetic on a
    thousand numbers. State that is always updated together is read and written in one piece, and
    this class shows each part of it to everyone else: saving, loading, `numpy()`, checkpoints.

    Args:
        flat: The variable that holds the numbers, one axis.
        start: Where this part begins.
        shape: The shape of this part.
    """

    def __init__(self, flat: tf.Variable, start: int, shape: tuple[int, ...]):
        self._flat = flat
        self._start = start
        self._stop = start + math.prod(shape)
        self.shape = tf.TensorShape(shape)
        self.dtype = flat.dtype

    def read_value(self):
        """The present numbers as a tensor."""
        return tf.reshape(self._flat[self._start : self._stop], self.shape)

    def numpy(self):
        """The present numbers as a NumPy array."""
        return self.read_value().numpy()

    def __array__(self, dtype=None, copy=None):
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def __tf_tensor__(self, dtype=None, name=None):
        return tf.convert_to_tensor(self.read_value(), dtype=dtype, name=name)

    def assign(self, value):
        """Writes the numbers."""
        value = tf.reshape(tf.cast(value, self.dtype), [-1])
        self._flat[self._start : self._stop].assign(value)

    # The names by which a Keras variable saves itself into a tf.train.Checkpoint.
    @property
    def _shared_name(self):
        return f"{internals.shared_name.of(self._flat)}_{self._start}"

    def _serialize_to_tensors(self):
        return {"VARIABLE_VALUE": self.read_value()}

    def _restore_from_tensors(self, restored_tensors):
        self.assign(restored_tensors["VARIABLE_VALUE"])
        return self
