"""Files that are there whole or not at all."""

import contextlib
import errno
import os
from collections.abc import Iterator

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[str]:
    """Gives a block a path to write to; the file takes the place of `path` when the block is done.

    What was there stays until then, whatever happens: a full disk, an exception, a crash. If the
    block raises, what it wrote is removed. The folder is made where it is not there.

    Args:
        path: where the file is to be.

    Example:
    ```python
    with whole_file("logs/run/diagnosis.json") as unfinished:
        pathlib.Path(unfinished).write_text(text)
    ```
    """
    unfinished = _unfinished(path)
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(unfinished)


def check_file_can_be_made(name: str, path: str | os.PathLike[str]) -> None:
    """Raises an error where no file can be made at a path, however much room the disk has.

    Args:
        name: the argument's name, for the message.
        path: where the file is to be.

    Raises:
        OSError: if its folder cannot be made or written to, or `path` is a folder.
    """
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        unfinished = _unfinished(path)
        with open(unfinished, "wb"):
            pass
        os.remove(unfinished)
    except OSError as error:
        if is_full(error):
            return
        raise OSError(
            error.errno,
            f"`{name}` must be the path of a file that can be written. Received {os.fspath(path)!r}"
            f", where none can be made ({error.strerror}). Pass another `{name}`",
        ) from error


def is_full(error: object) -> bool:
    """Whether an exception says that there is no room, which may change while a program runs."""
    return isinstance(error, OSError) and error.errno in _FULL


def _unfinished(path: str | os.PathLike[str]) -> str:
    folder, name = os.path.split(os.fspath(path))
    os.makedirs(folder or ".", exist_ok=True)
    return os.path.join(folder, f"unfinished.{name}")
