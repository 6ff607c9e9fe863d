"""Unconstrained test functions of few variables, with a start each.

W. Hock and K. Schittkowski, "Test examples for nonlinear programming codes" (1981), and K.
Schittkowski, "More test examples" (1987): S201 and so on, by their numbers; CUTE; and the
collection of M. Jamil and X.-S. Yang, Int. J. Math. Modelling Num. Optim. 4 (2013), whose starts
are ours. Each is a function of a vector and the array library it is computed with (torch or
`jax.numpy`).
"""

import numpy as np
from more_garbow_hillstrom import numbers, sum_of_squares

PROBLEMS = {}  # name: (function, start)


def at(*start):
    """Registers a function with its start."""

    def register(function):
        PROBLEMS[function.__name__] = (function, np.array(start, "float64"))
        return function

    return register


def of_two(name, start, formula):
    """Registers a formula of two numbers and the array library."""
    PROBLEMS[name] = (lambda x, xp: formula(x[0], x[1], xp), np.array(start, "float64"))


@at(0.0, 0.0, 0.0, 0.0)
def allinitu(x, xp):
    a, b, c, d = x[0], x[1], x[2], x[3]
    return (
        c
        - 1
        + a**2
        + b**2
        + (c + d) ** 2
        + xp.sin(c) ** 2
        + a**2 * b**2
        + d
        - 3
        + xp.sin(c) ** 2
        + (d - 1) ** 2
        + (b**2) ** 2
        + (c**2 + (d + a) ** 2) ** 2
        + (a - 4 + xp.sin(d) ** 2 + b**2 * c**2) ** 2
        + xp.sin(d) ** 4
    )


@at(10.0, 10.0, 10.0)
def denschnd(x, xp):
    a, b, c = x[0], x[1], x[2]
    return (a**2 + b**3 - c**4) ** 2 + (2 * a * b * c) ** 2 + (2 * a * b - 3 * b * c + a * c) ** 2


@at(2.0, 3.0, -8.0)
def denschne(x, xp):
    return x[0] ** 2 + (x[1] + x[1] ** 2) ** 2 + (xp.exp(x[2]) - 1.0) ** 2


@at(1.0, 2.0, 0.0)
def engval2(x, xp):
    a, b, c = x[0], x[1], x[2]
    return (
        (a * a + b * b + c * c - 1) ** 2
        + (a * a + b * b + (c - 2) ** 2 - 1) ** 2
        + (a + b + c - 1) ** 2
        + (a + b - c + 1) ** 2
        + (a**3 + 3 * b**2 + (5 * c - a + 1) ** 2 - 36) ** 2
    )


@at(0.0, 0.0)
def expfit(x, xp):
    t = xp.asarray(0.25 * np.arange(1.0, 11.0))
    return sum_of_squares(x[0] * xp.exp(t * x[1]) - t, xp)


@at(-3.0, -3.0, -3.0, -3.0, -3.0)
def hilberta(x, xp):
    i = np.arange(1.0, 6.0)
    return xp.sum(x * (xp.asarray(1.0 / (i[:, None] + i - 1.0)) @ x))


@at(*np.full(10, -3.0))
def hilbertb(x, xp):
    i = np.arange(1.0, 11.0)
    return xp.sum(x * (xp.asarray(1.0 / (i[:, None] + i - 1.0) + 5.0 * np.eye(10)) @ x))


@at(100.0, -1.0, 2.5)
def s240(x, xp):
    a, b, c = x[0], x[1], x[2]
    return (a - b + c) ** 2 + (b - a + c) ** 2 + (a + b - c) ** 2


@at(*np.zeros(15))
def s272(x, xp):
    s = xp.sum((16.0 - numbers(x, xp)) * (x - 1.0) ** 2)
    return 10.0 * s + 10.0 * s**2


@at(*np.zeros(10))
def s281(x, xp):
    return (xp.sum(numbers(x, xp) ** 3 * (x - 1.0) ** 2) + 1e-6) ** (1.0 / 3.0)


@at(-1.2, *np.zeros(9))
def s282(x, xp):
    i = 10.0 - numbers(x, xp)[:-1]
    return (x[0] - 1) ** 2 + (x[9] - 1) ** 2 + 10.0 * xp.sum(i * (x[:-1] ** 2 - x[1:]) ** 2)


