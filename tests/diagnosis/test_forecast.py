"""When a run that is not over is called hopeless, and how rarely that is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from keras_dlnotes.diagnosis import BatchSkill, check_steps, findings_of, forecast
from keras_dlnotes.diagnosis.forecast import (
    ERROR_RATE,
    SPEED_UP,
    evidence_against_learning,
)
from keras_dlnotes.measures import Skill
from tests.diagnosis.test_rules import evidence

PLANNED = 1000


def unfinished(curve, taken=200, rates=((0, 1e-3),), noise=0.01, **changes):
    """A run that is not over, whose batches have the skill of a curve over the share of steps."""
    random = np.random.default_rng(0)
    steps = range(10, taken + 1, 10)
    skills = [
        BatchSkill(step, Skill(curve(step / PLANNED) + noise * random.normal())) for step in steps
    ]
    values = {
        "finished": False,
        "planned_steps": PLANNED,
        "steps": taken,
        "batch_skills": skills,
        "skill": skills[-1].skill,
        "reference": Skill(0.8),
        "rates": tuple(rates),
    }
    return evidence(**(values | changes))


def test_a_run_that_stays_where_it_began_is_hopeless():
    found = forecast(unfinished(lambda share: 0.0))
    assert found.planned == PLANNED
    assert found.error_rate <= ERROR_RATE
    assert found.goal == pytest.approx(0.64)
    assert found.least == pytest.approx(0.2 / SPEED_UP * 0.64, abs=0.01)
    assert abs(found.skill) < 0.02


@pytest.mark.parametrize(
    "curve",
    [
        lambda share: 0.8 * share,
        lambda share: 0.7 * (1 - np.exp(-5 * share)),
        lambda share: -20 + 20.8 * share,  # as of targets that are far from 0
        lambda share: -0.3 + 1.2 * share,
        lambda share: -0.9 + 1.8 * share,
        lambda share: 0.8 * share**1.5,
    ],
    ids=["straight", "fast at first", "from far below", "from -0.3", "from -0.9", "faster at last"],
)
def test_a_run_on_its_way_is_not_hopeless(curve):
    for taken in range(50, 1000, 50):
        assert forecast(unfinished(curve, taken)) is None


@pytest.mark.parametrize("level", [0.0, -0.02, -0.3, -0.9, -20.0])
def test_a_run_that_stays_below_is_hopeless_wherever_it_began(level):
    assert forecast(unfinished(lambda share: level)) is not None


@pytest.mark.parametrize("start", [-0.06, -0.3, -0.9])
def test_a_run_that_came_from_below_to_0_and_stays_there_is_hopeless(start):
    def stuck(share):
        return start if share < 0.05 else 0.0

    assert forecast(unfinished(stuck, taken=140)) is None
    found = forecast(unfinished(stuck, taken=300))
    assert found is not None
    assert found.error_rate <= ERROR_RATE
    assert 0.0 < found.least < 0.3 / SPEED_UP * 0.64


def test_a_run_on_its_way_up_from_0_after_it_came_there_is_not_hopeless():
    def risen(share):
        return max(-0.6 + 6 * share, 0.7 * (share - 0.1))

    for noise in (0.01, 0.1):
        for taken in range(50, 1000, 50):
            assert forecast(unfinished(risen, taken, noise=noise)) is None


def test_a_start_that_is_not_a_number_counts_as_0():
    broken = unfinished(lambda share: np.nan if share < 0.05 else 0.0, taken=400)
    assert forecast(broken).least == pytest.approx(0.4 / SPEED_UP * 0.64, abs=0.01)


def test_too_few_batches_tell_nothing():
    assert forecast(unfinished(lambda share: 0.0, taken=70, planned_steps=200)) is None
    assert forecast(unfinished(lambda share: 0.0, taken=90)) is None  # the first tenth
    assert forecast(unfinished(lambda share: 0.0, taken=150)) is not None


def test_nothing_is_foreseen_while_the_learning_rate_warms_up():
    stuck_in_warm_up = unfinished(lambda share: 0.0, rates=[(0, 1e-6), (100, 5e-4), (300, 1e-3)])
    assert forecast(stuck_in_warm_up) is None
    over = unfinished(lambda share: 0.0, taken=500, rates=[(0, 1e-6), (100, 5e-4), (300, 1e-3)])
    assert forecast(over) is not None
    assert forecast(unfinished(lambda share: 0.0, rates=())) is None  # a rate that may yet rise


def test_without_a_yardstick_or_a_known_length_nothing_is_foreseen():
    for unknown in ({"reference": None}, {"reference": Skill(0.1)}, {"planned_steps": None}):
        assert forecast(unfinished(lambda share: 0.0, **unknown)) is None
    assert forecast(replace(unfinished(lambda share: 0.0), finished=True)) is None


def test_a_model_that_is_good_outside_training_is_not_hopeless():
    assert forecast(unfinished(lambda share: 0.0, skill=Skill(0.5))) is None


def test_a_run_that_has_just_begun_to_learn_is_not_hopeless():
    def late(share):
        return 0.0 if share < 0.17 else 0.5

    assert forecast(unfinished(late)) is None


def test_either_measure_of_classes_may_rise():
    run = unfinished(lambda share: 0.0, reference=Skill(0.8, 0.9))

    def batches(accuracy, error):
        skill = Skill(0.0, accuracy)
        return [BatchSkill(found.taken, skill, error) for found in run.batch_skills]

    accurate, wrong, unsure = batches(0.4, 0.1), batches(0.0, 0.0), batches(0.1, 0.1)
    assert forecast(replace(run, batch_skills=accurate)) is None
    assert forecast(replace(run, batch_skills=wrong)) is not None
    assert forecast(replace(run, batch_skills=unsure)) is not None


def test_the_cheap_question_rules_out_no_run_that_is_hopeless():
    for level in (0.0, 0.05, 0.2):
        run = unfinished(lambda share, level=level: level)
        assert forecast(run, highest=True) is not None or forecast(run) is None


def test_the_error_rate_is_kept_however_often_one_looks():
    """Batches that lie below the curve half of the time, at the edge of the assumption."""
    random = np.random.default_rng(1)
    runs, wrong = 2000, 0
    for _ in range(runs):
        misses = list(random.random(100) < 0.5)
        wrong += any(evidence_against_learning(misses[:n]) >= 1 / ERROR_RATE for n in range(1, 100))
    # 20 are expected at most; 35 would come up by chance once in a thousand times
    assert 0 < wrong < 35


def test_eight_misses_are_enough_and_seven_are_not():
    assert evidence_against_learning([True] * 8) >= 1 / ERROR_RATE
    assert evidence_against_learning([True] * 7) < 1 / ERROR_RATE
    assert evidence_against_learning([True] * 8 + [False] * 8) < 1.0


def test_of_a_hopeless_run_causes_are_told_and_no_mere_symptoms():
    run = unfinished(lambda share: 0.0, model={"learning_rate": 10.0})
    assert findings_of(run) == []
    hopeless = replace(run, hopeless=forecast(run))
    causes = [finding.cause for finding in findings_of(hopeless)]
    assert causes == ["learning_rate_too_high"]
    plain = unfinished(lambda share: 0.0)
    assert findings_of(replace(plain, hopeless=forecast(plain))) == []


def test_updates_still_to_come_count_as_moving_the_weights():
    small = {tag: [2e-4] * 20 for tag in evidence().statistics if tag.startswith("updates/")}
    run = unfinished(lambda share: 0.0, statistics=small)
    assert run.steps * 2e-4 < 0.1
    assert not run.hardly_moved
    assert replace(run, planned_steps=400).hardly_moved


def test_the_first_look_does_not_wait_for_a_share_of_a_long_run():
    assert check_steps(1000)[:3] == [16, 20, 50]
    assert check_steps(10**6)[0] == 16
    assert check_steps(40) == [4, 6, 8, 12, 16, 20, 30]
    assert check_steps(4) == []
