"""The derivative of a function along a line, from its values, with an estimate of the error.

J. Moré and S. Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33, 2011, for
`noise_level`; L. F. Richardson, "The approximate arithmetical solution by finite differences of
physical problems", 1911, for the extrapolation. Symbols: f(0) `middle`, f(+h) `plus`,
f(-h) `minus`, h `steps`.
"""

from math import factorial
from typing import NamedTuple

import numpy as np

# Each step of the sweep is so many times shorter than the one before.
RATIO = 10.0
_NOISE_FACTOR = 8.0
# Multiples of a tiny distance at which `noise_level` wants its values.
NOISE_POINTS = np.arange(-4.0, 5.0)


class Derivatives(NamedTuple):
    """Derivatives along lines and what is known of them, each [lines]; see `derivatives`."""

    value: np.ndarray
    error: np.ndarray
    kink: np.ndarray


def step_sizes(precision, count=5):
    """Steps around eps^(1/3), which balances truncation h^2 and noise eps / h; longest first.

    Args:
        precision: eps, the relative rounding error of the function's arithmetic.
        count: how many.
    """
    return precision ** (1 / 3) * RATIO ** (count // 2 - np.arange(float(count)))


def noise_level(values):
    r"""Standard deviation of the rounding noise in a function, from values at equal tiny distances.

    Formula: with the differences \(T\) of order k = 4 of the values,
    \(\sigma^2 = \frac{(k!)^2}{(2k)!} \mathrm{mean}(T^2)\). A smooth function's differences of
    order 4 vanish at such distances, so what is left is noise.

    Args:
        values: [m], with m > 4.
    """
    order = 4
    differences = np.diff(np.asarray(values, "float64"), n=order)
    gamma = factorial(order) ** 2 / factorial(2 * order)
    return float(np.sqrt(gamma * np.mean(differences**2)))


def rounding(noise, step):
    """What noise in the values makes of a difference at one step size: 8 standard deviations."""
    return _NOISE_FACTOR * noise / step


def derivatives(steps, plus, minus, middle, noise):
    r"""Central differences, extrapolated, at the step where their error is smallest.

    Formulas, with two neighbouring steps h and h / r:

        D(h) = (f(h) - f(-h)) / 2h = f' + a h^2 + O(h^4)
        f'   = D(h/r) + (D(h/r) - D(h)) / (r^2 - 1)
        S(h) = (f(h) - 2 f(0) + f(-h)) / h = h f'' + c

    S is the jump from the left to the right one-sided difference. It shrinks with h, but for the
    jump c of f' at a kink at 0 or nearer than h/r, which is c = (r S(h/r) - S(h)) / (r - 1). A kink
    that lies between h/r and h goes with the longer step, so shorter steps escape it.

    The error is that of D(h/r): at most |D(h/r) - D(h)| / r for a smooth function, plus the noise.
    The pair with the smallest error and kink is taken.

    Args:
        steps: [k] step sizes, longest first, each `RATIO` times the next.
        plus: f(h), [lines, k].
        minus: f(-h), [lines, k].
        middle: f(0), a number.
        noise: standard deviation of the noise of one value of f.

    Returns:
        The derivative, its error, and the size |c| of a kink (0 where it is no more than noise).
        A line without a pair of finite differences has value NaN and infinite error.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        central = (plus - minus) / (2.0 * steps)
        jump = (plus - 2.0 * middle + minus) / steps
        noises = rounding(noise, steps[1:])
        difference = central[:, 1:] - central[:, :-1]
        error = np.abs(difference) / RATIO + noises
        kink = np.abs(RATIO * jump[:, 1:] - jump[:, :-1]) / (RATIO - 1.0)
        kink = np.where(kink <= 2.0 * noises, 0.0, kink)
        total = np.where(np.isfinite(error + kink), error + kink, np.inf)
        value = central[:, 1:] + difference / (RATIO**2 - 1.0)
    best = np.argmin(total, axis=1)
    lines = np.arange(len(central))
    known = np.isfinite(total[lines, best])
    return Derivatives(
        np.where(known, value[lines, best], np.nan),
        np.where(known, error[lines, best], np.inf),
        np.where(known, kink[lines, best], 0.0),
    )


def random_direction(size, seed):
    """A direction in which every coordinate moves: signs at random, magnitudes in [0.5, 1.5].

    With equal magnitudes two wrong coordinates could cancel; with normal ones a coordinate may
    hardly move at all.

    Args:
        size: how many numbers it has.
        seed: an integer or several.

    Returns:
        [size].
    """
    rng = np.random.default_rng(seed)
    return rng.choice([-1.0, 1.0], size) * rng.uniform(0.5, 1.5, size)
