"""Reductions of the rows of a matrix, by torch's vectorised kernels."""

import torch

from keras_dlnotes.backend import internals

# Tensors of one shape and at most so many elements are measured as one: a copy costs less than the
# overhead of eight operations for each, but not than that of a single one.
STACKED_SIZE = 65_536
STACKED_SIZE_FOR_ONE = 16_384

# On a GPU a copy costs less than the start of an operation.
STACKED_SIZE_ON_GPU = 4_194_304

# So many ones can be added up in float32 without rounding.
_EXACT_SUM = 2**24


def stacked_size(once=False):
    """Up to how many elements tensors of one shape are measured as one.

    Args:
        once: whether a single reduction of them is wanted.
    """
    if internals.get_device.value() != "cpu":
        return STACKED_SIZE_ON_GPU
    return STACKED_SIZE_FOR_ONE if once else STACKED_SIZE


def belongs_to_step(tensor, reference):
    """Whether a tensor caught in a layer can be read where the train step ends: always."""
    return True


def as_row(tensor):
    """A tensor as a matrix of one row, without gradient; half precision becomes float32."""
    row = tensor.detach().reshape(1, -1)
    return row.float() if row.dtype in (torch.float16, torch.bfloat16) else row


def join(vectors, order):
    """Concatenates vectors to one of float32, and puts its numbers in another order."""
    vector = torch.cat(vectors).float() if len(vectors) > 1 else vectors[0].float()
    return vector if order is None else vector[order]


def stack_rows(rows):
    """Matrices of one row each as one matrix."""
    return torch.cat(rows)


def row_lengths(matrix):
    """The number of elements of each row, as float32."""
    return torch.full((matrix.shape[0],), float(matrix.shape[1]), device=matrix.device)


def copy_of(variable):
    """What a Keras variable holds now, whatever becomes of it."""
    return variable.value.detach().clone()


def moments(matrices):
    """Mean and biased variance, about the mean, of each row, matrix by matrix.

    Two vectorised passes: `torch.var_mean` accumulates element by element on a CPU and was
    measured ten times slower.
    """
    results = []
    for x in matrices:
        if x.shape[0] == 1:  # a reduction of all is faster than one along the only row
            mean = torch.mean(x)
            squares = _square(x - mean)
            mean = mean[None]
        else:
            mean = torch.mean(x, dim=1)
            squares = torch.linalg.vector_norm(x - mean[:, None], dim=1) ** 2
        results.append((mean, squares / x.shape[1]))
    return results


def sum_of_squares(x):
    """The sum of the squared elements of each row."""
    if x.shape[0] == 1:
        return _square(x)
    return torch.linalg.vector_norm(x, dim=1) ** 2


def _square(row):
    """The sum of the squares of a matrix of one row."""
    vector = row.reshape(-1)
    if vector.device.type == "cpu" and torch.get_float32_matmul_precision() == "highest":
        return torch.dot(vector, vector)[None]  # by BLAS, in half the time of a norm
    return torch.linalg.vector_norm(vector)[None] ** 2


def extremes(x):
    """Minimum and maximum of each row."""
    if x.shape[0] == 1:
        low, high = torch.aminmax(x)  # in one pass over a whole tensor
        return low[None], high[None]
    # `aminmax` along an axis is not vectorised: 12 times as long as the two.
    return torch.amin(x, dim=1), torch.amax(x, dim=1)


def count_zeros(x):
    """How many elements of each row are exactly 0, as a float."""
    return x.shape[1] - _count_nonzero(x)


def count_farther(x, centers, radii):
    """How many elements of each row are farther than a radius from a center, as a float."""
    if len(set(centers)) == len(set(radii)) == 1:
        # What lies within the radius becomes 0: one vectorised pass, where a comparison is not.
        centered = x - centers[0] if centers[0] else x
        return _count_nonzero(torch.nn.functional.hardshrink(centered, radii[0]))
    column = {"dtype": x.dtype, "device": x.device}
    centers = torch.tensor(centers, **column)[:, None]
    return count_where(torch.abs(x - centers) > torch.tensor(radii, **column)[:, None])


def _count_nonzero(x):
    """How many numbers of each row are not 0, as a float.

    Counting along an axis is not vectorised on a CPU, three operations that are take a third of
    its time. A NaN, which is not 0 but has no sign, is counted the slow way.
    """
    fast = x.shape[0] > 1 and x.device.type == "cpu" and x.shape[1] <= _EXACT_SUM
    if fast and not torch.isnan(x.sum()):
        return torch.sign(x).abs_().sum(dim=1).float()
    return count_where(x)


def count_where(condition):
    """How many elements of each row of a matrix are true, or not 0, as a float."""
    if condition.shape[0] == 1:
        return torch.count_nonzero(condition)[None].float()
    return torch.count_nonzero(condition, dim=1).float()
