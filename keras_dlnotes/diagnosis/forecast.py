"""Whether a run that is not over can still learn: a sequential test with a stated error rate."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import (
    FAILED_SHARE,
    GOOD_SKILL,
    LEARNED_SHARE,
    LEAST_REFERENCE,
    Evidence,
)
from keras_dlnotes.diagnosis.facts import Forecast
from keras_dlnotes.measures import Skill

# A run that learns is called hopeless by chance in at most this share of the cases.
ERROR_RATE = 0.01
# How many times faster a run that learns may go on than it began.
SPEED_UP = 3.0
# How likely a batch lies below the least curve, and the weight of each possibility.
_MISSES = ((0.98, 0.5), (0.85, 0.25), (0.7, 0.25))
_BY_CHANCE = 0.5
_LAST = 3  # batches that must lie below it all the same
_ERRORS = 2.0  # standard errors by which an accuracy has to lie above the curve
_LOWEST = -1e30
# From the second up a skill is about 0. A run that came there from above the first begins anew.
_FAR, _ABOUT_0 = -1.0, -0.05
_BATCHES_TO_BE_THERE = 10  # whose median says that it came
_FIRST_BATCHES = 3  # that say where a run starts
FIRST_SHARE = 0.1  # of the steps; before, nothing is foreseen
# After which shares of its steps a run is looked at; once before, when the first rows are there.
_SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75)
_FIRST, _DELIVERED = 4, 16
# From this share of its largest value on a learning rate is no longer warming up.
_WARM = 2 / 3
_MEASURES = ("variance", "accuracy")


def forecast(evidence: Evidence, highest: bool = False) -> Forecast | None:
    r"""Tests whether a run is still one that will have learned when it is over.

    **Assumption.** A run that learns goes on at most three times as fast as it began: at the
    fraction \(f\) of its steps its skill has come at least \(f / 3\) of the way from its start
    \(s_0\) to the goal \(s_1\), so that in each batch, with probability 1/2 or more, a measure of
    its skill lies above

    \[s(f) = s_0 + \frac{f}{3} (s_1 - s_0)\]

    Accuracy counts as above where it is so by two standard errors. \(s_1\) is 0.8 of the
    yardstick's skill. \(s_0\) is that of a constant prediction, 0, or the median of the first
    three batches where that is below -0.05: then it takes a way to come to 0. A run that began
    between -1 and -0.05 and has come to 0 (the median of ten batches is above -0.05) is taken as
    one that begins there with \(s_0 = 0\) and \(f\) counted from then. One that began below -1
    and stays at 0 is not called hopeless. \(f\) counts from the end of a warm-up of the learning
    rate, and nothing is foreseen in the first tenth of a run. A run that rests on a plateau for
    longer is outside of this assumption. Nothing is told of it unless a cause is seen as well, see
    `findings_of`.

    **Test.** Each recorded batch is a trial: a miss where all measures of its skill lie below
    their \(s(f)\). With misses of probability \(q\) instead of 1/2, the likelihood ratio of
    \(h\) hits and \(m\) misses is \(2^{h+m} (1-q)^h q^m\); its mean over a few \(q > 1/2\) is a
    non-negative supermartingale for every run within the assumption, however often one looks. So
    (Ville's inequality) it exceeds 100 in at most 1 % of these runs. Eight misses in a row do. Of a
    run that began below -0.05 there are two tests, before and after it came to 0, with half of the
    error rate each: that takes nine.

    Args:
        evidence: `Evidence` of a run that is not over.
        highest: whether to take the highest yardstick that there can be instead of the one that is
            known. What is no forecast then will be none with any.

    Returns:
        The `Forecast`; None where the run may still learn, or nothing is known about that.

    Reference: Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid
    inference", 2023, sections 2 and 3; Waudby-Smith and Ramdas, "Estimating means of bounded random
    variables by betting", 2024.
    """
    planned = evidence.planned_steps
    if evidence.finished or not planned or not evidence.rates:
        return None
    if not int(FIRST_SHARE * planned) <= evidence.steps < planned:
        return None
    goals = _goals(evidence, highest)
    warm = _warm_at(evidence.rates)
    trials = [found for found in evidence.batch_skills if found.taken > warm]
    if not goals or len(trials) < _LAST:
        return None
    # Of all measures, whatever the yardstick: the place is to be the same with the highest one.
    starts = {name: _start(trials, name) for name in _known(evidence)}
    place = _there_at(trials, starts)
    if place:
        warm, trials = trials[place - 1].taken, trials[place:]
        starts = dict.fromkeys(starts, 0.0)
    shares = np.array([found.taken - warm for found in trials]) / max(planned - warm, 1)
    if len(trials) < _LAST or (place and shares[-1] < FIRST_SHARE):
        return None
    curves = {
        name: starts[name] + shares / SPEED_UP * (goal - starts[name])
        for name, goal in goals.items()
    }
    misses = [
        all(_lower(found, name) < curve[number] for name, curve in curves.items())
        for number, found in enumerate(trials)
    ]
    tests = 2 if place or min(starts.values()) < 0.0 else 1
    chance = tests / evidence_against_learning(misses)
    if chance > ERROR_RATE or not all(misses[-_LAST:]):
        return None
    if not highest and _is_better_outside(evidence, curves):
        return None
    name, curve = next(iter(curves.items()))
    last = [getattr(found.skill, name) for found in trials[-_LAST:]]
    return Forecast(
        evidence.steps, planned, float(np.mean(last)), float(curve[-1]), goals[name], chance
    )


def evidence_against_learning(misses):
    """The mean likelihood ratio of trials, against misses with probability 1/2."""
    missed = sum(misses)
    hit = len(misses) - missed
    logarithms = [
        np.log(weight)
        + missed * np.log(probability / _BY_CHANCE)
        + hit * np.log((1.0 - probability) / (1.0 - _BY_CHANCE))
        for probability, weight in _MISSES
    ]
    return float(np.exp(np.clip(np.logaddexp.reduce(logarithms), -50.0, 50.0)))


def check_steps(planned: int) -> list[int]:
    """After how many steps a run is looked at, of so many that are planned."""
    steps = {int(share * planned) for share in _SHARES}
    steps.add(min(max(_FIRST, planned // 50), _DELIVERED))  # what needs no waiting
    return sorted(step for step in steps if _FIRST <= step < planned)


def _goals(evidence, highest):
    """By measure, the skill that counts as learned."""
    reference = Skill(1.0, 1.0) if highest else evidence.reference
    if reference is None:
        return {}
    share = LEARNED_SHARE if evidence.poor_is_wrong else FAILED_SHARE
    pairs = [(name, getattr(reference, name)) for name in _known(evidence)]
    return {
        name: min(share * value, GOOD_SKILL)
        for name, value in pairs
        if value is not None and value >= LEAST_REFERENCE
    }


def _known(evidence):
    """The measures that all batches have."""
    batches = evidence.batch_skills
    return [
        name
        for name in _MEASURES
        if batches and all(getattr(found.skill, name) is not None for found in batches)
    ]


def _warm_at(rates):
    """After how many steps the learning rate has nearly the largest value of the run."""
    top = max(rate for _, rate in rates)
    return min(taken for taken, rate in rates if rate >= _WARM * top)


def _start(trials, name):
    """The skill that a run began with, at most that of a constant prediction."""
    start = float(np.median([getattr(found.skill, name) for found in trials[:_FIRST_BATCHES]]))
    return max(start, _LOWEST) if start < _ABOUT_0 else 0.0  # 0 also where it is not a number


def _there_at(trials, starts):
    """Number of the trials until a run that began below 0, but not far, came to about 0; else 0."""
    below = [name for name, start in starts.items() if start < 0.0]
    if not below or min(starts.values()) < _FAR:
        return 0
    for last in range(_BATCHES_TO_BE_THERE, len(trials) + 1):
        batches = trials[last - _BATCHES_TO_BE_THERE : last]
        medians = [np.median([getattr(found.skill, name) for found in batches]) for name in below]
        if min(medians) > _ABOUT_0:
            return last
    return 0


def _lower(found, name):
    error = found.error if name == "accuracy" else 0.0
    return getattr(found.skill, name) - _ERRORS * error


def _is_better_outside(evidence, curves):
    """Whether it has learned outside the training pass, as with much dropout in it."""
    for name, curve in curves.items():
        value = getattr(evidence.skill, name, None)
        if value is not None and value - _error(evidence, name) >= curve[-1]:
            return True
    return False


def _error(evidence, name):
    """What the accuracy of the sample may be by chance, if half of the examples differ."""
    share = evidence.most_frequent
    if name != "accuracy" or share is None or share >= 1.0 or evidence.predictions is None:
        return 0.0
    return _ERRORS * float(np.sqrt(0.5 / len(evidence.predictions)) / (1.0 - share))
