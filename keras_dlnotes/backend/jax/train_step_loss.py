"""The loss that a model's own `train_step` differentiates."""

import contextlib

import jax
import jax.numpy as jnp

from keras_dlnotes.backend.asked_for_gradient import AskedForGradient
from keras_dlnotes.backend.this_thread import replaced_here

_DIFFERENTIATE = ("grad", "value_and_grad")


def differentiated_loss(model, data):
    """Runs the model's `train_step` until it asks for a gradient, and returns of what.

    Args:
        model: a Keras model, whose variables are not to change.
        data: as `train_step` takes it.

    Raises:
        ValueError: if it asks for none.
    """
    optimizer = model.optimizer.variables if model.optimizer is not None else []
    state = [
        [variable.value for variable in variables]
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
            optimizer,
            model.metrics_variables,
        )
    ]
    with contextlib.ExitStack() as stack:
        for name in _DIFFERENTIATE:
            stack.enter_context(replaced_here(jax, name, _asked_instead))
        try:
            model.train_step(tuple(state), data)
        except AskedForGradient as asked:
            return jnp.sum(asked.args[0])
    raise ValueError("`train_step` calls neither `jax.grad` nor `jax.value_and_grad`")


def _asked_instead(original):
    def transform(function, argnums=0, has_aux=False, **_):
        def run(*arguments, **options):
            with contextlib.ExitStack() as stack:
                # Within the loss a gradient by inputs may be asked for.
                for name in _DIFFERENTIATE:
                    stack.enter_context(replaced_here(jax, name, lambda original: original))
                result = function(*arguments, **options)
            raise AskedForGradient(result[0] if has_aux else result)

        return run

    return transform