@at(*np.zeros(10))
def s283(x, xp):
    return xp.sum(numbers(x, xp) ** 3 * (x - 1.0) ** 2) ** 3


@at(*((-1.0) ** i * (1.0 + i / 30.0) for i in range(1, 31)))
def s289(x, xp):
    return 1.0 - xp.exp(-sum_of_squares(x, xp) / 60.0)


@at(*np.full(10, 1.0))
def s291(x, xp):
    return xp.sum(numbers(x, xp) * x * x) ** 2


@at(*np.tile([-1.2, 1.0], 5))
def s296(x, xp):
    return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@at(*np.full(20, 0.1))
def zakharov(x, xp):
    s = 0.5 * xp.sum(numbers(x, xp) * x)
    return sum_of_squares(x, xp) + s**2 + s**4


@at(4.0, -2.0, 3.0, 1.0)
def miele_cantrell(x, xp):
    return (
        (xp.exp(-x[0]) - x[1]) ** 4
        + 100.0 * (x[1] - x[2]) ** 6
        + xp.tan(x[2] - x[3]) ** 4
        + x[0] ** 8
    )


@at(*np.full(10, 3.0))
def dixon_price(x, xp):
    i = numbers(x, xp)[1:]
    return (x[0] - 1.0) ** 2 + xp.sum(i * (2.0 * x[1:] ** 2 - x[:-1]) ** 2)


@at(*np.zeros(10))
def trid(x, xp):
    return sum_of_squares(x - 1.0, xp) - xp.sum(x[1:] * x[:-1])


@at(*np.full(6, -1.0))
def styblinski_tang(x, xp):
    return 0.5 * xp.sum(x**4 - 16.0 * x**2 + 5.0 * x)


@at(*np.full(5, 0.7))
def exponential(x, xp):
    return -xp.exp(-0.5 * sum_of_squares(x, xp))


@at(0.3, -0.2, 0.4)
def ackley(x, xp):
    root = xp.sqrt(sum_of_squares(x, xp) / 3.0 + 1e-4)
    return -20.0 * xp.exp(-0.2 * root) - xp.exp(xp.sum(xp.cos(2 * np.pi * x)) / 3.0) + 20.0 + np.e


@at(*np.full(5, 1.4))
def levy(x, xp):
    w = 1.0 + (x - 1.0) / 4.0
    a, b = w[:-1], w[-1]
    return (
        xp.sin(np.pi * w[0]) ** 2
        + xp.sum((a - 1.0) ** 2 * (1.0 + 10.0 * xp.sin(np.pi * a + 1.0) ** 2))
        + (b - 1.0) ** 2 * (1.0 + xp.sin(2 * np.pi * b) ** 2)
    )


@at(*np.full(5, 0.6))
def griewank(x, xp):
    return 1.0 + sum_of_squares(x, xp) / 4000.0 - xp.prod(xp.cos(x / xp.sqrt(numbers(x, xp))))


@at(0.2, -0.3, 0.25)
def rastrigin(x, xp):
    return 10.0 * 3 + xp.sum(x * x - 10.0 * xp.cos(2 * np.pi * x))


@at(2.0, 1.5)
def michalewicz(x, xp):
    return -xp.sum(xp.sin(x) * xp.sin(numbers(x, xp) * x * x / np.pi) ** 20)


@at(400.0, 410.0)
def schwefel(x, xp):
    return 418.9828872724339 * 2 - xp.sum(x * xp.sin(xp.sqrt(xp.abs(x))))


@at(0.5, 0.5, 0.5)
def hartmann3(x, xp):
    a = xp.asarray(np.array([[3.0, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]))
    p = np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]])
    p = xp.asarray(p * 1e-4)
    return -xp.sum(xp.asarray(np.array([1.0, 1.2, 3, 3.2])) * xp.exp(-xp.sum(a * (x - p) ** 2, 1)))


