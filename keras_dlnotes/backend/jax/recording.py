"""A term of the loss only while a gradient is recorded; of what a train step records one."""

import contextlib
import functools

import jax
import jax.numpy as jnp

from keras_dlnotes.backend.gradient_scopes import AskedForGradient, is_always_recording
from keras_dlnotes.backend.replacements import replaced_here


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def only_while_recording(function, *arrays):
    """`function(*arrays)` while a gradient is being taken, else 0.

    Differentiation runs the rule below in place of this body, and the rule returns the term's own
    value and tangent: unlike `p - stop_gradient(p)` it keeps value and gradient in agreement.

    Args:
        function: pure, gives a scalar of the first array's dtype.
        *arrays: floating-point arrays.
    """
    if is_always_recording():
        return function(*arrays)
    return jnp.zeros((), arrays[0].dtype)


@only_while_recording.defjvp
def _the_term_itself(function, arrays, tangents):
    return jax.jvp(function, arrays, tangents)


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
