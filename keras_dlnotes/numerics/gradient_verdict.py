"""Whether an analytic derivative agrees with a numeric one whose error is known."""

import numpy as np

PASSED, FAILED, INCONCLUSIVE = "passed", "failed", "inconclusive"
# How many times the estimated error of the numeric derivative is granted.
_ERROR_FACTOR = 3.0
# Gradients with constants rounded to float32 (torch's hard_sigmoid has such a 1/6) are not wrong.
_ROUNDED_CONSTANTS = 2.0**-22
# A derivative known no better than this share of the gradient's size is not known.
_COARSE = 0.03


def tolerance(analytic, numeric, error, precision):
    r"""The difference that rounding and truncation explain.

    Formula: \(3 e + \max(\sqrt{\epsilon}, 2^{-22}) \max(|a|, |n|)\) with the numeric derivative's
    error e and the arithmetic's precision eps. Where both derivatives are near zero only the first
    term is left: an absolute bound, which is what the values of the loss can tell.

    Args:
        analytic: a, [lines].
        numeric: n, [lines].
        error: e, [lines].
        precision: eps.
    """
    size = np.maximum(np.abs(analytic), np.abs(numeric))
    return _ERROR_FACTOR * error + max(np.sqrt(precision), _ROUNDED_CONSTANTS) * size


def verdicts(analytic, numeric, error, kink, precision, scale):
    """The verdict on each line.

    Failed where the difference exceeds the tolerance by more than a kink explains: at a kink any
    slope between the two one-sided ones is right, and they are `kink` apart. Inconclusive where a
    kink explains it, or where the tolerance is so wide that a wrong gradient would fit in.

    Args:
        analytic: a, [lines].
        numeric: n, [lines].
        error: estimated error of n, [lines].
        kink: distance of the two one-sided slopes, [lines].
        precision: of the arithmetic.
        scale: size of the whole gradient's derivatives, against which a line's are zero or not.

    Returns:
        [lines] array of "passed", "failed" and "inconclusive".
    """
    allowed = tolerance(analytic, numeric, error, precision)
    size = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), scale)
    with np.errstate(invalid="ignore"):
        difference = np.abs(analytic - numeric)
        known = np.isfinite(error) & (allowed <= _COARSE * size)
        # A point where all is exactly flat is known, whatever its size.
        known |= (analytic == 0.0) & (numeric == 0.0)
        passed = known & (difference <= allowed)
        failed = ~passed & (difference > allowed + kink)
    failed |= ~np.isfinite(analytic)
    return np.where(passed, PASSED, np.where(failed, FAILED, INCONCLUSIVE))


def differs_from_zero(analytic, numeric, error):
    """Whether a derivative is more than the numeric one's error; [lines].

    A gradient that is 0 because nothing depends on the variable passes whatever its rule says.
    """
    return np.maximum(np.abs(analytic), np.abs(numeric)) > _ERROR_FACTOR * error


def relative_error(analytic, numeric):
    """|a - n| / max(|a|, |n|), and 0 where both are 0."""
    size = np.maximum(np.abs(analytic), np.abs(numeric))
    return np.abs(analytic - numeric) / np.where(size > 0.0, size, 1.0)
