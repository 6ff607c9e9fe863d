"""The name of a study, which is the name of its folder too."""

import os
import re
from pathlib import Path

_LENGTH = 255  # bytes, in most file systems
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?")


def check_name(name: str, directory: str | os.PathLike[str]) -> None:
    """Refuses what is no name of one folder inside `directory`, on any system.

    A folder that is there already was made by a search on this system, and may be gone on with.

    Raises:
        ValueError: If the name is not fit.
    """
    because = _unfit_anywhere(name)
    if because is None and not (Path(directory) / name).is_dir():
        because = _unfit_on_windows(name)
    if because is not None:
        raise ValueError(
            "Expected as name the name of one folder, which is made in `directory`, such as "
            f"'first_search'. Received {name!r}, {because}."
        )


def _unfit_anywhere(name: str) -> str | None:
    if not isinstance(name, str):
        return "which is no text"
    if not name.strip() or name in (".", ".."):
        return "which names no folder of its own"
    if "/" in name or "\\" in name:
        return "which is a path; pass the folders above as `directory`"
    if not name.isprintable():
        return "which has characters that cannot be printed"
    if len(name.encode()) > _LENGTH:
        return f"which is longer than {_LENGTH} bytes"
    return None


def _unfit_on_windows(name: str) -> str | None:
    if found := set('<>:"|?*') & set(name):
        return f"which has {sorted(found)}, and Windows has no such names"
    if name[-1] in ". " or name[0] == " ":
        return "which begins with a space or ends with a space or a dot; Windows leaves them out"
    if _DEVICES.fullmatch(name):
        return "which is a device on Windows"
    return None
