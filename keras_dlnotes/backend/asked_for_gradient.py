"""How a train step is left at the moment when it asks for a gradient."""


class AskedForGradient(Exception):  # noqa: N818 - no error
    """The step has come to its gradient; the argument is the loss."""
