"""The line-search machine goes through the phases as `docs/second_order.md` says, and no others."""

import itertools

import numpy as np
import pytest
from keras import ops
from references.phase_tables import BACK, PhaseTable

from keras_dlnotes.numerics import line_search_machine as machine
from keras_dlnotes.numerics import more_thuente
from keras_dlnotes.numerics.phases import LineSearchPhase

TABLE = PhaseTable("The line search of `LBFGS` and `BFGS`", LineSearchPhase)
AT_TRIAL_POINTS = ("SEARCH", "SETTLE")
# Where the weights are: (the trial point, the accepted point). In other phases the trial point is
# the accepted point.
PLACES = {"trial point": (1, 0), "accepted point": (0, 1), "other weights": (0, 0)}
MOST = 5
# What the control and the observation are for each word of the table. The accepted loss is 1, the
# slope there -1.
SEEN: dict[str, dict] = {
    "finite": {},
    "not finite": {"loss": np.nan, "repeats_gradient": 0},
    "`verify_determinism=False`": {"settings": {"verify_determinism": False}},
    "gradient within the tolerance": {"gradient_norm": 1e-9},
    "the same loss": {"loss": 1.0, "repeats_gradient": 1},
    "another loss": {"loss": 2.0, "repeats_gradient": 0},
    "loss lower": {"loss": 0.99, "slope": -0.95},
    "loss not lower": {"loss": 1.5, "slope": -1.5},
    "Wolfe conditions hold": {"loss": 0.5, "slope": -0.1},
    "Wolfe conditions do not hold": {"loss": 2.0, "slope": 3.0},
    "last evaluation": {"search_evaluations": MOST - 1.0},
    "lower loss known": {"best_step": 0.5, "best_loss": 0.9, "best_slope": -0.95},
    "no lower loss known": {},
    "bracket closed": {"bracketed": 1.0, "lower": 0.5, "upper": 1.0},
    "loss level for the third time": {"level": 2.0, "loss": 1.0, "slope": -1.0},
    "level three times": {"level": 3.0},
    "hidden by rounding": {"known_slope": -1e-15, "settings": {"gradient_tolerance": None}},
    "third evaluation": {"search_evaluations": 2.0},
    "not verified": {"verified": 0.0},
    "pairs": {"stored": 2.0},
    "no pairs": {"stored": 0.0},
}


def case(name, suspended, place, *changes):
    """The numbers of one evaluation, and the settings that are not the usual ones."""
    at_trial, at_accepted = place
    if name not in (*AT_TRIAL_POINTS, *BACK):
        at_trial = at_accepted
    numbers = {
        "phase": TABLE.numbers[name],
        "suspended": TABLE.numbers[suspended] if suspended else 0,
        "search_evaluations": 0.0,
        "level": 0.0,
        "stored": 2.0,
        "verified": 1.0,
        "loss": 0.5,
        "slope": -0.1,
        "known_slope": -1.0,
        "gradient_norm": 1.0,
        "repeats_gradient": 1,
        "at_trial": at_trial,
        "at_accepted": at_accepted,
        "bracketed": 0.0,
        "lower": 0.0,
        "upper": 5.0,
        "best_step": 0.0,
        "best_loss": 1.0,
        "best_slope": -1.0,
    }
    settings = {}
    for change in changes:
        settings.update(change.get("settings", {}))
        numbers.update({key: value for key, value in change.items() if key != "settings"})
    return numbers, settings


def evaluate(numbers, loss_known, verify_determinism=True, gradient_tolerance=1e-6):
    """The transition of the real machine, and the control after it, whose new search has slope -2.

    The numbers may be arrays: many evaluations at once.
    """
    n = {key: ops.convert_to_tensor(value, "float64") for key, value in numbers.items()}
    zero = n["phase"] * 0.0
    one = zero + 1.0
    bracket = more_thuente.start(one, -one, one, 1e10 * one)
    given = {key: n[key] for key in more_thuente.Bracket._fields if key in n}
    control = dict.fromkeys(machine.LineSearchControl._fields, zero) | {
        "phase": n["phase"],
        "suspended": n["suspended"],
        "loss": one,
        "gradient_norm": one,
        "slope": n["known_slope"],
        "step": one,
        "stored": n["stored"],
        "search_evaluations": n["search_evaluations"],
        "evaluations": 3.0 * one,
        "unit": one,
        "bracket": bracket._replace(**given),
        "level": n["level"],
        "verified": n["verified"],
    }
    seen = machine.Observation(
        loss=n["loss"],
        loss_known=loss_known,
        # Where the loss is not known, it is the gradient that is not finite.
        slope=n["slope"] if loss_known else n["slope"] + 0.0 * n["loss"],
        gradient_norm=n["gradient_norm"],
        repeats_gradient=n["repeats_gradient"] > 0.5,
        at_trial=n["at_trial"] > 0.5,
        at_accepted=n["at_accepted"] > 0.5,
    )
    settings = machine.Settings(
        sufficient_decrease=1e-4,
        curvature=0.9,
        gradient_tolerance=gradient_tolerance,
        max_search_evaluations=MOST,
        verify_determinism=verify_determinism,
        epsilon=2.0**-52,
    )
    transition = machine.advance(machine.LineSearchControl(**control), seen, settings)
    return transition, transition.control(-2.0 * one, one, transition.decision.stored)


