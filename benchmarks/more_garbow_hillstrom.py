"""The test functions of Moré, Garbow and Hillstrom, with their standard starts.

J. J. Moré, B. S. Garbow and K. E. Hillstrom, "Testing unconstrained optimization software", ACM
TOMS 7 (1981), whose names and numbers they have; those of any dimension come in one size or more.
Each is a function of a vector and the array library it is computed with (torch or `jax.numpy`).
"""

import numpy as np

PROBLEMS = {}  # name: (function, start)


def at(start):
    """Registers a function of a fixed number of variables."""

    def register(function):
        PROBLEMS[function.__name__] = (function, np.asarray(start, "float64"))
        return function

    return register


def of_sizes(start, sizes):
    """Registers a function of any number of variables; `start` maps the number to the start."""

    def register(function):
        for n in sizes:
            PROBLEMS[f"{function.__name__}_{n}"] = (function, np.asarray(start(n), "float64"))
        return function

    return register


def measured(text):
    """The numbers in a text."""
    return np.array(text.split(), "float64")


def numbers(x, xp):
    """1, 2, ..., n."""
    return xp.asarray(np.arange(1.0, x.shape[0] + 1.0))


def sum_of_squares(residuals, xp):
    """The sum of squares."""
    return xp.sum(residuals * residuals)


