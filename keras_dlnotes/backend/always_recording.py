"""Scope in which terms that exist only while a gradient is recorded exist always."""

import contextlib
import contextvars

_always = contextvars.ContextVar("always", default=False)


def is_always_recording():
    """Whether such terms are there although no gradient may be recorded."""
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
