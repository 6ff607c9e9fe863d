"""A term of the loss that is there only while the loss is being differentiated."""

import functools

import jax
import jax.numpy as jnp

from keras_dlnotes.backend.always_recording import is_always_recording


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
