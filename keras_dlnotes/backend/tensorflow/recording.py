"""A term of the loss only while a gradient is recorded; of what a train step records one."""

import keras
import tensorflow as tf

from keras_dlnotes.backend.gradient_scopes import AskedForGradient, is_always_recording
from keras_dlnotes.backend.replacements import replaced_here
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


def differentiated_loss(model, data):
    """Runs the model's `train_step` until it asks for a gradient by weights, and returns of what.

    Args:
        model: a Keras model, whose variables are not to change.
        data: as `train_step` takes it.

    Raises:
        ValueError: if it asks for none.
    """

    def made(original):
        def gradient(tape, target, sources, *arguments, **options):
            # By inputs it may be asked for within the loss.
            if any(isinstance(s, keras.Variable | tf.Variable) for s in tf.nest.flatten(sources)):
                raise AskedForGradient(target)
            return original(tape, target, sources, *arguments, **options)

        return gradient

    with replaced_here(tf.GradientTape, "gradient", made):
        try:
            model.train_step(data)
        except AskedForGradient as asked:
            return tf.add_n([tf.reduce_sum(part) for part in tf.nest.flatten(asked.args[0])])
    raise ValueError("`train_step` asks no `tf.GradientTape` for a gradient by variables")
