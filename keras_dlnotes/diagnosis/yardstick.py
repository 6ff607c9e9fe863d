"""What there was to learn: the skill of textbook methods on the same examples."""

from collections.abc import Sequence

import numpy as np

from keras_dlnotes.diagnosis.comparable_predictions import MOST_COLUMNS, per_position
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.measures import Skill, skill
from keras_dlnotes.numerics import leave_one_out_predictions

FEWEST_EXAMPLES = 40
# So few different examples are simply to be remembered, as XOR's four are.
_MOST_TO_REMEMBER = 16
_MOST_POSITIONS = 512
_HASHED_WORDS = 1024
_REACH = {1: 6, 2: 2}  # to each side, by the number of axes: 13 steps of time, 5 x 5 pixels


def yardstick(
    evidence: Evidence, inputs: Sequence[np.ndarray], examples: int, true: np.ndarray, classes: bool
) -> tuple[Skill | None, Skill | None]:
    """`Skill` of kernel ridge regression, and of linear regression; None where there is none.

    Of a reconstruction it is that of principal components, and nothing linear is asked.

    Args:
        evidence: `Evidence` of an output, with what is known of labels and predictions.
        inputs: list of the inputs' arrays.
        examples: how many there are.
        true: matrix of the targets: a row an example, or a position of one.
        classes: whether its columns are classes.
    """
    if evidence.reconstructs:
        return Skill(_principal_share(true, evidence.model)), None
    if per_position(evidence):
        if evidence.model.takes_tokens or not are_aligned(inputs, len(true) // examples):
            return None, None
        rows = np.sort(np.random.default_rng(0).permutation(len(true))[:_MOST_POSITIONS])
        features, true = surroundings(inputs[0], rows), true[rows]
    else:
        tokens = evidence.model.takes_tokens
        features = _word_counts(evidence.inputs) if tokens else evidence.inputs
    reference = reference_skill(features, true, classes)
    if reference is None:
        return None, None
    linear = leave_one_out_predictions(features, true, gaussian=False)
    return reference, skill(true, linear, classes)


def reference_skill(features, targets, classes):
    """`Skill` of a textbook method on the same examples; None where it tells nothing."""
    count = len(features)
    if classes and targets.shape[1] > 1:
        targets = targets[:, targets.any(axis=0)]  # those of classes that do not occur say nothing
    if len(targets) != count or targets.shape[1] > MOST_COLUMNS or not np.isfinite(targets).all():
        return None
    if count <= _MOST_TO_REMEMBER:
        contradictory = len(np.unique(features, axis=0)) < count
        return None if contradictory or count < 3 else skill(targets, targets, classes)
    if count < FEWEST_EXAMPLES:
        return None
    return skill(targets, leave_one_out_predictions(features, targets), classes)


def _word_counts(tokens):
    words = tokens.astype(int) % _HASHED_WORDS
    counts = np.zeros((len(words), _HASHED_WORDS))
    np.add.at(counts, (np.arange(len(words))[:, None], words), 1.0)
    return np.log1p(counts[:, counts.any(axis=0)])


def _principal_share(targets, facts):
    """What as many principal components explain as the narrowest hidden layer has units.

    To copy its inputs is no feat, but a model that is to squeeze them through few units can hardly
    be asked for more than this.
    """
    widths = [layer.numbers or layer.units for layer in facts.hidden]
    units = min((width for width in widths if width), default=targets.shape[1])
    squares = np.linalg.svd(targets - targets.mean(axis=0), compute_uv=False) ** 2
    return float(squares[:units].sum() / squares.sum())


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
