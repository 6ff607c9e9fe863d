"""Updating many variables by one elementwise rule.

What a loop of operations costs: for a large variable, a pass over memory for each operation; for a
small one, each operation's overhead. So a large variable is updated in pieces that stay in the
processor's cache from the rule's first operation to its last, and the state of small variables (of
almost all on a GPU) lies in flat tensors, of which each variable's own state is a view, so that the
rule runs once for all.
"""

import contextlib

import torch

from keras_dlnotes.backend.dtypes import arithmetic_dtype
from keras_dlnotes.backend.torch import internals
from keras_dlnotes.backend.torch.arrays import to_dense
from keras_dlnotes.backend.update_groups import groups_of

# Up to this many numbers an operation's overhead outweighs its arithmetic.
SMALL = 4_096
# Pieces of this many numbers of float32 stay in a processor core's cache.
PIECE = 524_288
# The gradients and changes of a group are copied into one tensor each; this bounds that memory.
LARGEST_GROUP = 1_048_576
# On a GPU a copy costs less than the start of an operation: variables of every size are grouped.
# (One H200, Adam, 20 variables of 1,000,000 numbers: 3.9 ms one by one, Keras's own 1.5 ms.)
LARGEST_GROUP_ON_GPU = 33_554_432


def creating_state():
    """The context in which an optimizer creates its state: nothing special on this backend."""
    return contextlib.nullcontext()


class FusedUpdate:
    """One optimizer's update of all its variables.

    Args:
        rule: Takes a gradient, a tuple of state arrays, the learning rate and the step, and returns
            the change of the variable and the tuple of new state arrays.
        variables: The Keras variables to be updated.
        slots: For each variable, the tuple of its Keras state variables.
    """

    def __init__(self, rule, variables, slots):
        self._rule = rule
        self._variables = variables
        self._slots = slots
        self._has_state = any(slots)
        self._groups = list(self._make_groups()) if self._has_state else []

    def can_update(self):
        """Whether the variables may be updated here."""
        return True

    @torch.no_grad()
    def __call__(self, gradients, learning_rate, step):
        """Updates variables and state.

        Args:
            gradients: A gradient for each variable's index; variables that have none are left out.
            learning_rate: A scalar.
            step: The number of this update, a scalar.
        """
        learning_rate, step = float(learning_rate), float(step)
        gradients = {index: to_dense(gradient) for index, gradient in gradients.items()}
        if not self._has_state:
            self._update_without_state(gradients, learning_rate, step)
            return
        for group in self._groups:
            if all(index in gradients for index in group.indices):
                members = [gradients.pop(index) for index in group.indices]
                self._update_group(group, members, learning_rate, step)
        for index, gradient in gradients.items():
            state = [v.value for v in (self._variables[index], *self._slots[index])]
            for gradient_piece, variable, *slots in _pieces(gradient, *state):
                change = self._change(gradient_piece, slots, learning_rate, step)
                variable.add_(change.tensor, alpha=change.factor)

    def _update_without_state(self, gradients, learning_rate, step):
        """Without state there is nothing to compute but a factor."""
        variables = [self._variables[index].value for index in gradients]
        change, _ = self._rule(Scaled(list(gradients.values())), (), learning_rate, step)
        internals.add_to_each.value(variables, change.tensor, alpha=change.factor)

    def _update_group(self, group, gradients, learning_rate, step):
        gradient = torch.cat([gradient.reshape(-1) for gradient in gradients])
        change = self._change(gradient, group.flat_slots, learning_rate, step)
        variables = [self._variables[index].value.view(-1) for index in group.indices]
        parts = change.tensor.split(group.sizes)
        internals.add_to_each.value(variables, parts, alpha=change.factor)

    def _change(self, gradient, slots, learning_rate, step):
        """Updates the state and returns the change of the variable."""
        dtype = getattr(torch, arithmetic_dtype(slots[0].dtype))
        values = tuple(Scaled(slot.to(dtype), overwrite=True) for slot in slots)
        change, values = self._rule(Scaled(gradient.to(dtype)), values, learning_rate, step)
        for slot, value in zip(slots, values, strict=True):
            if value.tensor is not slot or value.factor != 1:
                slot.copy_(value.value())
        return change

    def _make_groups(self):
        small = [
            index
            for index, variable in enumerate(self._variables)
            if variable.value.numel() <= _largest_grouped(variable.value)
            and variable.value.is_contiguous()
            and not any(slot is None for slot in self._slots[index])
        ]
        for group in groups_of(
            small,
            dtype_of=lambda index: self._variables[index].dtype,
            size_of=lambda index: self._variables[index].value.numel(),
            most_of=lambda index: _largest_group(self._variables[index].value),
        ):
            yield FlatGroup(group, self._slots)


