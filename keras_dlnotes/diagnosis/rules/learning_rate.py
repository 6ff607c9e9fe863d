"""Learning rates far too high or far too low."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import LITTLE_MOVED, Evidence
from keras_dlnotes.diagnosis.finding import OF_WRONG_SCALE, Finding
from keras_dlnotes.diagnosis.remedy_wording import optimizer_call
from keras_dlnotes.diagnosis.rules.gradient_flow import VANISHING, first_over_last

# (lowest, highest, what to try) of the rates that people succeed with, by optimizer.
USUAL = {
    "sgd": (1e-3, 0.3, 0.05),
    "gradientdescent": (1e-3, 0.3, 0.05),
    "momentum": (1e-4, 0.1, 0.01),
    "nesterovmomentum": (1e-4, 0.1, 0.01),
    "adam": (1e-4, 1e-2, 1e-3),
    "adamw": (1e-4, 1e-2, 1e-3),
    "nadam": (1e-4, 1e-2, 1e-3),
    "adamax": (2e-4, 2e-2, 2e-3),
    "rmsprop": (1e-4, 1e-2, 1e-3),
    "adagrad": (5e-3, 0.5, 0.05),
    "adadelta": (0.05, 10.0, 1.0),
    "ftrl": (5e-3, 0.5, 0.05),
    "lion": (1e-5, 1e-3, 1e-4),
    "lamb": (1e-4, 2e-2, 1e-3),
    "muon": (1e-4, 2e-2, 1e-3),
    "adafactor": (1e-4, 2e-2, 1e-3),
    "schedulefreeadamw": (2e-4, 2e-2, 2.5e-3),
}
LARGE_UPDATES = 0.03
GROWN = 1.5
LONG = 500  # steps
FEWEST_RECORDED = 8
FAR = 2.9
NEARLY = 0.3
_BUT_NAN = tuple(cause for cause in OF_WRONG_SCALE if cause != "non_finite_loss")

_WARM_UP = ", and let it rise from 0 in the first tenth of the steps"
_SCHEDULE = ", or let its schedule last as long as the run: most epochs ran at its end"
_OF_FIRST_STEPS = (*OF_WRONG_SCALE, "vanishing_gradients", "too_few_epochs")


def learning_rate(evidence: Evidence) -> list[Finding]:
    """The rate decides whether steps overshoot the valley or never get through it.

    Thresholds: named only where the run went wrong, or where the rate is three times outside the
    usual range and the run could have gone better, or has hardly learned though no yardstick says
    that it could have. Too high: above the range in which the
    optimizer usually works, or updates of more than 3 % of the weights (a healthy step moves them
    by about 0.1 %), or a loss that ended half again above its start, or a first update of more than
    3 % after which the gradients of the first kernel vanished, which they had not done before: then
    a warm-up is missing. Too low: below that range, or
    all updates together, had they all pointed one way, would have moved the weights by less than
    10 % (in runs of less than 500 steps only if twice the rate would be nothing unusual). With a
    schedule, the median over the epochs counts as the rate that was too low. A NaN before which no
    number had grown is not blamed on a rate in the usual range.

    Reference: Bengio, "Practical recommendations for gradient-based training of deep
    architectures", 2012, section 3.1.1; Smith, 2017; Karpathy, CS231n notes, for 0.001.
    """
    facts = evidence.model
    rate = facts.learning_rate
    if not (evidence.could_be_better or evidence.hardly_learned) or rate is None:
        return []
    low, high, usual = usual_rates(facts)
    late = evidence.update_ratio
    losses = np.asarray(evidence.losses or evidence.epoch_losses, dtype="float64")
    broke = len(losses) > 0 and not np.isfinite(losses).all()
    growth = float(losses[-3:].mean() / losses[0]) if len(losses) >= 4 and losses[0] > 0 else 0.0
    grown = not broke and growth > GROWN
    if rate < low and evidence.hardly_moved:
        grown = False  # but noise: single batches differ
    above = {"learning rate": rate, "upper threshold": high}
    below = {"learning rate": rate, "lower threshold": low}
    if not evidence.went_wrong:
        # It has learned, as far as is known: only a rate that is far off is worth a word.
        confidence = 0.7 if evidence.hardly_learned else 0.62
        if rate / high >= FAR:
            return [_finding("high", confidence, above, evidence)]
        return [_finding("low", confidence, below, evidence)] if rate <= low / FAR else []
    origin = evidence.origin
    if broke and (origin is None or not origin.grown):
        # No number is known to have grown: what made the NaN is hardly the length of the steps.
        by_operation = origin is not None and origin.by_operation
        if rate <= high or (by_operation and rate / high < FAR):
            return []
        return [_finding("high", 0.7, above, evidence, explains=_BUT_NAN)]
    first = _first_steps_too_large(evidence)
    if first is not None and rate / high > NEARLY and not broke:
        figures = {"first update over the weights": first, "upper threshold": LARGE_UPDATES}
        figures |= {"learning rate": rate}
        return [_finding("high", 0.78, figures, evidence, explains=_OF_FIRST_STEPS)]
    too_high = _too_high(rate / high, late, grown or broke)
    if too_high is not None:
        figures = {"learning rate": rate}
        if rate > high:
            figures = above
        elif grown:
            figures = {"final over first loss": growth, "upper threshold": GROWN} | figures
        elif not broke:
            figures = {"update-to-weight ratio": late, "upper threshold": LARGE_UPDATES} | figures
        return [_finding("high", too_high, figures, evidence)]
    if broke:
        return []
    if evidence.learning_rates:  # a schedule may have ended long before the run
        rate = min(rate, float(np.median(evidence.learning_rates)))
    too_low = _too_low(rate, low, usual, evidence)
    if too_low is None:
        return []
    figures = {"learning rate": rate, "lower threshold": low}
    if rate >= low and late is not None:
        moved = {"moved in all": late * evidence.steps, "lower threshold": LITTLE_MOVED}
        figures = moved | {"learning rate": rate}
    return [_finding("low", too_low, figures, evidence, rate)]


def usual_rates(facts):
    """Lowest, highest and most usual learning rate of the run's optimizer."""
    optimizer = facts.optimizer
    if optimizer == "sgd" and facts.momentum:
        optimizer = "momentum"
    rate = facts.learning_rate
    return USUAL.get(optimizer, (0.0, np.inf, rate))


