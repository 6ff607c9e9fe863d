"""Unconstrained test functions of any number of variables, with their standard starts.

N. Andrei, "An unconstrained optimization test functions collection", Advanced Modeling and
Optimization 10 (2008), and the problems of CUTE (I. Bongartz, A. R. Conn, N. Gould and Ph. L.
Toint, ACM TOMS 21 (1995)) under whose names they stand. Each is a function of a vector and the
array library it is computed with (torch or `jax.numpy`).
"""

import numpy as np
from more_garbow_hillstrom import numbers, sum_of_squares

PROBLEMS = {}  # name: (function, start)


def of_sizes(start, *sizes):
    """Registers a function; `start` is a number, a pattern, or maps the size to the start."""

    def register(function):
        for n in sizes:
            x = start(n) if callable(start) else np.resize(np.asarray(start, "float64"), n)
            PROBLEMS[f"{function.__name__}_{n}"] = (function, np.asarray(x, "float64"))
        return function

    return register


def counted(n):
    """1, 2, ..., n."""
    return np.arange(1.0, n + 1.0)


@of_sizes([0.5, -2.0], 10)
def freuroth(x, xp):
    a, b = x[:-1], x[1:]
    first = a - 13.0 + ((5.0 - b) * b - 2.0) * b
    return sum_of_squares(first, xp) + sum_of_squares(a - 29.0 + ((b + 1.0) * b - 14.0) * b, xp)


@of_sizes([1.0, 0.8], 10, 50)
def extended_beale(x, xp):
    a, b = x[0::2], x[1::2]
    terms = [(c - a * (1.0 - b**p)) ** 2 for p, c in enumerate((1.5, 2.25, 2.625), 1)]
    return xp.sum(terms[0] + terms[1] + terms[2])


@of_sizes(counted, 10, 50)
def extended_penalty(x, xp):
    return sum_of_squares(x[:-1] - 1.0, xp) + (sum_of_squares(x, xp) - 0.25) ** 2


@of_sizes(0.5, 10, 100)
def perturbed_quadratic(x, xp):
    return xp.sum(numbers(x, xp) * x * x) + 0.01 * xp.sum(x) ** 2


@of_sizes(1.0, 10, 100)
def raydan1(x, xp):
    return xp.sum(numbers(x, xp) / 10.0 * (xp.exp(x) - x))


@of_sizes(1.0, 10, 100)
def raydan2(x, xp):
    return xp.sum(xp.exp(x) - x)


@of_sizes(lambda n: np.full(n, 1.0 / n), 10, 100)
def diagonal1(x, xp):
    return xp.sum(xp.exp(x) - numbers(x, xp) * x)


@of_sizes(lambda n: 1.0 / counted(n), 10, 100)
def diagonal2(x, xp):
    return xp.sum(xp.exp(x) - x / numbers(x, xp))


@of_sizes(1.0, 10, 50)
def diagonal3(x, xp):
    return xp.sum(xp.exp(x) - numbers(x, xp) * xp.sin(x))


@of_sizes(1.0, 20)
def diagonal4(x, xp):
    return 0.5 * xp.sum(x[0::2] ** 2 + 100.0 * x[1::2] ** 2)


@of_sizes(1.1, 20)
def diagonal5(x, xp):
    return xp.sum(xp.log(xp.exp(x) + xp.exp(-x)))


@of_sizes(1.0, 10, 100)
def hager(x, xp):
    return xp.sum(xp.exp(x) - xp.sqrt(numbers(x, xp)) * x)


@of_sizes(2.0, 10, 50)
def generalized_tridiagonal1(x, xp):
    a, b = x[:-1], x[1:]
    return xp.sum((a + b - 3.0) ** 2 + (a - b + 1.0) ** 4)


@of_sizes(2.0, 2, 50)
def extended_tridiagonal1(x, xp):
    a, b = x[0::2], x[1::2]
    return xp.sum((a + b - 3.0) ** 2 + (a - b + 1.0) ** 4)


