"""A disk that is full, for tests of what writes."""

import contextlib
import resource


@contextlib.contextmanager
def full_disk():
    """No file can grow: a real failure of the operating system, as of a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
