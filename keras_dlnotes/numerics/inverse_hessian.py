"""Updates of a dense inverse Hessian: BFGS, self-scaled BFGS and self-scaled Broyden.

All three are members of one family (J. F. Urbán, P. Stefanou, J. A. Pons, "Unveiling the
optimization process of physics informed neural networks", J. Comput. Phys. 523 (2025), after M.
Al-Baali, Comput. Optim. Appl. 9 (1998)). With the step s [n], the gradient change y [n] and the
inverse Hessian H [n, n] before the update,

    H_new = (H - (H y)(H y)^T / y^T H y + phi (y^T H y) v v^T) / tau + s s^T / y^T s
    v     = s / y^T s - H y / y^T H y

where b = s^T H^-1 s / y^T s, h = y^T H y / y^T s and a = b h - 1 decide

    "bfgs"       tau = 1                      phi = 1
    "ssbfgs"     tau = min(1, 1 / b)          phi = 1
    "ssbroyden"  c = sqrt(a / (a + 1)),   rho = min(1, h (1 - c))
                 theta = max((rho - 1) / a, min(1 / rho, (1 - b) / b))
                 sigma = (1 + theta a)^(1 / (1 - n))
                 tau = min(1, 1 / b) min(sigma, 1 / theta)               if theta > 0
                 tau = min(min(1, 1 / b) sigma, 1 + theta a)             otherwise
                 phi = (1 - theta) / (1 + a theta)

H^-1 is not needed: s = alpha p = -alpha H g, so that s^T H^-1 s = -alpha s^T g.
"""

from keras_dlnotes.backend import active

xp = active.arrays

KINDS = ("bfgs", "ssbfgs", "ssbroyden")


def update(inverse_hessian, step_change, gradient_change, step_along_gradient, kind):
    """H_new of the module's formula.

    Args:
        inverse_hessian: H, [n, n].
        step_change: s, [n].
        gradient_change: y, [n], with y^T s > 0.
        step_along_gradient: alpha s^T g, a scalar; g is the gradient before the step.
        kind: One of "bfgs", "ssbfgs" and "ssbroyden".
    """
    s, y = step_change, gradient_change
    h_y = xp.matrix_vector(inverse_hessian, y)
    y_h_y, y_s = xp.dot(y, h_y), xp.dot(y, s)
    b = -step_along_gradient / y_s
    tau, phi = scaling(b, y_h_y / y_s, s.shape[0], kind)
    # The formula's outer products, collected by what they multiply.
    with_s = (phi * y_h_y / (y_s * y_s)) / tau + 1.0 / y_s
    mixed = -phi / (y_s * tau)
    with_h_y = (phi - 1.0) / (y_h_y * tau)
    return (
        inverse_hessian / tau
        + xp.outer(s, with_s * s + mixed * h_y)
        + xp.outer(h_y, mixed * s + with_h_y * h_y)
    )


def raised(inverse_hessian, gradient_change, bend, stored):
    """H max(1, y^T s / y^T H y) before one of the first n updates, after them H.

    It raises what is too small in H in all directions at once, where an update raises it in one.

    Args:
        inverse_hessian: H, [n, n].
        gradient_change: y, [n].
        bend: y^T s, a scalar.
        stored: The number of the update, a scalar.
    """
    y_h_y = xp.dot(gradient_change, xp.matrix_vector(inverse_hessian, gradient_change))
    one = bend * 0.0 + 1.0
    early = stored <= float(gradient_change.shape[0])
    return inverse_hessian * xp.where(early, xp.maximum(one, bend / y_h_y), one)


def scaling(b, h, size, kind):
    """The scalars tau and phi of the module's formula."""
    one = b * 0.0 + 1.0
    if kind == "bfgs":
        return one, one
    # b is positive but for rounding; without information, do not scale.
    shrink = xp.minimum(one, xp.where(b > 0.0, 1.0 / b, one))
    if kind == "ssbfgs":
        return shrink, one
    a = b * h - 1.0
    # a >= 0 by Cauchy and Schwarz, and 0 when y is parallel to H^-1 s: the update is then the same
    # for every theta, and the tiny number only keeps 0 / 0 out.
    a = xp.maximum(a, one * 1e-14)
    c = xp.square_root(a / (a + 1.0))
    rho = xp.minimum(one, h * (1.0 - c))
    theta = xp.maximum((rho - 1.0) / a, xp.minimum(1.0 / rho, (1.0 - b) / b))
    base = 1.0 + theta * a
    sigma = xp.absolute(base) ** (1.0 / (1.0 - size)) if size > 1 else one
    safe = xp.where(theta > 0.0, theta, one)
    positive = shrink * xp.minimum(sigma, 1.0 / safe)
    tau = xp.where(theta > 0.0, positive, xp.minimum(shrink * sigma, base))
    return tau, (1.0 - theta) / base


def identity_like(vector):
    """The identity matrix in a finite vector's size and dtype."""
    return xp.diagonal_matrix(vector * 0.0 + 1.0)