@of_sizes(1.0, 10)
def extended_tridiagonal2(x, xp):
    a, b = x[:-1], x[1:]
    return xp.sum((a * b - 1.0) ** 2 + 0.1 * (a + 1.0) * (b + 1.0))


@of_sizes(-1.0, 10, 50)
def generalized_tridiagonal2(x, xp):
    z = x[:1] * 0.0
    before, after = xp.concatenate([z, x[:-1]]), xp.concatenate([x[1:], z])
    return sum_of_squares((5.0 - 3.0 * x - x * x) * x - before - 3.0 * after + 1.0, xp)


@of_sizes(0.1, 2, 50)
def three_exponentials(x, xp):
    a, b = x[0::2], x[1::2]
    return xp.sum(xp.exp(a + 3 * b - 0.1) + xp.exp(a - 3 * b - 0.1) + xp.exp(-a - 0.1))


@of_sizes(1.0, 2, 50)
def extended_himmelblau(x, xp):
    a, b = x[0::2], x[1::2]
    return xp.sum((a * a + b - 11.0) ** 2 + (a + b * b - 7.0) ** 2)


@of_sizes([3.0, 0.1], 2, 20)
def psc1(x, xp):
    a, b = x[0::2], x[1::2]
    return xp.sum((a * a + b * b + a * b) ** 2 + xp.sin(a) ** 2 + xp.cos(b) ** 2)


@of_sizes(0.1, 2, 20)
def block_diagonal1(x, xp):
    a, b = x[0::2], x[1::2]
    return xp.sum((a * a + b * b - 2.0) ** 2 + (xp.exp(a - 1.0) - b) ** 2)


@of_sizes([1.1, 0.1], 2, 20)
def maratos(x, xp):
    a, b = x[0::2], x[1::2]
    return xp.sum(a + 100.0 * (a * a + b * b - 1.0) ** 2)


@of_sizes([0.0, -1.0], 2, 20)
def cliff(x, xp):
    a, b = x[0::2], x[1::2]
    return xp.sum(((a - 3.0) / 100.0) ** 2 - (a - b) + xp.exp(20.0 * (a - b)))


@of_sizes(0.5, 10, 100)
def quadratic_diagonal_perturbed(x, xp):
    return xp.sum(x) ** 2 + xp.sum(numbers(x, xp) / 100.0 * x * x)


@of_sizes(0.001, 2)
def hiebert(x, xp):
    return xp.sum((x[0::2] - 10.0) ** 2 + (x[0::2] * x[1::2] - 50000.0) ** 2)


@of_sizes(1.0, 10, 100)
def qf1(x, xp):
    return 0.5 * xp.sum(numbers(x, xp) * x * x) - x[-1]


@of_sizes(0.5, 10, 100)
def qf2(x, xp):
    return 0.5 * xp.sum(numbers(x, xp) * (x * x - 1.0) ** 2) - x[-1]


@of_sizes(1.0, 10)
def qp1(x, xp):
    return sum_of_squares(x[:-1] ** 2 - 2.0, xp) + (sum_of_squares(x, xp) - 0.5) ** 2


@of_sizes(1.0, 10)
def qp2(x, xp):
    return sum_of_squares(x[:-1] ** 2 - xp.sin(x[:-1]), xp) + (sum_of_squares(x, xp) - 100.0) ** 2


@of_sizes([1.5, 1.4], 2)
def exponential_ep1(x, xp):
    d = x[0::2] - x[1::2]
    return xp.sum((xp.exp(d) - 5.0) ** 2 + d**2 * (d - 11.0) ** 2)


@of_sizes(0.0, 10, 50)
def fletchcr(x, xp):
    return 100.0 * sum_of_squares(x[1:] - x[:-1] + 1.0 - x[:-1] ** 2, xp)


