"""Marks a file as being written, for as long as it is open, however its process ends."""

import os
import sys
from typing import Any

if sys.platform != "win32":
    import fcntl


def mark_as_in_use(file: Any) -> None:
    """Marks an open file, where the system can; readers are not hindered.

    Args:
        file: a file object.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # a file system without locks
            return


def is_in_use(path: str | os.PathLike[str]) -> bool:
    """Whether a file is marked by somebody, also where that cannot be found out."""
    if sys.platform == "win32":
        return True
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
