"""Updating many variables by one elementwise rule.

What a loop of operations costs: for a large variable, a pass over memory for each operation; for a
small one, each operation's overhead. So a large variable's update is compiled by XLA, once for each
shape, into loops that work in place, and the state of small variables lies in flat variables, so
that the rule runs once for all of them.
"""

import itertools
import math

import keras
import tensorflow as tf

from keras_dlnotes.backend.arithmetic_dtype import in_arithmetic_dtype
from keras_dlnotes.backend.tensorflow.sparse_gradients import to_dense
from keras_dlnotes.backend.tensorflow.variable_slice import VariableSlice

# Up to this many numbers an operation's overhead outweighs its arithmetic: measured between 1,024
# and 16,384 on two cores.
SMALL = 4_096
# From this many numbers on a compiled loop over a whole group is worth the call of it.
LARGE_GROUP = 32_768
# The gradients and changes of a group are copied into one array each; this bounds that memory.
LARGEST_GROUP = 1_048_576


class FusedUpdate:
    """One optimizer's update of all its variables.

    Args:
        rule: Takes a gradient, a tuple of state arrays, the learning rate and the step, and returns
            the change of the variable and the tuple of new state arrays.
        variables: The variables to be updated.
        slots: For each variable, the tuple of its Keras state variables, all zero.
    """

    def __init__(self, rule, variables, slots):
        # Keras variables wrap TensorFlow's own; a caller may also pass the latter.
        self._variables = [v.value if isinstance(v, keras.Variable) else v for v in variables]
        self._slots = slots
        self._rule = in_arithmetic_dtype(rule)
        self._compiled_change = tf.function(self._change, jit_compile=True, autograph=False)
        self._compiled_update = tf.function(self._update_one, jit_compile=True, autograph=False)
        # Under a distribution strategy each replica keeps its own state, as Keras arranges it.
        self._groups = [] if tf.distribute.has_strategy() else list(self._make_groups())

    def can_update(self):
        """Whether the variables may be updated here; a distribution strategy does that itself."""
        return not tf.distribute.has_strategy()

    def __call__(self, gradients, learning_rate, step):
        """Updates variables and state.

        Args:
            gradients: A gradient for each variable's index; variables that have none are left out.
            learning_rate: A scalar tensor.
            step: The number of this update, a scalar tensor.
        """
        # A Keras variable, as the learning rate mostly is, would be read anew in each use.
        exact = tf.float64 if isinstance(learning_rate, float) else None
        learning_rate = tf.convert_to_tensor(learning_rate, exact)
        gradients = {
            index: tf.cast(to_dense(gradient), self._variables[index].dtype)
            for index, gradient in gradients.items()
            if not self._update_rows(index, gradient, learning_rate, step)
        }
        for group in self._groups:
            if all(index in gradients for index in group.indices):
                members = [gradients.pop(index) for index in group.indices]
                self._update_group(group, members, learning_rate, step)
        for index, gradient in gradients.items():
            variable, slots = self._variables[index], [s.value for s in self._slots[index]]
            if any(isinstance(slot, VariableSlice) for slot in slots):
                # Part of a group whose other gradients are missing in this step.
                self._update_one(variable, slots, gradient, learning_rate, step)
            else:
                self._compiled_update(variable, slots, gradient, learning_rate, step)

    def _update_rows(self, index, gradient, learning_rate, step):
        """Updates only the rows of a sparse gradient, where no state of the others would change."""
        variable = self._variables[index]
        sparse = isinstance(gradient, tf.IndexedSlices)
        if not sparse or self._slots[index] or math.prod(variable.shape) <= SMALL:
            return False
        change, _ = self._rule(tf.cast(gradient.values, variable.dtype), (), learning_rate, step)
        variable.scatter_add(tf.IndexedSlices(change, gradient.indices))
        return True

    def _change(self, slots, gradient, learning_rate, step):
        """Updates the state and returns the change of the variable."""
        values = tuple(tf.convert_to_tensor(slot) for slot in slots)
        change, values = self._rule(gradient, values, learning_rate, step)
        for slot, value in zip(slots, values, strict=True):
            slot.assign(value)
        return change

    def _update_one(self, variable, slots, gradient, learning_rate, step):
        variable.assign_add(self._change(slots, gradient, learning_rate, step))

    def _update_group(self, group, gradients, learning_rate, step):
        gradient = tf.concat([_flat(gradient) for gradient in gradients], 0)
        change = self._compiled_change if sum(group.sizes) >= LARGE_GROUP else self._change
        change = change(group.flat_slots, gradient, learning_rate, step)
        changes = tf.split(change, group.sizes)
        for index, change in zip(group.indices, changes, strict=True):
            variable = self._variables[index]
            one_axis = variable.shape.rank == 1
            variable.assign_add(change if one_axis else tf.reshape(change, variable.shape))

    def _make_groups(self):
        small = [
            index
            for index, variable in enumerate(self._variables)
            if math.prod(variable.shape) <= SMALL and not any(s is None for s in self._slots[index])
        ]
        small.sort(key=lambda index: self._variables[index].dtype.name)
        for _, same_dtype in itertools.groupby(small, lambda i: self._variables[i].dtype):
            group: list[int] = []
            total = 0
            for index in same_dtype:
                size = math.prod(self._variables[index].shape)
                if group and total + size > LARGEST_GROUP:
                    yield FlatGroup(group, self._variables, self._slots)
                    group, total = [], 0
                group.append(index)
                total += size
            yield FlatGroup(group, self._variables, self._slots)


class FlatGroup:
    """Small variables of one dtype, whose state it moves into one flat variable for each slot."""

    def __init__(self, indices, variables, slots):
        shapes = [tuple(variables[index].shape) for index in indices]
        self.indices = indices
        self.sizes = [math.prod(shape) for shape in shapes]
        self.flat_slots = []
        for slots_of_one_name in zip(*(slots[index] for index in indices), strict=True):
            with tf.init_scope():
                zeros = tf.zeros([sum(self.sizes)], variables[indices[0]].dtype)
                flat = tf.Variable(zeros, trainable=False)
            starts = itertools.accumulate(self.sizes, initial=0)
            for slot, start, shape in zip(slots_of_one_name, starts, shapes, strict=False):
                slot._value = VariableSlice(flat, start, shape)
            self.flat_slots.append(flat)


def _flat(tensor):
    return tensor if tensor.shape.rank == 1 else tf.reshape(tensor, [-1])
