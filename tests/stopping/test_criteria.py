"""Each criterion stops where the paper's definition, or plain arithmetic, says."""

import math

import keras
import numpy as np
import pytest

from keras_dlnotes import stopping
from keras_dlnotes.numerics import early_stopping
from keras_dlnotes.stopping.criterion import Check
from tests.references import early_stopping as reference


def checks(values, training=None, seconds=None, maximize=False):
    """What the callback would make of a history."""
    training = training if training is not None else [1.0] * len(values)
    seconds = seconds if seconds is not None else range(1, len(values) + 1)
    for value, train, second in zip(values, training, seconds, strict=True):
        errors = {
            "val": early_stopping.as_error(value, maximize),
            "loss": early_stopping.as_error(train),
        }
        maximized = {"val"} if maximize else set()
        yield Check("val", {"val": value, "loss": train}, errors, errors, maximized, second)


def stops_at(criterion, *args, **kwargs):
    """Number of the first check (from 1) at which it stops, and the reason; None if never."""
    state = None
    for t, check in enumerate(checks(*args, **kwargs), start=1):
        state = criterion.update(state, check)
        if criterion.reason(state) is not None:
            return t, criterion.reason(state)
    return None, None


def histories():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        t = np.arange(1, 121)
        e_va = 1.0 / t + 0.004 * t * rng.uniform(0.2, 1.0) + 0.04 * rng.normal(size=120) + 0.5
        e_tr = 1.0 / t + 0.02 * np.abs(rng.normal(size=120)) + 0.05
        yield e_va.tolist(), e_tr.tolist()


def test_prechelts_criteria_stop_where_the_paper_says():
    seen = set()
    for e_va, e_tr in histories():
        for alpha in (1, 3, 5, 20):
            got, _ = stops_at(stopping.GeneralizationLoss(alpha), e_va, e_tr)
            assert got == reference.stop_by_gl(e_va, alpha)
            seen.add(("gl", got))
        for alpha in (0.02, 0.1, 0.5, 3):
            for strip in (4, 5):
                got, _ = stops_at(stopping.ProgressQuotient(alpha, strip), e_va, e_tr)
                assert got == reference.stop_by_pq(e_va, e_tr, alpha, strip)
                seen.add(("pq", got))
        for s in (1, 2, 3, 6):
            for strip in (1, 5, 7):
                got, _ = stops_at(stopping.UpStrips(s, strip), e_va, e_tr)
                assert got == reference.stop_by_up(e_va, s, strip)
                seen.add(("up", got))
    # The histories really tell the settings apart.
    for kind in ("gl", "pq", "up"):
        assert len({at for name, at in seen if name == kind and at is not None}) >= 5


def test_rules_agree_with_the_reference_to_rounding():
    for e_va, e_tr in histories():
        for t in (5, 40, 120):
            gl = early_stopping.generalization_loss(min(e_va[:t]), e_va[t - 1])
            assert math.isclose(gl, reference.generalization_loss(e_va, t), abs_tol=1e-12)
            p = early_stopping.training_progress(e_tr[t - 5 : t])
            assert math.isclose(p, reference.progress(e_tr, t, 5), rel_tol=1e-11)


def test_rules_at_the_edges():
    assert early_stopping.generalization_loss(0.0, 0.0) == 0.0
    assert early_stopping.generalization_loss(0.0, 1e-9) == math.inf
    assert early_stopping.generalization_loss(math.inf, math.inf) == 0.0
    # Accuracy 0.8 after 0.9: a ninth lost.
    lost = early_stopping.generalization_loss(-0.9, -0.8)
    assert math.isclose(lost, 100 / 9)
    assert early_stopping.training_progress([2.0, 2.0]) == 0.0
    assert early_stopping.training_progress([1.0, math.inf]) == math.inf
    assert early_stopping.progress_quotient(0.0, 0.0) == 0.0
    assert early_stopping.progress_quotient(1.0, 0.0) == math.inf
    assert early_stopping.progress_quotient(math.inf, math.inf) == 0.0
    for bad in (math.nan, math.inf, -math.inf):
        assert early_stopping.as_error(bad) == early_stopping.as_error(bad, True) == math.inf


def test_debiased_average():
    average, count, out = 0.0, 0, []
    values = np.random.default_rng(0).normal(size=20) + 3.0
    for value in values:
        average, count, smoothed = early_stopping.debiased_average(average, count, value, 0.8)
        out.append(smoothed)
    assert math.isclose(out[0], values[0])
    weights = 0.8 ** np.arange(20)[::-1]
    assert math.isclose(out[-1], np.sum(weights * values) / np.sum(weights), rel_tol=1e-12)


@pytest.mark.parametrize(
    ("patience", "values", "expected"),
    [
        (0, [3, 2, 1, 2], 4),
        (0, [3, 2, 2], 3),
        (1, [3, 2, 1, 2, 0], 4),
        (2, [3, 2, 3, 1, 2, 3], 6),
        (3, [3, 2, 1], None),
        (0, [math.nan, 2, 1, 3], 4),
        (1, [math.nan, math.nan, 1], 2),
        (2, [1, math.nan, math.inf], 3),
        (2, [1, -math.inf, 0.5, 0.4], None),
    ],
)
def test_patience(patience, values, expected):
    assert stops_at(stopping.Patience(patience), values)[0] == expected


