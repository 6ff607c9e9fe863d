"""What is around a position of an example, such as a pixel, as the features of a yardstick."""

import numpy as np

_REACH = {1: 6, 2: 2}  # to each side, by the number of axes: 13 steps of time, 5 x 5 pixels


def are_aligned(inputs, positions):
    """Whether each position of an output lies over one of the inputs.

    Args:
        inputs: list of arrays, one an input of the model.
        positions: number of positions of an example's output.
    """
    if len(inputs) != 1 or inputs[0].ndim - 2 not in _REACH:
        return False
    return int(np.prod(inputs[0].shape[1:-1])) == positions


def surroundings(inputs, rows):
    """One row of features for each of some positions.

    Args:
        inputs: array: examples, one or two axes of positions, channels.
        rows: numbers of positions, counted over all examples.

    Returns:
        Matrix: what the channels hold at and around the position, their means over the example,
        and where the position is. Beyond the edge the nearest position counts.
    """
    grid = inputs.shape[1:-1]
    reach = _REACH[len(grid)]
    example, *place = np.unravel_index(rows, (len(inputs), *grid))
    steps = np.stack(
        np.meshgrid(*[np.arange(-reach, reach + 1)] * len(grid), indexing="ij"), axis=-1
    ).reshape(-1, len(grid))
    around = [
        np.clip(np.asarray(axis)[:, None] + steps[:, number], 0, length - 1)
        for number, (axis, length) in enumerate(zip(place, grid, strict=True))
    ]
    near = inputs[(example[:, None], *around)].reshape(len(rows), -1)
    means = inputs.mean(axis=tuple(range(1, inputs.ndim - 1)))[example]
    where = [np.asarray(axis) / length for axis, length in zip(place, grid, strict=True)]
    return np.column_stack([near, means, *where]).astype("float64")
