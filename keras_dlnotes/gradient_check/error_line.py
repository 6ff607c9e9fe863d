"""Exceptions in one line."""

import re


def one_line(error):
    """An exception in one line; Keras wraps a layer's own message and sets it in bold."""
    text = str(error)
    place = re.search(r"Exception encountered when calling (\S+)\.call\(\)", text)
    bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", text, re.DOTALL)
    lines = (bold[1] if bold else text).strip().splitlines()
    where = f" in {place[1]}" if place else ""
    return f"{type(error).__name__}{where}: {lines[0][:200] if lines else ''}"
