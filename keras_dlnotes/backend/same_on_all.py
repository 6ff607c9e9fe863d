"""What processes agree on where each step shows all of them the same, as on TensorFlow and JAX."""


def judges(model):
    """Whether this process has what there is to judge of a run: each one, see `from_chief`."""
    return True


def from_chief(item):
    """What the chief gives for `item`: what each process has, as all have seen the same."""
    return item


def any_process(flag):
    """Whether the flag is set in any process: in each the same, as all have seen the same."""
    return flag


def keeps_logs_apart():
    """Whether the logs of a step are of this process's part of the batch: Keras's are of all."""
    return False


def note_trained(model):
    """Takes note of what `mean_logs` has to know of an epoch before its validation: nothing."""


def mean_logs(model, numbers):
    """The numbers of the logs over all replicas: Keras's are that."""
    return numbers


def meet(settings):
    """Sees that all processes want the same: not needed, their steps show all of them the same."""


def said_by_chief(reason, chief_stops):
    """The reason to stop where the chief does, which alone looks at its clock; else None."""
    return (reason or "the first process stops, by its clock") if chief_stops else None
