"""Plain twins of the numerics of the gradient check, one line and one number at a time."""

import math


def central_difference(function, step):
    """D(h) = (f(h) - f(-h)) / 2h, the notes' gradapprox."""
    return (function(step) - function(-step)) / (2.0 * step)


def richardson(function, step, ratio):
    """f' = D(h/r) + (D(h/r) - D(h)) / (r^2 - 1); the error is taken as |D(h/r) - D(h)| / r."""
    long, short = central_difference(function, step), central_difference(function, step / ratio)
    return short + (short - long) / (ratio**2 - 1.0), abs(short - long) / ratio


def kink(function, step, ratio):
    """c = (r S(h/r) - S(h)) / (r - 1) with S(h) = (f(h) - 2 f(0) + f(-h)) / h."""

    def jump(h):
        return (function(h) - 2.0 * function(0.0) + function(-h)) / h

    return abs(ratio * jump(step / ratio) - jump(step)) / (ratio - 1.0)


def noise_level(values):
    """sigma^2 = (4!)^2 / 8! times the mean of the squared fourth differences."""
    fourth = [
        values[i] - 4 * values[i + 1] + 6 * values[i + 2] - 4 * values[i + 3] + values[i + 4]
        for i in range(len(values) - 4)
    ]
    mean = sum(difference**2 for difference in fourth) / len(fourth)
    return math.sqrt(math.factorial(4) ** 2 / math.factorial(8) * mean)


def verdict(a, n, error, kink, precision, scale):
    """The verdict on one line, from its definition."""
    allowed = 3.0 * error + max(math.sqrt(precision), 2.0**-22) * max(abs(a), abs(n))
    if not math.isfinite(a):
        return "failed"
    exactly_zero = a == 0.0 and n == 0.0
    known = math.isfinite(error) and allowed <= 0.03 * max(abs(a), abs(n), scale)
    if abs(a - n) > allowed + kink:
        return "failed"
    if (known or exactly_zero) and abs(a - n) <= allowed:
        return "passed"
    return "inconclusive"
