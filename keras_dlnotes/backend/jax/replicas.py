"""Nothing: a jitted step over several devices sees the batch and the weights as one array each."""

# Losses and gradients are those of the whole batch.
LOSS_IS_DIVIDED = False
OUTLAST_STEPS = False


def count():
    """How many copies of the weights are trained side by side, each with its own gradient: one."""
    return 1


def count_of(model):
    """How many replicas train a model."""
    return 1


def refusal():
    """What there is instead of replicas that can work as one: nothing."""
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