def test_patience_with_minimum_change_and_baseline():
    # Falling by less than min_delta each time is no improvement, however long it goes on.
    values = [1.0, 0.95, 0.9, 0.85, 0.8]
    assert stops_at(stopping.Patience(2, min_delta=0.12), values)[0] == 3
    assert stops_at(stopping.Patience(2, min_delta=0.07), values)[0] is None
    assert stops_at(stopping.Patience(5, baseline=0.5), [0.9, 0.8, 0.7, 0.71, 0.72, 0.73])[0] == 5
    # While it improves it goes on, though the baseline has not been beaten for longer.
    assert stops_at(stopping.Patience(2, baseline=0.5), [0.9, 0.8, 0.7, 0.6])[0] is None
    rising = [0.1, 0.2, 0.3, 0.25]
    assert stops_at(stopping.Patience(1, baseline=0.15), rising, maximize=True)[0] == 4


def test_the_others_and_what_they_say():
    assert stops_at(stopping.TimeBudget(2.5), [1, 1, 1, 1])[0] == 3
    at, reason = stops_at(stopping.Diverged(), [1, 2, math.nan])
    assert (at, reason) == (3, "val is not a finite number")
    assert stops_at(stopping.Diverged(limit=10, monitor="loss"), [1, 1], [1, -20])[0] == 2
    at, reason = stops_at(stopping.Target(0.5), [1, 0.5, 0.4])
    assert (at, reason) == (2, "val = 0.5 reached the target of 0.5")
    assert stops_at(stopping.Target(0.9), [0.5, 0.91], maximize=True)[0] == 2
    at, reason = stops_at(stopping.GeneralizationLoss(5), [1.0, 1.04, 1.1])
    assert (at, reason) == (3, "val is 10 % worse than its best, more than alpha = 5 %")
    assert stops_at(stopping.GeneralizationLoss(5), [0.9, 0.84], maximize=True)[0] == 2
    _, reason = stops_at(stopping.Patience(2), [1, 2, 3])
    assert reason == "val has not improved on 1 for 2 checks in a row"
    _, reason = stops_at(stopping.UpStrips(2, strip=1), [1, 2, 3])
    assert reason == "val got worse from one strip of 1 to the next 2 times in a row"


def test_a_quantity_that_was_not_measured_changes_nothing():
    criterion = stopping.Patience(1) & stopping.TimeBudget(3)
    state = criterion.update(None, Check("val", {"val": 1.0}, {"val": 1.0}, seconds=1))
    state = criterion.update(state, Check("val", {"val": 2.0}, {"val": 2.0}, seconds=2))
    assert criterion.reason(state) is None
    state = criterion.update(state, Check("val", {}, {}, seconds=4))
    assert criterion.reason(state) == (
        "val has not improved on 1 for one check; training took 4 s of a budget of 3 s"
    )


def test_combinations():
    values = [1.0, 1.1, 1.2, 1.3, 1.4]
    patience, loss = stopping.Patience(2), stopping.GeneralizationLoss(35)
    assert stops_at(patience | loss, values)[0] == 3
    assert stops_at(patience & loss, values)[0] == 5
    assert stops_at(loss & patience | stopping.TimeBudget(4), values)[0] == 4
    for wrong in (3, "patience", stopping.TimeBudget, [loss]):
        for join in (lambda a, b: a | b, lambda a, b: a & b):
            for operands in ((patience, wrong), (wrong, patience)):
                with pytest.raises(
                    TypeError, match=r"kd.stopping.Patience\(3\), or several joined"
                ):
                    join(*operands)
    with pytest.raises(ValueError, match="criteria"):
        stopping.AnyOf([])
    for wrong in ([stopping.Patience], ["patience"], "patience", patience):
        with pytest.raises(ValueError, match="`criteria`"):
            stopping.AllOf(wrong)


def test_combinations_survive_serialization():
    first = stopping.UpStrips(2, 3) & stopping.ProgressQuotient(0.75) | stopping.Diverged(limit=5)
    second = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(first))
    assert second.get_config() == first.get_config()
    for e_va, e_tr in histories():
        assert stops_at(first, e_va, e_tr) == stops_at(second, e_va, e_tr)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: stopping.Patience(-1), "patience"),
        (lambda: stopping.Patience("3"), "patience"),
        (lambda: stopping.Patience(math.nan), "patience"),
        (lambda: stopping.Patience(1, min_delta=None), "min_delta"),
        (lambda: stopping.Patience(1, baseline="0.5"), "baseline"),
        (lambda: stopping.UpStrips(monitor=3), "monitor"),
        (lambda: stopping.ProgressQuotient(training_monitor=None), "training_monitor"),
        (lambda: stopping.Patience(1, mode="lowest"), "mode"),
        (lambda: stopping.GeneralizationLoss(0), "alpha"),
        (lambda: stopping.ProgressQuotient(math.nan), "alpha"),
        (lambda: stopping.ProgressQuotient(1, strip=0), "strip"),
        (lambda: stopping.UpStrips(1.5), "successive"),
        (lambda: stopping.TimeBudget(-1), "seconds"),
        (lambda: stopping.Diverged(limit=0), "limit"),
        (lambda: stopping.Target(math.inf), "value"),
    ],
)
def test_wrong_arguments_are_named(make, name):
    with pytest.raises(ValueError, match=rf"Expected `{name}`.*Received: {name}="):
        make()
