"""One replica: a jitted step over several devices sees batch and weights as one array each."""

import contextlib

# Losses and gradients are those of the whole batch.
LOSS_IS_DIVIDED = False
SUMS_BETWEEN_STEPS = False


def count():
    """How many replicas take the step: one, whatever number of devices it is spread over."""
    return 1


def count_of(model):
    """How many replicas train a model."""
    return 1


def scope_of(variables):
    """The context in which more variables like these are made: nothing special."""
    return contextlib.nullcontext()


def refusal():
    """The name of a strategy that is not supported, or None: there are no others."""
    return None


def sum_over_replicas(tensor):
    """The tensor itself."""
    return tensor


def sums(tensors):
    """The tensors themselves."""
    return list(tensors)


def on_each_replica(variable, function, *tensors):
    """Call a function of tensors."""
    function(*tensors)


def check_agreement(variables, gradient, examples):
    """Nothing: there is one replica."""


def check_copies(variable):
    """Nothing: there is one replica."""


def concatenate(tensor):
    """The tensor itself, which is that of all."""
    return tensor


def examples_of_all(examples):
    """The examples themselves, which are of the whole batch."""
    return examples


def reduced_gradients(gradients):
    """The gradients themselves, which are those of the whole batch."""
    return gradients


def as_log(tensor):
    """A tensor so that it leaves the step in Keras's logs: as it is."""
    return tensor