@at(3.0, 3.5, 4.5, 4.2)
def shekel5(x, xp):
    centres = np.array([[4.0] * 4, [1.0] * 4, [8.0] * 4, [6.0] * 4, [3, 7, 3, 7]])
    beta = xp.asarray(np.array([0.1, 0.2, 0.2, 0.4, 0.4]))
    return -xp.sum(1.0 / (xp.sum((x - xp.asarray(centres)) ** 2, 1) + beta))


@at(*np.full(4, 0.5))
def power_sum(x, xp):
    return sum((xp.sum(x**k) - b) ** 2 for k, b in zip((1, 2, 3, 4), (8, 18, 44, 114), strict=True))


@at(0.0, 0.0, 0.0, 0.0)
def perm(x, xp):
    j = numbers(x, xp)
    return sum(xp.sum((j**k + 0.5) * ((x / j) ** k - 1.0)) ** 2 for k in (1, 2, 3, 4))


@at(*np.full(6, 0.6))
def sum_of_powers(x, xp):
    return xp.sum(xp.abs(x) ** (numbers(x, xp) + 1.0))


of_two("denschna", (1, 1), lambda a, b, xp: a**4 + (a + b) ** 2 + (xp.exp(b) - 1) ** 2)
of_two("denschnb", (1, 1), lambda a, b, xp: (a - 2) ** 2 + (a - 2) ** 2 * b**2 + (b + 1) ** 2)
of_two(
    "denschnc", (2, 3), lambda a, b, xp: (a * a + b * b - 2) ** 2 + (xp.exp(a - 1) + b**3 - 2) ** 2
)
of_two(
    "denschnf",
    (2, 0),
    lambda a, b, xp: (
        (2 * (a + b) ** 2 + (a - b) ** 2 - 8) ** 2 + (5 * a * a + (b - 3) ** 2 - 9) ** 2
    ),
)
of_two(
    "hairy",
    (-5, -7),
    lambda a, b, xp: (
        30 * xp.sin(7 * a) ** 2 * xp.cos(7 * b) ** 2
        + 100 * xp.sqrt(0.01 + (a - b) ** 2)
        + 100 * xp.sqrt(0.01 + a * a)
    ),
)
of_two("himmelbg", (0.5, 0.5), lambda a, b, xp: (2 * a * a + 3 * b * b) * xp.exp(-a - b))
of_two("logros", (-1.2, 1), lambda a, b, xp: xp.log(1 + 10000 * (b - a * a) ** 2 + (1 - a) ** 2))
of_two("maratosb", (1.1, 0.1), lambda a, b, xp: a + 1e6 * (a * a + b * b - 1) ** 2)
of_two(
    "mexhat",
    (0.86, 0.72),
    lambda a, b, xp: -2 * (a - 1) ** 2 + 1e4 * (-0.02 + (b - a * a) ** 2 / 1e4 + (a - 1) ** 2) ** 2,
)
of_two("sisser", (1, 0.1), lambda a, b, xp: 3 * a**4 - 2 * (a * b) ** 2 + 3 * b**4)
of_two(
    "zangwil2",
    (3, 8),
    lambda a, b, xp: (16 * a * a + 16 * b * b - 8 * a * b - 56 * a - 256 * b + 991) / 15,
)
of_two("s201", (8, 9), lambda a, b, xp: 4 * (a - 5) ** 2 + (b - 6) ** 2)
of_two("s206", (-1.2, 1), lambda a, b, xp: (b - a * a) ** 2 + 100 * (1 - a) ** 2)
of_two(
    "s212",
    (2, 0),
    lambda a, b, xp: (4 * (a + b)) ** 2 + (4 * (a + b) + (a - b) * ((a - 2) ** 2 + b * b - 1)) ** 2,
)
of_two("s213", (3, 1), lambda a, b, xp: (10 * (a - b) ** 2 + (a - 1) ** 2) ** 4)
of_two(
    "s309",
    (0, 0),
    lambda a, b, xp: 1.41 * a**4 - 12.76 * a**3 + 39.91 * a**2 - 51.93 * a + 24.37 + (b - 3.9) ** 2,
)
of_two(
    "s312",
    (1, 1),
    lambda a, b, xp: (
        (a * a + 12 * b - 1) ** 2 + (49 * a * a + 49 * b * b + 84 * a + 2324 * b - 681) ** 2
    ),
)
of_two("booth", (5, -5), lambda a, b, xp: (a + 2 * b - 7) ** 2 + (2 * a + b - 5) ** 2)
of_two("matyas", (5, 8), lambda a, b, xp: 0.26 * (a * a + b * b) - 0.48 * a * b)
of_two("mccormick", (0, 0), lambda a, b, xp: xp.sin(a + b) + (a - b) ** 2 - 1.5 * a + 2.5 * b + 1)
of_two(
    "three_hump_camel",
    (0.8, 0.5),
    lambda a, b, xp: 2 * a * a - 1.05 * a**4 + a**6 / 6 + a * b + b * b,
)
of_two(
    "six_hump_camel",
    (0.5, -0.4),
    lambda a, b, xp: (4 - 2.1 * a * a + a**4 / 3) * a * a + a * b + 4 * (b * b - 1) * b * b,
)
of_two(
    "goldstein_price",
    (0.3, -0.7),
    lambda a, b, xp: (
        (1 + (a + b + 1) ** 2 * (19 - 14 * a + 3 * a * a - 14 * b + 6 * a * b + 3 * b * b))
        * (
            30
            + (2 * a - 3 * b) ** 2 * (18 - 32 * a + 12 * a * a + 48 * b - 36 * a * b + 27 * b * b)
        )
    ),
)
of_two(
    "branin",
    (2, 3),
    lambda a, b, xp: (
        (b - 5.1 / (4 * np.pi**2) * a * a + 5 / np.pi * a - 6) ** 2
        + 10 * (1 - 1 / (8 * np.pi)) * xp.cos(a)
        + 10
    ),
)
of_two(
    "easom",
    (2.2, 2.4),
    lambda a, b, xp: -xp.cos(a) * xp.cos(b) * xp.exp(-((a - np.pi) ** 2) - (b - np.pi) ** 2),
)
of_two(
    "bird",
    (4.5, 3),
    lambda a, b, xp: (
        xp.sin(a) * xp.exp((1 - xp.cos(b)) ** 2)
        + xp.cos(b) * xp.exp((1 - xp.sin(a)) ** 2)
        + (a - b) ** 2
    ),
)
of_two(
    "bohachevsky",
    (0.2, 0.15),
    lambda a, b, xp: (
        a * a + 2 * b * b - 0.3 * xp.cos(3 * np.pi * a) - 0.4 * xp.cos(4 * np.pi * b) + 0.7
    ),
)
of_two("brent", (1, -2), lambda a, b, xp: (a + 10) ** 2 + (b + 10) ** 2 + xp.exp(-a * a - b * b))
of_two("leon", (-1.2, -1), lambda a, b, xp: 100 * (b - a**3) ** 2 + (1 - a) ** 2)
of_two("trecanni", (0.5, 1), lambda a, b, xp: a**4 + 4 * a**3 + 4 * a * a + b * b)
of_two("zettl", (1, 1), lambda a, b, xp: (a * a + b * b - 2 * a) ** 2 + 0.25 * a)
of_two("zirilli", (-2, 1), lambda a, b, xp: 0.25 * a**4 - 0.5 * a * a + 0.1 * a + 0.5 * b * b)
of_two(
    "egg_crate",
    (0.6, -0.8),
    lambda a, b, xp: a * a + b * b + 25 * (xp.sin(a) ** 2 + xp.sin(b) ** 2),
)
of_two(
    "deckkers_aarts",
    (0.1, 10),
    lambda a, b, xp: 1e5 * a * a + b * b - (a * a + b * b) ** 2 + 1e-5 * (a * a + b * b) ** 4,
)
of_two(
    "hosaki",
    (3, 1.5),
    lambda a, b, xp: (1 - 8 * a + 7 * a * a - 7 / 3 * a**3 + a**4 / 4) * b * b * xp.exp(-b),
)
of_two("wayburn_seader", (3, 3), lambda a, b, xp: (a**6 + b**4 - 17) ** 2 + (2 * a + b - 4) ** 2)
of_two("price4", (1, 0.5), lambda a, b, xp: (2 * a**3 * b - b**3) ** 2 + (6 * a - b * b + b) ** 2)
