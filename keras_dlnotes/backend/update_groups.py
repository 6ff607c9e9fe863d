"""Which small variables an optimizer updates as one."""

import itertools
from collections.abc import Callable, Iterable, Iterator


def groups_of(
    indices: Iterable[int],
    dtype_of: Callable[[int], str],
    size_of: Callable[[int], int],
    most_of: Callable[[int], int],
) -> Iterator[list[int]]:
    """Groups of variables of one dtype; what a step copies for a group is bounded by its size.

    Args:
        indices: the variables' numbers.
        dtype_of: from a variable's number to its dtype.
        size_of: to how many numbers it holds.
        most_of: to how many a group that ends with it may hold; a group of one may hold more.

    Yields:
        Lists of variables' numbers, together all of them.
    """
    for _, of_one_dtype in itertools.groupby(sorted(indices, key=dtype_of), dtype_of):
        group: list[int] = []
        total = 0
        for index in of_one_dtype:
            if group and total + size_of(index) > most_of(index):
                yield group
                group, total = [], 0
            group.append(index)
            total += size_of(index)
        yield group
