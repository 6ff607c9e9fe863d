"""Updating many variables by one elementwise rule.

Inside the jitted train step XLA already fuses a rule's operations into one loop for each variable,
and a step costs no overhead for each operation. Joining small variables was slower, and took
far longer to compile.
"""

import contextlib

import jax.numpy as jnp

from keras_dlnotes.backend.dtypes import in_arithmetic_dtype
from keras_dlnotes.backend.jax.arrays import to_dense


def creating_state():
    """The context in which an optimizer creates its state: nothing special on this backend."""
    return contextlib.nullcontext()


class FusedUpdate:
    """One optimizer's update of all its variables.

    Args:
        rule: Takes a gradient, a tuple of state arrays, the learning rate and the step, and returns
            the change of the variable and the tuple of new state arrays.
        variables: The variables to be updated.
        slots: For each variable, the tuple of its Keras state variables.
    """

    def __init__(self, rule, variables, slots):
        self._rule = in_arithmetic_dtype(rule)
        self._variables = variables
        self._slots = slots

    def can_update(self):
        """Whether the variables may be updated here."""
        return True

    def __call__(self, gradients, learning_rate, step):
        """Updates variables and state.

        Args:
            gradients: A gradient for each variable's index; variables that have none are left out.
            learning_rate: A scalar array.
            step: The number of this update, a scalar array.
        """
        for index, gradient in gradients.items():
            variable, slots = self._variables[index], self._slots[index]
            gradient = jnp.asarray(to_dense(gradient), variable.dtype)
            values = tuple(slot.value for slot in slots)
            change, values = self._rule(gradient, values, learning_rate, step)
            for slot, value in zip(slots, values, strict=True):
                slot.assign(value)
            variable.assign(variable.value + change)