def next_phase(name, suspended, place, *changes):
    """The name of the phase after one evaluation."""
    numbers, settings = case(name, suspended, place, *changes)
    _, after = evaluate(numbers, True, **settings)
    return TABLE.names[int(ops.convert_to_numpy(after.phase))]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: " ".join(filter(None, row)))
def test_every_line_of_the_table_is_so(row):
    changes = [SEEN[word] for word in row.seen.split("; ")]
    for place in PLACES.values() if row.place == "anywhere" else [PLACES[row.place]]:
        after = next_phase(row.phase, row.suspended, place, *changes)
        assert after in TABLE.following(row)
        if row.following == "as `START`":
            assert after == next_phase("START", None, place, *changes)


@pytest.mark.usefixtures("float64")
def test_no_other_transition_occurs(monkeypatch):
    """Every combination of what may be seen, all at once: the table has no line too few."""
    # The unit changes no phase, and is found for one evaluation at a time.
    monkeypatch.setattr(
        machine.loss_scale, "change_unit", lambda unit, *_: (unit, 0.0 * unit + 1.0)
    )
    listed = set()
    for row in TABLE.rows:
        for place in PLACES if row.place == "anywhere" else [row.place]:
            listed |= {(row.phase, row.suspended, place, name) for name in TABLE.following(row)}
    losses = [SEEN[word] for word in ("not finite", "Wolfe conditions hold", "loss lower")]
    losses += [{"loss": 1.0, "slope": -1.0}, SEEN["Wolfe conditions do not hold"]]
    brackets = [{}, SEEN["lower loss known"], SEEN["bracket closed"]]
    choices = [
        losses,
        brackets,
        [{}, SEEN["gradient within the tolerance"]],
        [{}, SEEN["third evaluation"], SEEN["last evaluation"]],
        [{}, SEEN["not verified"]],
        [{"level": level} for level in (0.0, 2.0, 3.0)],
        [{"stored": stored} for stored in (0.0, 2.0)],
        [{"repeats_gradient": repeats} for repeats in (0, 1)],
    ]
    situations = [
        (name, suspended, place)
        for name, suspended in [("START", None), *TABLE.alternatives("all but `START`")]
        for place in PLACES
        # There is no trial point to be at.
        if place != "trial point" or name in ("START", *AT_TRIAL_POINTS)
    ]
    keys, cases = [], []
    for situation, *changes in itertools.product(situations, *choices):
        name, suspended, place = situation
        keys.append(situation)
        cases.append(case(name, suspended, PLACES[place], *changes)[0])
    numbers = {key: np.array([each[key] for each in cases], "float64") for key in cases[0]}
    found = set()
    for loss_known, verify in itertools.product((True, False), (True, False)):
        transition, after = evaluate(numbers, loss_known, verify)
        phases = ops.convert_to_numpy(after.phase)
        found |= {(*key, TABLE.names[int(phase)]) for key, phase in zip(keys, phases, strict=True)}
        begins = ops.convert_to_numpy(transition.decision.begin)
        slopes = ops.convert_to_numpy(after.slope)
        assert set(phases[begins]) == {TABLE.numbers["SEARCH"]}
        assert set(slopes[begins]) == {-2.0}
        assert set(slopes[~begins]) == {-1.0}
    # Without a tolerance, and with a failed search whose direction promised next to nothing.
    numbers["known_slope"] = numbers["known_slope"] * 1e-15
    phases = ops.convert_to_numpy(evaluate(numbers, True, gradient_tolerance=None)[1].phase)
    found |= {(*key, TABLE.names[int(phase)]) for key, phase in zip(keys, phases, strict=True)}
    assert found == listed
