"""Test functions between bounds: those of Hock and Schittkowski, and More's, Garbow's in boxes.

W. Hock and K. Schittkowski, "Test examples for nonlinear programming codes" (1981), the problems
whose only constraints are bounds, with their starts. The functions of `more_garbow_hillstrom.py`
are put into a box around their standard start s, by a rule that does not know where the minimum is:
of three variables in turn the first may grow by 0.1 (1 + |s|) only, the second shrink by as much
only, the third has 10 (1 + |s|) on both sides; the narrow ones have 1 + |s| on their other side.
"""

import numpy as np
from more_garbow_hillstrom import PROBLEMS as UNBOUNDED

PROBLEMS = {}  # name: (function, start, low, high)


def between(start, low, high):
    """Registers a function."""

    def register(function):
        start_, low_, high_ = np.broadcast_arrays(
            *[np.asarray(numbers, "float64") for numbers in (start, low, high)]
        )
        PROBLEMS[function.__name__] = (function, start_.copy(), low_.copy(), high_.copy())
        return function

    return register


def _rosenbrock(x):
    return 100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2


@between([-2.0, 1.0], [-np.inf, -1.5], np.inf)
def hs1(x, xp):
    return _rosenbrock(x)


@between([-2.0, 1.0], [-np.inf, 1.5], np.inf)
def hs2(x, xp):
    return _rosenbrock(x)


@between([10.0, 1.0], [-np.inf, 0.0], np.inf)
def hs3(x, xp):
    return x[1] + 1e-5 * (x[1] - x[0]) ** 2


@between([1.125, 0.125], [1.0, 0.0], np.inf)
def hs4(x, xp):
    return (x[0] + 1.0) ** 3 / 3.0 + x[1]


@between([0.0, 0.0], [-1.5, -3.0], [4.0, 3.0])
def hs5(x, xp):
    a, b = x[0], x[1]
    return xp.sin(a + b) + (a - b) ** 2 - 1.5 * a + 2.5 * b + 1.0


@between([-3.0, -1.0, -3.0, -1.0], -10.0, 10.0)
def hs38(x, xp):
    pairs = _rosenbrock(x[:2]) + 90.0 * (x[3] - x[2] ** 2) ** 2 + (1.0 - x[2]) ** 2
    near = 10.1 * ((x[1] - 1.0) ** 2 + (x[3] - 1.0) ** 2)
    return pairs + near + 19.8 * (x[1] - 1.0) * (x[3] - 1.0)


@between([0.5, 1.0, 1.5, 2.0, 2.5], 0.0, [1.0, 2.0, 3.0, 4.0, 5.0])
def hs45(x, xp):  # its own start is outside
    return 2.0 - x[0] * x[1] * x[2] * x[3] * x[4] / 120.0


@between([9.0] * 10, 2.001, 9.999)
def hs110(x, xp):
    logarithms = xp.log(x - 2.0) ** 2 + xp.log(10.0 - x) ** 2
    return xp.sum(logarithms) - xp.prod(x) ** 0.2


def _in_box(start):
    size = 1.0 + np.abs(start)
    third = np.arange(len(start)) % 3
    low = start - size * np.choose(third, [1.0, 0.1, 10.0])
    high = start + size * np.choose(third, [0.1, 1.0, 10.0])
    return low, high


for _name, (_function, _start) in UNBOUNDED.items():
    PROBLEMS[f"{_name} in a box"] = (_function, _start, *_in_box(_start))