@of_sizes(lambda n: np.tile([-1.2, 1.0], n // 2), [2, 10, 100])
def rosenbrock_ext(x, xp):
    a, b = x[0::2], x[1::2]
    return xp.sum(100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2)


@at([0.5, -2.0])
def freudenstein_roth(x, xp):
    a, b = x[0], x[1]
    return (-13.0 + a + ((5.0 - b) * b - 2.0) * b) ** 2 + (
        -29.0 + a + ((b + 1.0) * b - 14.0) * b
    ) ** 2


@at([0.0, 1.0])
def powell_badly_scaled(x, xp):
    a, b = x[0], x[1]
    return (1e4 * a * b - 1.0) ** 2 + (xp.exp(-a) + xp.exp(-b) - 1.0001) ** 2


@at([1.0, 1.0])
def brown_badly_scaled(x, xp):
    a, b = x[0], x[1]
    return (a - 1e6) ** 2 + (b - 2e-6) ** 2 + (a * b - 2.0) ** 2


@at([1.0, 1.0])
def beale(x, xp):
    a, b = x[0], x[1]
    return (1.5 - a * (1 - b)) ** 2 + (2.25 - a * (1 - b**2)) ** 2 + (2.625 - a * (1 - b**3)) ** 2


@at([0.3, 0.4])
def jennrich_sampson(x, xp):
    i = xp.asarray(np.arange(1.0, 11.0))
    return sum_of_squares(2.0 + 2.0 * i - (xp.exp(i * x[0]) + xp.exp(i * x[1])), xp)


@at([-1.0, 0.0, 0.0])
def helical_valley(x, xp):
    # arctan2 is theta of the paper but for the branch: x1 < 0 adds 1/2
    theta = xp.arctan2(x[1], x[0]) / (2.0 * np.pi)
    r = xp.sqrt(x[0] ** 2 + x[1] ** 2)
    return (10.0 * (x[2] - 10.0 * theta)) ** 2 + (10.0 * (r - 1.0)) ** 2 + x[2] ** 2


_BARD = measured("0.14 0.18 0.22 0.25 0.29 0.32 0.35 0.39 0.37 0.58 0.73 0.96 1.34 2.10 4.39")


@at([1.0, 1.0, 1.0])
def bard(x, xp):
    u = np.arange(1.0, 16.0)
    v = 16.0 - u
    w = xp.asarray(np.minimum(u, v))
    u, v = xp.asarray(u), xp.asarray(v)
    return sum_of_squares(xp.asarray(_BARD) - (x[0] + u / (v * x[1] + w * x[2])), xp)


@at([0.4, 1.0, 0.0])
def gaussian(x, xp):
    y = np.array([0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989])
    y = xp.asarray(np.concatenate([y, y[-2::-1]]))
    t = xp.asarray((8.0 - np.arange(1.0, 16.0)) / 2.0)
    return sum_of_squares(x[0] * xp.exp(-x[1] * (t - x[2]) ** 2 / 2.0) - y, xp)


@at([0.02, 4000.0, 250.0])
def meyer(x, xp):
    y = xp.asarray(
        measured(
            "34780 28610 23650 19630 16370 13720 11540 9744 8261 7030 6005 5147 4427 3820 3307 "
            "2872.0"
        )
    )
    t = xp.asarray(45.0 + 5.0 * np.arange(1.0, 17.0))
    return sum_of_squares(x[0] * xp.exp(x[1] / (t + x[2])) - y, xp)


@at([5.0, 2.5, 0.15])
def gulf(x, xp):
    t = np.arange(1.0, 100.0) / 100.0
    y = xp.asarray(25.0 + (-50.0 * np.log(t)) ** (2.0 / 3.0))
    return sum_of_squares(xp.exp(-(xp.abs(y - x[1]) ** x[2]) / x[0]) - xp.asarray(t), xp)


@at([0.0, 10.0, 20.0])
def box3(x, xp):
    t = 0.1 * np.arange(1.0, 11.0)
    k = xp.asarray(np.exp(-t) - np.exp(-10 * t))
    t = xp.asarray(t)
    return sum_of_squares(xp.exp(-t * x[0]) - xp.exp(-t * x[1]) - x[2] * k, xp)


@of_sizes(lambda n: np.tile([3.0, -1.0, 0.0, 1.0], n // 4), [4, 100])
def powell_singular_ext(x, xp):
    a, b, c, d = x[0::4], x[1::4], x[2::4], x[3::4]
    return xp.sum((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4)


@of_sizes(lambda n: np.tile([-3.0, -1.0, -3.0, -1.0], n // 4), [4, 100])
def wood_ext(x, xp):
    a, b, c, d = x[0::4], x[1::4], x[2::4], x[3::4]
    return xp.sum(
        100 * (b - a * a) ** 2
        + (1 - a) ** 2
        + 90 * (d - c * c) ** 2
        + (1 - c) ** 2
        + 10.1 * ((b - 1) ** 2 + (d - 1) ** 2)
        + 19.8 * (b - 1) * (d - 1)
    )


@at([0.25, 0.39, 0.415, 0.39])
def kowalik_osborne(x, xp):
    y = xp.asarray(
        measured("0.1957 0.1947 0.1735 0.1600 0.0844 0.0627 0.0456 0.0342 0.0323 0.0235 0.0246")
    )
    u = xp.asarray(measured("4 2 1 0.5 0.25 0.1670 0.1250 0.1 0.0833 0.0714 0.0625"))
    return sum_of_squares(y - x[0] * (u * u + u * x[1]) / (u * u + u * x[2] + x[3]), xp)


@at([25.0, 5.0, -5.0, -1.0])
def brown_dennis(x, xp):
    t = xp.asarray(np.arange(1.0, 21.0) / 5.0)
    return sum_of_squares(
        (x[0] + t * x[1] - xp.exp(t)) ** 2 + (x[2] + x[3] * xp.sin(t) - xp.cos(t)) ** 2, xp
    )


@at([0.5, 1.5, -1.0, 0.01, 0.02])
def osborne1(x, xp):
    y = xp.asarray(
        measured(
            "0.844 0.908 0.932 0.936 0.925 0.908 0.881 0.850 0.818 0.784 0.751 0.718 0.685 0.658 "
            "0.628 0.603 0.580 0.558 0.538 0.522 0.506 0.490 0.478 0.467 0.457 0.448 0.438 0.431 "
            "0.424 0.420 0.414 0.411 0.406"
        )
    )
    t = xp.asarray(10.0 * np.arange(33.0))
    return sum_of_squares(y - (x[0] + x[1] * xp.exp(-t * x[3]) + x[2] * xp.exp(-t * x[4])), xp)


@at([1.0, 2.0, 1.0, 1.0, 1.0, 1.0])
def biggs_exp6(x, xp):
    t = 0.1 * np.arange(1.0, 14.0)
    y = xp.asarray(np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t))
    t = xp.asarray(t)
    return sum_of_squares(
        x[2] * xp.exp(-t * x[0]) - x[3] * xp.exp(-t * x[1]) + x[5] * xp.exp(-t * x[4]) - y, xp
    )


@at([1.3, 0.65, 0.65, 0.7, 0.6, 3.0, 5.0, 7.0, 2.0, 4.5, 5.5])
def osborne2(x, xp):
    y = xp.asarray(
        measured(
            "1.366 1.191 1.112 1.013 0.991 0.885 0.831 0.847 0.786 0.725 0.746 0.679 0.608 0.655 "
            "0.616 0.606 0.602 0.626 0.651 0.724 0.649 0.649 0.694 0.644 0.624 0.661 0.612 0.558 "
            "0.533 0.495 0.500 0.423 0.395 0.375 0.372 0.391 0.396 0.405 0.428 0.429 0.523 0.562 "
            "0.607 0.653 0.672 0.708 0.633 0.668 0.645 0.632 0.591 0.559 0.597 0.625 0.739 0.710 "
            "0.729 0.720 0.636 0.581 0.428 0.292 0.162 0.098 0.054"
        )
    )
    t = xp.asarray(np.arange(65.0) / 10.0)
    return sum_of_squares(
        y
        - (
            x[0] * xp.exp(-t * x[4])
            + x[1] * xp.exp(-((t - x[8]) ** 2) * x[5])
            + x[2] * xp.exp(-((t - x[9]) ** 2) * x[6])
            + x[3] * xp.exp(-((t - x[10]) ** 2) * x[7])
        ),
        xp,
    )


@of_sizes(np.zeros, [6, 9, 12])
def watson(x, xp):
    n = x.shape[0]
    t = np.arange(1.0, 30.0)[:, None] / 29.0
    j = np.arange(n)
    p = t**j
    dp = np.where(j > 0, j * t ** np.maximum(j - 1, 0), 0.0)
    r = xp.asarray(dp) @ x - (xp.asarray(p) @ x) ** 2 - 1.0
    return sum_of_squares(r, xp) + x[0] ** 2 + (x[1] - x[0] ** 2 - 1.0) ** 2


@of_sizes(lambda n: np.arange(1.0, n + 1), [4, 10, 100])
def penalty1(x, xp):
    return 1e-5 * sum_of_squares(x - 1.0, xp) + (sum_of_squares(x, xp) - 0.25) ** 2


@of_sizes(lambda n: np.full(n, 0.5), [4, 10])
def penalty2(x, xp):
    n = x.shape[0]
    i = np.arange(2.0, n + 1)
    y = xp.asarray(np.exp(i / 10) + np.exp((i - 1) / 10))
    a = 1e-5
    w = xp.asarray(np.arange(n, 0.0, -1.0))
    return (
        (x[0] - 0.2) ** 2
        + a * sum_of_squares(xp.exp(x[1:] / 10) + xp.exp(x[:-1] / 10) - y, xp)
        + a * sum_of_squares(xp.exp(x[1:] / 10) - np.exp(-0.1), xp)
        + (xp.sum(w * x * x) - 1.0) ** 2
    )


@of_sizes(lambda n: 1.0 - np.arange(1.0, n + 1) / n, [10, 100])
def variably_dimensioned(x, xp):
    s = xp.sum(numbers(x, xp) * (x - 1.0))
    return sum_of_squares(x - 1.0, xp) + s**2 + s**4


@of_sizes(lambda n: np.full(n, 1.0 / n), [10, 100])
def trigonometric(x, xp):
    n = x.shape[0]
    return sum_of_squares(
        n - xp.sum(xp.cos(x)) + numbers(x, xp) * (1.0 - xp.cos(x)) - xp.sin(x), xp
    )


@of_sizes(lambda n: np.full(n, 0.5), [10, 30])
def brown_almost_linear(x, xp):
    n = x.shape[0]
    return sum_of_squares(x[:-1] + xp.sum(x) - (n + 1.0), xp) + (xp.prod(x) - 1.0) ** 2


@of_sizes(lambda n: (lambda t: t * (t - 1))(np.arange(1.0, n + 1) / (n + 1)), [10, 50])
def discrete_boundary(x, xp):
    n = x.shape[0]
    h = 1.0 / (n + 1)
    t = xp.asarray(np.arange(1.0, n + 1) * h)
    z = x[:1] * 0.0
    return sum_of_squares(
        2 * x
        - xp.concatenate([z, x[:-1]])
        - xp.concatenate([x[1:], z])
        + h * h * (x + t + 1.0) ** 3 / 2.0,
        xp,
    )


@of_sizes(lambda n: (lambda t: t * (t - 1))(np.arange(1.0, n + 1) / (n + 1)), [10, 50])
def discrete_integral(x, xp):
    n = x.shape[0]
    h = 1.0 / (n + 1)
    t = np.arange(1.0, n + 1) * h
    low = (t[None, :] <= t[:, None]) * (1 - t)[:, None] * t[None, :]
    high = (t[None, :] > t[:, None]) * t[:, None] * (1 - t)[None, :]
    k = xp.asarray(h / 2.0 * (low + high))
    return sum_of_squares(x + k @ (x + xp.asarray(t) + 1.0) ** 3, xp)


@of_sizes(lambda n: np.full(n, -1.0), [10, 100])
def broyden_tridiagonal(x, xp):
    z = x[:1] * 0.0
    return sum_of_squares(
        (3.0 - 2.0 * x) * x - xp.concatenate([z, x[:-1]]) - 2.0 * xp.concatenate([x[1:], z]) + 1.0,
        xp,
    )


@of_sizes(lambda n: np.full(n, -1.0), [10, 100])
def broyden_banded(x, xp):
    n = x.shape[0]
    i = np.arange(n)
    band = (
        (i[None, :] >= i[:, None] - 5) & (i[None, :] <= i[:, None] + 1) & (i[None, :] != i[:, None])
    ) * 1.0
    return sum_of_squares(x * (2.0 + 5.0 * x * x) + 1.0 - xp.asarray(band) @ (x * (1.0 + x)), xp)


@of_sizes(np.ones, [10, 100])
def linear_full_rank(x, xp):
    n = x.shape[0]
    mm = 2 * n
    s = xp.sum(x)
    return sum_of_squares(x - 2.0 / mm * s - 1.0, xp) + (mm - n) * (-2.0 / mm * s - 1.0) ** 2


@of_sizes(np.ones, [10])
def linear_rank1(x, xp):
    i = xp.asarray(np.arange(1.0, 21.0))
    return sum_of_squares(i * xp.sum(numbers(x, xp) * x) - 1.0, xp)


@of_sizes(np.ones, [10])
def linear_rank1_zero(x, xp):
    s = xp.sum((numbers(x, xp) * x)[1:-1])
    i = xp.asarray(np.arange(2.0, 20.0))
    return 2.0 + sum_of_squares((i - 1.0) * s - 1.0, xp)


@of_sizes(lambda n: np.arange(1.0, n + 1) / (n + 1), [8, 9, 10, 20])
def chebyquad(x, xp):
    n = x.shape[0]
    y = 2.0 * x - 1.0
    before, now, total = y * 0.0 + 1.0, y, 0.0
    for i in range(1, n + 1):
        integral = -1.0 / (i * i - 1.0) if i % 2 == 0 else 0.0
        total = total + (xp.sum(now) / n - integral) ** 2
        before, now = now, 2.0 * y * now - before
    return total
