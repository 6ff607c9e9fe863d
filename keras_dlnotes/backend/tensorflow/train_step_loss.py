"""The loss that a model's own `train_step` differentiates."""

import keras
import tensorflow as tf

from keras_dlnotes.backend.asked_for_gradient import AskedForGradient
from keras_dlnotes.backend.this_thread import replaced_here


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
