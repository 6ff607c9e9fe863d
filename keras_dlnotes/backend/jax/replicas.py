"""Sums over the copies of a model that are trained side by side."""


def sum_over_replicas(tensor):
    """The tensor itself: a jitted step over several devices sees the whole batch as one array."""
    return tensor
