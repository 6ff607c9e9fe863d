"""A term of the loss that is there only while the loss is being differentiated."""

import tensorflow as tf

from keras_dlnotes.backend.always_recording import is_always_recording
from keras_dlnotes.backend.tensorflow import internals


def only_while_recording(function, *tensors):
    """`function(*tensors)` while a gradient is being taken, else 0.

    It is asked once for each trace: Keras traces training, inside a `GradientTape`, and evaluation
    apart from each other.

    Args:
        function: pure, gives a scalar of the first tensor's dtype.
        *tensors: floating-point tensors.
    """
    if internals.could_record.value() or is_always_recording():
        return function(*tensors)
    return tf.zeros((), tensors[0].dtype)