def _largest_group(tensor):
    return LARGEST_GROUP if tensor.device.type == "cpu" else LARGEST_GROUP_ON_GPU


def _largest_grouped(tensor):
    return SMALL if tensor.device.type == "cpu" else LARGEST_GROUP_ON_GPU


def _pieces(gradient, *state):
    """Cuts a gradient, its variable and state into pieces that a processor's cache can hold."""
    in_one_row = all(tensor.is_contiguous() for tensor in state)
    if not in_one_row or gradient.device.type != "cpu" or gradient.numel() <= PIECE:
        return [(gradient, *state)]
    # A gradient may be a transposed view: its own copy in a row is only read.
    rows = (gradient.reshape(-1), *(tensor.view(-1) for tensor in state))
    return zip(*(row.split(PIECE) for row in rows), strict=True)


class FlatGroup:
    """Variables of one dtype that are updated as one; their state moves into flat tensors."""

    def __init__(self, indices, slots):
        self.indices = indices
        self.sizes = [slots[index][0].value.numel() for index in indices]
        self.flat_slots = []
        for slots_of_one_name in zip(*(slots[index] for index in indices), strict=True):
            flat = torch.cat([slot.value.detach().reshape(-1) for slot in slots_of_one_name])
            for slot, part in zip(slots_of_one_name, flat.split(self.sizes), strict=True):
                slot.value.data = part.view(slot.value.shape)
            self.flat_slots.append(flat)


class Scaled:
    """factor · tensor, as one term of a sum.

    torch runs each operation by itself, and `a * x + b * y` is three passes over memory. Its own
    in-place sums take a factor along (`add(x, y, alpha=b)`), which saves the passes of the
    products. This class keeps the factor aside until a sum can take it, so that a rule written as
    a formula costs what a rule written in those operations would.

    Args:
        tensor: The tensor; a list of them as long as it is only multiplied by numbers.
        factor: The number.
        overwrite: Whether the first sum may be written into the tensor. It is for state that a rule
            reads once, to make the new state of it.
    """

    __slots__ = ("factor", "overwrite", "tensor")

    def __init__(self, tensor, factor=1.0, overwrite=False):
        self.tensor = tensor
        self.factor = factor
        self.overwrite = overwrite

    def value(self):
        """The product as a tensor."""
        return self.tensor if self.factor == 1 else self.tensor * self.factor

    def sqrt(self):
        """The square root of the product."""
        return Scaled(self.value().sqrt())

    def __neg__(self):
        return Scaled(self.tensor, -self.factor)

    def __mul__(self, other):
        if isinstance(other, Scaled):
            return Scaled(self.tensor * other.tensor, self.factor * other.factor)
        return Scaled(self.tensor, self.factor * other, self.overwrite)

    __rmul__ = __mul__

    def __truediv__(self, other):
        if isinstance(other, Scaled):
            return Scaled(self.tensor / other.tensor, self.factor / other.factor)
        return Scaled(self.tensor, self.factor / other)

    def __add__(self, other):
        if not isinstance(other, Scaled):
            return Scaled(self.value() + other)
        if self.overwrite:
            summed = self.tensor if self.factor == 1 else self.tensor.mul_(self.factor)
            return Scaled(summed.add_(other.tensor, alpha=other.factor))
        if self.factor == 1:
            return Scaled(torch.add(self.tensor, other.tensor, alpha=other.factor))
        if other.factor == 1:
            return Scaled(torch.add(other.tensor, self.tensor, alpha=self.factor))
        return Scaled((self.tensor * self.factor).add_(other.tensor, alpha=other.factor))

    def __sub__(self, other):
        return self + -other