@of_sizes(1.0, 10, 50)
def bdqrtic(x, xp):
    a = x[:-4] ** 2 + 2 * x[1:-3] ** 2 + 3 * x[2:-2] ** 2 + 4 * x[3:-1] ** 2 + 5 * x[-1] ** 2
    return xp.sum((3.0 - 4.0 * x[:-4]) ** 2 + a**2)


@of_sizes(1.0, 10, 50)
def tridia(x, xp):
    weights = numbers(x, xp)[1:]
    return (x[0] - 1.0) ** 2 + xp.sum(weights * (2.0 * x[1:] - x[:-1]) ** 2)


@of_sizes(1.0, 10, 100)
def arwhead(x, xp):
    return xp.sum(3.0 - 4.0 * x[:-1]) + xp.sum((x[:-1] ** 2 + x[-1] ** 2) ** 2)


@of_sizes(-1.0, 10, 100)
def nondia(x, xp):
    return (x[0] - 1.0) ** 2 + 100.0 * sum_of_squares(x[0] - x[:-1] ** 2, xp)


@of_sizes([1.0, -1.0], 10, 50)
def nondquar(x, xp):
    return (x[0] - x[1]) ** 2 + (x[-2] + x[-1]) ** 2 + xp.sum((x[:-2] + x[1:-1] + x[-1]) ** 4)


@of_sizes(3.0, 10, 100)
def dqdrtic(x, xp):
    return xp.sum(x[:-2] ** 2 + 100.0 * x[1:-1] ** 2 + 100.0 * x[2:] ** 2)


@of_sizes(0.0, 10)
def eg2(x, xp):
    return xp.sum(xp.sin(x[0] + x[:-1] ** 2 - 1.0)) + 0.5 * xp.sin(x[-1] ** 2)


def dixmaan(x, xp, alpha, beta, gamma, delta, powers):
    """The family DIXMAAN, n a multiple of 3."""
    n, m = x.shape[0], x.shape[0] // 3
    i = numbers(x, xp) / n
    first = alpha * x**2 * i ** powers[0]
    second = beta * x[:-1] ** 2 * (x[1:] + x[1:] ** 2) ** 2 * i[:-1] ** powers[1]
    third = gamma * x[: 2 * m] ** 2 * x[m:] ** 4 * i[: 2 * m] ** powers[2]
    fourth = delta * x[:m] * x[2 * m :] * i[:m] ** powers[3]
    return 1.0 + xp.sum(first) + xp.sum(second) + xp.sum(third) + xp.sum(fourth)


@of_sizes(2.0, 15, 90)
def dixmaana(x, xp):
    return dixmaan(x, xp, 1.0, 0.0, 0.125, 0.125, (0, 0, 0, 0))


@of_sizes(2.0, 15)
def dixmaanb(x, xp):
    return dixmaan(x, xp, 1.0, 0.0625, 0.0625, 0.0625, (0, 0, 0, 1))


@of_sizes(2.0, 15)
def dixmaand(x, xp):
    return dixmaan(x, xp, 1.0, 0.26, 0.26, 0.26, (0, 0, 0, 0))


@of_sizes(2.0, 15, 90)
def dixmaane(x, xp):
    return dixmaan(x, xp, 1.0, 0.0, 0.125, 0.125, (1, 0, 0, 1))


@of_sizes(2.0, 15)
def dixmaanh(x, xp):
    return dixmaan(x, xp, 1.0, 0.26, 0.26, 0.26, (1, 0, 0, 1))


@of_sizes(2.0, 15, 90)
def dixmaani(x, xp):
    return dixmaan(x, xp, 1.0, 0.0, 0.125, 0.125, (2, 0, 0, 2))


@of_sizes(2.0, 15)
def dixmaanl(x, xp):
    return dixmaan(x, xp, 1.0, 0.26, 0.26, 0.26, (2, 0, 0, 2))


@of_sizes(0.5, 10)
def partial_perturbed_quadratic(x, xp):
    return xp.sum(numbers(x, xp) * x * x) + 0.01 * sum_of_squares(xp.cumsum(x, 0), xp)


