"""Which step of training a model is at."""

from keras import ops


def train_step_number(model):
    """Number of train steps that the optimizer has taken; 0 for a model without one."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return 0 if optimizer is None else int(ops.convert_to_numpy(optimizer.iterations))