def _first_steps_too_large(evidence):
    """The first update over the weights, if it and those behind it ended the flow of gradients."""
    ratios = first_over_last(evidence)
    if ratios is None or len(ratios) < FEWEST_RECORDED or not ratios[0] >= VANISHING:
        return None
    if not np.median(ratios[len(ratios) // 2 :]) < VANISHING * ratios[0]:
        return None
    tags = [f"updates/{layer.weights_path}/ratio" for layer in evidence.model.layers]
    firsts = [evidence.statistics[tag][0] for tag in tags if tag in evidence.statistics]
    firsts = [value for value in firsts if np.isfinite(value)]
    first = float(np.median(firsts)) if firsts else 0.0
    return first if first > LARGE_UPDATES else None


def _too_high(excess, ratio, worse):
    if excess >= FAR:
        return 0.9
    if excess > 1.0:
        return 0.76 if worse or (ratio or 0.0) > LARGE_UPDATES else 0.61
    if worse:
        return 0.66
    if ratio is not None and ratio > LARGE_UPDATES and excess > NEARLY:
        return 0.64
    return None


def _too_low(rate, low, usual, evidence):
    if rate <= low / FAR:
        return 0.9
    if rate < low:
        return 0.8 if evidence.hardly_moved or evidence.still_falling > 0.1 else 0.6
    # In a short run it is the rate only where a larger one is the usual one. Where nothing moves at
    # all the gradient is zero, and no rate would help.
    barely = evidence.hardly_moved and evidence.update_ratio > 0.0
    if barely and (evidence.steps >= LONG or rate <= usual / 2):
        return 0.74
    return None


def _finding(what, confidence, figures, evidence, rate=None, explains=None):
    high, facts = what == "high", evidence.model
    rate = facts.learning_rate if rate is None else rate
    schedule = _WARM_UP if explains == _OF_FIRST_STEPS else ""
    if not high and rate < facts.learning_rate / FAR:
        schedule = _SCHEDULE
    new = _lower(rate, facts) if high else _higher(rate, facts)
    return Finding(
        cause=f"learning_rate_too_{what}",
        symptom="The steps are too large: the loss does not settle."
        if high
        else _seen_of_small_steps(evidence),
        explanation="A step that is longer than the valley is wide climbs the other side, and may "
        "kill ReLU units for good."
        if high
        else "Each step changes the weights by so little that the run ends before it got anywhere.",
        remedy=f"Try a learning rate of {new:g}{schedule}.",
        confidence=confidence,
        evidence=figures,
        part=optimizer_call(facts, learning_rate=new),
        fix={"learning_rate": new},
        explains=explains
        or (
            OF_WRONG_SCALE
            if high
            else ("stuck_at_trivial_predictor", "too_few_epochs", "underfitting")
        ),
    )


def _seen_of_small_steps(evidence):
    if not evidence.hardly_moved:
        return "The steps are small: the loss could have fallen further in this run."
    steps = max(evidence.steps, evidence.planned_steps or 0)
    moved = evidence.update_ratio * steps
    return (
        f"All {steps} steps together move the weights by at most {moved:.2g} of their size, too "
        "little for the loss to fall far."
    )


def _lower(rate, facts):
    """The usual rate where that is clearly lower, else a tenth, within the usual range if it is."""
    low, _, usual = usual_rates(facts)
    if rate >= 3 * usual:
        return usual
    return max(rate / 10, low) if rate > low else rate / 10


def _higher(rate, facts):
    _, high, usual = usual_rates(facts)
    if rate <= usual / 2:
        return usual
    return min(10 * rate, high) if rate < high else 10 * rate
