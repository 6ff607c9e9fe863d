"""Which neighbouring layers belong together: nested models and repeated blocks."""

import re

_SMALLEST_GROUP = 4  # convolution, normalization and activation alone are no block


def groups_of(names):
    """The group of each layer, named by the longest common beginning that ends in a number.

    `conv2_block1_1_conv`, `conv2_block1_1_bn`, ... belong to `conv2_block1`; layers of a nested
    model `encoder` to `encoder`.

    Args:
        names: the layers' names in the order of the network, a path with slashes.

    Returns:
        List of group names, None for a layer that stands alone.
    """
    groups: list[str | None] = [None] * len(names)
    for start, end, prefix in _runs(names):
        for place in range(start, end):
            known = groups[place]
            if known is None or len(prefix) > len(known):
                groups[place] = prefix
    return groups


def _runs(names):
    """Runs of neighbours that share a prefix and are long enough: `(start, end, prefix)`."""
    prefixes = [_prefixes(name) for name in names]
    for prefix in dict.fromkeys(prefix for several in prefixes for prefix in several):
        start = None
        for place, own in enumerate([*prefixes, ()]):
            inside = prefix in own
            if inside and start is None:
                start = place
            elif not inside and start is not None:
                if place - start >= _SMALLEST_GROUP:
                    yield start, place, prefix
                start = None


def _prefixes(name):
    """Beginnings of the name that end at a path's slash or in a token with a digit."""
    found = [name[: match.start()] for match in re.finditer("/", name)]
    found += [match.group(0) for match in _beginnings(name) if match.group(0) != name]
    return tuple(found)


def _beginnings(name):
    for match in re.finditer(r"[^_/]*\d[^_/]*(?=[_/])", name):
        yield re.match(re.escape(name[: match.end()]), name)