@of_sizes(1.0, 10, 50)
def staircase1(x, xp):
    return sum_of_squares(xp.cumsum(x, 0), xp)


@of_sizes(4.0, 10, 100)
def liarwhd(x, xp):
    return 4.0 * sum_of_squares(x * x - x[0], xp) + sum_of_squares(x - 1.0, xp)


@of_sizes(1.0, 10, 50)
def power(x, xp):
    return sum_of_squares(numbers(x, xp) * x, xp)


@of_sizes(2.0, 10, 100)
def engval1(x, xp):
    return sum_of_squares(x[:-1] ** 2 + x[1:] ** 2, xp) + xp.sum(3.0 - 4.0 * x[:-1])


@of_sizes(lambda n: np.r_[1.0, np.full(n - 1, 2.0)], 4, 50)
def cragglvy(x, xp):
    a, b, c, d = x[0:-3:2], x[1:-2:2], x[2:-1:2], x[3::2]
    return xp.sum(
        (xp.exp(a) - b) ** 4
        + 100.0 * (b - c) ** 6
        + (xp.tan(c - d) + c - d) ** 4
        + a**8
        + (d - 1.0) ** 2
    )


@of_sizes(8.0, 10, 100)
def edensch(x, xp):
    a, b = x[:-1], x[1:]
    return 16.0 + xp.sum((a - 2.0) ** 4 + (a * b - 2.0 * b) ** 2 + (b + 1.0) ** 2)


@of_sizes([-1.2, 1.0], 2, 5)
def cube(x, xp):
    return (x[0] - 1.0) ** 2 + 100.0 * sum_of_squares(x[1:] - x[:-1] ** 3, xp)


@of_sizes(1.0, 10)
def mccormck(x, xp):
    a, b = x[:-1], x[1:]
    return xp.sum(-1.5 * a + 2.5 * b + 1.0 + (a - b) ** 2 + xp.sin(a + b))


@of_sizes(3.0, 10, 50)
def nonscomp(x, xp):
    return (x[0] - 1.0) ** 2 + 4.0 * sum_of_squares(x[1:] - x[:-1] ** 2, xp)


@of_sizes(2.0, 10, 100)
def quartc(x, xp):
    return xp.sum((x - numbers(x, xp)) ** 4)


@of_sizes(0.1, 5, 50)
def sinquad(x, xp):
    middle = x[1:-1]
    return (
        (x[0] - 1.0) ** 4
        + sum_of_squares(xp.sin(middle - x[-1]) - x[0] ** 2 + middle**2, xp)
        + (x[-1] ** 2 - x[0] ** 2) ** 2
    )


@of_sizes(-1.0, 10, 50)
def dixon3dq(x, xp):
    return (x[0] - 1.0) ** 2 + sum_of_squares(x[:-1] - x[1:], xp) + (x[-1] - 1.0) ** 2


@of_sizes(1.0, 10, 100)
def cosine(x, xp):
    return xp.sum(xp.cos(x[:-1] ** 2 - 0.5 * x[1:]))


@of_sizes(1.0, 10)
def generalized_quartic(x, xp):
    return xp.sum(x[:-1] ** 2 + (x[1:] + x[:-1] ** 2) ** 2)


@of_sizes(lambda n: n + 1.0 - counted(n), 10, 50)
def schwefel_1_2(x, xp):
    return sum_of_squares(xp.cumsum(x, 0), xp) + 0.1 * sum_of_squares(x, xp)


@of_sizes(lambda n: 1.0 / counted(n), 10, 30)
def chained_wood(x, xp):
    a, b, c, d = x[0:-3:2], x[1:-2:2], x[2:-1:2], x[3::2]
    return xp.sum(
        100 * (b - a * a) ** 2
        + (1 - a) ** 2
        + 90 * (d - c * c) ** 2
        + (1 - c) ** 2
        + 10 * (b + d - 2) ** 2
        + 0.1 * (b - d) ** 2
    )
