"""What a gradient check asks of code that records gradients; see `recording` of each backend."""

import contextlib
import contextvars

_always = contextvars.ContextVar("always", default=False)


def is_always_recording():
    """Whether terms that exist only while a gradient is recorded are there all the same."""
    return _always.get()


@contextlib.contextmanager
def always_recording():
    """Lets the loss without its gradient have the value that it has with it.

    For whoever compares both, as differences of the loss are compared with the gradient.
    """
    token = _always.set(True)
    try:
        yield
    finally:
        _always.reset(token)


class AskedForGradient(Exception):  # noqa: N818 - no error
    """Leaves a train step when it asks for a gradient; the argument is the loss."""
