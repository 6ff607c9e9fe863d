"""Updating many variables by one elementwise rule.

What a loop of operations costs: for a large variable, a pass over memory for each operation; for a
small one, each operation's overhead. So the updates of large variables are compiled by XLA into a
few clusters of loops that work in place, and the state of small variables lies in flat variables,
so that the rule runs once for all of them. Between the two, plain operations are as good as either.
"""

import contextlib
import itertools
import math

import keras
import tensorflow as tf

from keras_dlnotes.backend import internals as keras_internals
from keras_dlnotes.backend.dtypes import in_arithmetic_dtype
from keras_dlnotes.backend.tensorflow import internals
from keras_dlnotes.backend.tensorflow.arrays import to_dense
from keras_dlnotes.backend.update_groups import groups_of

# Up to this many numbers an operation's overhead outweighs its arithmetic: of 20 variables, grouped
# ones were the faster at 1,024 numbers and the slower at 8,192, on two cores.
SMALL = 1_024
# From this many numbers on, the variable's and its state's together, a compiled loop is worth its
# share of the call: measured at 32,768 for a rule without state, at 16,384 for one with a slot.
LARGE = 32_768
# Clusters of the same shapes are compiled once, so deep networks' clusters should be small; each is
# one call more.
LARGEST_CLUSTER = 16
# The gradients and changes of a group are copied into one array each; this bounds that memory.
LARGEST_GROUP = 1_048_576


def creating_state():
    """The context in which an optimizer creates its state, so that it has its numbers at once.

    `fit` builds an optimizer while it traces a step. What is created there gets its numbers only
    later, and they could not be moved into a flat variable.
    """
    # Under a distribution strategy Keras arranges when and where state is created.
    return contextlib.nullcontext() if tf.distribute.has_strategy() else tf.init_scope()


class FusedUpdate:
    """One optimizer's update of all its variables.

    Args:
        rule: Takes a gradient, a tuple of state arrays, the learning rate and the step, and returns
            the change of the variable and the tuple of new state arrays.
        variables: The variables to be updated.
        slots: For each variable, the tuple of its Keras state variables.
    """

    def __init__(self, rule, variables, slots):
        # Keras variables wrap TensorFlow's own; a caller may also pass the latter.
        self._variables = [v.value if isinstance(v, keras.Variable) else v for v in variables]
        self._slots = slots
        self._rule = in_arithmetic_dtype(rule)
        self._compiled_change = tf.function(self._change, jit_compile=True, autograph=False)
        self._compiled_update = tf.function(self._update_all, jit_compile=True, autograph=False)
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
        large = sorted(filter(self._is_large, gradients), key=self._shape)
        for cluster in _clusters(large):
            self._update(self._compiled_update, cluster, gradients, learning_rate, step)
        rest = [index for index in gradients if not self._is_large(index)]
        self._update(self._update_all, rest, gradients, learning_rate, step)

    def _update(self, update, indices, gradients, learning_rate, step):
        variables = [self._variables[index] for index in indices]
        slots = [[slot.value for slot in self._slots[index]] for index in indices]
        update(variables, slots, [gradients[index] for index in indices], learning_rate, step)

    def _shape(self, index):
        return tuple(self._variables[index].shape)

    def _is_large(self, index):
        return math.prod(self._shape(index)) * (1 + len(self._slots[index])) > LARGE

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

    def _update_all(self, variables, slots, gradients, learning_rate, step):
        """Updates variables one by one, each from its own state and gradient."""
        for variable, own_slots, gradient in zip(variables, slots, gradients, strict=True):
            variable.assign_add(self._change(own_slots, gradient, learning_rate, step))

    def _update_group(self, group, gradients, learning_rate, step):
        gradient = tf.concat([_flat(gradient) for gradient in gradients], 0)
        change = (
            self._compiled_change
            if sum(group.sizes) * (1 + len(group.flat_slots)) > LARGE
            else self._change
        )
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
        for group in groups_of(
            small,
            dtype_of=lambda index: self._variables[index].dtype.name,
            size_of=lambda index: math.prod(self._variables[index].shape),
            most_of=lambda _: LARGEST_GROUP,
        ):
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
                values = map(keras_internals.value_of_variable.of, slots_of_one_name)
                parts = [_flat(tf.convert_to_tensor(value)) for value in values]
                flat = tf.Variable(tf.concat(parts, 0), trainable=False)
            starts = itertools.accumulate(self.sizes, initial=0)
            for slot, start, shape in zip(slots_of_one_name, starts, shapes, strict=False):
                keras_internals.value_of_variable.set(slot, VariableSlice(flat, start, shape))
            self.flat_slots.append(flat)


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


def _clusters(indices):
    """Splits a list into parts of equal length, as far as that goes."""
    count = math.ceil(len(indices) / LARGEST_CLUSTER)
    size = math.ceil(len(indices) / count) if count else 1
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _flat(tensor):
    return tensor if tensor.shape.rank == 1 else tf.reshape(tensor, [-1])
