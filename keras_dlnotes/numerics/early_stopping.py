"""When to stop: Prechelt's criteria and simpler ones, one check at a time, on plain numbers.

An error is a number that is better when lower; a quantity to be maximized comes with its sign
turned, and one that is not finite as infinity. Each rule takes what it remembers, and the error
at the present check.

Reference: Prechelt, "Early Stopping - But When?", in Neural Networks: Tricks of the Trade, 1998,
section 2.1, for GL, P, PQ and UP.
"""

import math


def as_error(value, larger_is_better=False):
    """What the rules take for a monitored value: lower is better, not finite is the worst."""
    if not math.isfinite(value):
        return math.inf
    return -value if larger_is_better else value


def wait_for_improvement(best, waited, error, min_delta=0.0, baseline=None):
    """Counts the checks since the error last improved by more than `min_delta`.

    Args:
        best: the lowest error so far, infinity at the start.
        waited: number of checks since then.
        error: the present error.
        min_delta: what an improvement has to exceed.
        baseline: an error that has to be beaten as well before the count starts anew, or None.

    Returns:
        The new `best` and `waited`, and whether there was an improvement.
    """
    improved = error + min_delta < best
    if not improved:
        return best, waited + 1, False
    beats_baseline = baseline is None or error + min_delta < baseline
    return error, 0 if beats_baseline else waited + 1, True


def generalization_loss(lowest, error):
    """GL(t) = 100 (E_va(t) / E_opt(t) - 1), in percent.

    E_va(t) → `error`; E_opt(t), the lowest error up to now → `lowest`. For errors that may be
    negative (a turned accuracy) it is taken relative to |E_opt|, which for others is the same.
    """
    return 100.0 * _relative(error - lowest, lowest) if lowest < math.inf else 0.0


def training_progress(errors):
    """P_k(t) = 1000 (mean of E_tr / minimum of E_tr - 1), in per mille, over a strip of k epochs.

    E_tr → `errors`, the training errors of the strip: how much larger its average error was than
    its lowest. High while training moves fast or is unstable, near 0 when it is done.
    """
    lowest = min(errors)
    mean = sum(errors) / len(errors)
    return 1000.0 * _relative(mean - lowest, lowest) if mean < math.inf else math.inf


def progress_quotient(generalization_loss, training_progress):
    """PQ(t) = GL(t) / P_k(t): generalization lost for what training still gains."""
    if math.isinf(training_progress):
        return 0.0
    return _relative(generalization_loss, training_progress)


def successive_rises(rises, previous, error):
    """Number of strips in a row at whose end the error was higher than a strip before.

    UP_s stops when it reaches s. E_va(t) → `error`, E_va(t - k) → `previous`, the count up to the
    strip before → `rises`.
    """
    return rises + 1 if error > previous else 0


def debiased_average(average, count, value, smoothing):
    """Exponential moving average a ← β a + (1 - β) v, divided by 1 - βⁿ, what it lacks at first.

    Args:
        average: a, 0 at the start.
        count: n - 1, the values averaged before.
        value: v.
        smoothing: β in [0, 1); 0 gives back the value.

    Returns:
        The new `average` and `count`, and the debiased average.
    """
    average = smoothing * average + (1.0 - smoothing) * value
    count += 1
    return average, count, average / (1.0 - smoothing**count)


def _relative(difference, reference):
    if difference == 0.0:
        return 0.0
    return difference / abs(reference) if reference != 0.0 else math.inf
