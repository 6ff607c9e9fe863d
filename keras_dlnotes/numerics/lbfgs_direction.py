"""The L-BFGS direction from m stored pairs, reading the history only twice.

The textbook's two-loop recursion (Nocedal and Wright, Numerical Optimization, 2nd edition,
algorithm 7.4) walks the history pair by pair with 4 m vector operations that depend on each other.
Its scalars depend on the history through inner products alone, so the same numbers come from two
matrix-vector products and two triangular systems of size m (Byrd, Nocedal and Schnabel, Math.
Programming 63 (1994), theorem 2.2 and equation (3.13)). With S, Y [m, n] the steps and the
gradient changes, oldest first, R the upper triangle of S Y^T, D its diagonal and gamma the initial
scaling:

    R alpha = S g
    R^T delta = D alpha - gamma (Y g - Y Y^T alpha)
    p = -(gamma (g - Y^T alpha) + S^T delta)
"""

from keras_dlnotes.backend import active

xp = active.arrays


def products(history, memory_size, vector):
    """S v and Y v, [m] each, from the history [2 m, n] whose upper half is S and lower half Y."""
    both = xp.matrix_vector(history, vector)
    return both[:memory_size], both[memory_size:]


def direction(history, steps_changes, changes_changes, gradient, scaling, stored, memory_size):
    """The direction -H g, H the inverse Hessian that the last min(stored, m) pairs suggest.

    Args:
        history: [2 m, n]; the pair number k lies in rows k mod m and m + k mod m.
        steps_changes: S Y^T by row number, [m, m].
        changes_changes: Y Y^T by row number, [m, m].
        gradient: g, [n].
        scaling: gamma = s^T y / y^T y of the newest pair, a scalar.
        stored: how many pairs have been stored in all, a 32-bit integer, at least 1.
        memory_size: m.
    """
    m = memory_size
    steps_gradient, changes_gradient = products(history, m, gradient)
    # Row numbers from the oldest pair to the newest; rows not yet written come first or last and
    # are masked out: their diagonal is 1 and everything else about them 0.
    order = (stored + xp.arange(m)) % m
    present = order < stored
    mask = xp.cast(present, gradient.dtype)
    masks = xp.outer(mask, mask)

    def arrange(matrix):
        return xp.where(masks > 0.0, xp.take_square(matrix, order), masks)

    def select(vector):
        return xp.where(present, xp.take(vector, order), mask)  # absent: 0

    inner = xp.upper_triangle(arrange(steps_changes)) + xp.diagonal_matrix(1.0 - mask)
    alpha = xp.solve_triangular(inner, select(steps_gradient), lower=False)
    corrected = select(changes_gradient) - xp.matrix_vector(arrange(changes_changes), alpha)
    right = xp.diagonal(inner) * alpha - scaling * corrected
    delta = xp.solve_triangular(xp.transpose(inner), right, lower=True)
    # Back into the order of the rows.
    back = (xp.arange(m) - stored) % m
    coefficients = xp.concatenate(
        [xp.take(delta * mask, back), xp.take(-scaling * alpha * mask, back)]
    )
    return -(scaling * gradient + xp.vector_matrix(coefficients, history))


def gram_column(matrix, index, column):
    """The Gram matrix with one column replaced: the inner products with the newest change."""
    return xp.transpose(xp.place(xp.transpose(matrix), index, column))


def gram_cross(matrix, index, column):
    """The symmetric Gram matrix with one row and the same column replaced."""
    return gram_column(xp.place(matrix, index, column), index, column)
